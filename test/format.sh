#!/bin/bash
# Formats C sources: "make format".  See style/format.py for what BASE (a commit)
# and ALL=1 choose.

program="make format"
. "$(dirname "$0")/lib.sh"

# Prints the Debian package that is missing.
missing_formatter() { find_formatter >/dev/null || say clang-format; }

# Prints the name of clang-format; 14 is the oldest that knows every option.
find_formatter()
{
    local candidate
    for candidate in clang-format-14 clang-format; do
        if [[ $("$candidate" --version 2>/dev/null) =~ version\ ([0-9]+) ]] &&
            [ "${BASH_REMATCH[1]}" -ge 14 ]; then
            say "$candidate"
            return 0
        fi
    done
    return 1
}

install_missing missing_formatter || exit 1
if ! formatter=$(find_formatter); then
    complain "clang-format 14 or newer is needed"
    exit 1
fi
exec python3 -B "$tree/test/style/format.py" --program "$formatter" --base "${BASE:-HEAD}" ${ALL:+--all}
