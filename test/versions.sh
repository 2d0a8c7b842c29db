#!/bin/bash
# Compiles (gcc and clang, warnings are errors) and tests with every supported
# version of PostgreSQL: "make check-versions", VERSIONS="17 18" selects.
# A version that is installed here is used as it is; one that a Debian release
# has is run in that release, in a directory tree that debootstrap makes in
# VERSIONS_DIR (default build/versions) and that is kept for the next time.
# Needs root, and minutes the first time.

program="make check-versions"
. "$(dirname "$0")/lib.sh"

roots=${VERSIONS_DIR:-$tree/build/versions}
declare -A outcome
failures=0

# The sources alone: what was compiled here is of no use elsewhere.
copy_sources()
{
    rm -rf "$1"
    mkdir -p "$1"
    tar -C "$tree" --exclude-vcs --exclude=./build --exclude=./results --exclude='*.o' \
        --exclude='*.bc' --exclude='*.so' --exclude='*.d' \
        --exclude=./src/worker/noetl-worker --exclude=./src/console/noetl-console -cf - . | tar -C "$1" -xf -
}

# What is done with each version; $1 is its number, the directory the copy.
# check.sh installs what is missing.
steps='
    . test/lib.sh
    PG_CONFIG=/usr/lib/postgresql/$1/bin/pg_config
    install_packages server tests || exit 2
    clang=$(sed -n "s/^CLANG *= *//p" "$(dirname "$($PG_CONFIG --pgxs)")/../Makefile.global")
    if command -v "$clang" >/dev/null; then
        make -sk PG_CONFIG=$PG_CONFIG CC="$clang" with_llvm=no all || exit 1
        echo "compiled with $clang"
    fi
    make -sk PG_CONFIG=$PG_CONFIG with_llvm=no all || exit 1
    echo "compiled with gcc $(gcc -dumpfullversion)"
    make PG_CONFIG=$PG_CONFIG check'

check_version()
{
    local version=$1 suite=${debian_release[$1]:-} root log status script
    log=$(mktemp)
    if usable_pg_config "/usr/lib/postgresql/$version/bin/pg_config"; then
        root=$(mktemp -d)
        copy_sources "$root/noetl"
        (cd "$root/noetl" && bash -c "$steps" check "$version") 2>&1 | tee "$log"
        status=${PIPESTATUS[0]}
        rm -rf "$root"
    elif [ -z "$suite" ]; then
        outcome[$version]="not checked: not installed here, and no Debian release carries it"
        return
    elif [ "$(id -u)" -ne 0 ]; then
        outcome[$version]="not checked: needs root"
        return
    else
        root=$roots/$suite
        if ! debian_root "$suite" "$root"; then
            outcome[$version]="not checked: no $suite to check it in"
            return
        fi
        copy_sources "$root/root/noetl"
        in_release "$root" bash -c "cd /root/noetl && $steps" check "$version" 2>&1 | tee "$log"
        status=${PIPESTATUS[0]}
    fi
    outcome[$version]="$(tail -n 1 "$log")"
    if [ "$status" -ne 0 ]; then
        failures=$((failures + 1))
        outcome[$version]="FAILED: $(grep -E ' passed, |error:|make check' "$log" | tail -n 1)"
    fi
    rm -f "$log"
}

versions=${*:-14 15 16 17 18}
for version in $versions; do
    echo
    say "== PostgreSQL $version"
    check_version "$version"
    say "${outcome[$version]}"
done

echo
for version in $versions; do
    say "PostgreSQL $version: ${outcome[$version]}"
done
[ "$failures" -eq 0 ]
