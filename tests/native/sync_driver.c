/* Drives reactvec/_sync.h alone: threads hand plain memory to each other by publish and await, so that a missing
 * ordering is a data race (ThreadSanitizer) or a wrong value (the checks here). Counts start just below 2^32.
 *
 *     sync_driver ROUNDS SEED
 *
 * prints one line per test and returns 1 when one of them fails.
 */
#include "_sync.h"

#include <pthread.h>
#include <stdio.h>

#define MOST 6   /* threads */
#define WORDS 24 /* of payload */
#define START 0xFFFFFF00u

typedef struct {
    _Alignas(RV_LINE) uint64_t words[WORDS];
} payload;

typedef struct {
    int index, threads;
    uint32_t rounds;
    uint64_t random;
    int may_spin;
    int64_t wrong, stalls, aborted;
    int64_t slowest_ns;
} player;

static rv_clock clocks[MOST], issued;
static rv_flag aborting;
static payload slots[MOST][2];
static _Atomic int arrived;

static uint64_t draw(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static uint64_t expected(int thread, uint32_t round, int word) {
    uint64_t state = ((uint64_t)thread << 40) + ((uint64_t)round << 8) + (uint64_t)word;
    return draw(&state);
}

static void dawdle(player *self) {
    uint64_t drawn = draw(&self->random);
    if (drawn % 8 == 0)
        for (uint64_t turn = 0; turn < drawn % 2000; turn++) rv_relax();
}

static void fill(int thread, uint32_t round) {
    for (int word = 0; word < WORDS; word++) slots[thread][round & 1].words[word] = expected(thread, round, word);
}

static int64_t misread(int thread, uint32_t round) {
    int64_t wrong = 0;
    for (int word = 0; word < WORDS; word++) wrong += slots[thread][round & 1].words[word] != expected(thread, round, word);
    return wrong;
}

/* Wait without an end; count what took as long as a park that nobody ended. */
static int reach(player *self, rv_clock *clock, uint32_t target, rv_patience *patience) {
    int64_t begin_ns = rv_now_ns(), waited_ns;
    int outcome;
    while ((outcome = rv_await(clock, target, patience, &aborting)) == RV_TIMEOUT) continue;
    waited_ns = rv_now_ns() - begin_ns;
    self->stalls += waited_ns >= RV_PARK_NS - 2000000;
    if (waited_ns > self->slowest_ns) self->slowest_ns = waited_ns;
    return outcome;
}

/* Everyone writes, publishes, then reads what everyone else wrote in the same round: fills two rounds ahead are
 * impossible, since a slot is written again only after all have published the round between. */
static void *exchange(void *argument) {
    player *self = argument;
    rv_patience patience = rv_patient(self->may_spin);
    for (uint32_t round = 1; round <= self->rounds; round++) {
        fill(self->index, round);
        dawdle(self);
        rv_publish(&clocks[self->index], START + round);
        for (int other = 0; other < self->threads; other++) {
            if (other == self->index) continue;
            if (reach(self, &clocks[other], START + round, &patience) != RV_REACHED) self->wrong++;
            self->wrong += misread(other, round);
        }
    }
    return NULL;
}

/* A ring: each waits for the one before it, checks, writes, publishes. Thread 0 begins a round when the last ended. */
static void *ring(void *argument) {
    player *self = argument;
    rv_patience patience = rv_patient(self->may_spin);
    int before = (self->index + self->threads - 1) % self->threads;
    for (uint32_t round = 1; round <= self->rounds; round++) {
        uint32_t awaited = self->index ? round : round - 1;
        if (reach(self, &clocks[before], START + awaited, &patience) != RV_REACHED) self->wrong++;
        if (awaited) self->wrong += misread(before, awaited);
        fill(self->index, round);
        rv_publish(&clocks[self->index], START + round);
    }
    return NULL;
}

/* As the engine does it: the caller issues, everyone works, the caller waits for all. All wait on one clock. */
static void *command(void *argument) {
    player *self = argument;
    rv_patience patience = rv_patient(self->may_spin);
    for (uint32_t round = 1; round <= self->rounds; round++) {
        if (self->index == 0) {
            fill(0, round);
            rv_publish(&issued, START + round);
            for (int other = 1; other < self->threads; other++) {
                if (reach(self, &clocks[other], START + round, &patience) != RV_REACHED) self->wrong++;
                self->wrong += misread(other, round);
            }
        } else {
            if (reach(self, &issued, START + round, &patience) != RV_REACHED) self->wrong++;
            self->wrong += misread(0, round);
            fill(self->index, round);
            dawdle(self);
            rv_publish(&clocks[self->index], START + round);
        }
    }
    return NULL;
}

/* Waits that nobody will fulfil, until thread 0 aborts; what thread 0 wrote before it is then visible. */
static void *abortion(void *argument) {
    player *self = argument;
    rv_patience patience = rv_patient(self->may_spin);
    atomic_fetch_add(&arrived, 1);
    if (self->index == 0) {
        while (atomic_load(&arrived) < self->threads) rv_relax();
        dawdle(self);
        fill(0, 1);
        rv_abort(&aborting, clocks, self->threads);
        return NULL;
    }
    self->aborted += reach(self, &clocks[self->index - 1], START + 1, &patience) == RV_ABORTED;
    self->wrong += misread(0, 1);
    self->aborted += reach(self, &clocks[0], START + 1, &patience) == RV_ABORTED;
    return NULL;
}

static void play(void *(*body)(void *), player *players, int threads, uint32_t rounds, int may_spin, uint64_t *random) {
    pthread_t running[MOST];
    int shared = (int)(draw(random) & 1); /* futexes of one process, or of several */
    memset(slots, 0, sizeof slots);
    rv_lower(&aborting);
    atomic_store(&arrived, 0);
    rv_clock_init(&issued, shared);
    rv_publish(&issued, START);
    for (int index = 0; index < MOST; index++) {
        rv_clock_init(&clocks[index], shared);
        rv_publish(&clocks[index], START);
    }
    for (int index = 0; index < threads; index++) {
        players[index] = (player){.index = index, .threads = threads, .rounds = rounds, .may_spin = may_spin};
        players[index].random = draw(random);
    }
    for (int index = 0; index < threads; index++) pthread_create(&running[index], NULL, body, &players[index]);
    for (int index = 0; index < threads; index++) pthread_join(running[index], NULL);
}

static int report(const char *what, player *players, int threads, uint32_t rounds, int may_spin, int64_t begin_ns) {
    int64_t wrong = 0, stalls = 0, slowest_ns = 0;
    for (int index = 0; index < threads; index++) {
        wrong += players[index].wrong;
        stalls += players[index].stalls;
        if (players[index].slowest_ns > slowest_ns) slowest_ns = players[index].slowest_ns;
    }
    /* A busy machine may hold a thread up for as long as a park; a lost wake-up would do so again and again. */
    int failed = wrong > 0 || stalls > 3 + (int64_t)rounds / 1000;
    printf("%s threads=%d rounds=%u spin=%d wrong=%lld stalls=%lld slowest_ms=%lld ms=%lld%s\n", what, threads, rounds,
           may_spin, (long long)wrong, (long long)stalls, (long long)(slowest_ns / 1000000),
           (long long)((rv_now_ns() - begin_ns) / 1000000), failed ? " FAILED" : "");
    return failed;
}

static int run(const char *what, void *(*body)(void *), int threads, uint32_t rounds, int may_spin, uint64_t *random) {
    player players[MOST];
    int64_t begin_ns = rv_now_ns();
    play(body, players, threads, rounds, may_spin, random);
    return report(what, players, threads, rounds, may_spin, begin_ns);
}

static int run_aborts(uint32_t rounds, uint64_t *random) {
    player players[MOST];
    int64_t begin_ns = rv_now_ns(), aborted = 0;
    uint32_t expected_aborts = 0, stalls = 0;
    int failed = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        int threads = 2 + (int)(draw(random) % (MOST - 1));
        play(abortion, players, threads, 1, (int)(draw(random) & 1), random);
        for (int index = 1; index < threads; index++) {
            failed |= players[index].wrong > 0;
            aborted += players[index].aborted;
            stalls += players[index].slowest_ns > 4LL * RV_PARK_NS;
            expected_aborts += 2;
        }
    }
    failed |= aborted != expected_aborts || stalls > 2;
    printf("abort rounds=%u aborted=%lld of %u stalls=%u ms=%lld%s\n", rounds, (long long)aborted, expected_aborts,
           stalls, (long long)((rv_now_ns() - begin_ns) / 1000000), failed ? " FAILED" : "");
    return failed;
}

/* With nobody to publish, a wait reports back after one long park; a count that was passed long ago ends none. */
static int run_timeout(void) {
    rv_clock clock;
    rv_patience patience = rv_patient(1);
    int64_t begin_ns = rv_now_ns();
    rv_clock_init(&clock, 1);
    rv_publish(&clock, 0xFFFFFFFFu);
    rv_lower(&aborting);
    int outcome = rv_await(&clock, 0, &patience, &aborting);
    int64_t waited_ms = (rv_now_ns() - begin_ns) / 1000000;
    rv_publish(&clock, 3);
    int later = rv_await(&clock, 0xFFFFFFFEu, &patience, &aborting);
    int failed = outcome != RV_TIMEOUT || waited_ms < RV_PARK_NS / 1000000 - 2 || later != RV_REACHED;
    printf("timeout outcome=%d ms=%lld%s\n", outcome, (long long)waited_ms, failed ? " FAILED" : "");
    return failed;
}

static int foresees(rv_patience *patience, int64_t wait_ns, int64_t expected_ns) {
    rv_learn_steady(patience, wait_ns);
    return rv_foreseen_ns(patience) == expected_ns;
}

/* Waits that are alike are foreseen, one other among them does not matter, two do; so do those that are short or long. */
static int run_foresight(void) {
    const int64_t ms = 1000000;
    rv_patience patience = rv_patient(1);
    int right = foresees(&patience, 3 * ms, 0) + foresees(&patience, 3 * ms, 0) + foresees(&patience, 3 * ms, 3 * ms);
    right += foresees(&patience, 40 * ms, 3 * ms) + foresees(&patience, 3 * ms + 1, 3 * ms + 1);
    right += foresees(&patience, 9 * ms, 3 * ms + 1) + foresees(&patience, 6 * ms, 0) + foresees(&patience, 6 * ms, 6 * ms);
    patience.park_ns = 5 * ms; /* a deadline */
    right += foresees(&patience, 6 * ms, 0);
    patience.park_ns = RV_PARK_NS;
    for (int wait = 0; wait < 3; wait++) right += foresees(&patience, RV_DOZE_MIN_NS / 2, wait ? 0 : 6 * ms);
    for (int wait = 0; wait < 3; wait++) right += foresees(&patience, RV_DOZE_MAX_NS * 2, 0);
    printf("foresight right=%d of 15%s\n", right, right == 15 ? "" : " FAILED");
    return right != 15;
}

/* A publisher that comes at regular times is waited for in a doze, of which none is lost. */
static void *regular(void *argument) {
    player *self = argument;
    rv_patience patience = rv_patient(self->may_spin);
    struct timespec gap = {0, 3 * RV_DOZE_MIN_NS};
    for (uint32_t round = 1; round <= self->rounds; round++) {
        if (self->index == 0) {
            nanosleep(&gap, NULL);
            fill(0, round);
            rv_publish(&issued, START + round);
            for (int other = 1; other < self->threads; other++)
                if (reach(self, &clocks[other], START + round, &patience) != RV_REACHED) self->wrong++;
        } else {
            if (reach(self, &issued, START + round, &patience) != RV_REACHED) self->wrong++;
            self->wrong += misread(0, round);
            rv_publish(&clocks[self->index], START + round);
        }
    }
    return NULL;
}

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: sync_driver ROUNDS SEED\n");
        return 2;
    }
    uint32_t rounds = (uint32_t)strtoul(arguments[1], NULL, 10);
    uint64_t random = strtoull(arguments[2], NULL, 10);
    int failed = run_timeout() | run_foresight();
    failed |= run("regular", regular, 2, rounds / 40, 1, &random);
    failed |= run("regular", regular, MOST, rounds / 40, 1, &random);
    failed |= run("parked", ring, 2, rounds, 0, &random);
    for (int may_spin = 0; may_spin < 2; may_spin++) {
        failed |= run("ring", ring, 3, rounds / 8, may_spin, &random);
        failed |= run("exchange", exchange, 2, rounds / 4, may_spin, &random);
        failed |= run("exchange", exchange, MOST, rounds / 40, may_spin, &random);
        failed |= run("command", command, 2, rounds / 4, may_spin, &random);
        failed |= run("command", command, MOST, rounds / 40, may_spin, &random);
    }
    failed |= run_aborts(rounds / 400, &random);
    return failed;
}
