#!/usr/bin/env bash
# Runs SQL tests in a server under valgrind: make memcheck REGRESS="setup flow"
#
# What counts are the errors of memory with a function of noetl.so in their stack.  Tests
# that fail because everything is thirty times slower do not; a server that crashes does.
# NOETL_PATIENCE is the statement_timeout of tests of bounds.  What LLVM keeps when it compiles
# an expression is not looked at: jit is off.
# Ends with the line "N errors in noetl.so, N elsewhere".
set -u
here=$(cd "$(dirname "$0")" && pwd)
program="make memcheck"
. "$here/lib.sh"

install_missing missing_packages server instructions || exit 1
logs=$(mktemp -d "${TMPDIR:-/tmp}/noetl-memcheck.XXXXXX")
trap 'rm -rf "$logs"' EXIT
chmod 1777 "$logs"
find_pg_config || exit 1
install -m 644 "$here/memcheck.supp" "$logs/supp"
cat >"$logs/postgres" <<END
#!/bin/sh
exec valgrind -q --xml=yes --xml-file=$logs/%p.xml --child-silent-after-fork=no --suppressions=$logs/supp --leak-check=no \\
    --undef-value-errors=yes --num-callers=24 --error-limit=no "$("$PG_CONFIG" --bindir)/postgres" "\$@" -c jit=off
END
chmod 755 "$logs/postgres"

SERVER_PROGRAM=$logs/postgres PGCTLTIMEOUT=600 SUITE_SECONDS=20000 NOETL_PATIENCE=3600s SUITES=regress bash "$here/check.sh" | tee "$logs/out"
grep -q '^test .*ok ' "$logs/out" || { complain "no test has run"; exit 1; }
python3 - "$logs" <<'END'
import collections, glob, re, sys

ours, others = collections.Counter(), collections.Counter()
for path in glob.glob(sys.argv[1] + "/*.xml"):
    with open(path, errors="replace") as f:
        text = f.read()
    for error in re.findall(r"<error>.*?</error>", text, re.S):
        frames = re.findall(r"<frame>(.*?)</frame>", error, re.S)
        kind = re.search(r"<kind>(.*?)</kind>", error).group(1)
        names = [re.search(r"<fn>(.*?)</fn>", f) for f in frames]
        stack = " < ".join(n.group(1) if n else "?" for n in names[:12])
        inside = any("noetl.so" in f for f in frames)
        (ours if inside else others)[f"{kind}: {stack}"] += 1
for stack, count in ours.most_common(50):
    print(f"{count} x {stack}")
print(f"{len(ours)} errors in noetl.so, {len(others)} elsewhere")
sys.exit(bool(ours))
END
