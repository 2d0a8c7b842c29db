#!/bin/bash
# Hostile sessions in a private server: "make stress".  First tasks appear late, and
# none may be passed over (late.py).  Then anything is done at once (stress.py), twice:
# no transaction of the first run is about two families of executions, and none may
# fail; those of the second are about anything, and in its middle the server crashes.
#
#   STRESS_SECONDS=60   length of one run
#   STRESS_SESSIONS=12
#   SEED=random

program="make stress"
. "$(dirname "$0")/../lib.sh"
here=$tree/test/stress
seconds=${STRESS_SECONDS:-60}
sessions=${STRESS_SESSIONS:-12}
[ "${SEED:-random}" != random ] || SEED=$RANDOM
work=

finish()
{
    [ -z "$work" ] && return
    stop_server "$work" immediate
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

# For stress.py: ends as a crash would, and starts again.
if [ "$1" = crash ]; then
    find_pg_config
    bindir=$("$PG_CONFIG" --bindir)
    choose_server_user
    stop_server "$2" immediate
    start_server "$2"
    exit
fi

set -e
install_packages server stress
choose_server_user
build
work=$(mktemp -d "${TMPDIR:-/tmp}/noetl-stress.XXXXXX")
chmod 755 "$work"
[ ${#as_user[@]} -eq 0 ] || chown "$server_user" "$work"
create_cluster "$work" "max_connections = 50" "shared_buffers = 256MB" "max_wal_size = 4GB" \
    "deadlock_timeout = 300ms" "log_line_prefix = '%m %p %a '"
start_server "$work"

# $1: name of the run; the rest: program and options
run()
{
    createdb "$1"
    psql -Xqd "$1" -c "CREATE EXTENSION noetl"
    say "== $1"
    PGDATABASE=$1 /usr/bin/python3 "$here/$2" --seconds "$seconds" --seed "$SEED" "${@:3}"
}

run late late.py
run apart stress.py --sessions "$sessions" --one-execution --kill
run together stress.py --sessions "$sessions" --kill --crash "PG_CONFIG='$PG_CONFIG' bash '$here/run.sh' crash '$work'"
if grep -E 'PANIC|TRAP|Segmentation|invisible tuple|has vanished|concurrently|cache lookup' "$work/server.log"; then
    complain "the server's log says what it should not"
    exit 1
fi
