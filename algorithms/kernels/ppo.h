// Learning from a rollout by PPO: the gradients of a minibatch, block by block, and the step of Adam that follows.
//
// gradients (a bank: one row for each block of a minibatch)  -->  descend (adds them in the order of blocks, steps, and goes
// on to the next minibatch)  --delay 1-->  gradients. So the bits do not depend on who computes which block.
#ifndef REACTVEC_PPO_H
#define REACTVEC_PPO_H

#include "actor_critic.h"
#include "descent.h"

enum { LOSS, POLICY_LOSS, VF_LOSS, ENTROPY, KL, CUT, SUMS };

typedef struct {
    const ActorCritic *net;
    Descent *descent;
    // A rollout of `batch` steps, and the order in which each epoch learns from them, [epochs][batch].
    const char *obs;
    const void *choices;
    const float *log_probs, *values, *advantages, *returns;
    const int64_t *order;
    const float *shift, *scale;  // of the advantages of each minibatch
    int64_t batch, minibatch, per_epoch, minibatches;
    float clip, vf_clip, vf_coeff, entropy_coeff;  // vf_clip < 0: none
    double target_kl;            // < 0: none
    float *transposed, *areas;   // of the network; of each block
    int64_t area, critic_area, deltas_area, critic_deltas_area, room_area;
    double *block_sums, *sums;   // [blocks][SUMS]; [SUMS], means over a minibatch added up
    int64_t at;                  // the minibatch that is next
    int stopped;
} Ppo;

// The logarithm of the probability of a row's choice; of categories, those of all are written to `logs`.
static inline float choice_log_prob(const Ppo *ppo, const float *outputs, int64_t at, float *restrict logs) {
    const Head *head = &ppo->net->head;
    float log_prob = 0.0f;
    if (head->kind == CATEGORIES) {
        const int64_t *choice = (const int64_t *)ppo->choices + at * head->parts;
        for (int64_t part = 0, first = 0; part < head->parts; first += head->sizes[part++]) {
            float most = outputs[first], sum = 0.0f;
            for (int64_t k = 1; k < head->sizes[part]; k++) most = outputs[first + k] > most ? outputs[first + k] : most;
            for (int64_t k = 0; k < head->sizes[part]; k++) sum += exp32(outputs[first + k] - most);
            const float total = most + log32(sum);
            for (int64_t k = 0; k < head->sizes[part]; k++) logs[first + k] = outputs[first + k] - total;
            log_prob += logs[first + choice[part]];
        }
        return log_prob;
    }
    const float *choice = (const float *)ppo->choices + at * head->parts, *log_std = outputs + head->parts;
    for (int64_t k = 0; k < head->parts; k++) {
        const float noise = (choice[k] - outputs[k]) * exp32(-log_std[k]);
        log_prob += -0.5f * noise * noise - log_std[k] - 0.91893853f;
        if (head->kind == SQUASHED) log_prob -= (float)log_tanh_slope(choice[k]);
    }
    return log_prob;
}

// The entropy of a row. Its derivatives by the outputs, where the loss has the derivative `slope` by the log-probability,
// come to `slopes`, which of categories hold the logarithms; those by the logarithms of deviations are added to `spread`.
static inline float head_slopes(const Ppo *ppo, const float *outputs, int64_t at, float slope, float entropy_weight,
                                float *restrict slopes, float *restrict spread) {
    const Head *head = &ppo->net->head;
    float entropy = 0.0f;
    if (head->kind == CATEGORIES) {
        const int64_t *choice = (const int64_t *)ppo->choices + at * head->parts;
        for (int64_t part = 0, first = 0; part < head->parts; first += head->sizes[part++]) {
            float part_entropy = 0.0f;
            for (int64_t k = first; k < first + head->sizes[part]; k++) part_entropy -= exp32(slopes[k]) * slopes[k];
            for (int64_t k = first; k < first + head->sizes[part]; k++) {
                const float share = exp32(slopes[k]);
                slopes[k] = entropy_weight * share * (slopes[k] + part_entropy) - slope * share;
            }
            slopes[first + choice[part]] += slope;
            entropy += part_entropy;
        }
        return entropy;
    }
    const float *choice = (const float *)ppo->choices + at * head->parts, *log_std = outputs + head->parts;
    for (int64_t k = 0; k < head->parts; k++) {
        const float inverse = exp32(-log_std[k]), noise = (choice[k] - outputs[k]) * inverse;
        slopes[k] = slope * noise * inverse;
        spread[k] += slope * (noise * noise - 1.0f) - entropy_weight;
        entropy += log_std[k] + 1.41893853f;
    }
    return entropy;
}

// The squared error of a value, or of the value held near the old one, whichever is larger; and its derivative.
static inline float value_error(const Ppo *ppo, float value, int64_t at, float *slope) {
    const float wrong = value - ppo->returns[at];
    *slope = 2.0f * wrong;
    if (ppo->vf_clip < 0.0f) return wrong * wrong;
    const float old = ppo->values[at], moved = value - old;
    const float held = moved < -ppo->vf_clip ? -ppo->vf_clip : moved > ppo->vf_clip ? ppo->vf_clip : moved;
    const float held_wrong = old + held - ppo->returns[at];
    if (held_wrong * held_wrong <= wrong * wrong) return wrong * wrong;
    *slope = held == moved ? 2.0f * held_wrong : 0.0f;
    return held_wrong * held_wrong;
}

// The derivatives by the outputs of one row, where the loss counts `weight`.
static inline void ppo_row(const Ppo *ppo, const float *outputs, float value, int64_t at, float advantage, float weight,
                           float *restrict slopes, float *restrict spread, float *restrict value_slope, double *sums) {
    const float log_ratio = choice_log_prob(ppo, outputs, at, slopes) - ppo->log_probs[at], ratio = exp32(log_ratio);
    const float low = 1.0f - ppo->clip, high = 1.0f + ppo->clip, near = ratio < low ? low : ratio > high ? high : ratio;
    const float plain = ratio * advantage, clipped = near * advantage;
    const float slope = plain <= clipped ? -plain * weight : 0.0f;  // the loss by log_prob
    const float entropy = head_slopes(ppo, outputs, at, slope, ppo->entropy_coeff * weight, slopes, spread);
    float error_slope;
    const float error = value_error(ppo, value, at, &error_slope);
    *value_slope = ppo->vf_coeff * error_slope * weight;
    const double loss = plain <= clipped ? -plain : -clipped;
    sums[LOSS] += loss + (double)ppo->vf_coeff * error - (double)ppo->entropy_coeff * entropy;
    sums[POLICY_LOSS] += loss;
    sums[VF_LOSS] += error;
    sums[ENTROPY] += entropy;
    sums[KL] += (double)ratio - 1.0 - log_ratio;
    sums[CUT] += ratio < low || ratio > high;
}

static inline int64_t minibatch_rows(const Ppo *ppo) {
    const int64_t left = ppo->batch - ppo->at % ppo->per_epoch * ppo->minibatch;
    return left < ppo->minibatch ? left : ppo->minibatch;
}

// One block: `rows` steps, whose numbers are `chosen`. Networks, then the loss, then backwards.
static inline void ppo_block(const Ppo *ppo, int64_t block, const int64_t *chosen, int64_t rows, float weight, float *area) {
    const ActorCritic *net = ppo->net;
    const Mlp *actor = &net->actor, *critic = &net->critic;
    float *critic_values = area + ppo->critic_area, *deltas = area + ppo->deltas_area;
    float *critic_deltas = area + ppo->critic_deltas_area, *room = area + ppo->room_area;
    float *gradient = ppo->descent->gradients + block * net->size;
    const float *weights = ppo->descent->weights;
    const int64_t out = actor->padded[actor->layers], value_width = critic->padded[critic->layers];
    float *slopes = mlp_outputs(actor, deltas, 0), *value_slopes = mlp_outputs(critic, critic_deltas, 0);
    for (int64_t i = 0; i < rows; i++)
        encode_normalized(net, weights, ppo->obs + chosen[i] * net->encoder.row, area + i * actor->padded[0], 1);
    memcpy(critic_values, area, (size_t)(rows * actor->padded[0]) * sizeof(float));
    mlp_forward(actor, weights, area, rows);
    mlp_forward(critic, weights + net->critic_at, critic_values, rows);
    memset(slopes, 0, (size_t)(rows * out) * sizeof(float));
    memset(value_slopes, 0, (size_t)(rows * value_width) * sizeof(float));
    memset(gradient + net->log_std_at, 0, (size_t)(net->trained - net->log_std_at) * sizeof(float));
    for (int64_t i = 0; i < rows; i++) {
        const float advantage = (ppo->advantages[chosen[i]] - ppo->shift[ppo->at]) * ppo->scale[ppo->at];
        const char *obs = ppo->obs + chosen[i] * net->encoder.row;
        ppo_row(ppo, head_outputs(net, weights, area, i, obs, room), value_of(net, critic_values, i), chosen[i], advantage,
                weight, slopes + i * out, gradient + net->log_std_at, value_slopes + i * value_width,
                ppo->block_sums + block * SUMS);
    }
    mlp_backward(actor, ppo->transposed, area, deltas, gradient, rows, 0, 0);
    mlp_backward(critic, ppo->transposed + actor->transposed, critic_values, critic_deltas, gradient + net->critic_at, rows, 0, 0);
}

// Rows are the blocks of the minibatch. Ports: whether the weights have moved -> that the gradients are there; both say
// nothing but when.
static inline int ppo_gradients(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    const Ppo *ppo = self;
    (void)ports, (void)tag;
    if (ppo->stopped) return 0;
    const int64_t rows = minibatch_rows(ppo);
    const int64_t *order = ppo->order + ppo->at / ppo->per_epoch * ppo->batch + ppo->at % ppo->per_epoch * ppo->minibatch;
    for (int64_t block = lo; block < hi; block++) {
        const int64_t first = block * BLOCK_ROWS, here = rows - first < BLOCK_ROWS ? rows - first : BLOCK_ROWS;
        memset(ppo->block_sums + block * SUMS, 0, SUMS * sizeof(double));
        if (here > 0) ppo_block(ppo, block, order + first, here, 1.0f / (float)rows, ppo->areas + lo * ppo->area);
    }
    return 0;
}

static inline void ppo_transpose(const Ppo *ppo) {
    const ActorCritic *net = ppo->net;
    mlp_transpose(&net->actor, ppo->descent->weights, ppo->transposed);
    mlp_transpose(&net->critic, ppo->descent->weights + net->critic_at, ppo->transposed + net->actor.transposed);
}

static inline int ppo_descend(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    Ppo *ppo = self;
    const int64_t rows = minibatch_rows(ppo), blocks = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    double kl = 0.0;
    (void)ports, (void)lo, (void)hi, (void)tag;
    if (ppo->stopped) return 0;
    for (int64_t block = 0; block < blocks; block++) {
        for (int k = 0; k < SUMS; k++) ppo->sums[k] += ppo->block_sums[block * SUMS + k] / (double)rows;
        kl += ppo->block_sums[block * SUMS + KL] / (double)rows;
    }
    ppo->at++;
    ppo->stopped = ppo->at == ppo->minibatches;
    if (ppo->target_kl >= 0.0 && kl > 1.5 * ppo->target_kl) {
        ppo->stopped = 1;
        return 0;
    }
    add_blocks(ppo->descent, blocks);
    descend(ppo->descent);
    ppo_transpose(ppo);
    return 0;
}

#endif
