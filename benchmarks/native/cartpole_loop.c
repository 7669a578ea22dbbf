// CartPole-v1.
#include "plain_loop.h"

typedef int64_t Action;
typedef float Obs;
enum { WIDTH = 4, LIMIT = 500 };

struct state {
    double x, x_dot, theta, theta_dot;
};

static void begin(struct state *pole, Random *random, const void *table) {
    (void)table;
    pole->x = uniform(random, -0.05, 0.05);
    pole->x_dot = uniform(random, -0.05, 0.05);
    pole->theta = uniform(random, -0.05, 0.05);
    pole->theta_dot = uniform(random, -0.05, 0.05);
}

static int move(struct state *pole, Random *random, const void *table, Action action, double *reward) {
    static const double forces[2] = {-10.0, 10.0}; // no branch on what is random
    const double limit = 12 * 2 * 3.141592653589793 / 360;
    double force = forces[action == 1], cosine = cos(pole->theta), sine = sin(pole->theta);
    double temp = (force + 0.05 * (pole->theta_dot * pole->theta_dot) * sine) / 1.1;
    double theta_acc = (9.8 * sine - cosine * temp) / (0.5 * (4.0 / 3.0 - 0.1 * (cosine * cosine) / 1.1));
    double x_acc = temp - 0.05 * theta_acc * cosine / 1.1;
    (void)random, (void)table;
    pole->x = pole->x + 0.02 * pole->x_dot;
    pole->x_dot = pole->x_dot + 0.02 * x_acc;
    pole->theta = pole->theta + 0.02 * pole->theta_dot;
    pole->theta_dot = pole->theta_dot + 0.02 * theta_acc;
    *reward = 1.0;
    return (pole->x < -2.4) | (pole->x > 2.4) | (pole->theta < -limit) | (pole->theta > limit);
}

static void observe(const struct state *pole, Obs *obs) {
    obs[0] = (float)pole->x, obs[1] = (float)pole->x_dot;
    obs[2] = (float)pole->theta, obs[3] = (float)pole->theta_dot;
}

#include "plain_loop_run.h"
