/* What every worker runs: waiting (with the caller's death watch) and the program of one command. */

/* The private state of one worker: `base` is Worker.base. */
#define PRIVATE byte base[W], other, cycle, looked, outcome; bool late

/* The caller's own: the death watch, and whether the wait that step_wait was given is over. */
byte watched, end;
bool expired;
#if MUTANT == WATCH_ONCE
bool noticed[W];
#define LOOKS(awaited) (!noticed[watched])
#elif MUTANT == WATCH_ONE
#define LOOKS(awaited) (watched == (awaited))
#else
#define LOOKS(awaited) true
#endif

/* After each RV_TIMEOUT of the caller: who is dead gets its clock published on its behalf. Whether one that had published
 * its clock already counts as dead in this command, or in the next, is left open. */
inline look_for_dead(awaited) {
    watched = 1;
    do
    :: watched < W ->
        if
        :: dead[watched] && mark[watched] == ALIVE && LOOKS(awaited) ->
            end = NEXT(base[watched] + (through -> 0 : ADVANCES));
#if MUTANT == WATCH_ONCE
            noticed[watched] = true;
#endif
            if
            :: count[watched] == end
            :: mark[watched] = DEAD;
#if MUTANT != NOT_ON_BEHALF
                rv_publish(watched, end)
#endif
            fi;
            end = 0
        :: dead[watched] && mark[watched] == STARTING -> mark[watched] = DEAD
        :: else
        fi;
        watched++
    :: else -> break
    od;
    watched = 0
}

/* wait_for: the caller looks for the dead, and may return with RV_TIMEOUT: when its time is over, or when the new process
 * for which it waits is dead too. Its time is not over before its own range has run. */
inline wait_for(me, clock, target) {
    do
    :: atomic { REACHED(count[clock], target) -> outcome = RV_REACHED; break }
    :: else ->
        rv_await(me, clock, target);
        if
        :: outcome != RV_TIMEOUT -> break
        :: outcome == RV_TIMEOUT && (me) != 0
        :: outcome == RV_TIMEOUT && (me) == 0 ->
            look_for_dead(clock);
            if
            :: DEADLINE && through -> expired = true; break
            :: clock > ISSUED && mark[clock - W] == DEAD -> break
            :: !(HANGS && through) && !(clock > ISSUED && mark[clock - W] == DEAD)
            fi
        fi
    od
}

/* EXEC, in two steps: who dies or is read between them has torn rows. */
inline write_rows(me) {
    atomic {
        assert(cycle > 0 || action == STAMP(command_tag));
        rows[ROW(command_tag + cycle, me)] = TORN
    };
    atomic {
        assert(cycle > 0 || action == STAMP(command_tag));
        rows[ROW(command_tag + cycle, me)] = STAMP(command_tag + cycle);
        report[me] = STAMP(command_tag)
    }
}

/* AWAIT of all others, and the rows of each. */
inline read_rows(me) {
    do
    :: atomic { other == (me) -> other++ }
    :: other < W && other != (me) ->
        wait_for(me, other, NEXT(base[other] + cycle + 1));
        atomic {
            if
            :: outcome == RV_ABORTED -> break
            :: else
            fi;
            assert((killed[other] || dead[other]) && MUTANT != ROWS_KEPT
                || rows[ROW(command_tag + cycle, other)] == STAMP(command_tag + cycle));
            other++
        }
    :: else -> break
    od;
    other = 0
}

/* The program of a STEP: rows are written and, with CROSS, those of the others read. It has no await that protects a slot
 * from being overwritten too soon: by the await of the tag before, a worker knows. SHUTDOWN writes nothing. */
inline run_program(me) {
    do
    :: cycle < cycles && command == STEP ->
#if MUTANT == PUBLISHED_FIRST
        if
        :: (me) != 0 -> rv_publish(me, NEXT(base[me] + ADVANCES))
        :: else
        fi;
#endif
        write_rows(me);
#if CROSS
        rv_publish(me, NEXT(base[me] + cycle + 1));
        if
        :: CROSS == ALL || (me) != 0 -> read_rows(me)
        :: else
        fi;
#endif
        atomic {
            if
            :: outcome == RV_ABORTED -> cycle = 0; break
            :: else -> cycle++
            fi
        }
    :: (me) != 0 && hangs > 0 && cycle < cycles && command == STEP -> atomic { hangs--; hung[me] = true }; false
    :: atomic { cycle < cycles && command == SHUTDOWN -> cycle++ }
    :: atomic { cycle == cycles ->
            d_step {
                cycle = 0;
                other = 0;
                do
                :: other < W -> base[other] = NEXT(base[other] + ADVANCES); other++
                :: else -> break
                od;
                other = 0;
                through = through || (me) == 0
            }
        };
        rv_publish(me, base[me]);
        break
    od
}
