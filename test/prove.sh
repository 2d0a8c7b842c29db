#!/usr/bin/env bash
# Everything that is random or long, with the numbers that doc/guarantees.md names:
# "make prove".  A night on two cores; PART=20 takes a twentieth of each number, and
# PROVE="recover explore" only these.  Each run prints its last lines; the last line
# is "N runs passed, N failed".
program="make prove"
. "$(dirname "$0")/lib.sh"

part=${PART:-1}
all="explore recover orders joins broker kills workers limits races stress templates arguments memory analyze mutants repeat"
passed=0 failed=0 log=$(mktemp "${TMPDIR:-/tmp}/noetl-prove.XXXXXX")
loops=()
trap 'rm -f "$log"; [ ${#loops[@]} -eq 0 ] || kill "${loops[@]}" 2>/dev/null' EXIT

# A number, or its part; at least one.
of() { echo $((($1 + part - 1) / part)); }

prove()
{
    local name=$1 start=$SECONDS
    shift
    say "== $name: $*"
    if env "$@" >"$log" 2>&1; then passed=$((passed + 1)); else failed=$((failed + 1)) && say "FAILED"; fi
    grep -E '^(# |ok |not ok |FAILED|survived)|[0-9]+ (passed|killed|errors)' "$log" | tail -n 12
    say "   $((SECONDS - start)) s"
}

# Runs one program of test/diff or test/t without make's variables of other goals.
program_of() { echo "SUITES=$1 PROGRAMS=$2 NOTES=1 PROGRAM_SECONDS=86400 bash $tree/test/check.sh"; }

cd "$tree" || exit 1
unset MAKEFLAGS MFLAGS COUNT SEED
for run in ${PROVE:-$all}; do
    case $run in
        explore) prove "$run" NOETL_STEPS=4 NOETL_SHARE="$((4 * part))" $(program_of diff explore) ;;
        recover) prove "$run" COUNT="$(of 5000)" SEED="$RANDOM" $(program_of diff recover) ;;
        orders) prove "$run" COUNT="$(of 2000)" SEED="$RANDOM" $(program_of diff orders) ;;
        joins) prove "$run" NOETL_PLAYS="$(of 20000)" NOETL_SEED="$RANDOM" $(program_of diff joins) ;;
        broker) prove "$run" NOETL_SECONDS="$(of 1200)" NOETL_SEED="$RANDOM" $(program_of diff broker) ;;
        kills) prove "$run" make kill-clock SEEDS="$(of 300)" SEED="$RANDOM" ;;
        workers) prove "$run" make worker-kills MINUTES="$(of 30)" ;;
        limits) prove "$run" LIMITS_SECONDS="$(of 600)" make stress-limits ;;
        races) prove "$run" make race-approvals RACES="$(of 10000)" ;;
        stress) prove "$run" make stress ;;
        templates) prove "$run" make fuzz-jinja COUNT="$(of 1000000)" ;;
        arguments) prove "$run" COUNT="$(of 100000)" SEED="$RANDOM" $(program_of diff arguments) ;;
        analyze) prove "$run" make analyze ;;
        memory) prove "$run" make memcheck ;;
        mutants) prove "$run" make mutants COUNT="$(of 200)" SEED="$RANDOM" ;;
        repeat)
            # no test may depend on a quiet machine
            for _ in 1 2; do (while :; do :; done) & loops+=($!); done
            for _ in $(seq "$(of 20)"); do prove "check beside two busy loops" make check; done
            kill "${loops[@]}"
            loops=() ;;
        *) complain "there is no run \"$run\": $all"; exit 2 ;;
    esac
done
say "$passed runs passed, $failed failed"
[ "$failed" -eq 0 ]
