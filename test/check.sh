#!/bin/bash
# Runs every suite in a temporary server and counts what passed.  "make check"
# calls it; see there for SUITES and REGRESS.  KEEP=1 leaves the directory.
#
#   style      executables in test/style that print TAP about the sources and the
#              objects built from them
#   regress    test/sql/*.sql against expected/*.out
#   isolation  test/specs/*.spec against expected/*.out
#   tap        test/t/*.pl, each with servers of its own; JOBS says how many at once (as many as
#              there are processors)
#   diff       executables in test/diff that print TAP; PGHOST, PGDATABASE and
#              so on name a database that has the extension; PROGRAMS names
#              some of them
#   injection  test/injection/specs/*.spec, in a build that stops sessions at points in
#              the code (src/common/injection.h): see test/injections.sh
#
# STEPS=1 is for programs that run tests one by one: they write lines "SUITE SECONDS
# NAME..." and "restart" (of the server), and read "== PASSED FAILED" after each.
#
# A suite that aborts has failed, and so has a run without any test.

program="make check"
. "$(dirname "$0")/lib.sh"

passed=0 failed=0 skipped=0
suites=${SUITES:-style regress isolation injection tap diff}
work=

# Prints the processes of Perl tests, and of what they have started.
processes_of_perl_tests()
{
    grep -lzsx "TESTDIR=$work/tap" /proc/[0-9]*/environ | cut -d / -f 3
}

# Whatever happened: stop all servers, leave nothing behind, say how it ended.
finish()
{
    local pid
    trap - EXIT INT TERM
    if [ -n "$work" ]; then
        [ -z "$(jobs -pr)" ] || processes_of_perl_tests | xargs -r kill 2>/dev/null
        find "$work" -name postmaster.pid 2>/dev/null | while read -r pid; do
            "${as_user[@]}" "$bindir/pg_ctl" -D "$(dirname "$pid")" -s -m "${STOP:-immediate}" stop >/dev/null 2>&1
        done
        if [ -n "${KEEP:-}" ]; then say "Kept: $work"; else rm -rf "$work"; fi
    fi
    say; say "Total time: ${SECONDS} s"
    [ "$skipped" -eq 0 ] || say "$skipped skipped"
    [ $((passed + failed)) -gt 0 ] || failed=1
    say "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] || exit 1
    exit 0
}

abort()
{
    [ $# -eq 0 ] || complain "$@"
    failed=$((failed + 1))
    finish
}

# Counts the result lines of pg_regress and pg_isolation_regress (old style and
# TAP): what was asked for and is not "ok" has failed.
run_regress()
{
    local suite=$1 tool=$2 name ok status wanted=0 input=${regress_input:-$work/test}
    local expected=${regress_input:-$work}/expected
    shift 2
    [ $# -gt 0 ] || return
    say; say "== $suite"
    make_directory "$work/$suite"
    ln -sfn "$expected" "$work/$suite/expected"
    for name in "$@"; do
        wanted=$((wanted + 1))
        [ -e "$expected/$name.out" ] && continue
        say "# there is no expected/$name.out: comparing with nothing"
        : >"$expected/$name.out"
    done
    (cd "$work/$suite" && "${as_user[@]}" timeout --foreground -k 10 "${SUITE_SECONDS:-1800}" "$tool" \
        --bindir="$bindir" --host="$PGHOST" --port="$PGPORT" --user="$PGUSER" \
        --inputdir="$input" --outputdir=. --encoding=UTF8 --no-locale \
        --dbname="noetl_$suite" $regress_options "$@") 2>&1 | tee "$work/$suite.out" |
        grep -E '^(test |ok |not ok |Bail out|# .*fail|.*[Ee]rror|pg_.*:)'
    status=${PIPESTATUS[0]}
    # A specification with a syntax error is "ok" to it when that was expected.
    ok=$(grep -E '^test .* \.\.\. ok|^ok [0-9]+ ' "$work/$suite.out" | grep -vc 'test process exited')
    passed=$((passed + ok))
    if [ "$ok" -ge "$wanted" ] && [ "$status" -eq 0 ]; then
        return
    fi
    [ "$ok" -lt "$wanted" ] || ok=$((wanted - 1)) passed=$((passed - 1))
    failed=$((failed + wanted - ok))
    say "# $((wanted - ok)) of $wanted failed (exit status $status)"
    if [ -s "$work/$suite/regression.diffs" ]; then
        head -n 400 "$work/$suite/regression.diffs"
    else
        tail -n 30 "$work/$suite.out"
    fi
    if [ -d "$work/$suite/results" ]; then
        mkdir -p "$tree/results" && cp "$work/$suite/results/"*.out "$tree/results/"
        say "# actual output: results/"
    fi
}

# execute FILE COMMAND...: runs a program that prints TAP.  What it prints is in FILE.out and
# FILE.err, its exit status and how long it took in FILE.end.
execute()
{
    local file=$1 status=0 start=$SECONDS
    shift
    (cd "$work/test" && "${as_user[@]}" timeout --foreground -k 10 "${PROGRAM_SECONDS:-1800}" "$@") >"$file.out" 2>"$file.err" </dev/null || status=$?
    echo "$status $((SECONDS - start))" >"$file.end"
}

# report LABEL FILE: counts the tests (not the subtests) of a program that "execute" has run.
# With NOTES=1 its notes are shown.
report()
{
    local label=$1 file=$2 status seconds counts ok bad todo planned
    read -r status seconds <"$file.end" || status=1 seconds=0
    counts=$(awk '
        BEGIN { plan = -1 }
        /^ok/ { if (/# *[Ss][Kk][Ii][Pp]/) skip++; else ok++ }
        /^not ok/ { if (/# *[Tt][Oo][Dd][Oo]/) skip++; else bad++ }
        /^1\.\.[0-9]+/ { plan = substr($1, 4) + 0; if (plan == 0) skip++ }
        /^Bail out!/ { bad++ }
        END { print ok + 0, bad + 0, skip + 0, plan }' "$file.out")
    read -r ok bad todo planned <<<"$counts"
    # Tests that were announced and did not come, or a plan that never came.
    if [ "$planned" -gt $((ok + bad + todo)) ]; then
        bad=$((planned - ok - todo))
    elif [ "$bad" -eq 0 ] && { [ "$planned" -lt 0 ] || [ "$status" -ne 0 ]; }; then
        bad=1
    fi
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + todo))
    if [ "$bad" -gt 0 ]; then
        printf '%-40s FAILED (%s of %s; exit status %s)\n' "$label" "$bad" "$((ok + bad))" "$status"
        grep -vE '^ok' "$file.out" | head -n 200
        head -n 200 "$file.err"
        return 1
    fi
    printf '%-40s ok (%s tests, %s s)\n' "$label" "$ok" "$seconds"
    [ -z "${NOTES:-}" ] || grep '^# ' "$file.out"
    [ "$todo" -eq 0 ] || grep -iE '# *(skip|todo)' "$file.out"
}

# Runs a program that prints TAP and counts its tests.
run_tap()
{
    local label=$1
    shift
    execute "$work/tap_run" "$@"
    report "$label" "$work/tap_run"
}

# Waits for one of the Perl tests that run, and counts its tests.
report_perl_test()
{
    local ended name
    wait -n -p ended "${!running[@]}"
    name=${running[$ended]}
    unset "running[$ended]"
    report "t/$name" "$work/perl/$name" ||
        find "$work/tap" -name "regress_log_$name" -exec tail -n 60 {} +
}

# Runs the Perl tests, as many at once as JOBS says: each has servers of its own, and most of
# its time it waits.
run_perl_tests()
{
    local file name perl_library=$pgxs/src/test/perl jobs=${JOBS:-$(nproc)}
    local -A running=()
    say; say "== tap"
    if [ ! -f "$perl_library/PostgreSQL/Test/Cluster.pm" ]; then
        say "# skipped: $PG_CONFIG comes without PostgreSQL::Test::Cluster"
        skipped=$((skipped + 1))
        return
    fi
    make_directory "$work/tap"
    mkdir -p "$work/perl"
    for file in "$work"/test/t/*.pl; do
        [ -e "$file" ] || continue
        name=$(basename "$file" .pl)
        case " ${PROGRAMS:-$name} " in *" $name "*) ;; *) continue ;; esac
        [ "${#running[@]}" -lt "$jobs" ] || report_perl_test
        # TESTDIR is for PostgreSQL 15 and older, the others for 16 and newer; what the shell starts
        # in the background ignores SIGINT.
        execute "$work/perl/$name" env --default-signal=INT PERL5LIB="$perl_library" PG_REGRESS="$pgxs/src/test/regress/pg_regress" \
            TESTDIR="$work/tap" TESTDATADIR="$work/tap/data" TESTLOGDIR="$work/tap/log" \
            PGPORT=65432 perl "$file" &
        running[$!]=$name
    done
    while [ "${#running[@]}" -gt 0 ]; do report_perl_test; done
}

# The sources need not be readable for the server user.
run_style()
{
    local file as_user=()
    say; say "== style"
    for file in "$tree"/test/style/*; do
        [ -f "$file" ] && [ -x "$file" ] || continue
        run_tap "style/$(basename "$file")" env PYTHONDONTWRITEBYTECODE=1 "$file"
    done
}

run_programs()
{
    local file name
    say; say "== diff"
    for file in "$work"/test/diff/*; do
        [ -f "$file" ] && [ -x "$file" ] || continue
        name=$(basename "$file")
        case " ${PROGRAMS:-$name} " in *" $name "*) ;; *) continue ;; esac
        dropdb --if-exists --force "diff_$name" 2>/dev/null
        if ! { createdb "diff_$name" && psql -qX -d "diff_$name" -c 'CREATE EXTENSION noetl'; }; then
            failed=$((failed + 1))
            continue
        fi
        run_tap "diff/$name" env PGDATABASE="diff_$name" COUNT="${COUNT:-}" SEED="${SEED:-}" "$file"
    done
}

# Runs the specifications of races in a build of its own, and counts what it counts.
run_injections()
{
    local ok bad
    say; say "== injection"
    INJECTION_SPECS=${INJECTION_SPECS:-} bash "$tree/test/injections.sh" >"$work/injection.out" 2>&1
    grep -E '^(test |ok |not ok |[-+ @]|# |make )' "$work/injection.out" | grep -vE '^(# actual|  \.\.\. )'
    read -r ok bad < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$work/injection.out")
    [ -n "$bad" ] || { tail -n 20 "$work/injection.out"; ok=0 bad=1; }
    passed=$((passed + ok)) failed=$((failed + bad))
}

# Runs one suite, of what REGRESS, ISOLATION and PROGRAMS name.
run_suite()
{
    case $1 in
        style) run_style ;;
        regress)
            regress_options='' run_regress regress "$pgxs/src/test/regress/pg_regress" $REGRESS ;;
        isolation)
            regress_options=--load-extension=noetl \
                run_regress isolation "$pgxs/src/test/isolation/pg_isolation_regress" $ISOLATION ;;
        injection) run_injections ;;
        points)
            regress_options=--load-extension=noetl regress_input=$work/test/injection \
                run_regress points "$pgxs/src/test/isolation/pg_isolation_regress" $INJECTION_SPECS ;;
        tap) run_perl_tests ;;
        diff) run_programs ;;
        *) abort "there is no suite \"$1\"" ;;
    esac
}

# Drops what tests have left in the server: a role that is there already would make the one
# that creates it red when it runs once more.
drop_leftovers()
{
    local database gid
    psql -qXAt -F ' ' -d postgres -c 'SELECT database, gid FROM pg_prepared_xacts' |
        while read -r database gid; do
            psql -qX -d "$database" -c "ROLLBACK PREPARED '$gid'" </dev/null
        done
    psql -qXAt -d postgres <<'SQL'
SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' \gexec
SELECT format('DROP ROLE %I', rolname) FROM pg_roles WHERE oid >= 16384 \gexec
SQL
}

# Does what the lines on standard input say.
run_steps()
{
    local suite seconds names
    say "== ready"
    while read -r suite seconds names <&3; do
        passed=0 failed=0
        if [ "$suite" = restart ]; then
            # What TAP tests that were cut off have started, too.
            processes_of_perl_tests | while read -r pid; do
                [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = postgres ] || kill -9 "$pid" 2>/dev/null
            done
            find "$work" -name postmaster.pid -printf '%h\n' | while read -r directory; do
                "${as_user[@]}" "$bindir/pg_ctl" -D "$directory" -s -m immediate stop
            done
            rm -rf "$work/tap" && start_server "$work" || abort
            drop_leftovers
        else
            drop_leftovers
            SUITE_SECONDS=$seconds PROGRAM_SECONDS=$seconds REGRESS=$names ISOLATION=$names \
                INJECTION_SPECS=$names PROGRAMS=$names run_suite "$suite"
        fi
        say "== $passed $failed"
    done 3<&0 </dev/null
}

trap finish EXIT
trap 'abort interrupted' INT TERM

# Two files name the version.
version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" "$tree/noetl.control")
[ "$(grep -c "\"version\": \"$version\"" "$tree/META.json")" -eq 2 ] ||
    abort "META.json is not of version $version, which noetl.control names"

check_pg_config && check_executable_directory "${TMPDIR:-/tmp}" && install_packages server tests || abort
choose_server_user
build || abort

work=$(mktemp -d "${TMPDIR:-/tmp}/noetl-check.XXXXXX")
chmod 755 "$work"
cp -R "$tree/test" "$tree/expected" "$tree/doc" "$tree"/*.md "$tree/LICENSE" "$tree/Makefile" "$work/"
# Objects of sources that are gone stay where they were.
(cd "$tree" && cp --parents src/*/README.md src/*/*.h "$work/" &&
    for file in src/*.c src/*/*.c; do [ ! -f "${file%.c}.o" ] || echo "${file%.c}.o"; done | xargs cp --parents -t "$work/")
# The test of the quickstart makes one, as the server user.
case " $suites " in *" tap "*) [ -n "${STEPS:-}" ] || copy_tree "$work/source" ;; esac
make_directory "$work/home" "$work/tmp"
[ ${#as_user[@]} -eq 0 ] || chown -R "$server_user" "$work"
export HOME=$work/home TMPDIR=$work/tmp
# The TAP tests' servers take the encoding of their databases from LANG.
unset LC_ALL LC_CTYPE LC_COLLATE LC_MESSAGES LC_MONETARY LC_NUMERIC LC_TIME LANGUAGE
export LANG=C.UTF-8
cd "$work" || abort

# No test shall wait for a process that comes by chance.
create_cluster "$work" "fsync = off" "autovacuum = off" "max_prepared_transactions = 10" || abort
start_server "$work" || abort

if [ -n "${STEPS:-}" ]; then
    run_steps
    exit
fi
for suite in $suites; do
    run_suite "$suite"
done

if grep -E 'PANIC:|TRAP: |terminated by signal' "$work/server.log"; then
    abort "the server crashed"
fi
