/* The whole protocol between workers: publish, await, park, abort. Plain C11 atomics, no Python.
 *
 * A clock counts what one worker has done. Only its owner advances it; anyone may wait until it reaches a number.
 * Counts wrap around; two counts are compared by the sign of their difference.
 *
 * Waiting is spin, then park. The spin is bounded by what the last waits have shown (`rv_patience`); where they were all
 * alike and longer, a shorter park and looks around the end that is foreseen come before (`rv_doze`). A park ends when
 * the clock advances, and after RV_PARK_NS at the latest, so that a waiter can look at the abort word and at signals.
 *
 * No wake-up is lost: a waiter announces itself in `sleepers` before it looks at `count` for the last time, a publisher
 * advances `count` before it looks at `sleepers`; all four are sequentially consistent, so one of them sees the other.
 */
#ifndef REACTVEC_SYNC_H
#define REACTVEC_SYNC_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sched.h>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#include <pthread.h>
#endif

#define RV_LINE 128          /* bytes; two cache lines, since some processors fetch them in pairs */
#define RV_PARK_NS 50000000  /* longest park */
#define RV_SPIN_FAST 64      /* looks before the clock is read for the first time */
#define RV_SPIN_LOOKS 32     /* looks between two readings of the clock */
#define RV_SPIN_MAX_NS 100000 /* waits that take longer than this are not worth a spin */
#define RV_WAKE_NS 100000    /* what a wake-up may take; with it a wait is foreseen to end so much earlier */
#define RV_DOZE_MIN_NS (2 * RV_WAKE_NS)
#define RV_DOZE_MAX_NS (RV_PARK_NS / 4)
#define RV_DENIED_NS 50000   /* who gives the core away and has it back later than this, was not alone in wanting it */
#define RV_WEARY 1000        /* waits that are not dozed through once that has happened again and again */
#define RV_UNSTEADY 2        /* so many unexpected waits in a row, and no longer is one foreseen */

enum { RV_REACHED = 0, RV_ABORTED = 1, RV_TIMEOUT = 2 };

typedef struct {
    _Alignas(RV_LINE) _Atomic uint32_t count;
    _Atomic uint32_t sleepers;
    _Atomic int64_t woke_ns; /* when sleepers were last woken */
    int shared;              /* whether it lies in memory of several processes */
#ifndef __linux__
    pthread_mutex_t mutex;
    pthread_cond_t advanced;
#endif
} rv_clock;

/* A word on a line of its own that is raised for all to see. */
typedef struct {
    _Alignas(RV_LINE) _Atomic uint32_t raised;
} rv_flag;

/* release; pairs with the acquire in rv_raised */
static inline void rv_raise(rv_flag *flag) { atomic_store_explicit(&flag->raised, 1, memory_order_release); }

static inline void rv_lower(rv_flag *flag) { atomic_store_explicit(&flag->raised, 0, memory_order_release); }

static inline int rv_raised(const rv_flag *flag) {
    return (int)atomic_load_explicit(&flag->raised, memory_order_acquire);
}

/* True if it was not raised yet, and now is (by this caller alone). */
static inline int rv_take(rv_flag *flag) { return !atomic_exchange(&flag->raised, 1); }

/* A number on a line of its own that anyone may lower. */
typedef struct {
    _Alignas(RV_LINE) _Atomic int64_t value;
} rv_limit;

/* release; pairs with the acquire in rv_limited */
static inline void rv_set_limit(rv_limit *limit, int64_t value) {
    atomic_store_explicit(&limit->value, value, memory_order_release);
}

static inline int64_t rv_limited(const rv_limit *limit) {
    return atomic_load_explicit(&limit->value, memory_order_acquire);
}

static inline void rv_lower_limit(rv_limit *limit, int64_t value) {
    int64_t seen = atomic_load(&limit->value);
    while (value < seen && !atomic_compare_exchange_weak(&limit->value, &seen, value)) continue;
}

/* True if it was raised, and now is not (by this caller alone). */
static inline int rv_drop(rv_flag *flag) { return (int)atomic_exchange(&flag->raised, 0); }

/* Zeroed memory on lines of its own; free() it. NULL when there is none. */
static inline void *rv_allocate(size_t size) {
    size = (size + RV_LINE - 1) / RV_LINE * RV_LINE;
    void *memory = aligned_alloc(RV_LINE, size ? size : RV_LINE);
    if (memory != NULL) memset(memory, 0, size);
    return memory;
}

/* What one waiter expects of the next wait: a moving average of the last ones, and how long they are where they are all
 * alike. Private to the waiter. */
typedef struct {
    int64_t expected_ns;
    int may_spin;    /* 0 where more workers run than cores are usable */
    int64_t park_ns; /* longest park; RV_PARK_NS, or less for a waiter with a deadline */
    int64_t steady_ns; /* the wait that others are like */
    int missed;        /* how many in a row were not */
    int denied;        /* how many dozes in a row did not get the core back */
    int weary;         /* so many waits will not be dozed through */
} rv_patience;

static inline rv_patience rv_patient(int may_spin) {
    return (rv_patience){.expected_ns = 5000, .may_spin = may_spin, .park_ns = RV_PARK_NS};
}

static inline void rv_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

static inline int64_t rv_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline void rv_clock_init(rv_clock *clock, int shared) {
    clock->shared = shared;
    atomic_init(&clock->count, 0);
    atomic_init(&clock->sleepers, 0);
    atomic_init(&clock->woke_ns, 0);
#ifndef __linux__
    pthread_mutex_init(&clock->mutex, NULL);
    pthread_cond_init(&clock->advanced, NULL);
#endif
}

#ifdef __linux__

static inline void rv_wake(rv_clock *clock) {
    syscall(SYS_futex, &clock->count, clock->shared ? FUTEX_WAKE : FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static inline void rv_park(rv_clock *clock, uint32_t seen, int64_t longest_ns) {
    struct timespec longest = {0, longest_ns};
    syscall(SYS_futex, &clock->count, clock->shared ? FUTEX_WAIT : FUTEX_WAIT_PRIVATE, seen, &longest, NULL, 0);
}

#else

static inline void rv_wake(rv_clock *clock) {
    pthread_mutex_lock(&clock->mutex);
    pthread_cond_broadcast(&clock->advanced);
    pthread_mutex_unlock(&clock->mutex);
}

static inline void rv_park(rv_clock *clock, uint32_t seen, int64_t longest_ns) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += longest_ns;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&clock->mutex);
    if (atomic_load(&clock->count) == seen) pthread_cond_timedwait(&clock->advanced, &clock->mutex, &until);
    pthread_mutex_unlock(&clock->mutex);
}

#endif

/* Owner only. Everything written before is visible to whoever sees the new count (pairs with the loads in rv_reached). */
static inline void rv_publish(rv_clock *clock, uint32_t count) {
    atomic_store(&clock->count, count);         /* seq_cst: ordered before the load of sleepers */
    if (atomic_load(&clock->sleepers)) {        /* seq_cst: pairs with the increment in rv_await */
        atomic_store_explicit(&clock->woke_ns, rv_now_ns(), memory_order_relaxed); /* a hint, orders nothing */
        rv_wake(clock);
    }
}

static inline uint32_t rv_count(rv_clock *clock) {
    /* acquire: pairs with the store in rv_publish */
    return atomic_load_explicit(&clock->count, memory_order_acquire);
}

static inline int rv_reached(rv_clock *clock, uint32_t target) {
    return (int32_t)(rv_count(clock) - target) >= 0;
}

/* Look for a microsecond or two; true if the target was reached. */
static inline int rv_glance(rv_clock *clock, uint32_t target) {
    for (int look = 0; look < RV_SPIN_FAST; look++) {
        if (rv_reached(clock, target)) return 1;
        if (look > RV_SPIN_FAST / 2) rv_relax();
    }
    return 0;
}

/* A long pause between commands counts as a short one, so that it is soon forgotten. */
static inline void rv_learn(rv_patience *patience, int64_t waited_ns) {
    if (waited_ns > 2 * RV_SPIN_MAX_NS) waited_ns = 2 * RV_SPIN_MAX_NS;
    patience->expected_ns += (waited_ns - patience->expected_ns) / 8;
}

/* How long a park really had to last: until the publisher came, without the time it took to wake up. With that in it,
 * a waiter that parked once would find its waits long because it parks, and never spin again. */
static inline int64_t rv_parked_ns(rv_clock *clock, int64_t begin_ns) {
    int64_t woke_ns = atomic_load_explicit(&clock->woke_ns, memory_order_relaxed);
    return (woke_ns > begin_ns ? woke_ns : rv_now_ns()) - begin_ns;
}

/* Spin where waits tend to be short, for about as long as a park and a wake-up would cost; true if the target was
 * reached. A tighter limit would park whenever one of the others has a little more to do than usual. */
static inline int rv_spin(rv_clock *clock, uint32_t target, rv_patience *patience, int64_t begin_ns) {
    if (2 * patience->expected_ns > RV_SPIN_MAX_NS) return 0;
    while (rv_now_ns() - begin_ns <= RV_SPIN_MAX_NS)
        for (int look = 0; look < RV_SPIN_LOOKS; look++) {
            if (rv_reached(clock, target)) return 1;
            rv_relax();
        }
    return 0;
}

/* Waits are steady while no two in a row are unlike the others: a pause now and then, for an evaluation, changes nothing. */
static inline void rv_learn_steady(rv_patience *patience, int64_t waited_ns) {
    int64_t off_ns = waited_ns - patience->steady_ns;
    if ((off_ns < 0 ? -off_ns : off_ns) <= patience->steady_ns / 8) patience->missed = 0;
    else if (patience->missed < RV_UNSTEADY) patience->missed++;
    if (patience->missed != 1) patience->steady_ns = waited_ns;
}

/* How long the next wait will be, where that can be foreseen and is worth a doze; else 0. */
static inline int64_t rv_foreseen_ns(const rv_patience *patience) {
    int64_t longest_ns = patience->park_ns < RV_DOZE_MAX_NS ? patience->park_ns : RV_DOZE_MAX_NS;
    int steady = patience->missed < RV_UNSTEADY;
    return steady && patience->steady_ns >= RV_DOZE_MIN_NS && patience->steady_ns <= longest_ns ? patience->steady_ns : 0;
}

/* Park until shortly before the end that is foreseen, then look until shortly after it, so that no wake-up, which takes
 * long from an idle core, lies between the end and whoever waits for it; true if the target was reached. Each look
 * leaves the core to whoever else wants it. */
static inline int rv_doze(
    rv_clock *clock, uint32_t target, rv_patience *patience, const rv_flag *abort, int64_t begin_ns
) {
    int64_t foreseen_ns = rv_foreseen_ns(patience);
    if (foreseen_ns == 0 || (patience->weary && patience->weary--)) return 0;
    atomic_fetch_add(&clock->sleepers, 1); /* as in rv_await */
    uint32_t seen = atomic_load(&clock->count);
    if ((int32_t)(seen - target) < 0 && !rv_raised(abort))
        rv_park(clock, seen, foreseen_ns - foreseen_ns / 16 - RV_WAKE_NS);
    atomic_fetch_sub(&clock->sleepers, 1);
    int64_t end_ns = begin_ns + foreseen_ns + foreseen_ns / 16, looked_ns = rv_now_ns();
    while (looked_ns <= end_ns) {
        if (rv_reached(clock, target)) {
            patience->denied = 0;
            return 1;
        }
        sched_yield();
        int64_t now_ns = rv_now_ns();
        if (now_ns - looked_ns > RV_DENIED_NS) {
            if (++patience->denied >= RV_UNSTEADY) patience->weary = RV_WEARY;
            break;
        }
        looked_ns = now_ns;
    }
    return 0;
}

/* Wait until `clock` reaches `target`: RV_REACHED; RV_ABORTED once `abort` is raised; RV_TIMEOUT after one long park. */
static inline int rv_await(rv_clock *clock, uint32_t target, rv_patience *patience, const rv_flag *abort) {
    if (rv_reached(clock, target)) return RV_REACHED;
    if (patience->may_spin && rv_glance(clock, target)) return RV_REACHED;
    int64_t begin_ns = rv_now_ns();
    if (patience->may_spin &&
        (rv_spin(clock, target, patience, begin_ns) || rv_doze(clock, target, patience, abort, begin_ns))) {
        int64_t waited_ns = rv_now_ns() - begin_ns;
        rv_learn(patience, waited_ns);
        rv_learn_steady(patience, waited_ns);
        return RV_REACHED;
    }
    int outcome = RV_REACHED;
    atomic_fetch_add(&clock->sleepers, 1); /* seq_cst: ordered before the loads of count below */
    for (int parks = 0;; parks++) {
        uint32_t seen = atomic_load(&clock->count); /* seq_cst: pairs with the store in rv_publish */
        if ((int32_t)(seen - target) >= 0) break;
        if (rv_raised(abort)) {
            outcome = RV_ABORTED;
            break;
        }
        if (parks && rv_now_ns() - begin_ns >= patience->park_ns) {
            outcome = RV_TIMEOUT;
            break;
        }
        rv_park(clock, seen, patience->park_ns);
    }
    atomic_fetch_sub(&clock->sleepers, 1);
    rv_learn(patience, rv_parked_ns(clock, begin_ns));
    if (outcome == RV_REACHED) rv_learn_steady(patience, rv_parked_ns(clock, begin_ns));
    return outcome;
}

/* Release every wait on these clocks, now and from now on. Nothing is awaited after it. */
static inline void rv_abort(rv_flag *abort, rv_clock *clocks, int number) {
    rv_raise(abort);
    for (int index = 0; index < number; index++) rv_wake(&clocks[index]);
}

#endif
