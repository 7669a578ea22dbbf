// One step of a range of cart-poles, in the order of operations of gymnasium.envs.classic_control.CartPoleEnv.step:
//
//   check all actions -> per block of rows: sin, cos -> dynamics -> flags and rewards -> observations -> ends and resets
//
// Everything is float64 until the observation; no operation may be contracted, reassociated or replaced by a
// reciprocal, or the bits differ from Python's. The blocks keep the scratch in the first cache level.
#ifndef REACTVEC_CARTPOLE_H
#define REACTVEC_CARTPOLE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "numpy/random/bitgen.h"

#include "_trigonometry.h"

enum { GRAVITY, MASSPOLE, TOTAL_MASS, LENGTH, POLEMASS_LENGTH, FORCE_MAG, TAU, THETA_LIMIT, X_LIMIT, PARAMETERS };

// LIVE rows step. ENDED rows reset at the next step; TERMINATED tells a fallen pole from a mere time limit.
// UNLOADED rows have no state yet.
enum { LIVE, ENDED, TERMINATED, UNLOADED };

typedef struct {
    // Columns of one double per row.
    double *x, *x_dot, *theta, *theta_dot;
    double *parameter[PARAMETERS];
    double *reward_upright, *reward_fallen;
    // Steps since the reset, and the number at which an episode is truncated (INT64_MAX: never).
    int64_t *elapsed, *limit;
    uint8_t *phase;
    bitgen_t **generator;
    int64_t unloaded;        // rows that are UNLOADED
    int same_step;           // reset in the step that ends an episode, not in the one after
    int alike;               // all rows have the parameters of row 0
    int fused_draw;          // NumPy's uniform() was compiled to a fused multiply-add
    Trigonometry trigonometry;
} CartPoleBank;

// Row of the first action that is neither 0 nor 1 in a row that would be stepped, or of the first unloaded row; -1: none.
static int64_t cartpole_invalid(const CartPoleBank *bank, const int64_t *restrict action, int64_t lo, int64_t hi) {
    uint64_t excess = (uint64_t)bank->unloaded;
    for (int64_t i = lo; i < hi; i++) excess |= (uint64_t)action[i] & ~UINT64_C(1);
    if (!excess) return -1;
    for (int64_t i = lo; i < hi; i++) {
        int wrong = bank->phase[i] == LIVE && (uint64_t)action[i] > 1;
        if (wrong || bank->phase[i] == UNLOADED) return i;
    }
    return -1;
}

// All bits set if true. Selecting by masks rather than by branches lets the compiler vectorise.
static inline uint64_t mask(int truth) {
    return truth ? ~UINT64_C(0) : 0;
}

// `stride` is a literal 0 (parameters of row 0 for all) or 1, so that the compiler makes two loops of this one.
#define COLUMN(NAME) const double *restrict p_##NAME = bank->parameter[NAME] + stride * first;
static inline __attribute__((always_inline)) void cartpole_dynamics(
        const CartPoleBank *bank, const int64_t *restrict action, const double *restrict sine,
        const double *restrict cosine, int64_t first, int64_t n, const int64_t stride) {
    double *restrict x = bank->x + first, *restrict x_dot = bank->x_dot + first;
    double *restrict theta = bank->theta + first, *restrict theta_dot = bank->theta_dot + first;
    COLUMN(GRAVITY) COLUMN(MASSPOLE) COLUMN(TOTAL_MASS) COLUMN(LENGTH) COLUMN(POLEMASS_LENGTH) COLUMN(FORCE_MAG)
    COLUMN(TAU)
    _Pragma("GCC ivdep")
    for (int64_t i = 0; i < n; i++) {
        const int64_t j = stride * i;
        const double s = sine[i], c = cosine[i], total_mass = p_TOTAL_MASS[j], tau = p_TAU[j];
        const double polemass_length = p_POLEMASS_LENGTH[j];
        const double force = as_double(as_bits(p_FORCE_MAG[j]) ^ (uint64_t)(action[i] ^ 1) << 63);
        const double temp = (force + polemass_length * (theta_dot[i] * theta_dot[i]) * s) / total_mass;
        const double theta_acc = (p_GRAVITY[j] * s - c * temp)
            / (p_LENGTH[j] * (4.0 / 3.0 - p_MASSPOLE[j] * (c * c) / total_mass));
        const double x_acc = temp - polemass_length * theta_acc * c / total_mass;
        x[i] = x[i] + tau * x_dot[i];
        x_dot[i] = x_dot[i] + tau * x_acc;
        theta[i] = theta[i] + tau * theta_dot[i];
        theta_dot[i] = theta_dot[i] + tau * theta_acc;
    }
}

static inline __attribute__((always_inline)) void cartpole_outcome(
        const CartPoleBank *bank, double *restrict reward, uint8_t *restrict terminated, uint8_t *restrict truncated,
        int64_t first, int64_t n, const int64_t stride) {
    const double *restrict x = bank->x + first, *restrict theta = bank->theta + first;
    const double *restrict x_limit = bank->parameter[X_LIMIT] + stride * first;
    const double *restrict theta_limit = bank->parameter[THETA_LIMIT] + stride * first;
    const double *restrict upright = bank->reward_upright + stride * first;
    const double *restrict fallen = bank->reward_fallen + stride * first;
    int64_t *restrict elapsed = bank->elapsed + first;
    const int64_t *restrict limit = bank->limit + first;
    uint64_t fell[BLOCK];
    _Pragma("GCC ivdep")
    for (int64_t i = 0; i < n; i++) {
        const int64_t j = stride * i;
        fell[i] = mask(x[i] < -x_limit[j]) | mask(x[i] > x_limit[j])
            | mask(theta[i] < -theta_limit[j]) | mask(theta[i] > theta_limit[j]);
        reward[i] = as_double((as_bits(fallen[j]) & fell[i]) | (as_bits(upright[j]) & ~fell[i]));
    }
    for (int64_t i = 0; i < n; i++) terminated[i] = fell[i] & 1;
    for (int64_t i = 0; i < n; i++) {
        elapsed[i] += 1;
        truncated[i] = elapsed[i] >= limit[i];
    }
}

static inline void cartpole_observe(const CartPoleBank *bank, float *restrict obs, int64_t first, int64_t n) {
    const double *restrict x = bank->x + first, *restrict x_dot = bank->x_dot + first;
    const double *restrict theta = bank->theta + first, *restrict theta_dot = bank->theta_dot + first;
    for (int64_t i = 0; i < n; i++) {
        obs[4 * i] = (float)x[i];
        obs[4 * i + 1] = (float)x_dot[i];
        obs[4 * i + 2] = (float)theta[i];
        obs[4 * i + 3] = (float)theta_dot[i];
    }
}

// Generator.uniform(-0.05, 0.05): low + (high - low) * next_double.
static inline double cartpole_draw(bitgen_t *generator, int fused) {
    const double low = -0.05, range = 0.05 - -0.05, unit = generator->next_double(generator->state);
    return fused ? fma(range, unit, low) : low + range * unit;
}

// Draws a new state into row i and its observation.
static void cartpole_reset(CartPoleBank *bank, float *obs, int64_t i) {
    bitgen_t *generator = bank->generator[i];
    bank->x[i] = cartpole_draw(generator, bank->fused_draw);
    bank->x_dot[i] = cartpole_draw(generator, bank->fused_draw);
    bank->theta[i] = cartpole_draw(generator, bank->fused_draw);
    bank->theta_dot[i] = cartpole_draw(generator, bank->fused_draw);
    bank->elapsed[i] = 0;
    bank->phase[i] = LIVE;
    cartpole_observe(bank, obs + 4 * i, i, 1);
}

typedef struct {
    const int64_t *action;
    float *obs;
    double *reward;
    uint8_t *terminated, *truncated;
    float *final_obs;
} CartPolePorts;

// Row i has ended with this step, or (ENDED, TERMINATED) had ended before it: then what was computed for it is void.
static void cartpole_end(CartPoleBank *bank, const CartPolePorts *port, int64_t i) {
    if (bank->phase[i] != LIVE) {
        cartpole_reset(bank, port->obs, i);
        port->reward[i] = 0.0;
        port->terminated[i] = port->truncated[i] = 0;
    } else if (bank->same_step) {
        memcpy(port->final_obs + 4 * i, port->obs + 4 * i, 4 * sizeof(float));
        cartpole_reset(bank, port->obs, i);
    } else {
        bank->phase[i] = port->terminated[i] ? TERMINATED : ENDED;
    }
}

static void cartpole_ends(CartPoleBank *bank, const CartPolePorts *port, int64_t first, int64_t n) {
    uint64_t mark[BLOCK / 8];
    uint8_t *restrict byte = (uint8_t *)mark;
    const uint8_t *restrict phase = bank->phase + first;
    const uint8_t *restrict terminated = port->terminated + first, *restrict truncated = port->truncated + first;
    memset(mark, 0, sizeof mark);
    for (int64_t i = 0; i < n; i++) byte[i] = phase[i] | terminated[i] | truncated[i];
    for (int64_t word = 0; 8 * word < n; word++) {
        if (!mark[word]) continue;
        for (int64_t i = 8 * word; i < 8 * word + 8; i++)
            if (byte[i]) cartpole_end(bank, port, first + i);
    }
}

WIDE static void cartpole_block(CartPoleBank *bank, const CartPolePorts *port, int64_t first, int64_t n) {
    double sine[BLOCK], cosine[BLOCK];
    sine_cosine(&bank->trigonometry, bank->theta + first, sine, cosine, n);
    if (bank->alike) {
        cartpole_dynamics(bank, port->action + first, sine, cosine, first, n, 0);
        cartpole_outcome(bank, port->reward + first, port->terminated + first, port->truncated + first, first, n, 0);
    } else {
        cartpole_dynamics(bank, port->action + first, sine, cosine, first, n, 1);
        cartpole_outcome(bank, port->reward + first, port->terminated + first, port->truncated + first, first, n, 1);
    }
    cartpole_observe(bank, port->obs + 4 * first, first, n);
    cartpole_ends(bank, port, first, n);
}

// The `run` of the kernel; see reactvec/_kernel.pxd.
static int cartpole_step(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    CartPoleBank *bank = self;
    const CartPolePorts port = {ports[0], ports[1], ports[2], ports[3], ports[4], ports[5]};
    (void)tag;
    const int64_t invalid = cartpole_invalid(bank, port.action, lo, hi);
    if (invalid >= 0) return (int)(invalid + 1);
    for (int64_t first = lo; first < hi; first += BLOCK)
        cartpole_block(bank, &port, first, hi - first < BLOCK ? hi - first : BLOCK);
    return 0;
}

#endif
