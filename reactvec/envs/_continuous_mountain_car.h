// One step of a range of cars, in the order of operations of gymnasium.envs.classic_control.Continuous_MountainCarEnv.
//
// In Python every number has a type that decides how the next operation rounds (NumPy's NEP 50): the state is float64
// after a reset and float32 after a step, the action is float32, and where a bound replaces a number, or a constant
// meets it, that is a Python float, which takes the type of the other side. `Number` carries that type along.
#ifndef REACTVEC_CONTINUOUS_MOUNTAIN_CAR_H
#define REACTVEC_CONTINUOUS_MOUNTAIN_CAR_H

#include "kernel_bank.h"

enum {
    MIN_ACTION, MAX_ACTION, MIN_POSITION, MAX_POSITION, MAX_SPEED, GOAL_POSITION, GOAL_VELOCITY, POWER
};

typedef struct {
    Rows rows;
    double *position, *velocity;
    int64_t *single;          // they are float32
} ContinuousMountainCarBank;

typedef enum { PYTHON, SINGLE, DOUBLE } Type;

typedef struct {
    double value;
    Type type;
} Number;

static inline Number number(double value, Type type) {
    return (Number){type == SINGLE ? (double)(float)value : value, type};
}

// The type of an operation on two numbers.
static inline Type meet(Number one, Number other) {
    return one.type > other.type ? one.type : other.type;
}

// The value that it has in an operation of a type.
static inline double as(Number one, Type type) {
    return type == SINGLE ? (double)(float)one.value : one.value;
}

// One rounding to double and one to float are one to float: Figueroa (1995), of sums, differences and products.
static inline Number plus(Number one, Number other) {
    const Type type = meet(one, other);
    return number(as(one, type) + as(other, type), type);
}

static inline Number minus(Number one, Number other) {
    const Type type = meet(one, other);
    return number(as(one, type) - as(other, type), type);
}

static inline Number times(Number one, Number other) {
    const Type type = meet(one, other);
    return number(as(one, type) * as(other, type), type);
}

static inline int above(Number one, Number other) {
    const Type type = meet(one, other);
    return as(one, type) > as(other, type);
}

static inline int equal(Number one, Number other) {
    const Type type = meet(one, other);
    return as(one, type) == as(other, type);
}

static inline int reaches(Number one, Number other) {
    const Type type = meet(one, other);
    return as(one, type) >= as(other, type);
}

// What replaces a number that is out of bounds is the bound itself.
static inline Number at_most(Number one, Number bound) {
    return above(one, bound) ? bound : one;
}

static inline Number at_least(Number one, Number bound) {
    return above(bound, one) ? bound : one;
}

static void continuous_mountain_car_reset(void *self, const Ports *ports, int64_t i) {
    ContinuousMountainCarBank *bank = self;
    float *obs = (float *)ports->obs + 2 * i;
    bank->position[i] = draw_uniform(&bank->rows, i, -0.6, -0.4);
    bank->velocity[i] = 0.0;
    bank->single[i] = 0;
    obs[0] = (float)bank->position[i];
    obs[1] = 0.0f;
}

#define PARAMETER(NAME) ((Number){bank->rows.parameter[NAME * bank->rows.stride + i], PYTHON})
static void continuous_mountain_car_block(void *self, const Ports *ports, int64_t first, int64_t n) {
    ContinuousMountainCarBank *bank = self;
    for (int64_t i = first; i < first + n; i++) {
        const Type type = bank->single[i] ? SINGLE : DOUBLE;
        const Number zero = {0.0, PYTHON}, three = {3.0, PYTHON}, slope = {0.0025, PYTHON};
        const Number action = {((const float *)ports->action)[i], SINGLE};
        const Number force = at_most(at_least(action, PARAMETER(MIN_ACTION)), PARAMETER(MAX_ACTION));
        Number position = {bank->position[i], type}, velocity = {bank->velocity[i], type};
        const Number cosine = {cos(times(three, position).value), PYTHON};
        velocity = plus(velocity, minus(times(force, PARAMETER(POWER)), times(slope, cosine)));
        const Number max_speed = PARAMETER(MAX_SPEED), min_speed = {-max_speed.value, PYTHON};
        velocity = at_least(at_most(velocity, max_speed), min_speed);
        position = at_most(plus(position, velocity), PARAMETER(MAX_POSITION));
        position = at_least(position, PARAMETER(MIN_POSITION));
        if (equal(position, PARAMETER(MIN_POSITION)) && above(zero, velocity)) velocity = zero;
        const int there = reaches(position, PARAMETER(GOAL_POSITION)) && reaches(velocity, PARAMETER(GOAL_VELOCITY));
        ports->terminated[i] = (uint8_t)there;
        ports->reward[i] = (there ? 100.0 : 0.0) - action.value * action.value * 0.1;
        float *obs = (float *)ports->obs + 2 * i;
        bank->position[i] = obs[0] = (float)position.value;
        bank->velocity[i] = obs[1] = (float)velocity.value;
        bank->single[i] = 1;
    }
}
#undef PARAMETER

static int continuous_mountain_car_step(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    static const Law law = {0, -1, continuous_mountain_car_block, continuous_mountain_car_reset};
    (void)tag;
    return rows_step(&law, self, ports, lo, hi);
}

#endif
