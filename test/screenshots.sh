#!/bin/bash
# Takes the pictures of noetl-console in doc/img, by Chromium in a private server.
# "make screenshots" calls it.  ALL=DIRECTORY takes every screen there, too, 400 and
# 1,400 pixels wide, light and dark.

program="make screenshots"
. "$(dirname "$0")/lib.sh"

driver_packages()
{
    command -v chromium >/dev/null || say chromium
    command -v chromedriver >/dev/null || say chromium-driver
}

finish()
{
    trap - EXIT INT TERM
    [ -z "$work" ] || { stop_server "$work" immediate; rm -rf "$work"; }
}

work=
trap finish EXIT
trap 'exit 1' INT TERM
check_pg_config && install_packages server tests && install_missing driver_packages || exit 1
choose_server_user
build || exit 1
work=$(mktemp -d "${TMPDIR:-/tmp}/noetl-screenshots.XXXXXX")
chmod 755 "$work"
make_directory "$work"
create_cluster "$work" "fsync = off" && start_server "$work" || exit 1
createdb flows && psql -qX -d flows -v ON_ERROR_STOP=1 -f "$tree/test/screenshots.sql" >/dev/null || exit 1
"${as_user[@]}" env PGDATABASE=flows noetl-console --listen 127.0.0.1:0 --trust-role alice >"$work/address" 2>"$work/console.log" &
console=$!
while [ ! -s "$work/address" ]; do
    kill -0 "$console" || exit 1
    sleep 0.1
done
status=0
python3 "$tree/test/screenshots.py" "$(cat "$work/address")" "$tree/doc/img" ${ALL:+"$ALL"} || status=$?
kill "$console"
exit "$status"
