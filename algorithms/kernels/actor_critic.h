// An actor and a critic over the same inputs, and the policy that they make: kernels of a bank of environments.
//
// Packed weights: [actor][critic][logarithms of deviations][means of inputs][scales of inputs], each padded; the last two
// are not learned by gradients.
#ifndef REACTVEC_ACTOR_CRITIC_H
#define REACTVEC_ACTOR_CRITIC_H

#include <math.h>

#include "acting.h"
#include "encoder.h"
#include "head.h"
#include "mlp.h"

typedef struct {
    Encoder encoder;
    Head head;
    Mlp actor, critic;
    int normalized;
    int64_t critic_at, log_std_at, mean_at, scale_at, trained, size;  // floats of the packed weights
} ActorCritic;

// Rows of inputs at `values`, [rows][padded], from `rows` rows of a port that begin at `obs` and lie `stride` bytes apart.
static inline void encode_normalized(const ActorCritic *net, const float *packed, const char *obs, float *values, int64_t rows) {
    const int64_t padded = net->actor.padded[0], features = net->encoder.features;
    const float *mean = packed + net->mean_at, *scale = packed + net->scale_at;
    for (int64_t i = 0; i < rows; i++, values += padded, obs += net->encoder.row) {
        encode(&net->encoder, obs, values);
        if (net->normalized)
            for (int64_t k = 0; k < features; k++) {
                const float value = (values[k] - mean[k]) * scale[k];
                values[k] = value < -10.0f ? -10.0f : value > 10.0f ? 10.0f : value;
            }
    }
}

// The logits, or means and logarithms of deviations, of row i of a block that the actor has been run over; `obs` is the
// row that it saw.
static inline const float *head_outputs(
        const ActorCritic *net, const float *packed, float *scratch, int64_t i, const char *obs, float *room) {
    float *outputs = mlp_outputs(&net->actor, scratch, i);
    if (net->encoder.masked) rule_out(&net->encoder, obs, outputs);
    if (net->head.kind == CATEGORIES) return outputs;
    memcpy(room, outputs, (size_t)net->head.parts * sizeof *room);
    memcpy(room + net->head.parts, packed + net->log_std_at, (size_t)net->head.parts * sizeof *room);
    return room;
}

static inline float value_of(const ActorCritic *net, float *scratch, int64_t i) {
    return mlp_outputs(&net->critic, scratch, i)[0];
}

typedef struct {
    const ActorCritic *net;
    Acting *acting;
    int64_t length, begin, tags_before;
    int64_t outputs_at;  // floats, from an area's room to that for a head's outputs
} Policy;

// Whether a head's outputs are numbers to act by: of categories one is drawn in any case.
static inline int can_act(const Head *head, const float *outputs) {
    if (head->kind == CATEGORIES) return 1;
    for (int64_t k = 0; k < head->outputs; k++) if (!isfinite(outputs[k])) return 0;
    return 1;
}

// Ports: obs, weights, whether these are present -> choice, action, log_prob, value. Where row i cannot be acted by, i + 1 is
// returned.
static inline int policy_act(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    const Policy *policy = self;
    const ActorCritic *net = policy->net;
    if (policy->acting->whole) hi = policy->acting->rows;
    const int64_t area = area_of(policy->acting, lo);
    float *scratch = room_of(policy->acting, area), *room = scratch + policy->outputs_at;
    const float *packed = weights_of(policy->acting, area, ports[1], ports[2]);
    const uint64_t step = (uint64_t)(policy->tags_before + tag - policy->begin);
    for (int64_t first = lo; first < hi; first += BLOCK_ROWS) {
        const int64_t rows = hi - first < BLOCK_ROWS ? hi - first : BLOCK_ROWS;
        encode_normalized(net, packed, (const char *)ports[0] + first * net->encoder.row, scratch, rows);
        mlp_forward(&net->actor, packed, scratch, rows);
        for (int64_t i = 0; i < rows; i++) {
            const uint64_t state = draw_next(draw_next(net->head.key, (uint64_t)(first + i)), step);
            const char *obs = (const char *)ports[0] + (first + i) * net->encoder.row;
            const float *outputs = head_outputs(net, packed, scratch, i, obs, room);
            if (!can_act(&net->head, outputs)) return (int)(first + i + 1);
            act(&net->head, outputs, state, 1, ports[3], ports[4], first + i, (float *)ports[5] + first + i);
        }
        mlp_forward(&net->critic, packed + net->critic_at, scratch, rows);
        for (int64_t i = 0; i < rows; i++) ((float *)ports[6])[first + i] = value_of(net, scratch, i);
    }
    return 0;
}

// Ports: next_obs, final_obs, terminated, truncated -> end_value.
static inline int policy_value_ends(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    const Policy *policy = self;
    const ActorCritic *net = policy->net;
    if (policy->acting->whole) hi = policy->acting->rows;
    const uint8_t *terminated = ports[2], *truncated = ports[3];
    const int last = (tag - policy->begin + 1) % policy->length == 0;
    const int64_t area = area_of(policy->acting, lo), size = net->encoder.row, padded = net->critic.padded[0];
    float *scratch = room_of(policy->acting, area), *end_value = ports[4];
    const float *packed = policy->acting->current[area];
    int64_t at[BLOCK_ROWS], rows = 0;
    for (int64_t i = lo; i < hi; i++) {
        const int ended = terminated[i] | truncated[i];
        if (ended ? !terminated[i] : last) {
            encode_normalized(net, packed, (const char *)ports[ended ? 1 : 0] + i * size, scratch + rows * padded, 1);
            at[rows++] = i;
        }
        if (rows == BLOCK_ROWS || (rows && i + 1 == hi)) {
            mlp_forward(&net->critic, packed + net->critic_at, scratch, rows);
            for (int64_t k = 0; k < rows; k++) end_value[at[k]] = value_of(net, scratch, k);
            rows = 0;
        }
    }
    return 0;
}

#endif
