#!/bin/sh
# Checks the protocol between workers (workers.pml) with spin: each case in all its interleavings. One to two minutes,
# less than 1 GB. Exits 77 where spin or a C compiler is missing.
#
#     run_spin.sh [full]     full: larger cases too, about five minutes more, 2 GB
#
# safety     no deadlock, so no lost wake-up where parks do not time out; no wrong stamp is read
# progress   every command is completed or fails, and close ends, if every worker gets to run (weak fairness)
# rejects    the same with a mistake in it, which has to be found
set -eu

here=$(cd "$(dirname "$0")" && pwd)
missing() {
    echo "$1 is missing; install it, on Debian or Ubuntu: apt-get install $2" >&2
    exit 77
}
command -v spin >/dev/null || missing spin spin
compiler=${CC:-$(command -v cc || command -v gcc || command -v clang || true)}
[ -n "$compiler" ] || missing "a C compiler" gcc
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# search KIND MACROS OPTIMISE: leaves what spin says in `log`.
search() {
    settings=$(awk -v given="$2" 'BEGIN {
        usual = "W=2 PARKS=NEVER CROSS=0 CYCLES=1 MIXED=0 MOD=8 DEATHS=0 RESTART=0 DEADLINE=0 HANGS=0 CLOSES=0 MUTANT=NONE"
        split(usual, all, " ")
        for (i in all) { split(all[i], pair, "="); value[pair[1]] = pair[2] }
        count = split(given, mine, " ")
        for (i = 1; i <= count; i++) { split(mine[i], pair, "="); value[pair[1]] = (pair[2] == "" ? 1 : pair[2]) }
        for (name in value) printf "-D%s=%s ", name, value[name]
    }')
    rm -f pan* ./*.trail
    case $1 in
        safety) for_compiler="-DSAFETY" for_search="" ;;
        progress) for_compiler="-DNP -DNFAIR=3" for_search="-l -f" ;;
    esac
    # shellcheck disable=SC2086
    spin -a $settings "$here/workers.pml" >log && [ -f pan.c ] || { cat log >&2; exit 1; }
    # No partial order reduction: it does not go together with `unless` and fairness.
    # shellcheck disable=SC2086
    "$compiler" "$3" -w -DNOREDUCE -DCOLLAPSE -DMEMLIM=3900 $for_compiler -o pan pan.c
    # shellcheck disable=SC2086
    ./pan -m3000000 $for_search >log 2>&1 || true
}

figures() {
    awk '/states, stored/ { states = $1 } /elapsed time/ { seconds = $4 } END { printf "%d states, %s s", states, seconds }' log
}

holds() { # KIND MACROS WHAT
    printf '%-8s  %s (%s): ' "$1" "$3" "$2"
    search "$1" "$2" -O1
    figures
    if ! grep -q 'errors: 0$' log || grep -qE 'Search not completed|max search depth|out of memory|aborting' log; then
        echo ": FAILS"
        grep -vE '^Depth|^unreached|^	' log >&2
        [ ! -f workers.pml.trail ] || ./pan -r workers.pml.trail | tail -60 >&2
        exit 1
    fi
    echo
}

rejects() { # KIND MACROS WHAT
    printf 'rejects   %s (%s): ' "$3" "$2"
    search "$1" "$2" -O0
    found=$(sed -nE 's/^pan:1: (invalid end state|assertion violated|non-progress cycle).*/\1/p' log)
    if [ -z "$found" ]; then
        echo "NOT FOUND"
        cat log >&2
        exit 1
    fi
    echo "$found"
}

echo "No wake-up is lost: parks never time out"
holds safety "W=2" "commands"
holds safety "W=2 CROSS=ALL CYCLES=2 MIXED" "awaits within a tag"
holds safety "W=3" "commands"
holds safety "W=3 CROSS=ALL CYCLES=2" "awaits within a tag"
rejects safety "MUTANT=SLEEPERS_FIRST" "sleepers looked at before the count is stored"
rejects safety "MUTANT=PARK_UNCOMPARED" "parking does not compare the count"
rejects safety "MUTANT=UNSIGNED_COMPARE" "counts compared as if they did not wrap"

echo "No stale read"
rejects safety "MUTANT=PUBLISHED_FIRST" "clock published before the rows are written"
rejects safety "MUTANT=ISSUED_FIRST" "command issued before the actions are written"
rejects safety "MUTANT=ONE_SLOT" "one slot instead of two"
rejects safety "MUTANT=COMMIT_EARLY" "commit without the last worker"

echo "Timeouts of the caller, hanging workers, close"
holds safety "W=2 PARKS=ANY_TIME DEADLINE CLOSES" "waits continued"
holds safety "W=2 PARKS=WHEN_NEEDED DEADLINE CLOSES HANGS" "abort releases all"
holds safety "W=3 PARKS=WHEN_NEEDED DEADLINE CLOSES HANGS" "abort releases all"
holds safety "W=3 PARKS=WHEN_NEEDED DEADLINE CLOSES HANGS CROSS=OTHERS MOD=4" "abort releases all"
holds progress "W=2 PARKS=ANY_TIME DEADLINE CLOSES" "waits continued"
holds progress "W=2 PARKS=ANY_TIME DEADLINE CLOSES HANGS" "hanging workers are killed"
holds progress "W=3 PARKS=ANY_TIME CLOSES MOD=4" "commands"
rejects safety "PARKS=ANY_TIME DEADLINE MUTANT=ISSUED_PENDING" "a command issued while one is pending"
rejects safety "PARKS=WHEN_NEEDED CLOSES MUTANT=ABORT_UNTIMED" "abort without a limit to parks"
rejects progress "PARKS=WHEN_NEEDED DEADLINE CLOSES HANGS CROSS=ALL MOD=4" "a time limit while the caller awaits within its own range"

echo "Death, and the tag fails"
holds safety "W=2 PARKS=ANY_TIME DEADLINE CLOSES DEATHS=1 CROSS=ALL" "death"
holds safety "W=3 PARKS=WHEN_NEEDED CLOSES DEATHS=2 MOD=4" "two deaths"
holds safety "W=3 PARKS=WHEN_NEEDED CLOSES DEATHS=1 CROSS=OTHERS MOD=4" "others await the dead"
holds progress "W=2 PARKS=ANY_TIME CLOSES DEATHS=1 CROSS=ALL" "death"
rejects safety "W=3 PARKS=WHEN_NEEDED CLOSES DEATHS=1 CROSS=OTHERS MOD=4 MUTANT=NOT_ON_BEHALF" "the clock of the dead not published"
rejects progress "W=3 PARKS=WHEN_NEEDED CLOSES DEATHS=1 CROSS=OTHERS MOD=4 MUTANT=WATCH_ONE" "death watch of one worker only"

echo "Death, and a new process"
holds safety "W=2 PARKS=ANY_TIME DEADLINE CLOSES DEATHS=2 RESTART MOD=4" "two deaths"
holds safety "W=2 PARKS=WHEN_NEEDED DEATHS=3 RESTART CROSS=ALL" "three deaths"
holds safety "W=3 PARKS=WHEN_NEEDED DEATHS=1 RESTART MOD=4" "death"
holds progress "W=2 PARKS=ANY_TIME DEADLINE CLOSES DEATHS=1 RESTART MOD=4" "death"
rejects progress "PARKS=ANY_TIME DEATHS=1 RESTART MUTANT=WATCH_ONCE" "who was seen dead is not looked at again"
rejects safety "PARKS=WHEN_NEEDED DEATHS=1 RESTART MUTANT=SEEN_EARLIER" "the predecessor's command served again"
rejects safety "W=3 PARKS=WHEN_NEEDED DEATHS=1 RESTART CROSS=ALL MOD=4 MUTANT=EARLY_RESTART" "restart before the tag is complete"
rejects safety "PARKS=WHEN_NEEDED DEATHS=2 RESTART MUTANT=READY_COUNTED" "ready counted by the new process"
rejects safety "W=3 PARKS=WHEN_NEEDED DEATHS=1 RESTART MOD=4 MUTANT=SLEEPERS_RESET" "sleepers cleared at a restart"
rejects safety "W=3 PARKS=WHEN_NEEDED DEATHS=1 RESTART CROSS=ALL MOD=4 MUTANT=ROWS_KEPT" "rows kept that were computed from those of the dead"
rejects progress "PARKS=ANY_TIME DEADLINE CLOSES DEATHS=1 RESTART MOD=4 MUTANT=CLOSE_PENDING" "SHUTDOWN issued during a restart"

[ "${1:-}" = full ] || exit 0
echo "Larger cases"
holds safety "W=3 CROSS=ALL CYCLES=2 MIXED" "awaits within a tag"
holds safety "W=3 PARKS=WHEN_NEEDED DEATHS=2 RESTART MOD=4" "two deaths, new processes"
holds safety "W=3 PARKS=WHEN_NEEDED DEATHS=1 RESTART CROSS=ALL MOD=4" "others await the dead, new processes"
holds progress "W=2 PARKS=ANY_TIME DEADLINE CLOSES DEATHS=2 RESTART MOD=4" "two deaths, new processes"
holds progress "W=3 PARKS=WHEN_NEEDED CLOSES DEATHS=1 MOD=4" "death"
holds progress "W=3 PARKS=WHEN_NEEDED CLOSES DEATHS=1 CROSS=OTHERS MOD=4" "others await the dead"
holds progress "W=3 PARKS=WHEN_NEEDED DEATHS=1 RESTART MOD=4" "death, new processes"
