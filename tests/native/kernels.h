/* What the native reactions of the tests share with `kernels.py`: plain structs of int64 and pointers. */
#ifndef KERNELS_H
#define KERNELS_H

#include <stdint.h>
#include <time.h>

#define PORTS 24

/* How a reaction sees its port number `at`: `pieces` rows of `words` each, from `row * stride` words on. Its presence
 * flags are those of port `flags` (-1: not looked at), from `row * flag_stride` on. */
typedef struct {
    int64_t at, words, pieces, stride;
    int64_t flags, flag_stride;
    /* the checker alone: who writes it, with which delay and timing, and what is read before the first tag */
    int64_t writer, delay, period, offset, unit, initial;
} view;

typedef struct {
    int64_t salt, inputs, outputs, dawdles;
    uint64_t *state;
    view ports[PORTS];
} body;

typedef int (*kernel_run)(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag);

#endif
