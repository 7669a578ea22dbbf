// Learning action values by DQN: the gradients of a minibatch, block by block, and the gradient step that follows.
//
// gradients (a bank: one row for each block of a minibatch)  -->  descend (adds them, steps, and goes on to the next
// minibatch)  --delay 1-->  gradients.
#ifndef REACTVEC_DQN_H
#define REACTVEC_DQN_H

#include "descent.h"
#include "q_network.h"

// Rows of a block: few, so that two workers can share a minibatch of 64.
enum { SHARE_ROWS = 32 };

typedef struct {
    const QNetwork *net;
    Descent *descent;
    // What was drawn, [minibatches][minibatch], and the errors of what was predicted, to be written.
    const char *observations, *next_observations;
    const int64_t *actions;
    const float *returns, *discounts, *importance;
    float *td_errors;
    int64_t minibatch, at;            // rows; the minibatch that is next
    int double_q;
    float *target, *transposed;       // weights of the target network; of the online one, for the way back
    float *areas;                     // of each block: scratch, targets, deltas
    int64_t area, targets_at, deltas_at;
    double *block_losses, loss;       // of the blocks; means over minibatches, added up
} Dqn;

// What actions should be worth: of rows from `first` on (Mnih et al. 2015; double Q: van Hasselt et al. 2016).
static inline void dqn_targets(const Dqn *dqn, int64_t first, int64_t rows, float *scratch, float *targets) {
    const QNetwork *net = dqn->net;
    const int64_t n = net->actions;
    encode_rows(&net->encoder, dqn->next_observations + first * net->encoder.row, scratch, net->mlp.padded[0], rows);
    if (dqn->double_q) {
        int64_t best[BLOCK_ROWS];
        q_forward(net, dqn->descent->weights, scratch, rows);
        for (int64_t i = 0; i < rows; i++) best[i] = best_of(q_values(net, scratch, i), n);
        q_forward(net, dqn->target, scratch, rows);
        for (int64_t i = 0; i < rows; i++) targets[i] = q_values(net, scratch, i)[best[i]];
    } else {
        q_forward(net, dqn->target, scratch, rows);
        for (int64_t i = 0; i < rows; i++) targets[i] = q_values(net, scratch, i)[best_of(q_values(net, scratch, i), n)];
    }
    for (int64_t i = 0; i < rows; i++) {
        const float sum = dqn->returns[first + i], discount = dqn->discounts[first + i];
        targets[i] = discount == 0.0f ? sum : sum + discount * targets[i];  // 0 * NaN would be NaN
    }
}

// The derivative by the outputs, all 0 so far, of a loss whose derivative by the value of `action` is `slope`.
static inline void q_slopes(const QNetwork *net, int64_t action, float slope, float *slopes) {
    slopes[action + net->dueling] = slope;
    if (!net->dueling) return;
    slopes[0] = slope;
    for (int64_t k = 1; k <= net->actions; k++) slopes[k] -= slope / (float)net->actions;
}

// Huber's loss of one error, and its derivative.
static inline double huber(float error, float *slope) {
    *slope = error < -1.0f ? -1.0f : error > 1.0f ? 1.0f : error;
    return error < -1.0f || error > 1.0f ? fabs((double)error) - 0.5 : 0.5 * (double)error * error;
}

// Block number `block`: `rows` transitions from `first` on. The gradient, and the sum of the losses.
static inline double dqn_block(const Dqn *dqn, int64_t block, int64_t first, int64_t rows, float *area) {
    const QNetwork *net = dqn->net;
    const int64_t out = net->mlp.padded[net->mlp.layers];
    float *targets = area + dqn->targets_at, *deltas = area + dqn->deltas_at;
    float *slopes = mlp_outputs(&net->mlp, deltas, 0);
    double loss = 0.0;
    dqn_targets(dqn, first, rows, area, targets);
    encode_rows(&net->encoder, dqn->observations + first * net->encoder.row, area, net->mlp.padded[0], rows);
    q_forward(net, dqn->descent->weights, area, rows);
    memset(slopes, 0, (size_t)(rows * out) * sizeof *slopes);
    for (int64_t i = 0; i < rows; i++) {
        const int64_t action = dqn->actions[first + i];
        const float error = q_values(net, area, i)[action] - targets[i], weight = dqn->importance[first + i];
        float slope;
        dqn->td_errors[first + i] = error;
        loss += weight * huber(error, &slope);
        q_slopes(net, action, slope * weight / (float)dqn->minibatch, slopes + i * out);
    }
    mlp_backward(&net->mlp, dqn->transposed, area, deltas, dqn->descent->gradients + block * dqn->descent->size, rows, 0, 0);
    return loss;
}

// Rows are the blocks of the minibatch. Ports: whether the weights have moved -> that the gradients are there; both say
// nothing but when.
static inline int dqn_gradients(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    const Dqn *dqn = self;
    (void)ports, (void)tag;
    for (int64_t block = lo; block < hi; block++) {
        const int64_t first = block * SHARE_ROWS, left = dqn->minibatch - first;
        dqn->block_losses[block] = dqn_block(
            dqn, block, dqn->at * dqn->minibatch + first, left < SHARE_ROWS ? left : SHARE_ROWS, dqn->areas + lo * dqn->area);
    }
    return 0;
}

static inline int dqn_descend(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    Dqn *dqn = self;
    (void)ports, (void)lo, (void)hi, (void)tag;
    for (int64_t block = 0; block < dqn->descent->blocks; block++) dqn->loss += dqn->block_losses[block] / (double)dqn->minibatch;
    add_blocks(dqn->descent, dqn->descent->blocks);
    descend(dqn->descent);
    mlp_transpose(&dqn->net->mlp, dqn->descent->weights, dqn->transposed);
    dqn->at++;
    return 0;
}

#endif
