// One step of a range of cart-poles, in the order of operations of gymnasium.envs.classic_control.CartPoleEnv.step:
//
//   check all actions -> per block of rows: sin, cos -> dynamics -> flags and rewards -> observations -> ends and resets
//
// Everything is float64 until the observation; no operation may be contracted, reassociated or replaced by a
// reciprocal, or the bits differ from Python's. The blocks keep the scratch in the first cache level.
#ifndef REACTVEC_CARTPOLE_H
#define REACTVEC_CARTPOLE_H

#include "kernel_bank.h"
#include "_trigonometry.h"

enum { GRAVITY, MASSPOLE, TOTAL_MASS, LENGTH, POLEMASS_LENGTH, FORCE_MAG, TAU, THETA_LIMIT, X_LIMIT };

typedef struct {
    Rows rows;
    // Columns of one double per row.
    double *x, *x_dot, *theta, *theta_dot;
    double *reward_upright, *reward_fallen;
    Trigonometry trigonometry;
} CartPoleBank;

// `stride` is a literal 0 (parameters of row 0 for all) or 1, so that the compiler makes two loops of this one.
#define COLUMN(NAME) const double *restrict p_##NAME = bank->rows.parameter + NAME * bank->rows.stride + stride * first;
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
        const CartPoleBank *bank, double *restrict reward, uint8_t *restrict terminated, int64_t first, int64_t n,
        const int64_t stride) {
    const double *restrict x = bank->x + first, *restrict theta = bank->theta + first;
    const double *restrict upright = bank->reward_upright + stride * first;
    const double *restrict fallen = bank->reward_fallen + stride * first;
    COLUMN(X_LIMIT) COLUMN(THETA_LIMIT)
    uint64_t fell[BLOCK];
    _Pragma("GCC ivdep")
    for (int64_t i = 0; i < n; i++) {
        const int64_t j = stride * i;
        fell[i] = mask(x[i] < -p_X_LIMIT[j]) | mask(x[i] > p_X_LIMIT[j])
            | mask(theta[i] < -p_THETA_LIMIT[j]) | mask(theta[i] > p_THETA_LIMIT[j]);
        reward[i] = as_double((as_bits(fallen[j]) & fell[i]) | (as_bits(upright[j]) & ~fell[i]));
    }
    for (int64_t i = 0; i < n; i++) terminated[i] = fell[i] & 1;
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

// A new state in row i and its observation.
static void cartpole_reset(void *self, const Ports *ports, int64_t i) {
    CartPoleBank *bank = self;
    bank->x[i] = draw_uniform(&bank->rows, i, -0.05, 0.05);
    bank->x_dot[i] = draw_uniform(&bank->rows, i, -0.05, 0.05);
    bank->theta[i] = draw_uniform(&bank->rows, i, -0.05, 0.05);
    bank->theta_dot[i] = draw_uniform(&bank->rows, i, -0.05, 0.05);
    cartpole_observe(bank, (float *)ports->obs + 4 * i, i, 1);
}

WIDE static void cartpole_block(void *self, const Ports *ports, int64_t first, int64_t n) {
    CartPoleBank *bank = self;
    const int64_t *action = (const int64_t *)ports->action + first;
    double *reward = ports->reward + first;
    uint8_t *terminated = ports->terminated + first;
    double sine[BLOCK], cosine[BLOCK];
    small_sine_cosine(&bank->trigonometry, bank->theta + first, sine, cosine, n);
    if (bank->rows.alike) {
        cartpole_dynamics(bank, action, sine, cosine, first, n, 0);
        cartpole_outcome(bank, reward, terminated, first, n, 0);
    } else {
        cartpole_dynamics(bank, action, sine, cosine, first, n, 1);
        cartpole_outcome(bank, reward, terminated, first, n, 1);
    }
    cartpole_observe(bank, (float *)ports->obs + 4 * first, first, n);
}

static int cartpole_step(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    static const Law law = {0, 1, cartpole_block, cartpole_reset};
    (void)tag;
    return rows_step(&law, self, ports, lo, hi);
}

#endif
