// One step of a range of acrobots, in the order of operations of gymnasium.envs.classic_control.AcrobotEnv.step: a
// fourth-order Runge-Kutta step of two links.
#ifndef REACTVEC_ACROBOT_H
#define REACTVEC_ACROBOT_H

#include "kernel_bank.h"
#include "_trigonometry.h"

// Beside the attributes: whether the equations are those of the NIPS paper, the torques, and squares.
enum {
    DT, LENGTH_1, MASS_1, MASS_2, COM_1, COM_2, MOI, MAX_VEL_1, MAX_VEL_2, NOISE,
    NIPS, TORQUE_0, TORQUE_1, TORQUE_2, LENGTH_1_SQUARED, COM_1_SQUARED, COM_2_SQUARED
};

typedef struct {
    Rows rows;
    double *theta_1, *theta_2, *dtheta_1, *dtheta_2;
    int64_t *single;          // they are float32, as after a reset
    double *sine_2, *cosine_2;    // of theta_2
    Trigonometry trigonometry;
} AcrobotBank;

// A block of states and torques, and their derivatives; the torque's is 0.
typedef struct {
    double theta_1[BLOCK], theta_2[BLOCK], dtheta_1[BLOCK], dtheta_2[BLOCK], torque[BLOCK];
} Links;

// The sines and cosines of a block of states, and the squares of their velocities.
typedef struct {
    double sine_2[BLOCK], cosine_2[BLOCK], cosine_12[BLOCK], cosine_1[BLOCK];
    double dtheta_1_squared[BLOCK], dtheta_2_squared[BLOCK], d2[BLOCK], d2_squared[BLOCK];
} Terms;

#define COLUMN(NAME) const double *restrict p_##NAME = bank->rows.parameter + NAME * bank->rows.stride + first;
WIDE static void acrobot_inertia(const AcrobotBank *bank, Terms *terms, int64_t first, int64_t n) {
    COLUMN(MASS_2) COLUMN(LENGTH_1) COLUMN(COM_2) COLUMN(COM_2_SQUARED) COLUMN(MOI)
    for (int64_t i = 0; i < n; i++)
        terms->d2[i] = p_MASS_2[i] * (p_COM_2_SQUARED[i] + p_LENGTH_1[i] * p_COM_2[i] * terms->cosine_2[i]) + p_MOI[i];
}

WIDE static void acrobot_accelerate(
        const AcrobotBank *bank, const Links *restrict y, const Terms *restrict terms, Links *restrict d, int64_t first,
        int64_t n) {
    COLUMN(MASS_1) COLUMN(MASS_2) COLUMN(LENGTH_1) COLUMN(COM_1) COLUMN(COM_2) COLUMN(MOI) COLUMN(NIPS)
    COLUMN(LENGTH_1_SQUARED) COLUMN(COM_1_SQUARED) COLUMN(COM_2_SQUARED)
    const double g = 9.8;
    for (int64_t i = 0; i < n; i++) {
        const double m1 = p_MASS_1[i], m2 = p_MASS_2[i], l1 = p_LENGTH_1[i], lc1 = p_COM_1[i], lc2 = p_COM_2[i];
        const double moi = p_MOI[i], lc2_squared = p_COM_2_SQUARED[i], d2 = terms->d2[i], sine_2 = terms->sine_2[i];
        const double dtheta_1 = y->dtheta_1[i], dtheta_2 = y->dtheta_2[i];
        const double d1 = m1 * p_COM_1_SQUARED[i]
            + m2 * (p_LENGTH_1_SQUARED[i] + lc2_squared + 2.0 * l1 * lc2 * terms->cosine_2[i]) + moi + moi;
        const double phi_2 = m2 * lc2 * g * terms->cosine_12[i];
        const double phi_1 = -m2 * l1 * lc2 * terms->dtheta_2_squared[i] * sine_2
            - 2.0 * m2 * l1 * lc2 * dtheta_2 * dtheta_1 * sine_2 + (m1 * lc1 + m2 * l1) * g * terms->cosine_1[i] + phi_2;
        const double divisor = m2 * lc2_squared + moi - terms->d2_squared[i] / d1;
        const double pull = y->torque[i] + d2 / d1 * phi_1;
        const double book = pull - m2 * l1 * lc2 * terms->dtheta_1_squared[i] * sine_2;
        const uint64_t nips = mask(p_NIPS[i] != 0.0);
        const double ddtheta_2 = (as_double((as_bits(pull) & nips) | (as_bits(book) & ~nips)) - phi_2) / divisor;
        d->theta_1[i] = dtheta_1;
        d->theta_2[i] = dtheta_2;
        d->dtheta_1[i] = -(d2 * ddtheta_2 + phi_1) / d1;
        d->dtheta_2[i] = ddtheta_2;
    }
}

// `terms` has the sine and cosine of theta_2.
static void acrobot_derive(
        const AcrobotBank *bank, const Links *y, Terms *terms, Links *d, int64_t first, int64_t n) {
    NOT_EMPTY(n);
    const Trigonometry *trigonometry = &bank->trigonometry;
    double angle[BLOCK];
    for (int64_t i = 0; i < n; i++) angle[i] = y->theta_1[i] + y->theta_2[i] - PI / 2.0;
    cosine_only(trigonometry, angle, terms->cosine_12, n);
    for (int64_t i = 0; i < n; i++) angle[i] = y->theta_1[i] - PI / 2.0;
    cosine_only(trigonometry, angle, terms->cosine_1, n);
    squares(trigonometry, y->dtheta_1, terms->dtheta_1_squared, n);
    squares(trigonometry, y->dtheta_2, terms->dtheta_2_squared, n);
    acrobot_inertia(bank, terms, first, n);
    squares(trigonometry, terms->d2, terms->d2_squared, n);
    acrobot_accelerate(bank, y, terms, d, first, n);
}

#define PARAMETER(NAME) (bank->rows.parameter[(NAME) * bank->rows.stride + first + i])
static inline void acrobot_part(
        const double *y, const double *k, const double *scale, double *restrict to, int64_t n) {
    for (int64_t i = 0; i < n; i++) to[i] = y[i] + scale[i] * k[i];
}

// to = y + scale * k, and the sine and cosine of its theta_2.
static void acrobot_advance(
        const AcrobotBank *bank, const Links *y, const Links *k, const double *scale, Links *to, Terms *terms, int64_t n) {
    acrobot_part(y->theta_1, k->theta_1, scale, to->theta_1, n);
    acrobot_part(y->theta_2, k->theta_2, scale, to->theta_2, n);
    acrobot_part(y->dtheta_1, k->dtheta_1, scale, to->dtheta_1, n);
    acrobot_part(y->dtheta_2, k->dtheta_2, scale, to->dtheta_2, n);
    memcpy(to->torque, y->torque, sizeof to->torque);
    sine_cosine(&bank->trigonometry, to->theta_2, terms->sine_2, terms->cosine_2, n);
}

static inline double acrobot_sum(double y, double sixth, double k1, double k2, double k3, double k4) {
    return y + sixth * (k1 + 2.0 * k2 + 2.0 * k3 + k4);
}

// Where Gymnasium would go round for seconds, or for ever, the rest of the division must do: none can interrupt a kernel.
static inline double wrap(double x, double low, double high) {
    const double turn = high - low;
    if (!(fabs(x) < 1e7)) x = fmod(x, turn);
    while (x > high) x -= turn;
    while (x < low) x += turn;
    return x;
}

static inline double bound(double x, double low, double high) {
    const double raised = low > x ? low : x;
    return high < raised ? high : raised;
}

static void acrobot_integrate(AcrobotBank *bank, Links *y, int64_t first, int64_t n) {
    Links k1, k2, k3, k4, middle;
    Terms terms;
    double dt[BLOCK], half[BLOCK];
    for (int64_t i = 0; i < n; i++) {
        dt[i] = PARAMETER(DT) - 0.0;
        half[i] = dt[i] / 2.0;
    }
    memcpy(terms.sine_2, bank->sine_2 + first, n * sizeof(double));
    memcpy(terms.cosine_2, bank->cosine_2 + first, n * sizeof(double));
    acrobot_derive(bank, y, &terms, &k1, first, n);
    acrobot_advance(bank, y, &k1, half, &middle, &terms, n);
    acrobot_derive(bank, &middle, &terms, &k2, first, n);
    acrobot_advance(bank, y, &k2, half, &middle, &terms, n);
    acrobot_derive(bank, &middle, &terms, &k3, first, n);
    acrobot_advance(bank, y, &k3, dt, &middle, &terms, n);
    acrobot_derive(bank, &middle, &terms, &k4, first, n);
#define SUM(NAME) acrobot_sum(y->NAME[i], dt[i] / 6.0, k1.NAME[i], k2.NAME[i], k3.NAME[i], k4.NAME[i])
    for (int64_t i = 0; i < n; i++) {
        const double max_1 = PARAMETER(MAX_VEL_1), max_2 = PARAMETER(MAX_VEL_2);
        bank->theta_1[first + i] = wrap(SUM(theta_1), -PI, PI);
        bank->theta_2[first + i] = wrap(SUM(theta_2), -PI, PI);
        bank->dtheta_1[first + i] = bound(SUM(dtheta_1), -max_1, max_1);
        bank->dtheta_2[first + i] = bound(SUM(dtheta_2), -max_2, max_2);
        bank->single[first + i] = 0;
    }
#undef SUM
}

static void acrobot_reset(void *self, const Ports *ports, int64_t i) {
    AcrobotBank *bank = self;
    float *obs = (float *)ports->obs + 6 * i;
    double *column[4] = {bank->theta_1, bank->theta_2, bank->dtheta_1, bank->dtheta_2};
    for (int k = 0; k < 4; k++) column[k][i] = (double)(float)draw_uniform(&bank->rows, i, -0.1, 0.1);
    bank->single[i] = 1;
    sine_cosine(&bank->trigonometry, bank->theta_2 + i, bank->sine_2 + i, bank->cosine_2 + i, 1);
    single_cosine_sine(&bank->trigonometry, (float)bank->theta_1[i], obs, obs + 1);
    single_cosine_sine(&bank->trigonometry, (float)bank->theta_2[i], obs + 2, obs + 3);
    obs[4] = (float)bank->dtheta_1[i];
    obs[5] = (float)bank->dtheta_2[i];
}

// The torque of row first + i; that of a row that is not LIVE is never used, and its action may be any.
static double acrobot_torque(AcrobotBank *bank, const int64_t *action, int64_t first, int64_t i) {
    if (bank->rows.phase[first + i] != LIVE) return 0.0;
    const int64_t index = action[i] < 0 ? action[i] + 3 : action[i];
    const double torque = PARAMETER(TORQUE_0 + index), noise = PARAMETER(NOISE);
    return noise > 0.0 ? torque + draw_uniform(&bank->rows, first + i, -noise, noise) : torque;
}

static void acrobot_block(void *self, const Ports *ports, int64_t first, int64_t n) {
    NOT_EMPTY(n);
    AcrobotBank *bank = self;
    Links y;
    double sum[BLOCK], cosine_12[BLOCK], sine_1[BLOCK], cosine_1[BLOCK];
    float *obs = (float *)ports->obs + 6 * first;
    for (int64_t i = 0; i < n; i++) {
        y.theta_1[i] = bank->theta_1[first + i];
        y.theta_2[i] = bank->theta_2[first + i];
        y.dtheta_1[i] = bank->dtheta_1[first + i];
        y.dtheta_2[i] = bank->dtheta_2[first + i];
        y.torque[i] = acrobot_torque(bank, (const int64_t *)ports->action + first, first, i);
    }
    acrobot_integrate(bank, &y, first, n);
    sine_cosine(&bank->trigonometry, bank->theta_1 + first, sine_1, cosine_1, n);
    sine_cosine(&bank->trigonometry, bank->theta_2 + first, bank->sine_2 + first, bank->cosine_2 + first, n);
    for (int64_t i = 0; i < n; i++) sum[i] = bank->theta_2[first + i] + bank->theta_1[first + i];
    cosine_only(&bank->trigonometry, sum, cosine_12, n);
    for (int64_t i = 0; i < n; i++) {
        const int there = -cosine_1[i] - cosine_12[i] > 1.0;
        ports->terminated[first + i] = (uint8_t)there;
        ports->reward[first + i] = there ? 0.0 : -1.0;
        obs[6 * i] = (float)cosine_1[i];
        obs[6 * i + 1] = (float)sine_1[i];
        obs[6 * i + 2] = (float)bank->cosine_2[first + i];
        obs[6 * i + 3] = (float)bank->sine_2[first + i];
        obs[6 * i + 4] = (float)bank->dtheta_1[first + i];
        obs[6 * i + 5] = (float)bank->dtheta_2[first + i];
    }
}
#undef PARAMETER

static int acrobot_step(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    static const Law law = {-3, 2, acrobot_block, acrobot_reset};
    (void)tag;
    return rows_step(&law, self, ports, lo, hi);
}

#endif
