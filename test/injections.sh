#!/usr/bin/env bash
# Runs test/injection/specs/*.spec in a build in which sessions can be stopped at points in the
# code (src/common/injection.h): "make check-injections", and a part of "make check".
# INJECTION_SPECS="reap lease" selects.  The tree itself stays as it is; of a copy of it only the
# files with points are compiled anew.
program="make check-injections"
. "$(dirname "$0")/lib.sh"

check_pg_config && install_packages server tests || exit 1
work=$(mktemp -d "${TMPDIR:-/tmp}/noetl-injections.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
copy_tree "$work/noetl"
# The first one defines what the others use.
if [ -z "${INJECTION_SPECS:-}" ]; then
    INJECTION_SPECS=$(cd "$tree/test/injection/specs" && ls -- *.spec | sed 's/\.spec$//')
fi
INJECTION_SPECS="gates $(tr -s ' \n' '\n' <<<"$INJECTION_SPECS" | grep -vx gates | xargs)"
export INJECTION_SPECS INJECTION=yes
status=0
# A session that stops for ever is noticed sooner than usual.
SUITE_SECONDS=600 PGISOLATIONTIMEOUT=60 SUITES=points bash "$work/noetl/test/check.sh" || status=$?
mkdir -p "$tree/results" && find "$work/noetl/results" -type f -exec cp -t "$tree/results" {} + 2>/dev/null
exit "$status"
