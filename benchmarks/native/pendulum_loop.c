// Pendulum-v1.
#include "plain_loop.h"

typedef float Action;
typedef float Obs;
enum { WIDTH = 3, LIMIT = 200 };
#define PI 3.141592653589793

struct state {
    double theta, theta_dot;
};

static const volatile double two = 2.0; // pow, as Python does, and not a product
static const volatile float single_two = 2.0f;

static void begin(struct state *state, Random *random, const void *table) {
    (void)table;
    state->theta = uniform(random, -PI, PI);
    state->theta_dot = uniform(random, -1.0, 1.0);
}

static double modulo(double x, double y) {
    double rest = fmod(x, y);
    return rest < 0 ? rest + y : rest;
}

static int move(struct state *state, Random *random, const void *table, Action action, double *reward) {
    (void)random, (void)table;
    float u = action < -2.0f ? -2.0f : action > 2.0f ? 2.0f : action;
    double normal = modulo(state->theta + PI, 2 * PI) - PI;
    double cost = pow(normal, two) + 0.1 * pow(state->theta_dot, two) + 0.001f * powf(u, single_two);
    double speed = state->theta_dot + (15.0 * sin(state->theta) + 3.0f * u) * 0.05;
    speed = speed < -8.0 ? -8.0 : speed > 8.0 ? 8.0 : speed;
    state->theta = state->theta + speed * 0.05;
    state->theta_dot = speed;
    *reward = -cost;
    return 0;
}

static void observe(const struct state *state, Obs *obs) {
    obs[0] = (float)cos(state->theta), obs[1] = (float)sin(state->theta), obs[2] = (float)state->theta_dot;
}

#include "plain_loop_run.h"
