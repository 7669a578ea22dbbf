#!/bin/sh
# Builds sync_driver.c under ThreadSanitizer and runs it; any report fails. Exits 77 where no compiler has the sanitizer.
#
#     run_tsan.sh [ROUNDS [SEED]]
#
# SYNC_INCLUDE: the folder of _sync.h.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
include=${SYNC_INCLUDE:-$here/../../reactvec}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export TSAN_OPTIONS="halt_on_error=1 exitcode=66 ${TSAN_OPTIONS:-}"

build() { "$1" -std=gnu11 -O1 -g -Wall -Wextra -pthread -fsanitize=thread -I"$include" "$2" -o "$3"; }

# The sanitizer wants its own place in memory, which the randomised layout of some kernels does not leave it.
runs() { "$@" >"$work/log" 2>&1; }
echo 'int main(void) { return 0; }' >"$work/empty.c"
for compiler in ${CC:-gcc clang cc}; do
    command -v "$compiler" >/dev/null && build "$compiler" "$work/empty.c" "$work/empty" 2>/dev/null || continue
    for prefix in "" "setarch -R" "setarch $(uname -m) -R"; do
        # shellcheck disable=SC2086
        runs $prefix "$work/empty" || continue
        build "$compiler" "$here/sync_driver.c" "$work/sync_driver"
        echo "ThreadSanitizer of $compiler"
        $prefix "$work/sync_driver" "${1:-50000}" "${2:-1}"
        exit
    done
done
echo "no compiler here has ThreadSanitizer (tried ${CC:-gcc clang cc})" >&2
exit 77
