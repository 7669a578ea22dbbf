// The laws of ferries: FerryEnv.step and FerryEnv.reset over columns, in the same order of operations.
#include "kernel_bank.h"

enum { GUST, LIMIT }; // the columns of parameters, in the order of Ferries.parameters

typedef struct {
    Rows rows; // first
    double *offset;
} FerryBank;

static void ferry_step_block(void *self, const Ports *ports, int64_t first, int64_t n) {
    FerryBank *bank = self;
    const int64_t *action = ports->action;
    for (int64_t i = first; i < first + n; i++) {
        if (bank->rows.phase[i] != LIVE) continue; // what draws must not, before its reset
        const double gust = bank->rows.parameter[GUST * bank->rows.stride + i];
        const double limit = bank->rows.parameter[LIMIT * bank->rows.stride + i];
        bank->offset[i] += 0.1 * (double)(action[i] - 1) + draw_uniform(&bank->rows, i, -gust, gust);
        ((float *)ports->obs)[i] = (float)bank->offset[i];
        ports->reward[i] = 1.0 - fabs(bank->offset[i]);
        ports->terminated[i] = fabs(bank->offset[i]) > limit;
    }
}

static void ferry_reset(void *self, const Ports *ports, int64_t i) {
    FerryBank *bank = self;
    bank->offset[i] = draw_uniform(&bank->rows, i, -0.1, 0.1);
    ((float *)ports->obs)[i] = (float)bank->offset[i];
}

static int ferry_step(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    static const Law law = {0, 2, ferry_step_block, ferry_reset}; // actions 0 to 2
    (void)tag;
    return rows_step(&law, self, ports, lo, hi);
}
