#!/bin/bash
# Measures the broker, in a private server: "make bench".
#
# Where it says "raw rows" the same rows are stored by a client's prepared
# statements, in one transaction a step, and nothing is decided.  Both sides run
# in turn, in the same server, so that whatever else the machine does meets both.
#
#   BENCH="step wake"   only these; all: step flows start flat backlog hold wake reads
#                       branches children items workers batch change limits fairness
#                       listing tasks
#   BENCH_SECONDS=4     length of one run of one side
#   BENCH_HOLD=20       how long the runs under an old snapshot last
#   BENCH_FULL=1        longer runs: 10 and 300 seconds

program="make bench"
. "$(dirname "$0")/../lib.sh"
here=$tree/test/bench
. "$here/measures.sh"

if [ -n "${BENCH_FULL:-}" ]; then
    seconds=${BENCH_SECONDS:-10} hold=${BENCH_HOLD:-300} rounds=5
else
    seconds=${BENCH_SECONDS:-4} hold=${BENCH_HOLD:-20} rounds=3
fi
# Many short runs in turn rather than few long ones: what else the machine does
# changes from second to second.
slice=$(((seconds + 1) / 2))
work=

finish()
{
    [ -z "$work" ] && return
    stop_server "$work" immediate
    [ ! -d "$work/second" ] || stop_server "$work/second" immediate
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM
set -e

install_packages server
choose_server_user
build
work=$(mktemp -d "${TMPDIR:-/tmp}/noetl-bench.XXXXXX")
chmod 755 "$work"
[ ${#as_user[@]} -eq 0 ] || chown "$server_user" "$work"
export HOME=$work
cc -O2 -I"$("$PG_CONFIG" --includedir)" -o "$work/wake" "$here/wake.c" -L"$("$PG_CONFIG" --libdir)" -lpq
new_server "$work"

say "$("$PG_CONFIG" --version), $(nproc) processors, runs of $seconds s, $(date -u +%F)"
echo
line measure noetl "beside" ratio target ""
for measure in ${BENCH:-step flows start flat backlog hold wake reads branches children items workers batch change limits fairness listing tasks}; do
    fresh_database
    "measure_$measure"
done
[ "$missed" -eq 0 ] || say "$missed target(s) missed"
