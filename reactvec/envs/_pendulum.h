// One step of a range of pendulums, in the order of operations of gymnasium.envs.classic_control.PendulumEnv.step.
//
// The torque is float32, as the action is, and so is what it meets first of Python's floats (NumPy's NEP 50).
#ifndef REACTVEC_PENDULUM_H
#define REACTVEC_PENDULUM_H

#include "kernel_bank.h"
#include "_trigonometry.h"

// Beside the attributes: 3g/2l, and the float32 that the torque meets.
enum { MAX_SPEED, MAX_TORQUE, DT, G, M, L, FALL, PUSH };

typedef struct {
    Rows rows;
    double *theta, *theta_dot;
    double *sine;             // of theta
    double *torque;           // the last one
    int64_t *drawn;           // there was none since the reset
    Trigonometry trigonometry;
} PendulumBank;

// x % y of NumPy's floats, y > 0: fmod, and y more where that is negative.
static inline double modulo(double x, double y) {
    const double rest = fmod(x, y);
    if (rest == 0.0) return 0.0;
    return rest < 0.0 ? rest + y : rest;
}

static void pendulum_observe(PendulumBank *bank, const Ports *ports, int64_t first, int64_t n) {
    double cosine[BLOCK];
    sine_cosine(&bank->trigonometry, bank->theta + first, bank->sine + first, cosine, n);
    float *obs = (float *)ports->obs + 3 * first;
    for (int64_t i = 0; i < n; i++) {
        obs[3 * i] = (float)cosine[i];
        obs[3 * i + 1] = (float)bank->sine[first + i];
        obs[3 * i + 2] = (float)bank->theta_dot[first + i];
    }
}

static void pendulum_reset(void *self, const Ports *ports, int64_t i) {
    PendulumBank *bank = self;
    bank->theta[i] = draw_uniform(&bank->rows, i, -PI, PI);
    bank->theta_dot[i] = draw_uniform(&bank->rows, i, -1.0, 1.0);
    bank->drawn[i] = 1;
    pendulum_observe(bank, ports, i, 1);
}

#define PARAMETER(NAME) (bank->rows.parameter[NAME * bank->rows.stride + i])
static void pendulum_block(void *self, const Ports *ports, int64_t first, int64_t n) {
    NOT_EMPTY(n);
    PendulumBank *bank = self;
    double normal[BLOCK], normal_squared[BLOCK], speed_squared[BLOCK];
    for (int64_t i = 0; i < n; i++) normal[i] = modulo(bank->theta[first + i] + PI, 2.0 * PI) - PI;
    squares(&bank->trigonometry, normal, normal_squared, n);
    squares(&bank->trigonometry, bank->theta_dot + first, speed_squared, n);
    for (int64_t k = 0, i = first; k < n; k++, i++) {
        const double max_torque = (double)(float)PARAMETER(MAX_TORQUE), max_speed = PARAMETER(MAX_SPEED);
        const double dt = PARAMETER(DT);
        const float u = (float)clip(((const float *)ports->action)[i], -max_torque, max_torque);
        const double cost = normal_squared[k] + 0.1 * speed_squared[k] + (double)(0.001f * single_square(u));
        const float push = (float)PARAMETER(PUSH) * u;
        const double gain = PARAMETER(FALL) * bank->sine[i] + (double)push;
        const double speed = clip(bank->theta_dot[i] + gain * dt, -max_speed, max_speed);
        bank->theta[i] = bank->theta[i] + speed * dt;
        bank->theta_dot[i] = speed;
        bank->torque[i] = u;
        bank->drawn[i] = 0;
        ports->reward[i] = -cost;
        ports->terminated[i] = 0;
    }
    pendulum_observe(bank, ports, first, n);
}
#undef PARAMETER

static int pendulum_step(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    static const Law law = {0, -1, pendulum_block, pendulum_reset};
    (void)tag;
    return rows_step(&law, self, ports, lo, hi);
}

#endif
