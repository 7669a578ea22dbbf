// An actor whose actions are squashed real numbers, and the policy that it makes: a kernel of a bank of environments.
//
// Packed weights are those of its Mlp, whose outputs are means, then logarithms of deviations.
#ifndef REACTVEC_ACTOR_H
#define REACTVEC_ACTOR_H

#include <math.h>

#include "acting.h"
#include "encoder.h"
#include "head.h"
#include "mlp.h"

typedef struct {
    Encoder encoder;
    Head head;
    Mlp mlp;
} Actor;

// What logarithms of deviations are clamped to, as in algorithms/soft_actor_critic.py.
static const float LEAST_LOG_STD = -20.0f, MOST_LOG_STD = 2.0f;

static inline float clamped_log_std(float log_std) {
    return log_std < LEAST_LOG_STD ? LEAST_LOG_STD : log_std > MOST_LOG_STD ? MOST_LOG_STD : log_std;  // a NaN stays
}

static inline void clamp_deviations(const Actor *actor, float *outputs) {
    for (int64_t k = actor->head.parts; k < actor->head.outputs; k++) outputs[k] = clamped_log_std(outputs[k]);
}

static inline int outputs_are_finite(const Actor *actor, const float *outputs) {
    for (int64_t k = 0; k < actor->head.outputs; k++) if (!isfinite(outputs[k])) return 0;
    return 1;
}

typedef struct {
    const Actor *actor;
    Acting *acting;
    uint64_t luck;  // key of the draws of actions that are uniformly random: in the first `random_steps` environment steps
    int64_t random_steps, begin, tags_before, steps_before;
} SoftPolicy;

static inline double action_at(const Head *head, const void *actions, int64_t at) {
    return head->type == ACTION_FLOAT64 ? ((const double *)actions)[at] : (double)((const float *)actions)[at];
}

// An action from the whole space for row i.
static inline void act_anyhow(const Head *head, uint64_t state, void *actions, int64_t i) {
    for (int64_t k = 0; k < head->parts; k++) {
        const double value = head->low[k] + draw_uniform(draw_next(state, (uint64_t)k)) * (head->high[k] - head->low[k]);
        write_action(head, actions, i * head->parts + k, value < head->high[k] ? value : head->high[k]);
    }
}

// The action of row i in units of a range from -1 to 1.
static inline void scale_action(const Head *head, const void *actions, float *choices, int64_t i) {
    for (int64_t k = 0; k < head->parts; k++) {
        const int64_t at = i * head->parts + k;
        const double range = head->high[k] > head->low[k] ? head->high[k] - head->low[k] : 1.0;
        choices[at] = (float)(2.0 * ((action_at(head, actions, at) - head->low[k]) / range) - 1.0);
    }
}

// Ports: obs, environment steps so far, weights, whether these are present -> choice, action. Where the outputs of row i are
// not finite, i + 1 is returned.
static inline int soft_policy_act(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    const SoftPolicy *policy = self;
    const Actor *actor = policy->actor;
    if (policy->acting->whole) hi = policy->acting->rows;
    const int64_t area = area_of(policy->acting, lo);
    float *scratch = room_of(policy->acting, area), *choices = ports[4], log_prob;
    const float *packed = weights_of(policy->acting, area, ports[2], ports[3]);
    const int random = policy->steps_before + *(const int64_t *)ports[1] < policy->random_steps;
    const uint64_t step = (uint64_t)(policy->tags_before + tag - policy->begin);
    for (int64_t first = lo; first < hi; first += BLOCK_ROWS) {
        const int64_t rows = hi - first < BLOCK_ROWS ? hi - first : BLOCK_ROWS;
        if (!random) {
            const char *obs = (const char *)ports[0] + first * actor->encoder.row;
            encode_rows(&actor->encoder, obs, scratch, actor->mlp.padded[0], rows);
            mlp_forward(&actor->mlp, packed, scratch, rows);
        }
        for (int64_t k = 0, i = first; k < rows; k++, i++) {
            const uint64_t key = random ? policy->luck : actor->head.key;
            const uint64_t state = draw_next(draw_next(key, (uint64_t)i), step);
            if (random) {
                act_anyhow(&actor->head, state, ports[5], i);
            } else {
                float *outputs = mlp_outputs(&actor->mlp, scratch, k);
                clamp_deviations(actor, outputs);
                if (!outputs_are_finite(actor, outputs)) return (int)(i + 1);
                act(&actor->head, outputs, state, 1, choices, ports[5], i, &log_prob);
            }
            scale_action(&actor->head, ports[5], choices, i);
        }
    }
    return 0;
}

#endif
