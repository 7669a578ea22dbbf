// What the workers of a policy have: each an area of memory of its own, and the weights by which it acts.
#ifndef REACTVEC_ACTING_H
#define REACTVEC_ACTING_H

#include <stdint.h>
#include <string.h>

// A worker has the area that its first row falls into. The first rows of two of W workers are at least floor(rows / W)
// apart, and those in one area less than rows / AREAS. With W at most MOST_WORKERS, which is half of AREAS, the former is
// the larger: floor(x) >= x / 2 for any x >= 1. Of AREAS rows or fewer, each has an area of its own.
enum { MOST_WORKERS = 64, AREAS = 2 * MOST_WORKERS };

typedef struct {
    int whole;                    // no bank: the one row of the reactor stands for all of them
    int64_t rows, room, weights;  // of the bank; floats of an area: of room to work in, and of the weights after it
    float *memory;                // [AREAS][room + weights]
    const float *first;           // weights, until others arrive
    const float *current[AREAS];  // by which each worker acts
} Acting;

static inline int64_t area_at(int64_t rows, int64_t lo) {
    const int64_t areas = rows < AREAS ? rows : AREAS;
    return lo * areas / rows;
}

static inline int64_t area_of(const Acting *acting, int64_t lo) {
    return area_at(acting->rows, lo);
}

static inline float *room_of(const Acting *acting, int64_t area) {
    return acting->memory + area * (acting->room + acting->weights);
}

// The weights by which the worker of this area acts: those that were sent, if they are new, else those that it has.
static inline const float *weights_of(Acting *acting, int64_t area, const void *sent, const void *fresh) {
    if (*(const uint8_t *)fresh)
        acting->current[area] =
            memcpy(room_of(acting, area) + acting->room, sent, (size_t)acting->weights * sizeof(float));
    return acting->current[area];
}

#endif
