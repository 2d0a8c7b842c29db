# What "make bench" measures: sourced by run.sh.  Each measure_* starts with a
# fresh database and prints rows of the table.

missed=0

sql() { psql -XqAt -d "${database:-bench}" -v ON_ERROR_STOP=1 "$@"; }

# ---------------------------------------------------------------------------
# The table
# ---------------------------------------------------------------------------

line() { printf '%-66s %10s %10s %6s %8s %s\n' "$@"; }

# Is $1 as $2 says, for example ">=1.1"?
holds() { awk -v a="$1" -v op="${2:0:2}" -v b="${2:2}" 'BEGIN { exit !(op == ">=" ? a >= b : a <= b) }'; }

# $1: what; $2: ours; $3: what it is compared with; $4: target of the ratio, if any.
row()
{
    local ratio verdict=
    ratio=$(awk -v a="$2" -v b="$3" 'BEGIN { if (b > 0) printf "%.2f", a / b; else print "-" }')
    if [ -n "${4:-}" ] && ! holds "$ratio" "$4"; then
        verdict=missed
        missed=$((missed + 1))
    fi
    line "$1" "$2" "$3" "$ratio" "${4:-}" "$verdict"
}

# $1: what; $2: a figure that has to be as $3 says by itself.
figure()
{
    local verdict=
    if [ -n "${3:-}" ] && ! holds "$2" "$3"; then
        verdict=missed
        missed=$((missed + 1))
    fi
    line "$1" "$2" - - "${3:-}" "$verdict"
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# ---------------------------------------------------------------------------
# Databases and playbooks
# ---------------------------------------------------------------------------

# Gives each step of a linear playbook a limit, which says $1.
with_limits() { sed "s/tool: bench, /tool: bench, limits: {name: bench, $(printf %s "$1" | sed 's/[&/]/\\&/g')}, /"; }

# Gives a playbook a fairness, whose key is $1.
with_fairness() { sed "s/^workload:.*/&\nfairness: {key: \"$(printf %s "$1" | sed 's/[&/]/\\&/g')\"}/"; }

# $1: path, $2: steps in a row, each with the value of the one before as its input; $3: labels, if any.
linear_playbook()
{
    echo "metadata: {name: linear, path: $1${3:+, labels: {$3\}}}"
    echo "apiVersion: noetl.io/v1"
    echo "kind: Playbook"
    echo "workload: {first: 1}"
    echo "workflow:"
    echo "  - {step: start, next: s1}"
    awk -v n="$2" 'BEGIN {
        for (i = 1; i <= n; i++)
            printf "  - {step: s%d, tool: bench, args: {n: \"{{ %s }}\"}, next: %s}\n", i,
                i == 1 ? "workload.first" : "s" i - 1 ".n", i == n ? "end" : "s" i + 1
    }'
    echo "  - {step: end}"
}

# $1: path, $2: steps in a row, $3: what each does.
task_playbook()
{
    echo "metadata: {name: tasks, path: $1}"
    echo "apiVersion: noetl.io/v1"
    echo "kind: Playbook"
    echo "workflow:"
    echo "  - {step: start, next: s1}"
    awk -v n="$2" -v keys="$3" 'BEGIN {
        for (i = 1; i <= n; i++)
            printf "  - {step: s%d, %s, args: {n: %d}, next: %s}\n", i, keys, i, i == n ? "end" : "s" i + 1
    }'
    echo "  - {step: end}"
}

# $1: path, $2: tasks that start together and each read one element of a result.
fan_playbook()
{
    echo "metadata: {name: fan, path: $1}"
    echo "apiVersion: noetl.io/v1"
    echo "kind: Playbook"
    echo "workflow:"
    echo "  - {step: start, next: produce}"
    echo "  - step: produce"
    echo "    tool: bench"
    echo "    next:"
    awk -v n="$2" 'BEGIN {
        for (i = 0; i < n; i++)
            printf "      - t%d\n", i
        for (i = 0; i < n; i++)
            printf "  - {step: t%d, tool: bench, args: {name: \"{{ produce.rows[%d].name }}\"}, next: end}\n", i, i
    }'
    echo "  - {step: end}"
}

# $1: path, $2: branches that lead to one step, $3: how they join there.
branches_playbook()
{
    echo "metadata: {name: branches, path: $1}"
    echo "apiVersion: noetl.io/v1"
    echo "kind: Playbook"
    echo "workflow:"
    echo "  - {step: start, next: produce}"
    echo "  - step: produce"
    echo "    tool: produce"
    echo "    next:"
    awk -v n="$2" 'BEGIN {
        for (i = 0; i < n; i++)
            printf "      - b%d\n", i
        for (i = 0; i < n; i++)
            printf "  - {step: b%d, tool: branch, args: {n: %d}, next: meet}\n", i, i
    }'
    echo "  - {step: meet, join: $3, tool: meet, next: end}"
    echo "  - {step: end}"
}

# $1: path, $2: items, $3: how many are in flight.
items_playbook()
{
    echo "metadata: {name: items, path: $1}"
    echo "apiVersion: noetl.io/v1"
    echo "kind: Playbook"
    echo "workflow:"
    echo "  - {step: start, next: each}"
    echo "  - step: each"
    echo "    type: iterator"
    echo "    collection: \"{{ range($2) }}\""
    echo "    element: n"
    echo "    mode: distributed"
    echo "    concurrency: $3"
    echo "    task: {type: bench, args: {n: \"{{ n }}\"}}"
    echo "    next: end"
    echo "  - {step: end}"
}

# Playbooks are longer than a command line may be.
register() { { echo 'SELECT noetl.register($playbook$'; cat; echo '$playbook$)'; } | sql >/dev/null; }

# A server in directory $1, with the database that every measure gets a copy of.
new_server()
{
    local kind n
    create_cluster "$1" "shared_buffers = 1GB" "max_wal_size = 16GB" "checkpoint_timeout = 1h" "autovacuum_naptime = 5s"
    start_server "$1"
    createdb bench_template
    database=bench_template
    sql -c 'CREATE EXTENSION noetl' -f "$here/tables.sql"
    register <"$here/cycle.yaml"
    register <"$here/children.yaml"
    linear_playbook bench/linear 100 | register
    linear_playbook bench/long 10000 | register
    linear_playbook bench/limit 100 | with_limits 'concurrency: 1000' | register
    linear_playbook bench/keys 100 | with_limits 'key: "{{ execution_id }}", concurrency: 10' | register
    linear_playbook bench/rate 100 | with_limits 'rate: {limit: 1000000, per: second, burst: 1000}' | register
    linear_playbook bench/fair 100 | with_fairness '{{ execution_id | int % 1000 }}' | register
    linear_playbook bench/ten 10 | register
    linear_playbook bench/one 1 | register
    linear_playbook bench/labelled 1 'team: bench, stage: test' | register
    fan_playbook bench/fan 500 | register
    for kind in all any each; do
        for n in 10 50 100 500 1000; do
            branches_playbook bench/$kind/$n $n $kind | register
        done
    done
    items_playbook bench/items 100000 1000 | register
    items_playbook bench/all_items 100000 100000 | register
    task_playbook bench/python 100 "tool: python, code: 'def main(n): return n'" | register
    task_playbook bench/shell 100 "tool: shell, command: 'echo 1'" | register
    database=bench
}

fresh_database()
{
    dropdb --if-exists --force bench 2>/dev/null
    createdb -T bench_template bench
}

# ---------------------------------------------------------------------------
# Runs
# ---------------------------------------------------------------------------

# $1: a script; $2: clients; the rest are pgbench's.  The clients' progress is in
# the table "sample" afterwards.
run_script()
{
    local script=$1 clients=$2
    shift 2
    sql -c 'TRUNCATE sample'
    pgbench -n -M prepared -c "$clients" -j 2 -D queue_id=0 -D n=0 -D every=25 -D count=0 -D ids={} \
        -D execution_id=0 -D steps=100 -D path=bench/linear -D limited=bench/fair -f "$here/$script.pgbench" "$@" bench >"$work/pgbench.out" 2>&1 || {
        cat "$work/pgbench.out" >&2
        return 1
    }
    ! grep -i 'error\|aborted' "$work/pgbench.out" >&2
}

# What all clients did a second ("per_second"), or CPU microseconds of one ("cpu_us").
pace() { sql -c "SELECT round($1::numeric, 1) FROM pace"; }

# $1: quantity of pace; $2, $3: the two scripts; the rest are run_script's.  Sets ours and theirs to
# medians of several runs in turn.
in_turn()
{
    local quantity=$1 a=$2 b=$3 i list_a= list_b=
    shift 3
    for ((i = 0; i < rounds * 2; i++)); do
        run_script "$a" "$@"
        list_a+="$(pace "$quantity")"$'\n'
        run_script "$b" "$@"
        list_b+="$(pace "$quantity")"$'\n'
    done
    ours=$(printf %s "$list_a" | median)
    theirs=$(printf %s "$list_b" | median)
}

autovacuum() { sql -c "ALTER SYSTEM SET autovacuum = $1" -c 'SELECT pg_reload_conf()' -c 'SELECT pg_sleep(1)' >/dev/null; }
wal_position() { sql -c "SELECT pg_current_wal_insert_lsn() - '0/0'"; }
transactions() { sql -c "SELECT xact_commit FROM pg_stat_database WHERE datname = 'bench'"; }

# Without waiting for the disk, or with it.
no_fsync() { export PGOPTIONS="-c synchronous_commit=off"; }
with_fsync() { unset PGOPTIONS; }

# ---------------------------------------------------------------------------
# Measures
# ---------------------------------------------------------------------------

measure_step()
{
    local clients before commits
    no_fsync
    in_turn cpu_us step_noetl step_raw 1 -T "$slice"
    row "linear step, CPU of the backend (us), beside raw rows" "$ours" "$theirs" "<=0.3"
    in_turn per_second step_noetl step_raw 1 -T "$slice"
    row "linear steps/s, 1 client, no fsync, beside raw rows" "$ours" "$theirs"
    in_turn per_second step_noetl step_raw 8 -T "$slice"
    row "linear steps/s, 8 clients, no fsync, beside raw rows" "$ours" "$theirs"
    # how often vacuum comes by depends on the clock, and not on the steps
    autovacuum off
    run_script step_noetl 1 -t 1000
    before=$(wal_position) commits=$(transactions)
    run_script step_noetl 1 -t 20000 -D every=1000000
    ours=$(((($(wal_position) - before) / 20000)))
    commits=$(($(transactions) - commits))
    before=$(wal_position)
    run_script step_raw 1 -t 20000 -D every=1000000
    row "WAL of a linear step (bytes), beside raw rows" "$ours" "$(((($(wal_position) - before) / 20000)))"
    autovacuum on
    figure "    the same, as a figure" "$ours" "<=1500"
    figure "transactions of a linear step" "$(awk -v n="$commits" 'BEGIN { printf "%.2f", n / 20000 }')" "<=1.05"
    with_fsync
    in_turn per_second step_noetl step_raw 1 -T "$slice"
    row "linear steps/s, 1 client, fsync, beside raw rows" "$ours" "$theirs" ">=1.1"
    in_turn per_second step_noetl step_raw 8 -T "$slice"
    row "linear steps/s, 8 clients, fsync, beside raw rows" "$ours" "$theirs" ">=1.4"
}

# Steps whose limit is never reached, beside steps without.
measure_limits()
{
    local clients kind
    with_fsync
    for clients in 1 8; do
        for kind in limit keys rate; do
            in_turn per_second step_limited step_noetl "$clients" -T "$slice" -D limited=bench/$kind
            row "steps/s with a limit ($kind), $clients client(s), fsync, beside without" "$ours" "$theirs" ">=0.9"
        done
    done
}

# Steps that have their turn by one of 1,000 keys, beside steps without; and ten tasks of one key among many of another.
measure_fairness()
{
    local clients before
    with_fsync
    for clients in 1 8; do
        in_turn per_second step_limited step_noetl "$clients" -T "$slice" -D limited=bench/fair
        row "steps/s with fairness over 1,000 keys, $clients client(s), fsync, beside without" "$ours" "$theirs" ">=0.9"
    done
    no_fsync
    fill_queue 100000 bench
    run_script lease_noetl 1 -t 3000
    theirs=$(pace cpu_us)
    sql -c 'DELETE FROM noetl.queue' -c 'VACUUM noetl.queue'
    fill_queue 100000 bench
    sql -c "UPDATE noetl.queue SET fair_key = 'key ' || queue_id % 1000" -c 'VACUUM noetl.queue'
    run_script lease_noetl 1 -t 3000
    row "lease, 100,000 ready tasks of 1,000 keys, beside tasks without (us of CPU)" "$(pace cpu_us)" "$theirs"
    sql -c 'DELETE FROM noetl.queue' -c 'VACUUM noetl.queue'
    fill_queue 1000000 bench
    sql -c "UPDATE noetl.queue SET fair_key = 'many'"
    fill_queue 10 bench
    sql -c "UPDATE noetl.queue SET fair_key = 'few' WHERE fair_key IS NULL" -c 'VACUUM noetl.queue'
    before=$(sql -c "SELECT max(n) FROM (SELECT row_number() OVER () AS n, q.fair_key FROM generate_series(1, 1000) AS i CROSS JOIN LATERAL noetl.lease('w' || i, 1) AS l JOIN noetl.queue q USING (queue_id)) AS t WHERE fair_key = 'few'")
    figure "one key with 1,000,000 ready tasks, another with 10: the last of these is leased as number" "$before" "<=20"
}

measure_start()
{
    with_fsync
    in_turn per_second start_noetl start_raw 8 -T "$slice" -D path=bench/linear
    row "executions started/s, 8 clients, fsync, beside raw rows" "$ours" "$theirs" ">=0.8"
    in_turn per_second start_key start_noetl 8 -T "$slice" -D path=bench/linear
    row "    the same with a business key, beside without" "$ours" "$theirs" ">=0.85"
}

# The indexes on noetl.execution that nothing but lists of executions needs.
listing_indexes() { sql -c "SELECT i.relname, pg_get_indexdef(i.oid) FROM pg_class AS i WHERE i.relname ~ '^execution_(path|running|failed|labels)_idx$'" -F ' '; }

# CPU microseconds of a step of executions of $1, with the indexes for lists and without them, in turn.  An
# execution writes its row when it starts and when it ends, and not in between.
listing_row()
{
    local list_a= list_b= indexes i name definition
    indexes=$(listing_indexes)
    for ((i = 0; i < rounds * 2; i++)); do
        run_script step_noetl 1 -T "$slice" -D path="$1"
        list_a+="$(pace cpu_us)"$'\n'
        while read -r name definition; do
            sql -c "DROP INDEX noetl.$name" </dev/null
        done <<<"$indexes"
        run_script step_noetl 1 -T "$slice" -D path="$1"
        list_b+="$(pace cpu_us)"$'\n'
        while read -r name definition; do
            sql -c "$definition" </dev/null
        done <<<"$indexes"
    done
    row "$2" "$(printf %s "$list_a" | median)" "$(printf %s "$list_b" | median)"
}

measure_listing()
{
    no_fsync
    listing_row bench/linear "indexes to list executions by path, status, label: CPU of a step (us)"
    listing_row bench/one "    of an execution of one step, all of it, beside without them"
    listing_row bench/labelled "    of an execution with labels"
}

# Forgets what happened before the last $1 seconds of a run.
keep_last() { sql -c "DELETE FROM sample WHERE at < (SELECT max(at) FROM sample) - interval '$1 s'"; }

# Median microseconds of transactions $2 to $3 in the logs of $1.
median_of()
{
    cat "$work/$1".* | awk -v from="$2" -v to="$3" '$2 >= from && $2 <= to { print $3 }' | median
}

# One history of 10,050 steps after another; its first transaction is the start.
measure_flat()
{
    local path history
    no_fsync
    for path in cycle long; do
        for ((history = 0; history < rounds; history++)); do
            (cd "$work" && run_script step_noetl 1 -t 10001 -D path="bench/$path" -l --log-prefix="$work/$path.$history")
            sql -c "SELECT noetl.cancel(execution_id) FROM noetl.execution WHERE status = 'RUNNING'" >/dev/null
            sql -c "DELETE FROM noetl.queue"
        done
        row "step 9,900-10,000 of one execution, beside step 10-110 (us), $path" "$(median_of "$path" 9901 10000)" \
            "$(median_of "$path" 11 110)" "<=1.1"
        rm -f "$work/$path".*
    done
}

# Fills the queue with $1 tasks of type $2 that nobody has leased.
fill_queue()
{
    sql -c "INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action)
            SELECT 1000000 + i / 10, 1, (1000000 + i / 10) || ':s' || i % 10, 's' || i % 10, '$2', '{\"type\": \"bench\", \"data\": {\"n\": 1}}'
              FROM generate_series(1, $1) AS i" -c 'VACUUM ANALYZE noetl.queue'
}

measure_backlog()
{
    local few
    no_fsync
    fill_queue 4000 bench
    run_script lease_noetl 1 -t 3000
    few=$(pace cpu_us)
    fill_queue 1000000 other
    fill_queue 3000 bench
    run_script lease_noetl 1 -t 3000
    row "lease, 1,000,000 due rows of another type beside 1,000 rows (us of CPU)" "$(pace cpu_us)" "$few" "<=1.2"
    sql -c "DELETE FROM noetl.queue WHERE node_type = 'other'" -c 'VACUUM noetl.queue'
    fill_queue 1003000 bench
    run_script lease_noetl 1 -t 3000
    row "lease, 1,000,000 due rows beside 1,000 (us of CPU)" "$(pace cpu_us)" "$few" "<=1.2"
}

# Opens a session that runs $1 and then sits in its transaction.
hold_transaction()
{
    rm -f "$work/fifo"
    mkfifo "$work/fifo"
    psql -XqAt -d bench <"$work/fifo" >/dev/null &
    holder=$!
    exec 9>"$work/fifo"
    echo "$1" >&9
    sleep 1
}

let_go()
{
    exec 9>&-
    wait "$holder"
}

# Four workers with the script $1 in the server of directory $2.  Prints of the end of the run how many
# steps they made a second, CPU microseconds of one, and p99 of its time in microseconds.
hold_run()
{
    local last=$((hold / 4 > seconds ? hold / 4 : seconds))
    work=$2
    export PGHOST=$2
    rm -f "$work"/hold.*
    (cd "$work" && run_script "$1" 4 -T "$hold" -l --log-prefix="$work/hold")
    keep_last "$last"
    pace per_second
    pace cpu_us
    cat "$work"/hold.* | sort -n -k5,5 | awk -v last="$last" '{ t[NR] = $5 + $6 / 1e6; us[NR] = $3 }
        END { for (i = 1; i <= NR; i++) if (t[i] > t[NR] - last) print us[i] }' | sort -n |
        awk '{ v[NR] = $1 } END { print v[int(NR * 0.99)] }'
    rm -f "$work"/hold.*
}

# $1: script; $2: what another session does first; $3: what that is called.  Two servers run at once, so that
# what else the machine does meets both; the other session is in the one, and then in the other.
hold_rows()
{
    local target target_p99 held free directory other
    [ "$1" = step_raw ] || target=">=0.95" target_p99="<=2"
    [ -d "$work/second" ] || { make_directory "$work/second" && (new_server "$work/second"); }
    rm -f "$work"/figures.*
    for directory in "$work" "$work/second"; do
        other=$work
        [ "$directory" != "$work" ] || other=$work/second
        (export PGHOST=$work/second && fresh_database)
        fresh_database
        PGHOST=$directory hold_transaction "$2"
        (hold_run "$1" "$other") >>"$work/figures.free" &
        free=$!
        (hold_run "$1" "$directory") >>"$work/figures.held"
        wait "$free"
        let_go
    done
    # three figures a run, two runs
    figures() { awk -v n="$2" 'NR % 3 == n { sum += $1 } END { printf "%.1f", sum / 2 }' "$work/figures.$1"; }
    row "$3, beside workers without it: steps/s" "$(figures held 1)" "$(figures free 1)" "${target:-}"
    row "    CPU of a step (us)" "$(figures held 2)" "$(figures free 2)"
    row "    p99 of complete and lease (us)" "$(figures held 0)" "$(figures free 0)" "${target_p99:-}"
}

measure_hold()
{
    no_fsync
    hold_rows step_noetl 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM noetl.queue;' \
        "4 workers after $hold s under an old snapshot"
    hold_rows step_noetl 'BEGIN; SELECT txid_current();' "4 workers after $hold s while a session has an xid"
    hold_rows step_noetl "BEGIN; SELECT noetl.execute('bench/one');" \
        "4 workers after $hold s while a session has enqueued"
    hold_rows step_limited 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM noetl.queue;' \
        "4 workers with fairness after $hold s under an old snapshot"
    [ -n "${BENCH_FULL:-}" ] || return 0
    hold_rows step_raw 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM raw_queue;' \
        "for comparison, raw rows after $hold s under an old snapshot"
}

measure_wake()
{
    local before times
    no_fsync
    times=$("$work/wake" latency 8 2000 200)
    figure "idle worker: execute() sent to task in hand, p50 (ms)" "${times% *}" "<=1"
    figure "idle worker: execute() sent to task in hand, p99 (ms)" "${times#* }" "<=5"
    # vacuum, of what other measures have left, is nobody's idling
    autovacuum off
    sql -c CHECKPOINT
    before=$(wal_position)
    times=$("$work/wake" idle 8 5)
    figure "8 idle workers for 5 s: how often one of them ran" "${times% *}" "<=0"
    # a snapshot for standbys, which the server writes by itself, has 50 or so
    figure "8 idle workers for 5 s: WAL (bytes)" "$(($(wal_position) - before))" "<=100"
    autovacuum on
}

# 500 tasks that each read an element of a result of 500 elements.
measure_reads()
{
    local times
    no_fsync
    times=$(sql <<'SQL'
CREATE TABLE took (what text, ms float8);
DO $$
DECLARE
    began timestamptz;
    produce bigint;
    task record;
    rows jsonb := (SELECT jsonb_build_object('rows', jsonb_agg(jsonb_build_object('id', i, 'name', 'element ' || i)))
                     FROM generate_series(0, 499) AS i);
BEGIN
    FOR i IN 1 .. 6 LOOP
        PERFORM noetl.execute('bench/fan');
        SELECT queue_id INTO produce FROM noetl.lease('reader');
        began := clock_timestamp();
        PERFORM noetl.complete(produce, rows, 'reader');
        INSERT INTO took VALUES ('start', extract(epoch FROM clock_timestamp() - began) * 1000);
        FOR task IN SELECT queue_id FROM noetl.lease('reader', 500) LOOP
            began := clock_timestamp();
            PERFORM noetl.complete(task.queue_id, '{"n": 1}', 'reader');
            INSERT INTO took VALUES ('end ' || i, extract(epoch FROM clock_timestamp() - began) * 1000);
        END LOOP;
        COMMIT;
    END LOOP;
END $$;
SELECT (percentile_disc(0.5) WITHIN GROUP (ORDER BY ms))::numeric(9, 1) FROM took WHERE what = 'start';
SELECT (percentile_disc(0.5) WITHIN GROUP (ORDER BY ms))::numeric(9, 1)
  FROM (SELECT sum(ms) AS ms FROM took WHERE what LIKE 'end %' GROUP BY what) AS ends;
SQL
    )
    set -- $times
    figure "500 tasks that each read a 500-element result: starting them (ms)" "$1" "<=50"
    figure "    and completing them, one by one, into a join (ms)" "$2"
}

# What the completion of one branch of $2 costs that join by $1: CPU microseconds.
branch_cost() { sql -c "CALL complete_branches('bench/$1/$2', $2, $((2000 / $2)))"; }

# Branches that lead to one step: hundreds of them cost the same each as few.
measure_branches()
{
    local kind n i all list_few list_many
    no_fsync
    autovacuum off
    for kind in all any each; do
        list_few= list_many= all=
        for ((i = 0; i < rounds; i++)); do
            list_few+="$(branch_cost $kind 50)"$'\n'
            list_many+="$(branch_cost $kind 1000)"$'\n'
        done
        row "1,000 branches into one step, join: $kind, CPU of each (us), beside 50" \
            "$(printf %s "$list_many" | median)" "$(printf %s "$list_few" | median)" "<=1.2"
        for n in 10 100 500; do
            all+=" $n:$(branch_cost $kind $n)"
        done
        say "        branches:us of CPU$all"
    done
    autovacuum on
}

# Iterators of 100,000 items that are tasks of their own: what their start costs, and the memory that it takes.
measure_items()
{
    local path what
    no_fsync
    for path in items all_items; do
        what="100,000 items of mode distributed, 1,000 in flight"
        [ $path = items ] || what="    50,000 in flight"
        set -- $(sql <<SQL
SELECT cpu_of_backend() AS began \\gset
SELECT count(noetl.execute('bench/$path')) \\g /dev/null
SELECT round((cpu_of_backend() - :began) / 1000.0 / 100000, 1);
SELECT round(substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\\s+(\\d+)')::numeric / 1024);
SQL
        )
        figure "$what: start, CPU of an item (us)" "$1" "<=10"
        figure "        memory of the session (MB)" "$2"
        fresh_database
    done
}

# Executions of ten steps, their starts and ends included.
measure_flows()
{
    with_fsync
    in_turn per_second step_noetl step_raw 1 -T "$slice" -D path=bench/ten -D steps=10
    row "flows of 10 steps, steps/s, 1 worker, fsync, beside raw rows" "$ours" "$theirs" ">=3.5"
    in_turn per_second step_noetl step_raw 8 -T "$slice" -D path=bench/ten -D steps=10
    row "flows of 10 steps, steps/s, 8 workers, fsync, beside raw rows" "$ours" "$theirs" ">=2.5"
}

# Eight workers until no execution of $1 runs any more.
work_off()
{
    local pid
    pgbench -n -M prepared -c 8 -j 2 -T 600 -D queue_id=0 -f "$here/work_noetl.pgbench" bench >"$work/pgbench.out" 2>&1 &
    pid=$!
    while [ "$(sql -c "SELECT count(*) FROM (SELECT FROM noetl.execution WHERE path = '$1' AND status = 'RUNNING' LIMIT 1) x")" -gt 0 ]; do
        kill -0 "$pid"
        sleep 0.2
    done
    kill "$pid"
    wait "$pid" || true
}

# Executions by themselves: started by eight clients, then worked off by eight.
measure_children()
{
    local n=10000
    with_fsync
    run_script start_noetl 8 -t $((n / 8)) -D path=bench/one
    work_off bench/one
    theirs=$(sql -c "SELECT round(count(*) / extract(epoch FROM max(started_at) - min(started_at) + max(ended_at) - min(ended_at))) FROM noetl.execution")
    fresh_database
    sql -c "SELECT noetl.execute('bench/children', '{\"children\": $n}')" >/dev/null
    work_off bench/children
    ours=$(sql -c "SELECT round($n / extract(epoch FROM ended_at - started_at)) FROM noetl.execution WHERE path = 'bench/children'")
    row "10,000 children of one parent, 8 workers, fsync, beside as many single ones, per s" "$ours" "$theirs" ">=0.6"
}

# Steps a second with the script $1 and $2 workers.
pace_of_workers()
{
    # the first steps of a session are slow: caches are empty
    run_script "$1" "$2" -T $((seconds * 2)) -D every=10
    keep_last "$seconds"
    pace per_second
}

# Up and down again, so that what else the machine does in between meets all.
measure_workers()
{
    local clients best=0 worst=1 all=
    local -A sum
    with_fsync
    for clients in 1 2 4 8 16 32 64 64 32 16 8 4 2 1; do
        sum[$clients]=$(awk -v a="${sum[$clients]:-0}" -v b="$(pace_of_workers step_noetl "$clients")" 'BEGIN { print a + b / 2 }')
    done
    for clients in 1 2 4 8 16 32 64; do
        ours=${sum[$clients]}
        all+=" $clients:${ours%.*}"
        read -r best worst < <(awk -v ours="$ours" -v best="$best" -v worst="$worst" 'BEGIN {
            if (ours > best) best = ours
            if (ours / best < worst) worst = ours / best
            print best, worst }')
    done
    row "64 workers, fsync, steps/s, beside the best number of workers" "$ours" "$best" ">=0.95"
    figure "    each number of workers beside the best smaller one, the worst" "$(printf %.2f "$worst")" ">=0.95"
    say "        workers:steps/s$all"
    row "    for comparison, raw rows: 64 workers beside 16" "$(pace_of_workers step_raw 64)" "$(pace_of_workers step_raw 16)"
}

measure_batch()
{
    local way
    for way in complete insert; do
        with_fsync
        in_turn per_second "batch_$way" step_noetl 1 -T "$slice"
        row "50 tasks reported by one $way beside one each, steps/s, fsync" "$ours" "$theirs" ">=3"
        no_fsync
        in_turn per_second "batch_$way" step_noetl 1 -T "$slice"
        row "    the same, no fsync" "$ours" "$theirs"
    done
}

# ---------------------------------------------------------------------------
# Starts on changes of a table
# ---------------------------------------------------------------------------

# Prints the milliseconds of a COPY of 10,000 rows into a table.
copy_time()
{
    sql -c "TRUNCATE $1" >/dev/null
    sql -c '\timing on' -c "COPY $1 FROM '$work/rows'" | sed -n 's/^Time: \([0-9.]*\).*/\1/p'
}

# $1: arguments of noetl.on_change() behind the path; $2: another table; prints µs a row beyond a plain
# AFTER trigger that writes one row.
change_time()
{
    local round
    sql -c "SELECT noetl.on_change('${2:-with_rule}', 'bench/one', $1 name => 'bench')" >/dev/null
    for round in 1 2 3 4 5; do
        echo "$(copy_time "${2:-with_rule}") $(copy_time with_trigger)"
    done | awk '{ printf "%.1f\n", ($1 - $2) * 1000 / 10000 }' | median
}

measure_change()
{
    no_fsync
    sql -c "COPY (SELECT i, 'customer ' || i % 100, i * 1.25, now() FROM generate_series(1, 10000) AS i) TO '$work/rows'" >/dev/null
    sql -c "CREATE TABLE with_rule (id int, customer text, total numeric, at timestamptz)" \
        -c "CREATE TABLE with_parts (LIKE with_rule) PARTITION BY RANGE (id)" \
        -c "CREATE TABLE one_part PARTITION OF with_parts DEFAULT" \
        -c "CREATE TABLE with_trigger (LIKE with_rule)" -c "CREATE TABLE written (id int, at timestamptz)" \
        -c 'CREATE FUNCTION write_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO written VALUES (new.id, now()); RETURN NULL; END $$' \
        -c "CREATE TRIGGER t AFTER INSERT ON with_trigger FOR EACH ROW EXECUTE FUNCTION write_row()" >/dev/null
    figure "COPY of 10,000 rows: µs a start beyond a trigger's row" "$(change_time "")" "<=60"
    figure "    with condition and parameters" \
        "$(change_time "condition => 'new.total > 0', parameters => '{\"id\": \"{{ new.id }}\"}',")" "<=60"
    figure "    with a condition that no row meets" "$(change_time "condition => 'new.total < 0',")"
    figure "    into a partitioned table" "$(change_time "" with_parts)"
    figure "    with a key" "$(change_time "key => '{{ new.id }} {{ now() }}',")"
}

# Starts $2 executions of bench/$1.
start_tasks()
{
    fresh_database
    sql -c "SELECT count(noetl.execute('bench/$1')) FROM generate_series(1, $2)" >/dev/null
}

# How many tasks were completed a second, from the first to the last.
tasks_per_second() { sql -c "SELECT round(count(*) / extract(epoch FROM max(created_at) - min(created_at))) FROM noetl.event WHERE event_type = 'action_completed'"; }

# $1: type of tasks; $2: executions of 100 of them; the rest are options of noetl-worker.  Sets ours and theirs
# to tasks a second of one worker and of a loop that leases and completes, and cpu to what a task costs the
# worker and the programs that it starts: medians of several runs in turn.
worker_in_turn()
{
    local type=$1 executions=$2 i list_a= list_b= list_cpu= TIMEFORMAT='%U %S'
    shift 2
    for ((i = 0; i < rounds; i++)); do
        start_tasks "$type" "$executions"
        list_cpu+=$({ time noetl-worker --once --quiet --types "$type" --connect dbname=bench "$@" 2>"$work/worker.out"; } 2>&1 |
            awk -v n="$executions" '{ printf "%.0f", ($1 + $2) * 1e6 / (n * 100) }')$'\n'
        list_a+="$(tasks_per_second)"$'\n'
        start_tasks "$type" "$executions"
        pgbench -n -M prepared -c 1 -t $((executions * 100 + 1)) -D queue_id=0 -f "$here/loop_noetl.pgbench" bench >"$work/pgbench.out" 2>&1
        list_b+="$(tasks_per_second)"$'\n'
    done
    ours=$(printf %s "$list_a" | median)
    theirs=$(printf %s "$list_b" | median)
    cpu=$(printf %s "$list_cpu" | median)
}

# Tasks that do next to nothing, executed by one worker.
measure_tasks()
{
    local cpu
    no_fsync
    worker_in_turn python 30
    row "python tasks/s, one worker, no fsync, beside a loop that leases and completes" "$ours" "$theirs"
    worker_in_turn python 30 --batch 16
    row "python tasks/s, one worker with --batch 16, no fsync, beside the loop" "$ours" "$theirs" ">=0.5"
    figure "    the same, as a figure" "$ours" ">=2000"
    figure "    CPU of a task in the worker and its python (us)" "$cpu"
    worker_in_turn shell 10 --concurrency 3
    row "shell tasks/s, one worker with --concurrency 3, no fsync, beside the loop" "$ours" "$theirs"
    figure "    the same, as a figure" "$ours" ">=500"
    figure "    CPU of a task in the worker and its shell (us)" "$cpu"
    with_fsync
    worker_in_turn python 10 --batch 16
    row "python tasks/s, one worker with --batch 16, fsync, beside the loop" "$ours" "$theirs" ">=0.5"
}
