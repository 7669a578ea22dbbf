/* The protocol between the caller (worker 0) and the other workers, threads or processes.
 *
 *     Worker           serve_commands; in a process that may die, and be started again
 *     Caller           Engine.issue, conclude, begin/finish, abort; the death watch; restart; close
 *     Killer           SIGKILL to any worker at any time, DEATHS times
 *     run_program      the function of that name: both
 *
 * What is checked is chosen by macros, see run_spin.sh:
 *
 *     W                workers, the caller included: 2 or 3
 *     PARKS            when parks time out: NEVER, WHEN_NEEDED, ANY_TIME (sync.pml)
 *     CROSS            who awaits all others within a tag, and reads their rows: 0, nobody; OTHERS, all but the caller; ALL
 *     CYCLES, MIXED    how many tags a command has; some have one tag only
 *     MOD              where counts wrap: 8, or 4 where that is enough
 *     DEATHS, RESTART  how many workers die in all; whether they are replaced, or the tag fails
 *     DEADLINE         the caller's waits may end early, and are continued or given up
 *     HANGS            how many workers hang in their range
 *     CLOSES           the caller may close; else it goes on for ever
 *     MUTANT           a mistake, which must be found
 *
 * Data are stamps: the tag that they were written for. Every stamp that is read is asserted to be the expected one. A row
 * takes two steps to write, the control word a few; `action` stands for all that the caller writes before it issues.
 *
 * Not modelled: failing reactions and the limit in logical time; periods and presence; delays and slots beyond two;
 * signals (the second one is a close with a command pending); the death of the caller; a process that cannot be started.
 */
#define NEVER 1
#define WHEN_NEEDED 2
#define ANY_TIME 3

#define ALL 1
#define OTHERS 2

#define NONE 0
#define SLEEPERS_FIRST 1     /* rv_publish looks at sleepers before it stores the count */
#define PARK_UNCOMPARED 2    /* rv_park sleeps though the count has changed */
#define UNSIGNED_COMPARE 3   /* rv_reached forgets that counts wrap */
#define PUBLISHED_FIRST 4    /* a worker publishes its clock before its rows are written */
#define ISSUED_FIRST 5       /* the caller publishes `issued` before the actions are written */
#define ONE_SLOT 6           /* slabs have one slot */
#define COMMIT_EARLY 7       /* the caller does not await the last worker */
#define ISSUED_PENDING 8     /* a new command though one is pending */
#define CLOSE_PENDING 9      /* a SHUTDOWN command though one is pending */
#define NOT_ON_BEHALF 10     /* the clock of the dead stays where it was */
#define WATCH_ONE 11         /* the caller looks only whether the worker that it awaits is dead */
#define WATCH_ONCE 12        /* a worker that was seen dead is not looked at again, though it had completed that tag */
#define SEEN_EARLIER 13      /* a new process serves the command of its predecessor */
#define EARLY_RESTART 14     /* a new process starts before the others have completed the tag */
#define READY_COUNTED 15     /* a new process publishes ready + 1, not the generation that it was given */
#define SLEEPERS_RESET 16    /* restart clears the sleepers of `issued`, for those that the dead left there */
#define ABORT_UNTIMED 17     /* parks do not time out after abort */
#define ROWS_KEPT 18         /* rows are kept, at a restart, that were computed from those of the dead */

#define TAGS 4               /* stamps are tags modulo this: enough to tell those of one slot apart */
#define TORN 15
#define FILLED 8             /* added to the stamp of a row that the caller filled in */
#if MUTANT == ONE_SLOT
#define ROW(tag, worker) (worker)
#else
#define ROW(tag, worker) (((tag) & 1) * W + (worker))
#endif
#define STAMP(tag) ((tag) & (TAGS - 1))

#define STEP 1
#define SHUTDOWN 2

/* The control word and the slabs: shared memory. */
byte command, cycles, command_tag;
byte action;
byte rows[2 * W];
byte report[W];

/* Processes. */
bool killed[W];     /* SIGKILL was sent: its next step is its last */
bool dead[W];       /* what its pidfd shows */
bool spawned[W];    /* a new process was started */
bool gone[W];       /* it has left its loop */
bool hung[W];
byte generation[W]; /* an argument of the process */
byte deaths = DEATHS;
byte hangs = HANGS;

/* What the caller knows of the others. */
#define ALIVE 0
#define DEAD 1
#define STARTING 2
#define REPLACED 3
byte mark[W];
bool through;       /* the caller has run its own range of the command, and its `base` is that of the next */

#define TO_NOTICE(worker) (dead[worker] && mark[worker] != DEAD)
#if W > 2
#define UNNOTICED (TO_NOTICE(1) || TO_NOTICE(2))
#define ANY_MARK (mark[1] != ALIVE || mark[2] != ALIVE)
#else
#define UNNOTICED TO_NOTICE(1)
#define ANY_MARK (mark[1] != ALIVE)
#endif

#define ADVANCES NEXT(cycles * (CROSS != 0) + 1) /* of each clock in this command: publishes per tag, and one at the end */

#include "sync.pml"
#include "program.pml"

/* Engine.issue */
inline issue(what) {
    d_step {
        command = what;
        cycles = 1;
        through = false;
        mark[1] = ALIVE;
        mark[W - 1] = ALIVE
    };
    command_tag = tag;
    if
    :: what == STEP -> cycles = CYCLES
    :: what == SHUTDOWN || MIXED
    fi;
    issued = NEXT(issued + 1);
#if MUTANT == ISSUED_FIRST
    rv_publish(ISSUED, issued);
    action = STAMP(tag)
#else
    action = STAMP(tag);
    rv_publish(ISSUED, issued)
#endif
}

/* Each row holds what it should: of the last tag, and of the one before, which the caller may still use. */
inline check_rows(last, committed) {
    d_step {
        other = 0;
        do
        :: other < W ->
            assert(rows[ROW(last - 1, other)] % FILLED == STAMP(last - 1));
            assert(!committed || rows[ROW(last, other)] == STAMP(last) + (mark[other] == REPLACED -> FILLED : 0));
            assert(!committed || other == 0 || mark[other] == REPLACED || report[other] == STAMP(tag));
            other++
        :: else -> break
        od;
        other = 0
    }
}

/* Start a new process for each dead worker, await that it is ready, and fill in its rows. A new process may die too. */
inline restart() {
    worker = 1;
    do
    :: worker < W && (mark[worker] == ALIVE || mark[worker] == REPLACED) -> worker++
    :: worker < W && mark[worker] == DEAD ->
        atomic {
            generation[worker] = NEXT(generation[worker] + 1);
            mark[worker] = STARTING;
#if MUTANT == SLEEPERS_RESET
            sleepers[ISSUED] = 0;
#endif
            dead[worker] = false;
            spawned[worker] = true
        }
    :: worker < W && mark[worker] == STARTING ->
        wait_for(0, READY(worker), generation[worker]);
        if
        :: expired -> break
        :: outcome == RV_REACHED ->
            rows[ROW(tag, worker)] = FILLED + STAMP(tag);
            mark[worker] = REPLACED;
            worker = 1 /* others may have died meanwhile */
        :: else
        fi
    :: worker == W -> break
    od;
    worker = 0
}

active proctype Caller() {
    PRIVATE;
    byte issued, tag, worker;
    bool failed;

    d_step { /* as if two tags had been run */
        do
        :: other < W ->
            rows[ROW(0, other)] = STAMP(tag - 2);
            rows[ROW(1, other)] = STAMP(tag - 1);
            other++
        :: else -> break
        od;
        other = 0
    };

idle:
    if
    :: !failed -> issue(STEP)
    :: CLOSES -> issue(SHUTDOWN)
    :: CLOSES && failed -> goto closing
    fi;
    run_program(0);

collect: /* conclude; a wait whose time was over is continued here */
    worker = 1;
    do
    :: worker < W - (MUTANT == COMMIT_EARLY) ->
        wait_for(0, worker, base[worker]);
        if
        :: expired || MUTANT == EARLY_RESTART && RESTART && ANY_MARK -> break
        :: else -> worker++
        fi
    :: else -> break
    od;
    worker = 0;
    if
    :: expired -> goto pending
    :: !expired && command == SHUTDOWN -> goto closing
    :: !expired && command == STEP && ANY_MARK && !RESTART ->
progress_failed:
        check_rows(tag, false);
        failed = true;
        goto idle
    :: !expired && command == STEP && ANY_MARK && RESTART ->
        restart();
        if
        :: expired -> goto pending
        :: MUTANT == EARLY_RESTART -> goto collect
        :: else
        fi
    :: else
    fi;
progress_committed:
    check_rows(tag + cycles - 1, true);
    tag = (tag + cycles) % TAGS;
    goto idle;

pending:
    expired = false;
    if
    :: command == STEP && !HANGS -> goto collect
    :: CLOSES -> goto closing
#if MUTANT == ISSUED_PENDING
    :: command == STEP -> tag = (tag + 1) % TAGS; goto idle
#elif MUTANT == CLOSE_PENDING
    :: command == STEP -> issue(SHUTDOWN); run_program(0); goto collect
#endif
    fi;

closing: /* Engine.abort, then join; who hangs is killed */
    rv_abort();
    worker = 1;
    do
    :: worker < W ->
        if
        :: gone[worker] || dead[worker] -> worker++
        :: hung[worker] && !dead[worker] && !killed[worker] -> killed[worker] = true
        fi
    :: else -> break
    od
}

active [W - 1] proctype Worker() {
    PRIVATE;
    byte seen;
    bool again; /* a new process in the place of a dead one */

begin:
    {
        if
        :: again ->
#if MUTANT != SEEN_EARLIER
            seen = count[ISSUED];
#else
            seen = NEXT(count[ISSUED] - 1);
#endif
            do
            :: other < W -> base[other] = count[other]; other++
            :: else -> break
            od;
            other = 0;
#if MUTANT == READY_COUNTED
            rv_publish(READY(_pid), NEXT(count[READY(_pid)] + 1))
#else
            rv_publish(READY(_pid), generation[_pid])
#endif
        :: else
        fi;
        do
        :: wait_for(_pid, ISSUED, NEXT(seen + 1));
            atomic {
                if
                :: outcome == RV_ABORTED -> goto leave
                :: else -> seen = NEXT(seen + 1)
                fi
            };
            run_program(_pid);
            if
            :: outcome == RV_ABORTED -> goto leave
            :: else
            fi
        od
    } unless {
        atomic {
            killed[_pid] ->
            killed[_pid] = false;
            hung[_pid] = false;
            parked[_pid] = 0;
            dead[_pid] = true;
            d_step {
                other = 0;
                do
                :: other < W -> base[other] = 0; other++
                :: else -> break
                od;
                other = 0; cycle = 0; looked = 0; outcome = 0; late = false; seen = 0; again = true
            }
        }
    };
end_dead:
    atomic { spawned[_pid] -> spawned[_pid] = false };
    goto begin;
leave:
    gone[_pid] = true
}

#if DEATHS > 0
#define LIVES(worker) (!killed[worker] && !dead[worker] && !gone[worker])
#define KILL(worker) atomic { deaths > 0 && LIVES(worker) -> deaths--; killed[worker] = true }

active proctype Killer() {
    do
    :: KILL(1)
#if W > 2
    :: KILL(2)
#endif
    :: break
    od
}
#endif
