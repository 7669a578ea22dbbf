// Action heads: from the outputs of a network to actions, and how likely they were.
//
// A head draws a *choice*, which is what the loss is about and a rollout keeps, and turns it into the *action* that the
// environment gets: categories begin at the space's start; real numbers are clipped to the bounds, or squashed into them.
#ifndef REACTVEC_HEAD_H
#define REACTVEC_HEAD_H

#include <math.h>
#include <stdint.h>

#include "draws.h"

enum { CATEGORIES, CLIPPED, SQUASHED };
enum { ACTION_INT64, ACTION_INT32, ACTION_INT16, ACTION_INT8, ACTION_UINT8, ACTION_FLOAT32, ACTION_FLOAT64 };

typedef struct {
    int kind, type;          // of the two lists above
    int64_t parts;           // categories to choose, or real numbers
    int64_t outputs;         // of the network, per row: logits, or means and then logarithms of deviations
    const int64_t *sizes;    // CATEGORIES: of each part
    const int64_t *starts;   // CATEGORIES: the action that category 0 of each part stands for
    const double *low, *high;
    uint64_t key;            // of the draws (seed, purpose)
} Head;

static inline void write_action(const Head *head, void *actions, int64_t at, double value) {
    switch (head->type) {
        case ACTION_INT64: ((int64_t *)actions)[at] = (int64_t)value; break;
        case ACTION_INT32: ((int32_t *)actions)[at] = (int32_t)value; break;
        case ACTION_INT16: ((int16_t *)actions)[at] = (int16_t)value; break;
        case ACTION_INT8: ((int8_t *)actions)[at] = (int8_t)value; break;
        case ACTION_UINT8: ((uint8_t *)actions)[at] = (uint8_t)value; break;
        case ACTION_FLOAT32: ((float *)actions)[at] = (float)value; break;
        default: ((double *)actions)[at] = value;
    }
}

// The action that real number k of a choice stands for. Rounding to float32 must not leave the bounds.
static inline double real_action(const Head *head, int64_t k, float choice) {
    double value = choice;
    if (head->kind == SQUASHED) value = head->low[k] + 0.5 * (tanh(value) + 1.0) * (head->high[k] - head->low[k]);
    if (value < head->low[k]) value = head->low[k];
    return value > head->high[k] ? head->high[k] : value;
}

// The logarithm of the derivative of the tanh, log(1 - tanh(x)^2), so that it does not cancel.
static inline double log_tanh_slope(double x) {
    const double away = -2.0 * fabs(x);
    return 2.0 * (0.6931471805599453 + 0.5 * away - log1p(exp(away)));
}

// One part of a choice: the category whose share of the cumulated probabilities the draw falls into, or the likeliest.
static inline int64_t choose(const float *logits, int64_t size, double draw, int explore, double *log_prob) {
    int64_t best = 0, k;
    double sum = 0.0, below = 0.0;
    for (k = 1; k < size; k++) if (logits[k] > logits[best]) best = k;
    for (k = 0; k < size; k++) sum += exp((double)logits[k] - logits[best]);
    int64_t chosen = best;
    if (explore) {
        for (k = 0; k < size; k++) {
            const double share = exp((double)logits[k] - logits[best]);
            if (share > 0.0) chosen = k;  // the last possible one, should rounding leave nothing
            below += share;
            if (below > draw * sum) break;
        }
    }
    *log_prob += (double)logits[chosen] - logits[best] - log(sum);
    return chosen;
}

// A standard normal number from two draws (Box and Muller 1958).
static inline double normal(uint64_t state) {
    const double first = 1.0 - draw_uniform(draw_next(state, 0)), second = draw_uniform(draw_next(state, 1));
    return sqrt(-2.0 * log(first)) * cos(6.283185307179586 * second);
}

// The choice, the action and the log-probability of one row. `state` is of the draws of this row and step.
static inline void act(const Head *head, const float *outputs, uint64_t state, int explore, void *choices, void *actions,
                       int64_t row, float *log_prob) {
    const int64_t first = row * head->parts;
    double log_sum = 0.0;
    if (head->kind == CATEGORIES) {
        for (int64_t k = 0; k < head->parts; k++) {
            const double draw = explore ? draw_uniform(draw_next(state, (uint64_t)k)) : 0.0;
            const int64_t chosen = choose(outputs, head->sizes[k], draw, explore, &log_sum);
            ((int64_t *)choices)[first + k] = chosen;
            write_action(head, actions, first + k, (double)(chosen + head->starts[k]));
            outputs += head->sizes[k];
        }
    } else {
        for (int64_t k = 0; k < head->parts; k++) {
            const double log_deviation = outputs[head->parts + k], noise = explore ? normal(draw_next(state, (uint64_t)k)) : 0.0;
            const float choice = (float)(outputs[k] + exp(log_deviation) * noise);
            ((float *)choices)[first + k] = choice;
            write_action(head, actions, first + k, real_action(head, k, choice));
            log_sum += -0.5 * noise * noise - log_deviation - 0.9189385332046727;  // log(sqrt(2 pi))
            if (head->kind == SQUASHED) log_sum -= log_tanh_slope(choice);
        }
    }
    *log_prob = (float)log_sum;
}

#endif
