// Learning by SAC: the gradients of a minibatch, block by block, and the gradient step that follows.
//
// gradients (a bank: one row for each block of a minibatch)  -->  descend (adds them, steps, moves the target critics, and
// goes on to the next minibatch)  --delay 1-->  gradients.
//
// Packed weights: [actor][critic 0]...[logarithm of alpha]. All three losses are by the weights before the step (Haarnoja et
// al. 2018b), as in algorithms/sac.py. Errors and probabilities are means over a minibatch, so each row's part is 1/minibatch.
#ifndef REACTVEC_SAC_H
#define REACTVEC_SAC_H

#include "actor.h"
#include "descent.h"

enum { MOST_CRITICS = 2, SUMS = 3 };
enum { QF_LOSS, POLICY_LOSS, LOG_PROBS };                  // of a block
enum { METRIC_QF, METRIC_POLICY, METRIC_ALPHA_LOSS, METRIC_ALPHA, METRICS };  // added up over minibatches

typedef struct {
    const Actor *actor;
    Mlp critic;                       // over features and action
    int64_t critics, alpha_at, size;  // floats of the packed weights
    Descent *descent;
    // What was drawn, [minibatches][minibatch], and the errors of what was predicted, to be written.
    const char *observations, *next_observations;
    const float *actions, *returns, *discounts, *importance;
    float *td_errors;
    int64_t minibatch, at;            // rows; the minibatch that is next
    uint64_t luck;                    // key of the noise of drawn actions
    int64_t drawn;                    // minibatches before the first of these
    double target_entropy;
    float tau;
    float *target;                    // [critics], packed
    float *transposed;                // [actor][critics], for the way back
    float *areas;                     // of each block
    int64_t area, critic_at, deltas_at, noise_at, action_at, rows_at;  // floats
    double *block_sums;               // [blocks][SUMS]
    double metrics[METRICS];
} Sac;

static inline const float *critic_weights(const Sac *sac, const float *weights, int64_t k) {
    return weights + sac->actor->mlp.size + k * sac->critic.size;
}

static inline float *transposed_critic(const Sac *sac, int64_t k) {
    return sac->transposed + sac->actor->mlp.transposed + k * sac->critic.transposed;
}

static inline float alpha_of(const Sac *sac) {
    return exp32(sac->descent->weights[sac->alpha_at]);
}

// What a block works in.
typedef struct {
    float *actor, *critic[MOST_CRITICS], *deltas;  // scratch of networks; of the way back
    float *noise, *actions, *slopes;               // [BLOCK_ROWS][parts]: as drawn; the derivatives by the actions
    float *log_probs, *targets;                    // [BLOCK_ROWS]
} Room;

static inline Room room_at(const Sac *sac, float *area) {
    const int64_t drawn = BLOCK_ROWS * sac->actor->head.parts;
    Room room = {
        .actor = area, .deltas = area + sac->deltas_at, .noise = area + sac->noise_at, .actions = area + sac->action_at,
        .slopes = area + sac->action_at + drawn, .log_probs = area + sac->rows_at,
        .targets = area + sac->rows_at + BLOCK_ROWS,
    };
    for (int64_t k = 0; k < sac->critics; k++) room.critic[k] = area + sac->critic_at + k * sac->critic.scratch;
    return room;
}

// Actions for the rows of `obs`, by noise that is a function of the gradient step, `which` and the row in the minibatch,
// and the logarithms of their densities (heads.log_density).
static inline void draw_actions(
        const Sac *sac, const Room *room, const char *obs, uint64_t which, int64_t first, int64_t rows) {
    const Actor *actor = sac->actor;
    const int64_t parts = actor->head.parts;
    const uint64_t state = draw_next(draw_next(sac->luck, (uint64_t)(sac->drawn + sac->at)), which);
    encode_rows(&actor->encoder, obs, room->actor, actor->mlp.padded[0], rows);
    mlp_forward(&actor->mlp, sac->descent->weights, room->actor, rows);
    for (int64_t i = 0; i < rows; i++) {
        const float *outputs = mlp_outputs(&actor->mlp, room->actor, i);
        const uint64_t row = draw_next(state, (uint64_t)(first + i));
        float sum = 0.0f;
        for (int64_t k = 0; k < parts; k++) {
            const float log_std = clamped_log_std(outputs[parts + k]), noise = (float)normal(draw_next(row, (uint64_t)k));
            const float choice = outputs[k] + exp32(log_std) * noise, away = -2.0f * fabsf(choice);
            // log(1 - tanh(choice)^2) is 2 (log 2 - |choice| - log(1 + exp(-2 |choice|))).
            sum += -0.5f * noise * noise - log_std - 0.918938533f;  // log(sqrt(2 pi))
            sum -= 2.0f * (0.693147181f + 0.5f * away - log32(1.0f + exp32(away)));
            room->noise[i * parts + k] = noise;
            room->actions[i * parts + k] = tanh32(choice);
        }
        room->log_probs[i] = sum;
    }
}

// Runs critic k, of these packed weights, over the features that the actor has seen last and `actions`, [rows][parts].
static inline void value_actions(
        const Sac *sac, const Room *room, int64_t k, const float *weights, const float *actions, int64_t rows) {
    const int64_t features = sac->actor->encoder.features, parts = sac->actor->head.parts, padded = sac->critic.padded[0];
    for (int64_t i = 0; i < rows; i++) {
        float *inputs = room->critic[k] + i * padded;
        memcpy(inputs, room->actor + i * sac->actor->mlp.padded[0], (size_t)features * sizeof *inputs);
        memcpy(inputs + features, actions + i * parts, (size_t)parts * sizeof *inputs);
    }
    mlp_forward(&sac->critic, weights, room->critic[k], rows);
}

static inline float critic_value(const Sac *sac, const Room *room, int64_t k, int64_t i) {
    return mlp_outputs(&sac->critic, room->critic[k], i)[0];
}

// The critic whose value of row i is the smallest.
static inline int64_t smallest(const Sac *sac, const Room *room, int64_t i) {
    return sac->critics == 2 && critic_value(sac, room, 1, i) < critic_value(sac, room, 0, i);
}

// Targets of the block whose first row is number `first` of the minibatch (sac.soft_targets).
static inline void sac_targets(const Sac *sac, const Room *room, int64_t first, int64_t rows) {
    const int64_t at = sac->at * sac->minibatch + first;
    const float alpha = alpha_of(sac);
    draw_actions(sac, room, sac->next_observations + at * sac->actor->encoder.row, 0, first, rows);
    for (int64_t k = 0; k < sac->critics; k++)
        value_actions(sac, room, k, sac->target + k * sac->critic.size, room->actions, rows);
    for (int64_t i = 0; i < rows; i++) {
        const float value = critic_value(sac, room, smallest(sac, room, i), i) - alpha * room->log_probs[i];
        const float sum = sac->returns[at + i], discount = sac->discounts[at + i];
        room->targets[i] = discount == 0.0f ? sum : sum + discount * value;  // 0 * NaN would be NaN
    }
}

// Puts the derivative by the value of each row where `mlp_backward` begins.
static inline float *value_slopes(const Sac *sac, const Room *room, int64_t rows) {
    float *slopes = mlp_outputs(&sac->critic, room->deltas, 0);
    return memset(slopes, 0, (size_t)(rows * sac->critic.padded[sac->critic.layers]) * sizeof *slopes);
}

// The loss of the critics (sac.critic_loss) and their gradients; the actor has just seen the observations.
static inline double learn_critics(const Sac *sac, const Room *room, int64_t first, int64_t rows, float *gradient) {
    const int64_t at = sac->at * sac->minibatch + first, out = sac->critic.padded[sac->critic.layers];
    const int64_t parts = sac->actor->head.parts;
    double loss = 0.0;
    memset(sac->td_errors + at, 0, (size_t)rows * sizeof(float));
    for (int64_t k = 0; k < sac->critics; k++) {
        value_actions(sac, room, k, critic_weights(sac, sac->descent->weights, k), sac->actions + at * parts, rows);
        float *slopes = value_slopes(sac, room, rows);
        for (int64_t i = 0; i < rows; i++) {
            const float error = critic_value(sac, room, k, i) - room->targets[i], weight = sac->importance[at + i];
            loss += 0.5 * (double)weight * error * error;
            sac->td_errors[at + i] += fabsf(error) / (float)sac->critics;
            slopes[i * out] = weight * error / (float)sac->minibatch;
        }
        mlp_backward(&sac->critic, transposed_critic(sac, k), room->critic[k], room->deltas,
                     gradient + sac->actor->mlp.size + k * sac->critic.size, rows, 0, 0);
    }
    return loss;
}

// The loss of the actor (sac.actor_loss) and its gradient: through the smallest value of the actions that were drawn last,
// by critics that stand still, to what they were drawn from.
static inline double learn_actor(const Sac *sac, const Room *room, int64_t rows, float *gradient) {
    const Mlp *mlp = &sac->actor->mlp;
    const int64_t parts = sac->actor->head.parts, out = sac->critic.padded[sac->critic.layers];
    const int64_t features = sac->actor->encoder.features;
    const float share = 1.0f / (float)sac->minibatch, alpha = alpha_of(sac);
    double loss = 0.0;
    for (int64_t k = 0; k < sac->critics; k++)
        value_actions(sac, room, k, critic_weights(sac, sac->descent->weights, k), room->actions, rows);
    for (int64_t i = 0; i < rows; i++)
        loss += alpha * room->log_probs[i] - critic_value(sac, room, smallest(sac, room, i), i);
    memset(room->slopes, 0, (size_t)(rows * parts) * sizeof(float));
    for (int64_t k = 0; k < sac->critics; k++) {
        float *slopes = value_slopes(sac, room, rows);
        for (int64_t i = 0; i < rows; i++) if (smallest(sac, room, i) == k) slopes[i * out] = -share;
        mlp_backward(&sac->critic, transposed_critic(sac, k), room->critic[k], room->deltas, NULL, rows, 0, 1);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t part = 0; part < parts; part++)
                room->slopes[i * parts + part] += room->deltas[i * sac->critic.padded[0] + features + part];
    }
    for (int64_t i = 0; i < rows; i++) {
        const float *outputs = mlp_outputs(mlp, room->actor, i);
        float *slopes = mlp_outputs(mlp, room->deltas, i);
        memset(slopes, 0, (size_t)mlp->padded[mlp->layers] * sizeof *slopes);
        for (int64_t k = 0; k < parts; k++) {
            const float action = room->actions[i * parts + k], log_std = outputs[parts + k];
            const float by_choice = room->slopes[i * parts + k] * (1.0f - action * action) + 2.0f * alpha * share * action;
            const float clamped = clamped_log_std(log_std);
            slopes[k] = by_choice;
            slopes[parts + k] = clamped == log_std ? by_choice * exp32(clamped) * room->noise[i * parts + k] - alpha * share : 0.0f;
        }
    }
    mlp_backward(mlp, sac->transposed, room->actor, room->deltas, gradient, rows, 0, 0);
    return loss;
}

// Rows are the blocks of the minibatch. Ports: whether the weights have moved -> that the gradients are there; both say
// nothing but when.
static inline int sac_gradients(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    const Sac *sac = self;
    const Room room = room_at(sac, sac->areas + lo * sac->area);
    (void)ports, (void)tag;
    for (int64_t block = lo; block < hi; block++) {
        const int64_t first = block * BLOCK_ROWS, left = sac->minibatch - first, rows = left < BLOCK_ROWS ? left : BLOCK_ROWS;
        float *gradient = sac->descent->gradients + block * sac->size;
        double *sums = sac->block_sums + block * SUMS;
        sac_targets(sac, &room, first, rows);
        draw_actions(
            sac, &room, sac->observations + (sac->at * sac->minibatch + first) * sac->actor->encoder.row, 1, first, rows);
        sums[QF_LOSS] = learn_critics(sac, &room, first, rows, gradient);
        sums[POLICY_LOSS] = learn_actor(sac, &room, rows, gradient);
        sums[LOG_PROBS] = 0.0;
        for (int64_t i = 0; i < rows; i++) sums[LOG_PROBS] += room.log_probs[i];
    }
    return 0;
}

// What gradients are found with, once for each change of the weights.
static inline void sac_transpose(const Sac *sac) {
    mlp_transpose(&sac->actor->mlp, sac->descent->weights, sac->transposed);
    for (int64_t k = 0; k < sac->critics; k++)
        mlp_transpose(&sac->critic, critic_weights(sac, sac->descent->weights, k), transposed_critic(sac, k));
}

static inline int sac_descend(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    Sac *sac = self;
    const float log_alpha = sac->descent->weights[sac->alpha_at];
    double sums[SUMS] = {0.0};
    (void)ports, (void)lo, (void)hi, (void)tag;
    for (int64_t block = 0; block < sac->descent->blocks; block++)
        for (int k = 0; k < SUMS; k++) sums[k] += sac->block_sums[block * SUMS + k] / (double)sac->minibatch;
    const double excess = sums[LOG_PROBS] + sac->target_entropy;
    sac->metrics[METRIC_QF] += sums[QF_LOSS], sac->metrics[METRIC_POLICY] += sums[POLICY_LOSS];
    sac->metrics[METRIC_ALPHA_LOSS] -= log_alpha * excess, sac->metrics[METRIC_ALPHA] += alpha_of(sac);
    add_blocks(sac->descent, sac->descent->blocks);
    sac->descent->gradients[sac->alpha_at] = (float)-excess;  // of sac.alpha_loss
    descend(sac->descent);
    sac_transpose(sac);
    const float *critics = critic_weights(sac, sac->descent->weights, 0);
    for (int64_t i = 0; i < sac->critics * sac->critic.size; i++) sac->target[i] += sac->tau * (critics[i] - sac->target[i]);
    sac->at++;
    return 0;
}

#endif
