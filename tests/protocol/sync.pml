/* reactvec/_sync.h: clocks, the futex under them, and the abort word.
 *
 * Every statement that touches shared memory is one step, and steps of different workers interleave in any order. That
 * is sequential consistency: the four operations of which no wake-up may get lost (store of count, load of sleepers;
 * increment of sleepers, load of count) are seq_cst in C, so the model is faithful there. For what is only acquire and
 * release it assumes what those give: who sees a count sees all that was written before it was published. Weaker orders
 * are the business of ThreadSanitizer (tests/native).
 *
 * Not modelled: durations (a park that may time out may do so at any time), the doze (such a park, and looks, before the
 * others), the spin (a spin that ends well is a first look that came late), patience and woke_ns (hints), and the mutex
 * and condition that stand for the futex elsewhere.
 */

/* Counts wrap around, as uint32_t do, only sooner; commands go on for ever, so they wrap in every check. A target is less
 * than MOD / 2 behind a count, and at most MOD / 2 ahead: CYCLES + 1, and for `ready` DEATHS. */
#define NEXT(count) ((count) & (MOD - 1))
#if MUTANT == UNSIGNED_COMPARE
#define REACHED(count, target) ((count) >= (target))
#else
#define REACHED(count, target) (((count) - (target) & (MOD - 1)) < MOD / 2)
#endif

/* Clocks: one per worker, `issued`, and `ready` of each worker but the caller. */
#define ISSUED W
#define READY(worker) (W + (worker))
#define CLOCKS (2 * W)

#define RV_REACHED 0
#define RV_ABORTED 1
#define RV_TIMEOUT 2

byte count[CLOCKS];
byte sleepers[CLOCKS];
bool aborted;

/* The futex: the clock on which a worker sleeps, plus one; 0 while it is awake. */
byte parked[W];

/* When may a park time out? ANY_TIME is what happens, and hides a lost wake-up. WHEN_NEEDED leaves only what the protocol
 * relies on: abort is raised, or (the caller) a worker died and nobody noticed. There a lost wake-up is a deadlock, and
 * so it is with NEVER. */
#if PARKS == ANY_TIME
#define MAY_TIME_OUT(me) true
#elif PARKS == NEVER || MUTANT == ABORT_UNTIMED
#define MAY_TIME_OUT(me) false
#else
#define MAY_TIME_OUT(me) (aborted || (me) == 0 && (DEADLINE || UNNOTICED))
#endif

/* FUTEX_WAIT: the comparison and falling asleep are one step. */
inline rv_park(me, clock, seen) {
    if
#if MUTANT == PARK_UNCOMPARED
    :: parked[me] = clock + 1;
#else
    :: atomic { count[clock] == seen -> parked[me] = clock + 1 };
#endif
        if
        :: parked[me] == 0
        :: atomic { parked[me] != 0 && MAY_TIME_OUT(me) -> parked[me] = 0; late = true }
        fi
#if MUTANT != PARK_UNCOMPARED
    :: else
#endif
    fi
}

/* FUTEX_WAKE wakes who sleeps now, and nobody who falls asleep later. */
inline rv_wake(clock) {
    d_step {
        if
        :: parked[0] == clock + 1 -> parked[0] = 0
        :: else
        fi;
        if
        :: parked[1] == clock + 1 -> parked[1] = 0
        :: else
        fi;
#if W > 2
        if
        :: parked[2] == clock + 1 -> parked[2] = 0
        :: else
        fi
#endif
    }
}

inline rv_publish(clock, value) {
#if MUTANT == SLEEPERS_FIRST
    if
    :: sleepers[clock] -> count[clock] = value; rv_wake(clock)
    :: else -> count[clock] = value
    fi
#else
    count[clock] = value;
    if
    :: sleepers[clock] -> rv_wake(clock)
    :: else
    fi
#endif
}

/* What rv_await does after its first look has failed; that look is in wait_for. Ends with RV_REACHED, RV_ABORTED or
 * RV_TIMEOUT in `outcome`. Who dies in it never takes back its `sleepers`. */
inline rv_await(me, clock, target) {
    sleepers[clock]++;
    do
    :: atomic {
            looked = count[clock];
            if
            :: REACHED(looked, target) -> outcome = RV_REACHED; break
            :: else
            fi
        };
        if
        :: atomic { aborted -> outcome = RV_ABORTED; break }
        :: atomic { !aborted && late -> outcome = RV_TIMEOUT; break }
        :: !aborted && !late
        fi;
        rv_park(me, clock, looked)
    od;
    atomic { sleepers[clock]--; looked = 0; late = false }
}

/* rv_abort of all clocks: Engine.abort. */
inline rv_abort() {
    aborted = true;
    other = 0;
    do
    :: other < CLOCKS -> rv_wake(other); other++
    :: else -> break
    od;
    other = 0
}
