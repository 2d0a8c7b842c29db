#!/bin/sh
# Builds the fuzz target of the YAML reader, which needs no server, and says
# how to run it.  Needs clang and its sanitizers.
#   test/fuzz/yaml_build.sh [directory]     default: build/fuzz
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
out=${1:-$root/build/fuzz}
config=${PG_CONFIG:-pg_config}
clang=${CLANG:-$(command -v clang || find /usr/bin -name 'clang-[0-9]*' | sort | tail -n 1)}
mkdir -p "$out/yaml_corpus"
"$clang" -g -O1 -fno-omit-frame-pointer -Wall -Wextra -Wno-unused-parameter \
    -Wno-sign-compare -Wno-missing-field-initializers -Wno-ignored-attributes \
    -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
    -iquote "$root/src" -I"$("$config" --includedir-server)" -o "$out/yaml_fuzz" \
    "$root/test/fuzz/yaml_fuzz.c" "$root/test/fuzz/server_shim.c" "$root/src/yaml/compose.c" \
    "$root/src/yaml/scalar.c" "$root/src/yaml/source.c" \
    "$root/src/yaml/position.c" "$root/src/common/name_table.c" "$root/src/common/source_error.c" \
    "$root/src/common/double_text.c" \
    -L"$("$config" --pkglibdir)" -L"$("$config" --libdir)" -lpgcommon -lpgport -lyaml -lm
echo "$out/yaml_fuzz -dict=$root/test/fuzz/yaml.dict -max_len=4000 -timeout=5 $out/yaml_corpus"
