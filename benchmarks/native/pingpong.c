// Two pinned threads that hand a number back and forth, each through a cache line of its own: what a machine's two
// cores need at least for one synchronisation each way. Also a busy loop for the two-core control.
#ifdef __linux__
#define _GNU_SOURCE
#include <sched.h>
#endif
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

enum { PLACES = 4096 };

struct line {
    _Alignas(128) _Atomic uint64_t value;
};

struct game {
    struct line there, back;
    int core; // of the answering thread
    uint64_t rounds;
};

static void pin(int core) {
#ifdef __linux__
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
#else
    (void)core;
#endif
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void await(struct line *line, uint64_t round) {
    while (atomic_load_explicit(&line->value, memory_order_acquire) != round) // acquire; pairs with hand_over
        ;
}

static void hand_over(struct line *line, uint64_t round) {
    atomic_store_explicit(&line->value, round, memory_order_release); // release; pairs with await
}

static void *answer(void *argument) {
    struct game *game = argument;
    pin(game->core);
    for (uint64_t round = 1; round <= game->rounds; round++) {
        await(&game->there, round);
        hand_over(&game->back, round);
    }
    return 0;
}

struct asking {
    struct game *game;
    int core;
    int64_t nanoseconds;
};

static void *ask(void *argument) {
    struct asking *asking = argument;
    struct game *game = asking->game;
    pin(asking->core);
    hand_over(&game->there, 1); // round 1 waits until the other thread runs
    await(&game->back, 1);
    int64_t begin = now();
    for (uint64_t round = 2; round <= game->rounds; round++) {
        hand_over(&game->there, round);
        await(&game->back, round);
    }
    asking->nanoseconds = now() - begin;
    return 0;
}

// Nanoseconds that `rounds` round trips between two cores take; -1 where threads cannot be started. How far a line
// has to travel can depend on its address: `place`, a number, chooses one of many.
int64_t pingpong(int first_core, int second_core, int64_t rounds, uint64_t place) {
    static struct game games[PLACES];
    struct game *game = &games[place % PLACES];
    *game = (struct game){.core = second_core, .rounds = (uint64_t)rounds + 1};
    struct asking asking = {game, first_core, 0};
    pthread_t asker, answerer;
    if (pthread_create(&answerer, 0, answer, game)) return -1;
    if (pthread_create(&asker, 0, ask, &asking)) { // play the other side here, so that the answerer ends
        ask(&asking);
        pthread_join(answerer, 0);
        return -1;
    }
    pthread_join(asker, 0);
    pthread_join(answerer, 0);
    return asking.nanoseconds;
}

// Nanoseconds that a fixed amount of arithmetic takes on one core, begun at `start` (CLOCK_MONOTONIC, nanoseconds).
int64_t busy(int core, int64_t start, int64_t iterations) {
    pin(core);
    while (now() < start)
        ;
    int64_t begin = now();
    volatile uint64_t result;
    uint64_t state = 88172645463325252ULL;
    for (int64_t i = 0; i < iterations; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    result = state;
    (void)result;
    return now() - begin;
}
