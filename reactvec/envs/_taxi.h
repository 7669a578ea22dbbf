// One step of a range of taxis, in the order of operations of gymnasium.envs.toy_text.TaxiEnv.step: a walk over a table,
// in which a fickle passenger may change the destination.
#ifndef REACTVEC_TAXI_H
#define REACTVEC_TAXI_H

#include "_walk.h"

enum { ACTIONS = 6, PLACES = 4, IN_TAXI = 4 };

typedef struct {
    WalkBank walk;            // first: its rows are the bank's
    int64_t *fickle;          // whether the passenger is one of those at all
    int64_t *may_change;      // whether this one will still change the destination: fickle_step
    double *probability;      // of that, at each reset
} TaxiBank;

typedef struct {
    double prob;
    int8_t action_mask[ACTIONS];
    uint8_t begun;
} TaxiInfo;

// ((row * 5 + column) * 5 + passenger) * 4 + destination
static inline int64_t taxi_place(int64_t state) { return state / (5 * PLACES); }
static inline int64_t taxi_passenger(int64_t state) { return state / PLACES % 5; }
static inline int64_t taxi_destination(int64_t state) { return state % PLACES; }

static void taxi_tell(const TaxiBank *bank, const Ports *ports, int64_t i, double probability, uint8_t begun) {
    const int64_t state = bank->walk.state[i];
    const Rows *rows = &bank->walk.rows;
    int8_t *mask = info_column(rows, ports->info, offsetof(TaxiInfo, action_mask));
    ((int64_t *)ports->obs)[i] = state;
    ((double *)info_column(rows, ports->info, offsetof(TaxiInfo, prob)))[i] = probability;
    ((uint8_t *)info_column(rows, ports->info, offsetof(TaxiInfo, begun)))[i] = begun;
    memcpy(mask + ACTIONS * i, bank->walk.table[i]->mask + ACTIONS * state, ACTIONS);
}

static void taxi_reset(void *self, const Ports *ports, int64_t i) {
    TaxiBank *bank = self;
    walk_begin(&bank->walk, ports, i);
    bank->may_change[i] = bank->fickle[i] && draw_unit(&bank->walk.rows, i) < bank->probability[i];
    taxi_tell(bank, ports, i, 1.0, 1);
}

// Another destination than that of `before`, if this is the first move with the passenger inside.
static void taxi_change(TaxiBank *bank, int64_t i, int64_t before) {
    const int64_t state = bank->walk.state[i];
    if (!bank->fickle[i] || !bank->may_change[i]) return;
    if (taxi_passenger(before) != IN_TAXI || taxi_place(before) == taxi_place(state)) return;
    bank->may_change[i] = 0;
    const int64_t drawn = draw_below(&bank->walk.rows, i, PLACES - 1);
    const int64_t destination = drawn + (drawn >= taxi_destination(before));
    bank->walk.state[i] = state - taxi_destination(state) + destination;
    bank->walk.drawn[i] = 1;
}

static void taxi_block(void *self, const Ports *ports, int64_t first, int64_t n) {
    TaxiBank *bank = self;
    for (int64_t i = first; i < first + n; i++) {
        if (bank->walk.rows.phase[i] != LIVE) continue;
        const int64_t before = bank->walk.state[i], action = ((const int64_t *)ports->action)[i];
        const Outcome *outcome = walk_outcome(&bank->walk, i, action);
        walk_take(&bank->walk, ports, outcome, i, action);
        taxi_change(bank, i, before);
        taxi_tell(bank, ports, i, outcome->probability, 0);
    }
}

static int taxi_step(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    static const Law law = {0, ACTIONS - 1, taxi_block, taxi_reset};
    (void)tag;
    return rows_step(&law, self, ports, lo, hi);
}

#endif
