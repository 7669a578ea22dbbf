// Acrobot-v1.
#include "plain_loop.h"

typedef int64_t Action;
typedef float Obs;
enum { WIDTH = 6, LIMIT = 500 };
#define PI 3.141592653589793

struct state {
    double link[4];
};

static const volatile double two = 2.0; // pow, as Python does, and not a product

static void begin(struct state *state, Random *random, const void *table) {
    (void)table;
    for (int k = 0; k < 4; k++) state->link[k] = (float)uniform(random, -0.1, 0.1);
}

static void derive(const double *y, double torque, double *d) {
    double d1 = 0.25 + (1.0 + 0.25 + 2.0 * 0.5 * cos(y[1])) + 1.0 + 1.0, d2 = 0.25 + 0.5 * cos(y[1]) + 1.0;
    double phi2 = 0.5 * 9.8 * cos(y[0] + y[1] - PI / 2);
    double phi1 = -0.5 * pow(y[3], two) * sin(y[1]) - 2.0 * 0.5 * y[3] * y[2] * sin(y[1])
        + 1.5 * 9.8 * cos(y[0] - PI / 2) + phi2;
    d[0] = y[2], d[1] = y[3];
    d[3] = (torque + d2 / d1 * phi1 - 0.5 * pow(y[2], two) * sin(y[1]) - phi2) / (0.25 + 1.0 - pow(d2, two) / d1);
    d[2] = -(d2 * d[3] + phi1) / d1;
}

static void along(const double *y, double scale, const double *k, double *to) {
    for (int i = 0; i < 4; i++) to[i] = y[i] + scale * k[i];
}

static double wrap(double x) {
    while (x > PI) x -= 2 * PI;
    while (x < -PI) x += 2 * PI;
    return x;
}

static double bound(double x, double most) { return x > most ? most : x < -most ? -most : x; }

static int move(struct state *state, Random *random, const void *table, Action action, double *reward) {
    double *y = state->link, k1[4], k2[4], k3[4], k4[4], middle[4], torque = (double)(action - 1);
    (void)random, (void)table;
    derive(y, torque, k1);
    along(y, 0.1, k1, middle);
    derive(middle, torque, k2);
    along(y, 0.1, k2, middle);
    derive(middle, torque, k3);
    along(y, 0.2, k3, middle);
    derive(middle, torque, k4);
    for (int i = 0; i < 4; i++) y[i] = y[i] + 0.2 / 6.0 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
    y[0] = wrap(y[0]), y[1] = wrap(y[1]);
    y[2] = bound(y[2], 4 * PI), y[3] = bound(y[3], 9 * PI);
    int there = -cos(y[0]) - cos(y[1] + y[0]) > 1.0;
    *reward = there ? 0.0 : -1.0;
    return there;
}

static void observe(const struct state *state, Obs *obs) {
    const double *y = state->link;
    obs[0] = (float)cos(y[0]), obs[1] = (float)sin(y[0]), obs[2] = (float)cos(y[1]), obs[3] = (float)sin(y[1]);
    obs[4] = (float)y[2], obs[5] = (float)y[3];
}

#include "plain_loop_run.h"
