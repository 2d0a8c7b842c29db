#!/bin/bash
# Counts the instructions of the functions on the hot path: "make
# bench-instructions".  Unlike times, the counts do not depend on what else the
# machine does.  A backend in single-user mode runs under callgrind; CALLS=61
# chooses how many steps are counted, after as many of warm-up.

program="make bench-instructions"
. "$(dirname "$0")/../lib.sh"

calls=${CALLS:-61}

install_packages server instructions || exit 1
choose_server_user
build || exit 1
work=$(mktemp -d "${TMPDIR:-/tmp}/noetl-instructions.XXXXXX")
chmod 755 "$work"
make_directory "$work"
trap 'stop_server "$work" immediate; [ -n "${KEEP:-}" ] || rm -rf "$work"' EXIT
cd "$work" || exit 1
create_cluster "$work" "fsync = off" "shared_buffers = 128MB" "autovacuum = off" || exit 1
start_server "$work" || exit 1
createdb counted
psql -qX -d counted -v ON_ERROR_STOP=1 <<'SQL' || exit 1
CREATE EXTENSION noetl;
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: ' || path || '}
' || head || '
workflow:
' || string_agg(format('- {step: s%s, tool: python, code: x, args: {n: "{{ workload.n }}"}, %s next: [{step: %s}]}',
                       i, replace(step, '@', (i % 2)::text), CASE WHEN i < 150 THEN 's' || i + 1 ELSE 'end' END), E'\n' ORDER BY i) || E'\n- {step: end}')
  FROM (VALUES ('linear', '', ''), ('limited', '', 'limits: {name: l, key: "{{ execution_id }}", concurrency: 10},'),
               ('alternating', '', 'limits: {name: l@, key: "{{ execution_id }}", concurrency: 10},'),
               ('rate', '', 'limits: {name: r, rate: {limit: 1000000, per: second, burst: 1000}},'),
               ('fair', 'fairness: {key: "{{ execution_id }}"}', '')) AS variant (path, head, step),
       generate_series(1, 150) AS i
 GROUP BY path, head \g /dev/null
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: single}
workflow:
- {step: s, tool: python, code: x, next: [{step: end}]}
- {step: end}
') \g /dev/null
VACUUM ANALYZE;
SQL
stop_server "$work"
cp -a "$work/data" "$work/fresh"

# What others have left would be counted, too: entries of dead rows are read.
begin_anew() { rm -rf "$work/data" && cp -a "$work/fresh" "$work/data"; }

# Runs statements in a backend of its own; prints the instructions of one call
# of a function: the lower quartile of the calls after the warm-up, their median, and
# their mean.  What time brings (timers, scans that are repeated once a second) and what
# comes once for many calls (splits of index pages) is in the mean, and on a machine so
# busy that a call takes a second, in the median too.
count()
{
    local function=$1 statement=$2 prepare=$3 n=$((2 * calls))
    {
        # a worker of its own for each run: what others left leased stays so
        [ -z "$prepare" ] || printf '%s\n' "${prepare//@/$function}"
        yes "${statement//@/$function}" | head -n "$n"
    } >"$work/statements"
    rm -f "$work"/callgrind.*
    (cd "$work" && "${as_user[@]}" valgrind --tool=callgrind --callgrind-out-file="$work/callgrind" \
        --dump-after="$function" --toggle-collect="$function" \
        "$bindir/postgres" --single -D "$work/data" counted <"$work/statements") >"$work/out.$function" 2>&1
    if grep -qE 'ERROR|PANIC|FATAL' "$work/out.$function"; then
        grep -E 'ERROR|PANIC|FATAL' "$work/out.$function" | head -n 3 >&2
        exit 1
    fi
    # one dump after each call
    for n in $(seq $((calls + 1)) $((2 * calls))); do
        sed -n 's/^\(totals\|summary\): *//p' "$work/callgrind.$n" | head -n 1
    done | sort -n | awk -v what="$4" '{ count[NR] = $1; sum += $1 }
        END { printf "%-44s %10d %10d %10d\n", what, count[int((NR + 3) / 4)],
                     count[int((NR + 1) / 2)], sum / NR }'
}

make_directory "$work"
chmod 777 "$work"
say "$(printf '%-44s %10s %10s %10s' 'instructions a call' quartile median mean) ($("$bindir/postgres" --version))"
count noetl_complete_and_lease \
    "SELECT count(*) FROM noetl.queue q, noetl.complete_and_lease(q.queue_id, '{\"ok\": true}', '@') WHERE q.worker_id = '@';" \
    "SELECT noetl.execute('linear'); SELECT count(*) FROM noetl.lease('@');" "complete_and_lease, linear"
for variant in limited alternating rate fair; do
    begin_anew
    count noetl_complete_and_lease \
        "SELECT count(*) FROM noetl.queue q, noetl.complete_and_lease(q.queue_id, '{\"ok\": true}', '@') WHERE q.worker_id = '@';" \
        "SELECT noetl.execute('$variant'); SELECT count(*) FROM noetl.lease('@');" "complete_and_lease, $variant"
done
# others' tasks are always ready, and come first
for variant in linear fair; do
    begin_anew
    count noetl_complete_and_lease \
        "SELECT count(*) FROM noetl.queue q, noetl.complete_and_lease(q.queue_id, '{\"ok\": true}', '@', 1, '1 hour', '{python}') WHERE q.worker_id = '@';" \
        "SELECT count(noetl.execute('$variant')) FROM generate_series(1, 8); SELECT count(*) FROM noetl.lease('@', 1, '1 hour', '{python}');" \
        "complete_and_lease among 8, $variant"
done
begin_anew
count noetl_execute "SELECT noetl.execute('single');" "" "execute"
count noetl_execute "SELECT noetl.execute('single', key => '@ ' || clock_timestamp());" "" "execute, with a key"
count noetl_complete \
    "SELECT noetl.complete(queue_id, 'true', '@') FROM noetl.lease('@');" \
    "SELECT count(noetl.execute('single')) FROM generate_series(1, $((2 * calls + 5)));" \
    "complete, the last step"
