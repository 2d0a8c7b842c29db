#!/bin/bash
# Measures 2 and 4 databases, each with a server and workers of its own, beside one:
# "make scale".  Each server and its clients keep to one processor, as if that were their
# machine, so that two processors show what two machines give.  Where there are fewer
# processors than databases, several share one: steps a second then cannot grow, and that
# nothing else is shared is shown by the CPU of a step.  Servers on one processor push each other out of its
# caches: how much that is, plain rows say, which a client stores and nobody decides on.
# Commits do not wait for the disk, which is one here and is not where each database has a
# machine of its own.
#
#   SCALE="2 4"         how many databases
#   SCALE_SECONDS=4     length of one run
#   SCALE_WORKERS=1     workers of each database

program="make scale"
. "$(dirname "$0")/../lib.sh"
here=$tree/test/bench
. "$here/measures.sh"

counts=${SCALE:-2 4}
seconds=${SCALE_SECONDS:-4}
workers=${SCALE_WORKERS:-1}
rounds=3
work=

finish()
{
    local directory
    [ -z "$work" ] && return
    for directory in "$work"/node*; do
        [ ! -d "$directory/data" ] || stop_server "$directory" immediate
    done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM
set -e

# Keeps this process, and what it starts, to the processor of database $1.
keep_to_processor() { taskset -cp $(($1 % $(nproc))) "$BASHPID" >/dev/null; }

# Runs $2 workers of the server of directory $1 with the script $3; prints their steps a second and the CPU
# microseconds of one.  The first steps, which fill caches, are not counted.
run_node()
{
    export PGHOST=$1
    work=$1
    fresh_database
    (cd "$1" && run_script "$3" "$2" -T $((seconds * 2)))
    keep_last "$seconds"
    echo "$(pace per_second) $(pace cpu_us)"
}

# Runs $1 servers at once, with $2 workers each and the script $3; prints steps a second of all, and CPU
# microseconds of one step.
run_nodes()
{
    local i pids=
    rm -f "$work"/figures.*
    for ((i = 0; i < $1; i++)); do
        (keep_to_processor "$i" && run_node "$work/node$i" "$2" "$3") >"$work/figures.$i" &
        pids+=" $!"
    done
    for i in $pids; do wait "$i"; done
    cat "$work"/figures.* | awk '{ steps += $1; cpu += $1 * $2 } END { printf "%.0f %.1f\n", steps, cpu / steps }'
}

install_packages server
choose_server_user
build
work=$(mktemp -d "${TMPDIR:-/tmp}/noetl-scale.XXXXXX")
chmod 755 "$work"
[ ${#as_user[@]} -eq 0 ] || chown "$server_user" "$work"
# as create_cluster sets them
export HOME=$work PGOPTIONS="-c synchronous_commit=off" PATH=$bindir:$PATH PGPORT=5432 PGUSER=postgres
most=$(printf '%s\n' $counts | sort -n | tail -n 1)
for ((i = 0; i < most; i++)); do
    (
        keep_to_processor "$i"
        make_directory "$work/node$i"
        new_server "$work/node$i"
        echo "noetl.node_id = $i" >>"$work/node$i/data/postgresql.conf"
        sql -d postgres -c 'SELECT pg_reload_conf()'
    ) >"$work/new" || { cat "$work/new" >&2; exit 1; }
done

say "$("$PG_CONFIG" --version), $(nproc) processors, runs of $seconds s, $workers workers a database, $(date -u +%F)"
echo
# the first run of a server finds cold memory
run_nodes "$most" 1 step_noetl >/dev/null
for ((round = 0; round < rounds; round++)); do
    for script in step_noetl step_raw; do
        run_nodes 1 "$workers" "$script" >>"$work/$script.one"
        for count in $counts; do
            run_nodes "$count" "$workers" "$script" >>"$work/$script.$count"
        done
    done
done
line measure databases "one" ratio target ""
# $1: 1 for steps a second, 2 for CPU; $2: what ran
of_runs() { awk -v column="$1" '{ print $column }' "$work/$2" | median; }
growth() { awk -v a="$(of_runs 2 "$1.$2")" -v b="$(of_runs 2 "$1.one")" 'BEGIN { printf "%.2f", a / b }'; }
for count in $counts; do
    target=
    [ "$(nproc)" -lt "$count" ] || target=">=$(awk -v n="$count" 'BEGIN { print 0.8 * n }')"
    row "$count databases: steps/s, beside one" \
        "$(of_runs 1 "step_noetl.$count")" "$(of_runs 1 step_noetl.one)" "$target"
    row "    CPU of a step (us)" "$(of_runs 2 "step_noetl.$count")" "$(of_runs 2 step_noetl.one)"
    row "    the same of plain rows" "$(of_runs 2 "step_raw.$count")" "$(of_runs 2 step_raw.one)"
    row "    the one ratio beside the other" "$(growth step_noetl "$count")" "$(growth step_raw "$count")" "<=1.25"
    [ -n "$target" ] || say "$(nproc) processors are too few for $count databases: look at the CPU of a step."
done
[ "$missed" -eq 0 ] || say "$missed target(s) missed"
