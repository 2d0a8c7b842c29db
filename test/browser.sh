#!/bin/bash
# Uses noetl-console in Chromium, with everything that this needs: "make check-browser".
# The pictures of all screens are left in build/screens.

program="make check-browser"
. "$(dirname "$0")/lib.sh"

axe_version=4.14.1

# Prints what is missing beyond the other tests.
browser_packages()
{
    command -v chromium >/dev/null || say chromium
    command -v chromedriver >/dev/null || say chromium-driver
    command -v npm >/dev/null || say npm
}

# Gets axe-core, which looks for barriers in pages, from npm, into the directory $1.
get_axe()
{
    local log status=0
    [ ! -f "$1/node_modules/axe-core/axe.min.js" ] || return 0
    mkdir -p "$1"
    log=$(mktemp)
    npm install --prefix "$1" --no-audit --no-fund --ignore-scripts "axe-core@$axe_version" >"$log" 2>&1 || status=$?
    [ "$status" -eq 0 ] || cat "$log" >&2
    rm -f "$log"
    return "$status"
}

work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT
check_pg_config && install_missing browser_packages || exit 1
get_axe "$tree/build/axe" || { complain "npm could not install axe-core"; exit 1; }
# Where the server user reads and writes.
work=$(mktemp -d "${TMPDIR:-/tmp}/noetl-browser.XXXXXX")
chmod 755 "$work"
cp "$tree/build/axe/node_modules/axe-core/axe.min.js" "$work/"
mkdir -m 777 "$work/screens"
status=0
AXE_CORE=$work/axe.min.js SCREENS=$work/screens SUITES=diff PROGRAMS="browser console" bash "$tree/test/check.sh" || status=$?
mkdir -p "$tree/build/screens"
cp "$work"/screens/*.png "$tree/build/screens/" 2>/dev/null
say "$(find "$tree/build/screens" -name '*.png' | wc -l) pictures: build/screens"
exit "$status"
