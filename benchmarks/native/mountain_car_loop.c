// MountainCar-v0.
#include "plain_loop.h"

typedef int64_t Action;
typedef float Obs;
enum { WIDTH = 2, LIMIT = 200 };

struct state {
    double position, velocity;
};

static void begin(struct state *car, Random *random, const void *table) {
    (void)table;
    car->position = uniform(random, -0.6, -0.4);
    car->velocity = 0.0;
}

static double clip(double x, double low, double high) { return x < low ? low : x > high ? high : x; }

static int move(struct state *car, Random *random, const void *table, Action action, double *reward) {
    (void)random, (void)table;
    double velocity = car->velocity + ((double)(action - 1) * 0.001 + cos(3 * car->position) * -0.0025);
    velocity = clip(velocity, -0.07, 0.07);
    car->position = clip(car->position + velocity, -1.2, 0.6);
    car->velocity = car->position == -1.2 && velocity < 0 ? 0.0 : velocity;
    *reward = -1.0;
    return car->position >= 0.5 && car->velocity >= 0.0;
}

static void observe(const struct state *car, Obs *obs) { obs[0] = (float)car->position, obs[1] = (float)car->velocity; }

#include "plain_loop_run.h"
