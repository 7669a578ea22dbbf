// FrozenLake, CliffWalking and Taxi: a walk over a table of transitions, which the caller gives;
// without a time limit, and without infos.
#include "plain_loop.h"

typedef int64_t Action;
typedef int64_t Obs;
enum { WIDTH = 1, LIMIT = INT32_MAX };

struct outcome {
    double cumulative, reward;
    int64_t next, ended;
};

struct table {
    const struct outcome *outcomes;
    const int64_t *first;  // of a state and an action
    const double *start;   // cumulative
    int64_t states, actions;
};

struct state {
    int64_t place;
};

static void begin(struct state *state, Random *random, const void *pointer) {
    const struct table *table = pointer;
    double drawn = unit(random);
    state->place = 0;
    while (state->place < table->states - 1 && !(table->start[state->place] > drawn)) state->place++;
}

static int move(struct state *state, Random *random, const void *pointer, Action action, double *reward) {
    const struct table *table = pointer;
    int64_t k = table->first[state->place * table->actions + action];
    double drawn = unit(random);
    while (!(table->outcomes[k].cumulative > drawn)) k++;
    *reward = table->outcomes[k].reward;
    state->place = table->outcomes[k].next;
    return (int)table->outcomes[k].ended;
}

static void observe(const struct state *state, Obs *obs) { *obs = state->place; }

#include "plain_loop_run.h"
