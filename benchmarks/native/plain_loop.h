// An environment as a plain C loop: Gymnasium's equations in the same order, libm's functions, observations, rewards and
// flags written at each step, a reset row after each end. No library, no Python, no synchronisation between steps: what
// one would write for this environment alone. Threads share nothing but the array of actions.
//
// The file that includes this has defined, before: `Action`, `Obs` and WIDTH (of an observation), LIMIT (of steps), and
// after `#include "plain_loop.h"`, which declares `uniform` and `below`: `struct state`, `begin`, `move` and `observe`;
// then `#include "plain_loop_run.h"`.
#ifdef __linux__
#define _GNU_SOURCE
#include <sched.h>
#endif
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

typedef unsigned __int128 Random;

// PCG64, the generator of Gymnasium's environments (O'Neill, 2014: XSL RR).
static inline uint64_t draw(Random *random) {
    const Random multiplier = (Random)2549297995355413924ULL << 64 | 4865540595714422341ULL;
    *random = *random * multiplier + ((Random)6364136223846793005ULL << 64 | 1442695040888963407ULL);
    uint64_t mixed = (uint64_t)(*random >> 64) ^ (uint64_t)*random;
    unsigned turn = (unsigned)(*random >> 122);
    return mixed >> turn | mixed << (-turn & 63);
}

static inline double unit(Random *random) { return (double)(draw(random) >> 11) * 0x1p-53; }

static inline double uniform(Random *random, double low, double high) { return low + (high - low) * unit(random); }

static inline int64_t below(Random *random, uint32_t number) { return (int64_t)((draw(random) >> 32) * number >> 32); }
