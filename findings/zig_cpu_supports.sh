#!/usr/bin/env bash
# Versions: ziglang==0.17.1 (its cc is Clang 22.1.8).
# zig cc 0.17.1 on x86-64: __builtin_cpu_supports compiles, links, and is 0 for
# every feature, even for sse2, which every x86-64 processor has. Nothing fills the table that it reads;
# with GCC and Clang their libraries do so before main. A program that chooses its kernels by it
# quietly runs the slowest.
#
# Seen: sse2 0, sse4.2 0, avx2 0
# Exits with 0 while that is so, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check ziglang==0.17.1
cat >"$folder/features.c" <<'C'
#include <stdio.h>
int main(void) {
  printf("sse2 %d, sse4.2 %d, avx2 %d\n", __builtin_cpu_supports("sse2") != 0,
         __builtin_cpu_supports("sse4.2") != 0, __builtin_cpu_supports("avx2") != 0);
}
C
export ZIG_GLOBAL_CACHE_DIR=$folder/cache ZIG_LOCAL_CACHE_DIR=$folder/cache
"$folder/venv/bin/python" -m ziglang cc -O2 -target x86_64-linux-gnu "$folder/features.c" \
  -o "$folder/features"
"$folder/features" | tee "$folder/output"
[ "$(cat "$folder/output")" = "sse2 0, sse4.2 0, avx2 0" ]
