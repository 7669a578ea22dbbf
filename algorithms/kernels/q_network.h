// A network of action values, fully connected, and the epsilon-greedy policy that it makes: a kernel of a bank of environments.
//
// Packed weights are those of its Mlp. A dueling network's outputs are the value, then the advantages (Wang et al. 2016).
#ifndef REACTVEC_Q_NETWORK_H
#define REACTVEC_Q_NETWORK_H

#include "acting.h"
#include "draws.h"
#include "encoder.h"
#include "head.h"
#include "mlp.h"

typedef struct {
    Encoder encoder;
    Mlp mlp;
    int64_t actions;
    int dueling;
} QNetwork;

// A row's action values, where its outputs lie.
static inline void join_advantages(const QNetwork *net, float *values) {
    if (!net->dueling) return;
    float sum = 0.0f;
    for (int64_t k = 1; k <= net->actions; k++) sum += values[k];
    const float base = values[0] - sum / (float)net->actions;
    for (int64_t k = 0; k < net->actions; k++) values[k] = base + values[k + 1];
}

// Where the action values of row i of a block lie, once `q_forward` has run.
static inline float *q_values(const QNetwork *net, float *scratch, int64_t i) {
    return mlp_outputs(&net->mlp, scratch, i);
}

// From the inputs at the beginning of `scratch`, which stay, to action values.
static inline void q_forward(const QNetwork *net, const float *packed, float *scratch, int64_t rows) {
    mlp_forward(&net->mlp, packed, scratch, rows);
    for (int64_t i = 0; i < rows; i++) join_advantages(net, q_values(net, scratch, i));
}

// The first of the largest.
static inline int64_t best_of(const float *values, int64_t count) {
    int64_t best = 0;
    for (int64_t k = 1; k < count; k++) if (values[k] > values[best]) best = k;
    return best;
}

// `value` is linear between points in time, and constant before the first and after the last.
typedef struct {
    int64_t points;
    const double *times, *values;
} Ramp;

// As piecewise.py computes it.
static inline double ramp_at(const Ramp *ramp, double time) {
    int64_t after = 0;
    while (after < ramp->points && ramp->times[after] <= time) after++;
    if (after == 0 || after == ramp->points) return ramp->values[after ? after - 1 : 0];
    const double start = ramp->times[after - 1], end = ramp->times[after];
    const double low = ramp->values[after - 1], high = ramp->values[after];
    return low + (high - low) * (time - start) / (end - start);
}

typedef struct {
    const QNetwork *net;
    Acting *acting;
    const Head *head;                 // of one category, which says what actions are called
    Ramp epsilon;
    uint64_t luck, random;            // keys of draws
    int64_t begin, tags_before, steps_before;
} EpsilonGreedy;

// Ports: obs, environment steps so far, weights, whether these are present -> choice, action.
static inline int epsilon_greedy_act(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    const EpsilonGreedy *policy = self;
    const QNetwork *net = policy->net;
    if (policy->acting->whole) hi = policy->acting->rows;
    const int64_t area = area_of(policy->acting, lo);
    float *scratch = room_of(policy->acting, area);
    const float *packed = weights_of(policy->acting, area, ports[2], ports[3]);
    const double epsilon = ramp_at(&policy->epsilon, (double)(policy->steps_before + *(const int64_t *)ports[1]));
    const uint64_t step = (uint64_t)(policy->tags_before + tag - policy->begin);
    int64_t *choices = ports[4], greedy[BLOCK_ROWS], count = 0;
    for (int64_t i = lo; i < hi; i++) {
        if (draw_uniform(draw_next(draw_next(policy->luck, (uint64_t)i), step)) < epsilon) {
            choices[i] = draw_below(draw_next(draw_next(policy->random, (uint64_t)i), step), net->actions);
        } else {
            encode(&net->encoder, (const char *)ports[0] + i * net->encoder.row, scratch + count * net->mlp.padded[0]);
            greedy[count++] = i;
        }
        if (count == BLOCK_ROWS || (count && i + 1 == hi)) {
            q_forward(net, packed, scratch, count);
            for (int64_t k = 0; k < count; k++) choices[greedy[k]] = best_of(q_values(net, scratch, k), net->actions);
            count = 0;
        }
    }
    for (int64_t i = lo; i < hi; i++) write_action(policy->head, ports[5], i, (double)(choices[i] + policy->head->starts[0]));
    return 0;
}

#endif
