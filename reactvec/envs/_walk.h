// Walks over a table of transitions, in the order of operations of Gymnasium's toy-text environments: from a state and
// an action a random number leads to one of a few outcomes (FrozenLakeEnv.step, CliffWalkingEnv.step, TaxiEnv.step).
#ifndef REACTVEC_WALK_H
#define REACTVEC_WALK_H

#include <stddef.h>

#include "kernel_bank.h"

typedef struct {
    double cumulative, probability, reward;
    int32_t next;
    uint8_t ended;
} Outcome;

typedef struct {
    const Outcome *outcome;
    const int64_t *first;     // of a state and an action: where its outcomes begin; they end where the next ones begin
    const double *start;      // the cumulative probabilities of the states in which episodes begin
    const int8_t *mask;       // per state and action; only of environments that tell of it
    int64_t states, actions;
    int64_t only_start;       // the state in which all episodes begin, or -1
} Table;

typedef struct {
    Rows rows;
    const Table **table;
    int64_t *state;
    int64_t *last_action;     // or -1: none since the reset
    int64_t *drawn;           // the state is one that NumPy drew, not the table's
} WalkBank;

// The first whose cumulative probability exceeds a random number, else the first of all: categorical_sample.
static inline const Outcome *walk_outcome(const WalkBank *bank, int64_t i, int64_t action) {
    const Table *table = bank->table[i];
    const int64_t *first = table->first + bank->state[i] * table->actions + action;
    const double unit = draw_unit(&bank->rows, i);
    int64_t k = first[0];
    // Probabilities only add up, so these come before it; to count them takes no branch on what is random.
    for (int64_t each = first[0]; each < first[1]; each++) k += !(table->outcome[each].cumulative > unit);
    return table->outcome + (k < first[1] ? k : first[0]);
}

// The same over all states, by bisection.
static inline int64_t walk_start(const WalkBank *bank, int64_t i) {
    const Table *table = bank->table[i];
    const double unit = draw_unit(&bank->rows, i);
    if (table->only_start >= 0) return table->only_start;
    int64_t low = 0, high = table->states;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (table->start[middle] > unit) high = middle;
        else low = middle + 1;
    }
    return low < table->states ? low : 0;
}

static inline void walk_take(WalkBank *bank, const Ports *ports, const Outcome *outcome, int64_t i, int64_t action) {
    bank->state[i] = outcome->next;
    bank->last_action[i] = action;
    bank->drawn[i] = 0;
    ports->reward[i] = outcome->reward;
    ports->terminated[i] = outcome->ended;
}

static inline void walk_begin(WalkBank *bank, const Ports *ports, int64_t i) {
    ((int64_t *)ports->obs)[i] = bank->state[i] = walk_start(bank, i);
    bank->last_action[i] = -1;
    bank->drawn[i] = 1;
}

typedef struct {
    double prob;
    uint8_t begun;
} WalkInfo;

static inline void walk_tell(
        const WalkBank *bank, const Ports *ports, int64_t i, double probability, uint8_t begun) {
    ((double *)info_column(&bank->rows, ports->info, offsetof(WalkInfo, prob)))[i] = probability;
    ((uint8_t *)info_column(&bank->rows, ports->info, offsetof(WalkInfo, begun)))[i] = begun;
}

static void walk_reset(void *self, const Ports *ports, int64_t i) {
    walk_begin(self, ports, i);
    walk_tell(self, ports, i, 1.0, 1);
}

static void walk_block(void *self, const Ports *ports, int64_t first, int64_t n) {
    WalkBank *bank = self;
    for (int64_t i = first; i < first + n; i++) {
        if (bank->rows.phase[i] != LIVE) continue;
        const int64_t action = ((const int64_t *)ports->action)[i];
        const Outcome *outcome = walk_outcome(bank, i, action);
        walk_take(bank, ports, outcome, i, action);
        ((int64_t *)ports->obs)[i] = bank->state[i];
        walk_tell(bank, ports, i, outcome->probability, 0);
    }
}

static inline int walk_step(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    static const Law law = {0, 3, walk_block, walk_reset};
    (void)tag;
    return rows_step(&law, self, ports, lo, hi);
}

#endif
