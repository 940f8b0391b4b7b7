#!/usr/bin/env bash
# Versions: ziglang==0.17.1 (its cc is Clang 22.1.8).
# zig cc 0.17.1: -S -o - writes no assembly on standard output, as GCC and Clang do, but a file of the
# name "-" into the current folder, and ends with 0. With -E, the same option does write on standard output.
#
# Seen:
#   -S -o -: 0 bytes on standard output, a file "-"
#   -E -o -: standard output, no file
# Exits with 0 while that is so, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check ziglang==0.17.1
export ZIG_GLOBAL_CACHE_DIR=$folder/cache ZIG_LOCAL_CACHE_DIR=$folder/cache
mkdir "$folder/here"
cd "$folder/here"
echo 'int one(void) { return 1; }' >one.c
zig() { "$folder/venv/bin/python" -m ziglang cc -target x86_64-linux-musl "$@"; }
zig -S -o - one.c >"$folder/assembly"
[ ! -s "$folder/assembly" ]
grep -q one: ./-
echo '-S -o -: 0 bytes on standard output, a file "-"'
rm ./-
zig -E -o - one.c >"$folder/preprocessed"
grep -q 'int one' "$folder/preprocessed"
[ ! -e ./- ]
echo '-E -o -: standard output, no file'
