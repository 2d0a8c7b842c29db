#!/bin/bash
# Builds the Debian packages, checks them with lintian, installs them on a bare
# system, runs a playbook there, and purges them: "make check-packages".  Then
# installs the first release, which git still has, puts the present one in its place
# while 500 executions run, lets them end, and purges again.
# Everything happens in directory trees that debootstrap makes in VERSIONS_DIR
# (default build/versions); the packages are left in build/packages.  Needs root,
# and minutes the first time.

program="make check-packages"
. "$(dirname "$0")/lib.sh"

suite=${SUITE:-bookworm}
roots=${VERSIONS_DIR:-$tree/build/versions}
builder=$roots/$suite
bare=$roots/$suite-bare
packages=$tree/build/packages
passed=0
failed=0
# The last commit of version 0.1.0.
first_release=470a3e164e3b57aecb45205047f8ef1d3acc3b4e

# Runs a step in a directory tree, as root; its output is printed if it fails.
step()
{
    local name=$1 root=$2 log
    log=$(mktemp)
    if in_release "$root" bash -ec "$3" >"$log" 2>&1; then
        say "$(printf '%-60s ok' "$name")"
        passed=$((passed + 1))
    else
        say "$(printf '%-60s FAILED' "$name")"
        tail -n 40 "$log" | sed 's/^/    /'
        failed=$((failed + 1))
    fi
    rm -f "$log"
}

debian_root "$suite" "$builder" || exit 1
rm -rf "$builder/root/build"
mkdir -p "$builder/root/build/noetl"
git -C "$tree" ls-files -z --cached --others --exclude-standard |
    (cd "$tree" && xargs -0 tar -cf - --ignore-failed-read) | tar -C "$builder/root/build/noetl" -xf -

step "what the build needs is installed" "$builder" '
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q && apt-get install -qy --no-install-recommends dpkg-dev lintian
    cd /root/build/noetl && apt-get build-dep -qy --no-install-recommends ./'
step "the packages are built" "$builder" '
    cd /root/build/noetl && pg_buildext updatecontrol && dpkg-buildpackage -us -uc -b
    dpkg-deb -f ../noetl-console_*.deb Recommends | grep -w graphviz'
step "lintian finds nothing" "$builder" '
    cd /root/build && lintian --allow-root --fail-on error,warning --tag-display-limit 0 noetl_*.changes'

rm -rf "$packages"
mkdir -p "$packages"
cp "$builder"/root/build/*.deb "$packages" 2>/dev/null
rm -f "$packages"/*-dbgsym_*

# A system on which nothing of this was ever installed.
rm -rf --one-file-system "$bare"
debian_root "$suite" "$bare" || exit 1
mkdir "$bare/root/packages"
cp "$packages"/*.deb "$tree/test/playbooks/weather.yaml" "$bare/root/packages/"

step "apt installs them on a bare system" "$bare" '
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q && apt-get install -qy /root/packages/*.deb'
step "a playbook runs there, for an ordinary role" "$bare" '
    cluster=$(pg_lsclusters -h | awk "{ print \$1; exit }")
    pg_ctlcluster "$cluster" main restart || pg_ctlcluster "$cluster" main start
    psql() { runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 "$@"; }
    psql -c "CREATE ROLE \"user\" LOGIN PASSWORD '"'pass'"'" -c "CREATE DATABASE flows OWNER \"user\""
    psql -d flows -c "CREATE EXTENSION noetl" -c "SELECT noetl.create_roles()" \
        -c "GRANT noetl_client, noetl_worker, noetl_author TO \"user\""
    cd /tmp
    PGPASSWORD=pass noetl-worker run /root/packages/weather.yaml --connect "host=localhost user=user dbname=flows"
    test "$(psql -d flows -c "SELECT status FROM noetl.execution")" = COMPLETED'
step "the manual page and the unit are there" "$bare" '
    test -s /usr/share/man/man1/noetl-worker.1.gz
    grep -q "^ExecStart=/usr/bin/noetl-worker " /lib/systemd/system/noetl-worker.service
    /usr/bin/noetl-worker --version
    test -s /usr/share/man/man1/noetl-console.1.gz
    grep -q "^ExecStart=/usr/bin/noetl-console " /lib/systemd/system/noetl-console.service
    /usr/bin/noetl-console --version | grep "(graphviz [0-9.]*)"
    printf "2 1 0 150 44\n0 1 0\n" | /usr/bin/noetl-console --lay-out-graph | grep "^M"
    ! ldd /usr/lib/postgresql/*/lib/noetl.so | grep -E "libgvc|libcgraph"'
step "a purge leaves nothing of them" "$bare" '
    export DEBIAN_FRONTEND=noninteractive
    runuser -u postgres -- psql -Xq -d flows -c "DROP EXTENSION noetl"
    apt-get purge -qy "postgresql-*-noetl" noetl-worker noetl-console
    ! dpkg-query -W -f "\${Package} \${db:Status-Status}\n" "*noetl*" 2>/dev/null | grep -v not-installed
    ! find / -xdev -path /proc -prune -o -path /root -prune -o -name "*noetl*" -print | grep .'

# Prints what packages have put into a system, and not what programs write while they
# run.
files()
{
    find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /root -o -path /tmp -o -path /run -o -path /var/log \
        -o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/lib/postgresql \) -prune -o -print |
        sort
}

# Makes a package of the first release, which had none.  It has what "make install"
# installs.
build_first_release()
{
    rm -rf "$builder/root/build/first"
    mkdir -p "$builder/root/build/first/source"
    git -C "$tree" archive "$first_release" | tar -C "$builder/root/build/first/source" -xf -
    step "the first release is built" "$builder" '
        cd /root/build/first
        make -s -C source with_llvm=no WERROR= all
        make -s -C source with_llvm=no install DESTDIR=/root/build/first/package
        version=$(pg_config --version | sed "s/[^0-9]*\([0-9]*\).*/\1/")
        mkdir package/DEBIAN
        printf "%s\n" "Package: postgresql-$version-noetl" "Version: 0.1.0" "Architecture: $(dpkg --print-architecture)" \
            "Maintainer: The noetl authors <noetl@example.org>" "Depends: postgresql-$version, libyaml-0-2" \
            "Description: workflow broker inside PostgreSQL $version" >package/DEBIAN/control
        dpkg-deb --root-owner-group --build package first.deb'
}

# From the first release to this one, by apt.
upgrade_packages()
{
    build_first_release
    mkdir -p "$bare/var/tmp/first"
    cp "$builder/root/build/first/first.deb" "$tree"/test/upgrade/*.sql "$bare/var/tmp/first/" 2>/dev/null
    { declare -f files; echo files; } >"$bare/root/files.sh"
    in_release "$bare" bash /root/files.sh >"$bare/root/files_before"
    step "500 executions run in the first release" "$bare" '
        export DEBIAN_FRONTEND=noninteractive
        apt-get install -qy /var/tmp/first/first.deb
        cd /var/tmp/first
        runuser -u postgres -- psql -Xq -c "CREATE DATABASE old"
        runuser -u postgres -- psql -Xq -d old -c "CREATE EXTENSION noetl"
        runuser -u postgres -- psql -X -d old -f in_flight.sql'
    step "apt puts this release in its place" "$bare" '
        export DEBIAN_FRONTEND=noninteractive
        apt-get install -qy /root/packages/*.deb
        dpkg-query -W -f "\${Version}\n" "postgresql-*-noetl" | grep -vx 0.1.0'
    step "its library refuses the database before the update" "$bare" '
        cd /var/tmp/first
        runuser -u postgres -- psql -XAtq -d old -c "SELECT noetl.execute('"'old/line'"')" 2>&1 |
            grep "HINT:  ALTER EXTENSION noetl UPDATE"'
    step "the update keeps executions, leases and partitions" "$bare" '
        cd /var/tmp/first
        runuser -u postgres -- psql -Xq -v ON_ERROR_STOP=1 -d old -c "ALTER EXTENSION noetl UPDATE"
        runuser -u postgres -- psql -X -d old -f upgraded.sql'
    step "all executions come to their ends" "$bare" '
        cd /var/tmp/first
        runuser -u postgres -- timeout 900 noetl-worker --once --concurrency 4 --connect dbname=old
        runuser -u postgres -- psql -X -d old -f ended.sql'
    step "the library of 0.1.0 refuses the database after the update" "$bare" '
        cd /var/tmp/first
        dpkg-deb -x first.deb unpacked
        library=$(cd unpacked && ls usr/lib/postgresql/*/lib/noetl.so)
        cp "/$library" present.so
        cp "unpacked/$library" "/$library.old" && mv "/$library.old" "/$library"
        for statement in "SELECT noetl.execute('"'old/line'"')" "SELECT noetl.enqueue_next()" "SELECT * FROM noetl.lease('"'w'"')"; do
            runuser -u postgres -- psql -XAtq -d old -c "$statement" 2>&1 | grep "^ERROR: "
        done
        mv present.so "/$library"'
    step "a purge leaves no file of either release" "$bare" '
        export DEBIAN_FRONTEND=noninteractive
        cd /
        rm -r /var/tmp/first
        runuser -u postgres -- psql -Xq -c "DROP DATABASE old"
        apt-get purge -qy "postgresql-*-noetl" noetl-worker noetl-console
        ! dpkg-query -W -f "\${Package} \${db:Status-Status}\n" "*noetl*" 2>/dev/null | grep -v not-installed
        bash /root/files.sh | grep -v "^/var/tmp/first" | diff <(grep -v "^/var/tmp/first" /root/files_before) -'
}

if git -C "$tree" cat-file -e "$first_release^{commit}" 2>/dev/null; then
    upgrade_packages
else
    say "skipped: the upgrade of packages, because git does not have the first release"
fi
in_release "$bare" bash -c 'pg_lsclusters -h | while read -r version name rest; do pg_ctlcluster "$version" "$name" stop -m immediate; done' \
    >/dev/null 2>&1
rm -rf --one-file-system "$bare"

echo
say "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
