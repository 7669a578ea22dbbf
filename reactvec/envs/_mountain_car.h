// One step of a range of cars, in the order of operations of gymnasium.envs.classic_control.MountainCarEnv.step. Its
// cosine is the C library's (`math.cos`), not NumPy's.
#ifndef REACTVEC_MOUNTAIN_CAR_H
#define REACTVEC_MOUNTAIN_CAR_H

#include "kernel_bank.h"

enum { MIN_POSITION, MAX_POSITION, MAX_SPEED, GOAL_POSITION, GOAL_VELOCITY, FORCE, GRAVITY };

// What the Python state is: an array after a reset, then a tuple; a wall makes the velocity an int.
enum { DRAWN, STEPPED, AT_WALL };

typedef struct {
    Rows rows;
    double *position, *velocity;
    int64_t *form;
} MountainCarBank;

static inline void mountain_car_observe(const MountainCarBank *bank, const Ports *ports, int64_t i) {
    float *obs = (float *)ports->obs + 2 * i;
    obs[0] = (float)bank->position[i];
    obs[1] = (float)bank->velocity[i];
}

static void mountain_car_reset(void *self, const Ports *ports, int64_t i) {
    MountainCarBank *bank = self;
    bank->position[i] = draw_uniform(&bank->rows, i, -0.6, -0.4);
    bank->velocity[i] = 0.0;
    bank->form[i] = DRAWN;
    mountain_car_observe(bank, ports, i);
}

#define PARAMETER(NAME) (bank->rows.parameter[NAME * bank->rows.stride + i])
static void mountain_car_block(void *self, const Ports *ports, int64_t first, int64_t n) {
    MountainCarBank *bank = self;
    for (int64_t i = first; i < first + n; i++) {
        const double action = (double)((const int64_t *)ports->action)[i];
        const double low = PARAMETER(MIN_POSITION), max_speed = PARAMETER(MAX_SPEED);
        const double push = (action - 1.0) * PARAMETER(FORCE) + cos(3.0 * bank->position[i]) * -PARAMETER(GRAVITY);
        double velocity = clip(bank->velocity[i] + push, -max_speed, max_speed);
        const double position = clip(bank->position[i] + velocity, low, PARAMETER(MAX_POSITION));
        const int at_wall = position == low && velocity < 0.0;
        velocity = at_wall ? 0.0 : velocity;
        bank->position[i] = position;
        bank->velocity[i] = velocity;
        bank->form[i] = at_wall ? AT_WALL : STEPPED;
        ports->terminated[i] = position >= PARAMETER(GOAL_POSITION) && velocity >= PARAMETER(GOAL_VELOCITY);
        ports->reward[i] = -1.0;
        mountain_car_observe(bank, ports, i);
    }
}
#undef PARAMETER

static int mountain_car_step(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    static const Law law = {0, 2, mountain_car_block, mountain_car_reset};
    (void)tag;
    return rows_step(&law, self, ports, lo, hi);
}

#endif
