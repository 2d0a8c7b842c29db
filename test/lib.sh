# shellcheck shell=bash
# Shared by the programs behind "make check", "make quickstart", "make bench" and
# so on: finding or installing PostgreSQL, building, and running a private
# server.  Sourced by bash.

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
minimum_version=14
# The Debian releases that carry versions of PostgreSQL.
declare -A debian_release=([15]=bookworm [17]=trixie [18]=forky)

say() { printf '%s\n' "$*"; }
complain() { printf '%s: %s\n' "${program:-noetl}" "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# The server user reads what root builds and installs here.  A directory with a
# server in it is closed by its own mode.
umask 022

# Make's own variables must not reach the make we call ourselves.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES GNUMAKEFLAGS

# A pg_config is of use only with the server's makefiles and headers behind it;
# Debian's server package alone brings the makefiles.
usable_pg_config()
{
    local pgxs include
    pgxs=$("$1" --pgxs 2>/dev/null) && [ -f "$pgxs" ] &&
        include=$("$1" --includedir-server 2>/dev/null) && [ -f "$include/postgres.h" ]
}

# Sets PG_CONFIG: the caller's choice, the one in PATH, else Debian's newest.
find_pg_config()
{
    local candidate
    if [ -n "${PG_CONFIG:-}" ]; then
        usable_pg_config "$PG_CONFIG"
        return
    fi
    for candidate in pg_config $(ls -d /usr/lib/postgresql/*/bin/pg_config 2>/dev/null | sort -Vr); do
        if usable_pg_config "$candidate"; then
            PG_CONFIG=$candidate
            return 0
        fi
    done
    return 1
}

# Which version to install: that of PG_CONFIG or of a server that is there
# already, else the one this Debian considers current.
debian_version()
{
    local version
    if [ -n "${PG_CONFIG:-}" ] && version=$("$PG_CONFIG" --version 2>/dev/null); then
        version=${version#PostgreSQL }
        say "${version%%[.a-z ]*}"
        return
    fi
    # An explicit path names a version even before it exists.
    if [[ ${PG_CONFIG:-} =~ /postgresql/([0-9]+)/ ]]; then
        say "${BASH_REMATCH[1]}"
        return
    fi
    for version in $(ls /usr/lib/postgresql 2>/dev/null | sort -Vr); do
        if [ -x "/usr/lib/postgresql/$version/bin/postgres" ] && [ "$version" -ge "$minimum_version" ]; then
            say "$version"
            return
        fi
    done
    apt-cache depends postgresql 2>/dev/null | sed -n 's/.*Depends: postgresql-\([0-9][0-9]*\)$/\1/p' | head -n 1
}

# Fails and complains when PG_CONFIG names something that cannot be used and that
# apt cannot mend.  Must not change anything: it runs before packages are
# installed.
check_pg_config()
{
    local version bindir choose="PG_CONFIG=/path/to/pg_config chooses another; without PG_CONFIG, one is found or installed"
    [ -n "${PG_CONFIG:-}" ] || return 0
    if ! command -v "$PG_CONFIG" >/dev/null; then
        # Debian's own path names a version even before it exists.
        [[ $PG_CONFIG =~ ^/usr/lib/postgresql/([0-9]+)/bin/pg_config$ ]] &&
            [ "${BASH_REMATCH[1]}" -ge "$minimum_version" ] && command -v apt-get >/dev/null && return 0
        complain "PG_CONFIG is \"$PG_CONFIG\", and there is no such program; $choose"
        return 1
    fi
    version=$("$PG_CONFIG" --version 2>/dev/null) || version=
    if [[ ! $version =~ ^PostgreSQL\ ([0-9]+) ]]; then
        complain "PG_CONFIG is \"$PG_CONFIG\", which is not PostgreSQL's pg_config; $choose"
        return 1
    fi
    if [ "${BASH_REMATCH[1]}" -lt "$minimum_version" ]; then
        complain "PG_CONFIG is \"$PG_CONFIG\" of $version; PostgreSQL $minimum_version or newer is needed; $choose"
        return 1
    fi
    bindir=$("$PG_CONFIG" --bindir)
    if ! usable_pg_config "$PG_CONFIG" && [[ $bindir != /usr/lib/postgresql/* ]]; then
        complain "PG_CONFIG is \"$PG_CONFIG\", whose server headers are missing; $choose"
        return 1
    fi
}

# Fails and complains when the server user cannot run programs in directory $1,
# which the variable $2 (default TMPDIR) names.  Must not leave anything behind.
check_executable_directory()
{
    local probe run=() status=0 choose="${2:-TMPDIR=...} chooses another directory"
    [ "$(id -u)" -ne 0 ] || run=(runuser -u "$(id -un postgres 2>/dev/null || echo nobody)" --)
    if ! probe=$(mktemp "$1/noetl-probe.XXXXXX" 2>/dev/null); then
        complain "cannot write in $1; $choose"
        return 1
    fi
    printf '#!/bin/sh\nexit 0\n' >"$probe"
    chmod 755 "$probe"
    "${run[@]}" "$probe" 2>/dev/null || status=$?
    rm -f "$probe"
    [ "$status" -ne 0 ] || return 0
    complain "programs cannot be run in $1${run[2]:+ by the user ${run[2]}} (mounted noexec, or below a closed directory?); $choose"
    return 1
}

# Runs $3... with its output in the file $2, and says every few seconds what it is
# doing: the function $1 prints that, from the file or otherwise.  The same line
# comes only twice a minute.
with_progress()
{
    local describe=$1 log=$2 status=0 reporter
    shift 2
    (
        shown='' at=$SECONDS begun=$SECONDS
        while sleep 5 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
            doing=$($describe 2>/dev/null) || true
            [ "$doing" != "$shown" ] || [ $((SECONDS - at)) -ge 30 ] || continue
            shown=$doing at=$SECONDS
            say "  ... $((SECONDS - begun)) s: ${doing:-working}"
        done
    ) &
    reporter=$!
    "$@" </dev/null >"$log" 2>&1 || status=$?
    kill "$reporter" 2>/dev/null || true
    wait "$reporter" 2>/dev/null || true
    return "$status"
}

# Describes by the last line of the output, cut to a line of a terminal.
last_log_line() { tail -n 1 "$log" | tr '\r' '\n' | tail -n 1 | cut -c 1-70; }

# Describes a build by the objects that are there.
count_objects() { say "$(find "$tree/src" -name '*.o' | wc -l) objects"; }

# Prints the Debian packages that are missing.  $@: what is needed beyond
# building: "server", "console", "tests", "stress".
missing_packages()
{
    local version bindir
    have gcc || have cc || say gcc
    [ -f /usr/include/stdio.h ] || say libc6-dev
    case " $* " in *" stress "*) /usr/bin/python3 -c "import psycopg2" 2>/dev/null || say python3-psycopg2 ;; esac
    case " $* " in *" instructions "*) have valgrind || say valgrind ;; esac
    [ -f /usr/include/yaml.h ] || [ -f /usr/local/include/yaml.h ] || say libyaml-dev
    have curl-config || say libcurl4-openssl-dev
    version=$(debian_version)
    if ! find_pg_config; then
        say "postgresql-server-dev-${version:-all}" libpq-dev
        bindir=/usr/lib/postgresql/$version/bin
    else
        bindir=$("$PG_CONFIG" --bindir)
        [ -f "$("$PG_CONFIG" --includedir)/libpq-fe.h" ] || say libpq-dev
    fi
    case " $* " in *" server "*)
        [ -x "$bindir/initdb" ] && [ -x "$bindir/postgres" ] || say "postgresql${version:+-$version}"
        [ -x "$bindir/psql" ] || say "postgresql-client${version:+-$version}"
        have python3 || say python3
    esac
    # Of the console, which is built only where it is.
    case " $* " in *" tests "* | *" console "*)
        [ -f /usr/include/microhttpd.h ] || [ -f /usr/local/include/microhttpd.h ] || say libmicrohttpd-dev
    esac
    case " $* " in *" tests "*)
        [ -f /usr/include/graphviz/gvc.h ] || [ -f /usr/local/include/graphviz/gvc.h ] || say libgraphviz-dev
        # After Debian 12 the package of the programs registers the layouts of the library.
        compgen -G '/usr/lib/*/graphviz/config*' >/dev/null || [ "$(. /etc/os-release; echo "${VERSION_ID:-}")" = 12 ] ||
            say graphviz
        perl -MTest::More -e1 2>/dev/null || say perl
        perl -MIPC::Run -e1 2>/dev/null || say libipc-run-perl
        [ -x /usr/sbin/pgbouncer ] || have pgbouncer || say pgbouncer
        # Debian's packages are of no use to a server that is not Debian's.
        [ -f "$bindir/../lib/plproxy.so" ] || [ -z "$version" ] || [[ $bindir != /usr/lib/postgresql/* ]] ||
            [ -z "$(apt-cache search --names-only "^postgresql-$version-plproxy\$" 2>/dev/null)" ] || say "postgresql-$version-plproxy"
        # The tests that compare with Python's own use Debian's modules.
        /usr/bin/python3 -c 'import yaml' 2>/dev/null || say python3-yaml
        /usr/bin/python3 -c 'import jinja2' 2>/dev/null || say python3-jinja2
        /usr/bin/python3 -c 'import croniter' 2>/dev/null || say python3-croniter
        /usr/bin/python3 -c 'import jsonschema' 2>/dev/null || say python3-jsonschema
        # Drivers of doc/clients.md, of languages that are there.
        /usr/bin/python3 -c 'import psycopg2' 2>/dev/null || say python3-psycopg2
        /usr/bin/python3 -c 'import psycopg' 2>/dev/null || say python3-psycopg
        ! have javac || [ -e /usr/share/java/postgresql.jar ] || say libpostgresql-jdbc-java
        ! have go || [ -d /usr/share/gocode/src/github.com/lib/pq ] || say golang-github-lib-pq-dev
    esac
}

# Sets as_root to what makes a command run as root; false when nothing can.
find_root()
{
    as_root=()
    [ "$(id -u)" -eq 0 ] && return 0
    as_root=(sudo)
    command -v sudo >/dev/null || return 1
    sudo -n true 2>/dev/null || { [ -t 0 ] && sudo true; }
}

# Installs packages without leaving Debian's default servers running (that is what
# RUNLEVEL=1 is for): the programs are needed, not another server.
apt_install()
{
    local conf=/etc/postgresql-common/createcluster.d/zz-noetl.conf log status=0
    log=$(mktemp)
    if [[ " $* " =~ " postgresql"(-[0-9]+)?" " ]]; then
        "${as_root[@]}" sh -c "mkdir -p '${conf%/*}' && echo 'create_main_cluster = false' >'$conf'"
    fi
    with_progress last_log_line "$log" \
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -y --no-install-recommends \
        -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 install "$@" || status=$?
    if [ -e "$conf" ]; then
        "${as_root[@]}" rm -f "$conf"
        say "(No PostgreSQL server was set up; pg_createcluster makes one when you want it.)"
    fi
    [ "$status" -eq 0 ] || tail -n 20 "$log" >&2
    rm -f "$log"
    return "$status"
}

# Installs by apt, as root or by sudo, the packages that the command $@ prints, or
# says what it would have needed.
install_missing()
{
    local packages log
    packages=$("$@")
    [ -n "$packages" ] || return 0
    if ! command -v apt-get >/dev/null; then
        complain "missing, and there is no apt-get here; please install the equivalents of:"
        complain "   " $packages
        return 1
    fi
    if ! find_root; then
        complain "packages are missing, and we are neither root nor allowed to sudo; please run as root:"
        complain "    apt-get update && apt-get install" $packages
        return 1
    fi
    # Lists that are a day old may name files that the mirror has dropped.
    if [ -z "$(debian_version)" ] ||
        [ -z "$(find /var/lib/apt/lists -name '*Packages*' -mtime -1 -print -quit 2>/dev/null)" ] ||
        ! apt-get install --simulate $packages >/dev/null 2>&1; then
        say "Reading the package lists"
        log=$(mktemp)
        with_progress last_log_line "$log" \
            "${as_root[@]}" apt-get -o Acquire::Retries=3 update ||
            grep -E '^[EW]:' "$log" >&2
        rm -f "$log"
        packages=$("$@")
    fi
    say "Installing" $packages
    if ! apt_install $packages; then
        complain "apt-get could not install:" $packages
        return 1
    fi
}

# Installs what is missing to build, and for $@ as in missing_packages.  Sets
# PG_CONFIG, bindir and pgxs.
install_packages()
{
    local packages
    check_pg_config && install_missing missing_packages "$@" || return 1
    if ! find_pg_config; then
        complain "no PostgreSQL to build with (PG_CONFIG is \"${PG_CONFIG:-}\")"
        return 1
    fi
    packages=$(missing_packages "$@")
    if [ -n "$packages" ]; then
        complain "still missing beside $PG_CONFIG:" $packages
        return 1
    fi
    bindir=$("$PG_CONFIG" --bindir)
    pgxs=$(dirname "$("$PG_CONFIG" --pgxs)")/../..
}

# PostgreSQL refuses to run as root, so then everything that talks to the
# server is done as another user.
choose_server_user()
{
    as_user=()
    if [ "$(id -u)" -eq 0 ]; then
        server_user=postgres
        id -u postgres >/dev/null 2>&1 || server_user=nobody
        as_user=(runuser -u "$server_user" --)
    fi
}

# Creates a directory for the server user.
make_directory()
{
    mkdir -p "$@"
    [ ${#as_user[@]} -eq 0 ] || chown "$server_user" "$@"
}

# Calls make in the tree; one at a time, whoever else may be doing the same.
locked_make()
{
    flock "$tree" make -C "$tree" -s PG_CONFIG="$PG_CONFIG" with_llvm=no "$@"
}

# Compiles in the tree itself: objects that are up to date are not made again.
build()
{
    local log
    log=$(mktemp)
    if ! with_progress count_objects "$log" locked_make -j "$(nproc)" all; then
        cat "$log" >&2
        rm -f "$log"
        complain "the build failed"
        return 1
    fi
    rm -f "$log"
}

# Copies to the directory $1 what the extension is made of, built or not, and the
# tests.  Times are kept, so that what was built is not built again.
copy_tree()
{
    mkdir -p "$1"
    tar -C "$tree" -cf - --exclude=./.git --exclude=./build/versions --exclude=./build/assertions --exclude=./results --exclude=./tmp_check . |
        tar -C "$1" -xpf - --no-same-owner
}

# Creates a cluster in $1/data (socket in $1) that finds the extension below
# $1/inst where the server allows that, so that the machine's own PostgreSQL
# is not touched.  Sets PATH, PGHOST, PGPORT, PGUSER.  Further arguments are
# lines for postgresql.conf.
create_cluster()
{
    local dir=$1 where status=0
    shift
    make_directory "$dir/data"
    "${as_user[@]}" "$bindir/initdb" -D "$dir/data" -A trust -U postgres --locale=C \
        --encoding=UTF8 --no-sync >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2; return 1; }

    where=$dir/inst
    if "${as_user[@]}" "$bindir/postgres" -D "$dir/data" -C extension_destdir >/dev/null 2>&1; then
        echo "extension_destdir = '$where'"
    elif "${as_user[@]}" "$bindir/postgres" -D "$dir/data" -C extension_control_path >/dev/null 2>&1; then
        echo "extension_control_path = '$where$("$PG_CONFIG" --sharedir):\$system'"
    else
        where=
    fi >"$dir/extra.conf"
    if [ -n "$where" ]; then
        echo "dynamic_library_path = '$where$("$PG_CONFIG" --pkglibdir):\$libdir'" >>"$dir/extra.conf"
    else
        say "This PostgreSQL looks for extensions in its own directories only: installing there"
    fi
    # The TAP tests' servers read the same settings.
    export TEMP_CONFIG=$dir/extra.conf
    {
        cat "$dir/extra.conf"
        echo "listen_addresses = ''"
        echo "unix_socket_directories = '$dir'"
        printf '%s\n' "$@"
    } | "${as_user[@]}" tee -a "$dir/data/postgresql.conf" >/dev/null

    locked_make install DESTDIR="$where" >"$dir/install.log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        cat "$dir/install.log" >&2
        complain "make install failed"
        return 1
    fi
    # Scripts of earlier releases, from which the tests upgrade.
    [ -z "$where" ] || cp "$tree"/test/upgrade/noetl--*.sql "$where$("$PG_CONFIG" --sharedir)/extension/"
    export PATH=$where$bindir:$bindir:$PATH
    export PGHOST=$dir PGPORT=5432 PGUSER=postgres
    unset PGDATABASE PGOPTIONS PGSERVICE PGPASSFILE PGHOSTADDR
}

start_server()
{
    "${as_user[@]}" "$bindir/pg_ctl" ${SERVER_PROGRAM:+-p "$SERVER_PROGRAM"} -D "$1/data" -l "$1/server.log" -w -s start >"$1/start.log" 2>&1 && return 0
    cat "$1/start.log" "$1/server.log" >&2
    complain "the server did not start"
    return 1
}

stop_server()
{
    "${as_user[@]}" "$bindir/pg_ctl" -D "$1/data" -w -s -m "${2:-fast}" stop >/dev/null 2>&1
}

# In a mount namespace of its own, so that no mount outlives it.
in_release()
{
    local root=$1
    shift
    unshare --mount --fork bash -c '
        mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" || exit 2
        root=$0
        exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
            LANG=C.UTF-8 http_proxy="$http_proxy" https_proxy="$https_proxy" "$@"' "$root" "$@"
}

# Makes the directory tree $2 of the Debian release $1 unless it is there already, by
# debootstrap, which it installs.  Needs root.  MIRROR names another mirror.
debian_root()
{
    local suite=$1 root=$2 script log
    if [ "$(id -u)" -ne 0 ]; then
        complain "a directory tree of Debian $suite needs root"
        return 1
    fi
    command -v debootstrap >/dev/null || { find_root && apt_install debootstrap; } || return 1
    if [ ! -f "$root/.complete" ]; then
        rm -rf --one-file-system "$root"
        mkdir -p "$root"
        # An older debootstrap does not know the newest release's name.
        script=/usr/share/debootstrap/scripts/$suite
        [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
        log=$(mktemp)
        if ! debootstrap --variant=minbase --include=make,gcc "$suite" "$root" \
            "${MIRROR:-http://deb.debian.org/debian}" "$script" >"$log" 2>&1; then
            tail -n 5 "$log"
            rm -f "$log"
            complain "debootstrap of $suite failed"
            return 1
        fi
        rm -f "$log"
        touch "$root/.complete"
    fi
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
}
