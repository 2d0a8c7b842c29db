#!/bin/bash
# Which lines of C the suites reach: "make coverage".  Builds a copy of the tree
# with counters, runs the suites there (SUITES, REGRESS and PROGRAMS as for "make
# check") and prints for every source how many of its lines ran.  The tree itself
# stays as it is.  KEEP=1 leaves the copy, with its counters.
#
# A process that is killed leaves no counts: what only such processes run, as the
# background worker of a server that a test crashes, is missing.

program="make coverage"
. "$(dirname "$0")/lib.sh"

report=$tree/test/coverage.py
work=

finish()
{
    trap - EXIT INT TERM
    [ -z "$work" ] || if [ -n "${KEEP:-}" ]; then say "Kept: $work"; else rm -rf "$work"; fi
}
trap finish EXIT
trap 'exit 1' INT TERM

check_pg_config && install_packages server tests || exit 1
choose_server_user

work=$(mktemp -d "${TMPDIR:-/tmp}/noetl-coverage.XXXXXX")
chmod 755 "$work"
copy_tree "$work/tree"
tree=$work/tree
find "$tree" '(' -name '*.o' -o -name '*.so' -o -name '*.gc??' ')' -delete
rm -f "$tree/src/worker/noetl-worker"

# Lines are to be counted as they are written; other optimizations, other warnings.
# The counters' own symbols are not exported either.
export COPT="--coverage -fprofile-update=atomic -Og -Wl,--exclude-libs,libgcov.a" WERROR='' with_llvm=no
say "Building with counters"
build || exit 1
# Processes of the server user write the counts beside the objects.
find "$tree/src" -type d -exec chmod a+rwx {} +
status=0
STOP=fast bash "$tree/test/check.sh" || status=$?

say
python3 -B "$report" "$tree" || exit 1
if [ "$status" -ne 0 ]; then
    complain "the suites failed: the coverage is that of a failed run"
    exit 1
fi
