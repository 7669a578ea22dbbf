// MountainCarContinuous-v0, in float32 as Python has it after the first step.
#include "plain_loop.h"

typedef float Action;
typedef float Obs;
enum { WIDTH = 2, LIMIT = 999 };

struct state {
    float position, velocity;
};

static void begin(struct state *car, Random *random, const void *table) {
    (void)table;
    car->position = (float)uniform(random, -0.6, -0.4);
    car->velocity = 0.0f;
}

static float clip(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

static int move(struct state *car, Random *random, const void *table, Action action, double *reward) {
    (void)random, (void)table;
    float force = clip(action, -1.0f, 1.0f);
    float velocity = car->velocity + (force * 0.0015f - (float)(0.0025 * cos(3.0f * car->position)));
    velocity = clip(velocity, -0.07f, 0.07f);
    car->position = clip(car->position + velocity, -1.2f, 0.6f);
    car->velocity = car->position == -1.2f && velocity < 0 ? 0.0f : velocity;
    int there = car->position >= 0.45f && car->velocity >= 0.0f;
    *reward = (there ? 100.0 : 0.0) - (double)action * (double)action * 0.1;
    return there;
}

static void observe(const struct state *car, Obs *obs) { obs[0] = car->position, obs[1] = car->velocity; }

#include "plain_loop_run.h"
