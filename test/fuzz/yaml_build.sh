#!/bin/sh
# Builds the YAML reader without a server: yaml_fuzz (libFuzzer) and yaml_pipe.
#   test/fuzz/yaml_build.sh [directory]     default: build/fuzz
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
out=${1:-$root/build/fuzz}
config=${PG_CONFIG:-pg_config}
clang=${CLANG:-$(command -v clang || ls /usr/bin/clang-* | grep -E 'clang-[0-9]+$' | tail -n 1)}
mkdir -p "$out"
sources="$root/test/fuzz/yaml_fuzz.c $root/test/fuzz/server_shim.c
  $root/src/yaml.c $root/src/yaml_scalar.c $root/src/yaml_source.c $root/src/name_table.c"
flags="-g -O1 -fno-omit-frame-pointer -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-ignored-attributes
  -Wno-missing-field-initializers -iquote $root/src -I$($config --includedir-server)"
libs="-L$($config --pkglibdir) -L$($config --libdir) -lpgcommon -lpgport -lyaml -lm"
# shellcheck disable=SC2086
$clang $flags -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
  -o "$out/yaml_fuzz" $sources $libs
# shellcheck disable=SC2086
$clang $flags -fsanitize=address,undefined -fno-sanitize-recover=undefined -DYAML_FUZZ_PIPE \
  -o "$out/yaml_pipe" $sources $libs
echo "$out/yaml_fuzz $out/yaml_pipe"
