#!/bin/bash
# Measures the broker beside plain rows, in a private server: "make bench".
# The raw side stores the same rows by prepared statements, in one transaction
# a step, and decides nothing.  BENCH_SECONDS (10) is the length of a run.

program="make bench"
. "$(dirname "$0")/../lib.sh"

seconds=${BENCH_SECONDS:-10}
here=$tree/test/bench
work=

finish()
{
    [ -z "$work" ] && return
    stop_server "$work" immediate
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM
set -e

sql() { psql -XqAt -d bench -v ON_ERROR_STOP=1 "$@"; }

# $1: the script, noetl or raw; the rest are pgbench's.
bench()
{
    local script=$1
    shift
    pgbench -n -M prepared -D queue_id=0 -D turn=0 -D step=0 -D execution_id=0 -f "$work/$script.pgbench" "$@" bench >"$work/pgbench.out" 2>&1 || {
        cat "$work/pgbench.out" >&2
        return 1
    }
    ! grep -i 'error\|aborted' "$work/pgbench.out" >&2
}

# Steps completed by $1 (noetl or raw) while $2 clients worked.
steps_per_second()
{
    local before after from count
    if [ "$1" = raw ]; then
        count="SELECT count(*) FROM raw_event WHERE event_type = 'step_completed'"
    else
        count="SELECT count(*) FROM noetl.event WHERE event_type = 'step_completed'"
    fi
    before=$(sql -c "$count")
    bench "$1" -D path=bench/linear -D steps=10 -c "$2" -j 2 -T "$seconds"
    after=$(sql -c "$count")
    echo $(((after - before) / seconds))
}

# Median microseconds of steps $2 to $3 of a history, over several histories.
median_of_steps()
{
    cat "$work/$1".log.* | awk -v from="$2" -v to="$3" '$2 >= from && $2 <= to { print $3 }' | sort -n |
        awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

row() { printf '%-58s %12s %12s %8s\n' "$@"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.2f", a / b; else print "-" }'; }

install_packages server
choose_server_user
build
work=$(mktemp -d "${TMPDIR:-/tmp}/noetl-bench.XXXXXX")
chmod 755 "$work"
[ ${#as_user[@]} -eq 0 ] || chown "$server_user" "$work"
export HOME=$work
create_cluster "$work" "shared_buffers = 256MB" "max_wal_size = 8GB" "checkpoint_timeout = 1h" "autovacuum_naptime = 5s"
start_server "$work"
cp "$here"/*.pgbench "$work"
createdb bench
sql -c 'CREATE EXTENSION noetl' -f "$here/raw.sql"
for playbook in "$here"/*.yaml; do
    sql -v content="$(cat "$playbook")" >/dev/null <<<"SELECT noetl.register(:'content')"
done

echo
say "$("$PG_CONFIG" --version), $(nproc) processors, runs of $seconds s, $(date -u +%F)"
say "A step: its result is stored, the next is decided, enqueued and leased; a linear"
say "execution is started, has ten, and ends.  Raw rows: the same rows stored by six"
say "prepared statements in a transaction, and nothing decided."
echo
row measure noetl "raw rows" ratio

# Histories of 2,060 steps each, ours and raw in turn, so that whatever else the
# machine does meets both.
PGOPTIONS="-c synchronous_commit=off"
export PGOPTIONS
for history in 1 2 3 4 5 6 7 8; do
    for side in noetl raw; do
        (cd "$work" && bench "$side" -D path=bench/cycle -D steps=1000000 -c 1 -t 2060 -l --log-prefix="$work/$side.log.$history")
    done
done
for window in "11 110" "1951 2050"; do
    set -- $window
    ours=$(median_of_steps noetl "$1" "$2") raw=$(median_of_steps raw "$1" "$2")
    row "cycle, steps $1-$2: us (median, synchronous_commit off)" "$ours" "$raw" "$(ratio "$ours" "$raw")"
done

for mode in off on; do
    PGOPTIONS="-c synchronous_commit=$mode"
    for clients in 1 8; do
        ours=$(steps_per_second noetl "$clients") raw=$(steps_per_second raw "$clients")
        row "linear, $clients client(s), synchronous_commit $mode: steps/s" "$ours" "$raw" "$(ratio "$ours" "$raw")"
    done
done
