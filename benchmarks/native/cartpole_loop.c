// CartPole-v1 as a plain C loop: Gymnasium's equations in the same order, libm's sin and cos, observations, rewards
// and flags written at each step, a reset row after each end. No library, no Python, no synchronisation between
// steps: what one would write for this environment alone. Threads share nothing but the array of actions.
#ifdef __linux__
#define _GNU_SOURCE
#include <sched.h>
#endif
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

struct pole {
    double x, x_dot, theta, theta_dot;
    uint64_t random;
    int32_t elapsed, ended;
};

struct range {
    int64_t lo, hi, envs, steps, done;
    const int64_t *actions; // [steps, envs]
    struct pole *poles;     // from here on [hi - lo, ...]
    float *observations;
    double *rewards;
    uint8_t *terminations, *truncations;
    int core;
};

static double uniform(struct pole *pole) { // xorshift64*, in [-0.05, 0.05)
    uint64_t state = pole->random;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    pole->random = state;
    return -0.05 + 0.1 * (double)((state * 2685821657736338717ULL) >> 11) * 0x1p-53;
}

static void reset(struct pole *pole) {
    pole->x = uniform(pole);
    pole->x_dot = uniform(pole);
    pole->theta = uniform(pole);
    pole->theta_dot = uniform(pole);
    pole->elapsed = pole->ended = 0;
}

static int move(struct pole *pole, int64_t action) {
    static const double forces[2] = {-10.0, 10.0}; // no branch on what is random
    const double limit = 12 * 2 * 3.141592653589793 / 360;
    double force = forces[action == 1], cosine = cos(pole->theta), sine = sin(pole->theta);
    double temp = (force + 0.05 * (pole->theta_dot * pole->theta_dot) * sine) / 1.1;
    double theta_acc = (9.8 * sine - cosine * temp) / (0.5 * (4.0 / 3.0 - 0.1 * (cosine * cosine) / 1.1));
    double x_acc = temp - 0.05 * theta_acc * cosine / 1.1;
    pole->x = pole->x + 0.02 * pole->x_dot;
    pole->x_dot = pole->x_dot + 0.02 * x_acc;
    pole->theta = pole->theta + 0.02 * pole->theta_dot;
    pole->theta_dot = pole->theta_dot + 0.02 * theta_acc;
    return (pole->x < -2.4) | (pole->x > 2.4) | (pole->theta < -limit) | (pole->theta > limit);
}

static void step(struct range *range, int64_t row, int64_t action) {
    struct pole *pole = &range->poles[row];
    int terminated = 0, truncated = 0, resets = pole->ended;
    if (resets) {
        reset(pole);
    } else {
        terminated = move(pole, action);
        truncated = ++pole->elapsed >= 500;
        pole->ended = terminated || truncated;
        range->done++;
    }
    float *observation = &range->observations[4 * row];
    observation[0] = (float)pole->x;
    observation[1] = (float)pole->x_dot;
    observation[2] = (float)pole->theta;
    observation[3] = (float)pole->theta_dot;
    range->rewards[row] = resets ? 0.0 : 1.0;
    range->terminations[row] = (uint8_t)terminated;
    range->truncations[row] = (uint8_t)truncated;
}

// Memory of its own: no two threads write to one cache line.
static int allocate(struct range *range) {
    size_t rows = (size_t)(range->hi - range->lo) + 128;
    range->poles = calloc(rows, sizeof *range->poles);
    range->observations = calloc(rows, 4 * sizeof(float));
    range->rewards = calloc(rows, sizeof(double));
    range->terminations = calloc(rows, 1);
    range->truncations = calloc(rows, 1);
    return range->poles && range->observations && range->rewards && range->terminations && range->truncations;
}

static void *roll(void *argument) {
    struct range range = *(struct range *)argument;
#ifdef __linux__
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(range.core, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
#endif
    int64_t rows = range.hi - range.lo;
    int usable = allocate(&range);
    for (int64_t row = 0; usable && row < rows; row++) {
        range.poles[row].random = 88172645463325252ULL + 0x9E3779B97F4A7C15ULL * (uint64_t)(range.lo + row + 1);
        reset(&range.poles[row]);
    }
    for (int64_t t = 0; usable && t < range.steps; t++) {
        const int64_t *actions = &range.actions[t * range.envs + range.lo];
        for (int64_t row = 0; row < rows; row++) step(&range, row, actions[row]);
    }
    free(range.poles), free(range.observations), free(range.rewards);
    free(range.terminations), free(range.truncations);
    ((struct range *)argument)->done = usable ? range.done : -1;
    return 0;
}

// Steps done (reset rows not counted) by `threads` threads, thread i pinned to cores[i]; -1 where it cannot run.
int64_t cartpole_loop(int64_t envs, int64_t steps, const int64_t *actions, int64_t threads, const int *cores) {
    struct range ranges[16];
    pthread_t started[16];
    if (threads < 1 || threads > 16) return -1;
    int64_t done = 0, running = 0, failed = 0;
    for (; running < threads; running++) {
        ranges[running] = (struct range){.envs = envs, .steps = steps, .actions = actions, .core = cores[running]};
        ranges[running].lo = envs * running / threads;
        ranges[running].hi = envs * (running + 1) / threads;
        if (pthread_create(&started[running], 0, roll, &ranges[running])) break;
    }
    for (int64_t i = 0; i < running; i++) {
        pthread_join(started[i], 0);
        failed += ranges[i].done < 0;
        done += ranges[i].done;
    }
    return running == threads && !failed ? done : -1;
}
