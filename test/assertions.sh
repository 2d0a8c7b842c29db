#!/usr/bin/env bash
# Builds PostgreSQL with assertions from Debian's source package, and runs suites in it:
# "make check-assertions".  SUITES (default "regress isolation"), REGRESS and PROGRAMS select as
# for "make check", VERSION=17 another major version than the one that is installed here.
#
# PostgreSQL is configured with --enable-cassert, and from 17 on with
# --enable-injection-points, and noetl is compiled with it, so that its own Assert()s are in,
# too.  A failed assertion ends the server, and so the suite.  The server is kept in
# build/assertions (ASSERTIONS_DIR) for the next time; MIRROR names another mirror of Debian.
program="make check-assertions"
. "$(dirname "$0")/lib.sh"

base=${ASSERTIONS_DIR:-$tree/build/assertions}
version=${VERSION:-$(debian_version)}
root=$base/$version
[ -n "$version" ] || { complain "no version of PostgreSQL is known here; VERSION=17 names one"; exit 1; }

# Prints the Debian packages that are missing to build PostgreSQL.
missing_for_source()
{
    have make || say make
    have bzip2 || say bzip2
    have perl || say perl
    perl -MIPC::Run -e1 2>/dev/null || say libipc-run-perl
    # Older releases come with what these two make.
    [ "$version" -lt 17 ] || have flex || say flex
    [ "$version" -lt 17 ] || have bison || say bison
}

# Prints the lines of a sources.list: the releases that this machine installs from, and the
# one that carries the version.
source_list()
{
    local signed="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" configured mirror
    configured=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        sed -n 's/^Debian //p' | sort -u)
    mirror=$(awk '$2 !~ /-/ { print $1; exit }' <<<"$configured")
    mirror=${MIRROR:-${mirror:-http://deb.debian.org/debian}}
    [ -z "$configured" ] || sed "s|^|deb-src $signed |" <<<"$configured"
    [ -z "${debian_release[$version]:-}" ] || say "deb-src $signed $mirror ${debian_release[$version]} main"
}

# Runs an apt program with lists of its own.
apt_with_sources()
{
    local program=$1
    shift
    "$program" -q -o "Dir::Etc::sourcelist=$root/sources.list" -o Dir::Etc::sourceparts=- \
        -o "Dir::State::lists=$root/lists" -o APT::Sandbox::User=root -o Acquire::Retries=3 "$@"
}

# Fetches the source package into $root/source: of the release that is installed if the mirror has
# it, else of the newest that it has.
fetch_source()
{
    local installed release log=$root/fetch.log
    mkdir -p "$root/lists/partial" && source_list >"$root/sources.list" || return 1
    say "Fetching the source package postgresql-$version"
    apt_with_sources apt-get update >"$log" 2>&1
    installed=$(dpkg-query -W -f '${Version}' "postgresql-$version" 2>/dev/null)
    for release in $installed $(apt_with_sources apt-cache showsrc "postgresql-$version" 2>/dev/null |
        sed -n 's/^Version: //p' | sort -Vru); do
        rm -rf "$root/source" && mkdir -p "$root/source"
        (cd "$root/source" && apt_with_sources apt-get --download-only source "postgresql-$version=$release") \
            >>"$log" 2>&1 || continue
        tar -C "$root/source" --strip-components=1 -xf "$root"/source/*.orig.tar.* && say "PostgreSQL ${release%%-*}" && return
    done
    tail -n 5 "$log" >&2
    complain "there is no source package of PostgreSQL $version in:"
    sed 's/^deb-src \[[^]]*\]/   /' "$root/sources.list" >&2
    return 1
}

# Configures, compiles and installs in $root/inst.
build_server()
{
    local options=(--enable-cassert --enable-debug --enable-tap-tests --without-readline --without-zlib --without-icu)
    [ "$version" -lt 17 ] || options+=(--enable-injection-points)
    cd "$root/source" && ./configure --prefix="$root/inst" "${options[@]}" CFLAGS="-O1 -g -fno-omit-frame-pointer" &&
        make -s -j "$(nproc)" && make -s install && make -s -C src/test/isolation install || return 1
    [ "$version" -lt 17 ] || make -s -C src/test/modules/injection_points install
}

# Describes the build by the objects that are there.
count_server_objects() { say "$(find "$root/source" -name '*.o' | wc -l) objects"; }

compile()
{
    local log=$root/build.log
    say "Compiling PostgreSQL with assertions: some minutes"
    (with_progress count_server_objects "$log" build_server) && return
    tail -n 20 "$log" >&2
    complain "PostgreSQL could not be built; $log"
    return 1
}

# Prints what shows that the server is the one that is wanted.
assertions_of() { "$1" --configure | tr -d "'" | grep -ow -e --enable-cassert -e --enable-injection-points; }

make_server()
{
    [ ! -f "$root/.complete" ] || return 0
    command -v apt-get >/dev/null || { complain "source packages need apt-get; PG_CONFIG=... make check takes a server that is there"; return 1; }
    install_missing missing_for_source || return 1
    mkdir -p "$root" && check_executable_directory "$root" ASSERTIONS_DIR=... && fetch_source && compile || return 1
    assertions_of "$root/inst/bin/pg_config" | grep -q cassert || { complain "the server has no assertions"; return 1; }
    rm -rf "$root/source" "$root/lists"
    touch "$root/.complete"
}

# The tree keeps what is built for the machine's own server, and the copy $1 what is built for
# this one: only what has changed is compiled anew.
update_copy()
{
    local object
    mkdir -p "$1"
    find "$1" -type f ! -name '*.o' ! -name '*.d' ! -path "$1/build/*" -delete
    tar -C "$tree" --exclude-vcs --exclude=./build --exclude=./results --exclude=./tmp_check --exclude='*.o' --exclude='*.d' \
        --exclude='*.bc' --exclude='*.so' --exclude=noetl-worker --exclude=noetl-console -cf - . | tar -C "$1" -xpf - --no-same-owner
    find "$1/src" -name '*.o' | while read -r object; do [ -f "${object%.o}.c" ] || rm -f "$object"; done
}

make_server || exit 1
export PG_CONFIG=$root/inst/bin/pg_config
say "$("$PG_CONFIG" --version), $(assertions_of "$PG_CONFIG" | xargs)"
update_copy "$root/noetl"
SUITES=${SUITES:-regress isolation} WERROR="" bash "$root/noetl/test/check.sh"
status=$?
mkdir -p "$tree/results" && find "$root/noetl/results" -type f -exec cp -t "$tree/results" {} + 2>/dev/null
exit "$status"
