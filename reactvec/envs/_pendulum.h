// One step of a range of pendulums, in the order of operations of gymnasium.envs.classic_control.PendulumEnv.step.
//
// The torque is float32, as the action is, and so is what it meets first of Python's floats (NumPy's NEP 50).
#ifndef REACTVEC_PENDULUM_H
#define REACTVEC_PENDULUM_H

#include "kernel_bank.h"
#include "_trigonometry.h"

enum { MAX_SPEED, MAX_TORQUE, DT, G, M, L };

typedef struct {
    Rows rows;
    double *theta, *theta_dot;
    double *sine;             // of theta
    double *torque;           // the last one; NaN: none since the reset
    int64_t *turned;          // whether the torque is of a step since the row was loaded
    Trigonometry trigonometry;
} PendulumBank;

#define PI 3.141592653589793

// x % y of NumPy's floats.
static inline double modulo(double x, double y) {
    const double rest = fmod(x, y);
    if (rest == 0.0) return copysign(0.0, y);
    return (y < 0.0) != (rest < 0.0) ? rest + y : rest;
}

static inline double clip(double value, double low, double high) {
    const double raised = value != value || value > low ? value : low;
    return raised != raised || raised < high ? raised : high;
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
    bank->torque[i] = NAN;
    bank->turned[i] = 1;
    pendulum_observe(bank, ports, i, 1);
}

#define PARAMETER(NAME) (bank->rows.parameter[NAME * bank->rows.stride + i])
static void pendulum_block(void *self, const Ports *ports, int64_t first, int64_t n) {
    PendulumBank *bank = self;
    for (int64_t i = first; i < first + n; i++) {
        const double max_torque = (double)(float)PARAMETER(MAX_TORQUE), max_speed = PARAMETER(MAX_SPEED);
        const double length = PARAMETER(L), mass = PARAMETER(M), dt = PARAMETER(DT);
        const double theta = bank->theta[i], theta_dot = bank->theta_dot[i];
        const float u = (float)clip(((const float *)ports->action)[i], -max_torque, max_torque);
        const double normal = modulo(theta + PI, 2.0 * PI) - PI;
        const double cost = square(normal) + 0.1 * square(theta_dot) + (double)(0.001f * single_square(u));
        const float push = (float)(3.0 / (mass * square(length))) * u;
        const double fall = 3.0 * PARAMETER(G) / (2.0 * length) * bank->sine[i];
        const double speed = clip(theta_dot + (fall + (double)push) * dt, -max_speed, max_speed);
        bank->theta[i] = theta + speed * dt;
        bank->theta_dot[i] = speed;
        bank->torque[i] = u;
        bank->turned[i] = 1;
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
