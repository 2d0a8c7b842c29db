#!/bin/bash
# Builds the Debian packages, checks them with lintian, installs them on a bare
# system, runs a playbook there, and purges them: "make check-packages".
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
    cd /root/build/noetl && pg_buildext updatecontrol && dpkg-buildpackage -us -uc -b'
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
    find / -xdev -path /proc -prune -o -path /sys -prune -o -path /root -prune -o -print | sort >/root/before
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
    /usr/bin/noetl-console --version'
step "a purge leaves nothing of them" "$bare" '
    export DEBIAN_FRONTEND=noninteractive
    runuser -u postgres -- psql -Xq -d flows -c "DROP EXTENSION noetl"
    apt-get purge -qy "postgresql-*-noetl" noetl-worker noetl-console
    ! find / -xdev -path /proc -prune -o -path /root -prune -o -name "*noetl*" -print | grep .'
in_release "$bare" bash -c 'pg_lsclusters -h | while read -r version name rest; do pg_ctlcluster "$version" "$name" stop -m immediate; done' \
    >/dev/null 2>&1
rm -rf --one-file-system "$bare"

echo
say "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
