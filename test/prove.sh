#!/usr/bin/env bash
# Everything that is random or long, with the numbers that doc/guarantees.md names:
# "make prove".  A night on two cores; PART=20 takes a twentieth of each number, and
# PROVE="recover explore" only these.  The longest are divided: "kills" is kills-1 to kills-6,
# and so are "explore", "memory" and "repeat".  Each run prints its last lines; at the end there
# is a table of all of them, whose last line is "N runs passed, N failed".
#
# What has passed is kept in build/prove, and is not done again for the same PART as long as what
# the run is made of stays the same: src, sql, tools, and the tests that it runs ("made_of" below).
# So "make prove" goes on where it was cut off.  Without git, or with AGAIN=1, everything is done.
# BUSY=0 leaves out the two busy loops beside "repeat", where other such runs are what is busy.
program="make prove"
. "$(dirname "$0")/lib.sh"

part=${PART:-1} asked=${PROVE:-}
unset PROVE     # means another thing to the configuration of PostgreSQL
all="injections explore recover orders joins broker kills workers limits races stress templates arguments memory analyze"
all+=" assertions mutants repeat"
explore=4 kills=6 memory=8
passed=0 failed=0 kept=$tree/build/prove
loops=()
trap '[ ${#loops[@]} -eq 0 ] || kill "${loops[@]}" 2>/dev/null' EXIT

# A number, or its part; at least one.
of() { echo $((($1 + part - 1) / part)); }

# Prints the runs that are asked for, those that are divided one by one.
runs()
{
    local run
    for run in ${asked:-$all}; do
        case $run in
            explore | kills | memory) seq -f "$run-%g" "${!run}" ;;
            repeat) seq -f 'repeat-%g' "$(of 20)" ;;
            *) echo "$run" ;;
        esac
    done
}

# sql_tests_of NUMBER: prints the SQL tests of one of the runs "memory".
sql_tests_of()
{
    find test/sql -name '*.sql' -printf '%f\n' | sed 's/\.sql$//' | grep -vx setup | sort |
        sed -n "$1~${memory}p" | sed '1s/^/setup\n/' | tr '\n' ' '
}

# Prints which tests and documents a run is made of, besides the sources of noetl.
made_of()
{
    echo test/{check,lib}.sh
    case $1 in
        explore | recover | orders | joins | broker | templates | arguments)
            echo test/diff test/emulate test/model test/fuzz test/playbooks ;;
        kills | workers | limits | races)
            echo test/t/*.pm test/t/{029,056,073,074}_*.pl test/kill test/playbooks ;;
        stress) echo test/stress ;;
        analyze) echo test/analyze.* ;;
        memory | injections | assertions)
            echo test/{memcheck,injections,assertions}.* test/sql test/specs test/injection test/playbooks expected ;;
        *) echo test expected doc README.md ;;
    esac
}

# hash_of_sources RUN: prints a hash of what the run is made of; nothing without git.
hash_of_sources()
{
    git rev-parse --git-dir >/dev/null 2>&1 || return 0
    git ls-files -z -co --exclude-standard -- src sql tools Makefile noetl.control $(made_of "$1") |
        sort -z | xargs -0 sha1sum 2>/dev/null | sha1sum | cut -d ' ' -f 1
}

# The lines of a run that tell what it has done.
last_words() { grep -E '^(# |ok |not ok |FAILED|survived)|[0-9]+ (passed|killed|errors)' "$1" | tail -n 12; }

# prove NAME COMMAND...: does a run, unless it has passed; its outcome is in build/prove/NAME, its
# output in NAME.log.  The outcome's first line says of which sources and part it is.
prove()
{
    local name=$1 start=$SECONDS sources of outcome=passed
    sources=$(hash_of_sources "${name%%-*}")
    of="$sources $part"
    shift
    if [ -n "$sources" ] && [ -z "${AGAIN:-}" ] && [ "$(head -n 1 "$kept/$name" 2>/dev/null)" = "$of" ]; then
        say "== $name has passed: $(sed -n 2p "$kept/$name")"
    else
        say "== $name: $*"
        rm -f "$kept/$name"
        env "$@" >"$kept/$name.log" 2>&1 || outcome=FAILED
        last_words "$kept/$name.log"
        say "   $outcome, $((SECONDS - start)) s"
        [ "$outcome" = passed ] || outcome="FAILED, see build/prove/$name.log"
        [ "$outcome" != passed ] ||
            printf '%s\n' "$of" "$((SECONDS - start)) s, commit $commit, $(date -u +%FT%TZ): $*" "$(last_words "$kept/$name.log")" >"$kept/$name"
    fi
    if [ "$outcome" = passed ]; then
        passed=$((passed + 1))
        outcome=$(sed -n 2p "$kept/$name")
    else
        failed=$((failed + 1))
    fi
    table+=("$(printf '%-12s %s' "$name" "$outcome")")
}

# Runs one program of test/diff or test/t without make's variables of other goals.
program_of() { echo "SUITES=$1 PROGRAMS=$2 NOTES=1 PROGRAM_SECONDS=86400 bash $tree/test/check.sh"; }

cd "$tree" && mkdir -p "$kept" || exit 1
unset MAKEFLAGS MFLAGS COUNT SEED
commit=$(git describe --always --dirty 2>/dev/null)
table=()
for run in $(runs); do
    case $run in
        injections) prove "$run" make check-injections ;;
        assertions) prove "$run" make check-assertions ;;
        explore-*) prove "$run" NOETL_STEPS=4 NOETL_SHARE="$((explore * part))" SEED="${run#*-}" $(program_of diff explore) ;;
        recover) prove "$run" COUNT="$(of 5000)" SEED="$RANDOM" $(program_of diff recover) ;;
        orders) prove "$run" COUNT="$(of 2000)" SEED="$RANDOM" $(program_of diff orders) ;;
        joins) prove "$run" NOETL_PLAYS="$(of 20000)" NOETL_SEED="$RANDOM" $(program_of diff joins) ;;
        broker) prove "$run" NOETL_SECONDS="$(of 1200)" NOETL_SEED="$RANDOM" $(program_of diff broker) ;;
        kills-*) prove "$run" make kill-clock SEEDS="$(of $((300 / kills)))" SEED="$RANDOM" ;;
        workers) prove "$run" make worker-kills MINUTES="$(of 30)" ;;
        limits) prove "$run" LIMITS_SECONDS="$(of 600)" make stress-limits ;;
        races) prove "$run" make race-approvals RACES="$(of 10000)" ;;
        stress) prove "$run" make stress ;;
        templates) prove "$run" make fuzz-jinja COUNT="$(of 1000000)" ;;
        arguments) prove "$run" COUNT="$(of 100000)" SEED="$RANDOM" $(program_of diff arguments) ;;
        analyze) prove "$run" make analyze ;;
        memory-*) prove "$run" make memcheck REGRESS="$(sql_tests_of "${run#*-}")" ;;
        mutants)
            # the same sample when it is cut off and goes on; a guard that many tests concern is
            # shown to be needed by the most promising
            seed=$(hash_of_sources mutants)
            prove "$run" make mutants LEAST=95 MOST_SECONDS=120 COUNT="$(of 200)" SEED="${seed:0:8}" ;;
        repeat-*)
            # no test may depend on a quiet machine
            for _ in $(seq "${BUSY:-2}"); do (while :; do :; done) & loops+=($!); done
            prove "$run" make check
            [ ${#loops[@]} -eq 0 ] || kill "${loops[@]}"
            loops=() ;;
        *) complain "there is no run \"$run\": $all"; exit 2 ;;
    esac
done
say
for line in "${table[@]}"; do say "$line"; done
say "$passed runs passed, $failed failed"
[ "$failed" -eq 0 ]
