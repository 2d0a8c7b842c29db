#!/usr/bin/env bash
# Has a static analyser read all C sources: "make analyze".  gcc's -fanalyzer;
# ANALYZERS="gcc clang" has those of scan-build read them, too, FILES="src/store/*.c" selects.
# What they find is printed, but for the lines of test/analyze.judged, which says why those
# are none; the last line is "N errors".
program="make analyze"
. "$(dirname "$0")/lib.sh"

install_packages console || exit 1
judged=$tree/test/analyze.judged
found=$(mktemp "${TMPDIR:-/tmp}/noetl-analyze.XXXXXX")
trap 'rm -f "$found" "$found".*' EXIT
server=$("$PG_CONFIG" --includedir-server)
client=$("$PG_CONFIG" --includedir)
version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" "$tree/noetl.control")

# Prints what an analyser says of a file.
analyze()
{
    local analyzer=$1 file=$2 include=(-I "$server" -D_GNU_SOURCE)
    case $file in src/worker/* | src/console/*) include=(-I "$client" -I "$client/internal") ;; esac
    case $analyzer in
        gcc) gcc -fanalyzer -O1 -iquote src "-DNOETL_VERSION=\"$version\"" \
            "${include[@]}" -c "$file" -o "$found.$BASHPID.o" ;;
        clang) clang --analyze -Xclang -analyzer-output=text -Xclang -analyzer-disable-checker=deadcode.DeadStores \
            -w -iquote src "-DNOETL_VERSION=\"$version\"" "${include[@]}" -c "$file" -o /dev/null ;;
    esac 2>&1
}

cd "$tree" || exit 1
make -s src/worker/python_driver.inc src/console/console_{css,js}.inc || exit 1
for analyzer in ${ANALYZERS:-gcc}; do
    for file in ${FILES:-src/*.c src/*/*.c}; do echo "$analyzer $file"; done
done >"$found.list"
export -f analyze
export found server client version
export LC_ALL=C.UTF-8   # the quotes of gcc's messages, as the judged lines have them
xargs -P "$(nproc)" -L 1 bash -c 'analyze "$0" "$1"' <"$found.list" |
    grep -E ': (warning|error|fatal error): ' | sort -u >"$found"
# Of a judged line the file, the text and the kind count, neither the line's number nor the member
# of a struct: of several, gcc names now this one and now that.
sed -E "s/:[0-9]+:[0-9]+:/:/; s/‘([a-z]+)\.[a-z_]+’/‘\1.*’/" "$found" | grep -vxF -f <(grep -v '^#' "$judged") >"$found.left"
cat "$found.left"
say "$(wc -l <"$found.list") runs, $(($(wc -l <"$found") - $(wc -l <"$found.left"))) judged, $(wc -l <"$found.left") errors"
[ ! -s "$found.left" ]
