// What the kernels of environments share: rows that live, end, and are reset, around the laws of one environment.
//
// A kernel is a C struct that begins with `Rows`, and a `Law` of two functions over it: one steps a block of rows, the
// other resets a row. `rows_step` is the `run` of the kernel (reactvec/_kernel.pxd) but for the casts:
//
//   check all actions -> per block of rows: the law's step -> time limits -> ends and resets
//
// What a law computes must be, bit by bit, what the Python environment computes.
#ifndef REACTVEC_KERNEL_BANK_H
#define REACTVEC_KERNEL_BANK_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "numpy/random/bitgen.h"

// Compiled once per instruction set; the loader picks. Without contraction all give the same bits.
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#define HAS_WIDE __builtin_cpu_supports("avx2")
#else
#define WIDE
#define HAS_WIDE 0
#endif

// The most rows that a law steps at once: their scratch stays in the first cache level.
enum { BLOCK = 128 };

// LIVE rows step. ENDED rows are reset by the next step; TERMINATED tells an environment's own end from a time limit.
// UNLOADED rows have no state yet.
enum { LIVE, ENDED, TERMINATED, UNLOADED };

// Tells the compiler what it cannot know: a block is never empty.
#define NOT_EMPTY(n) do { if ((n) < 1) __builtin_unreachable(); } while (0)

// When an ended row is reset: by the step after, by the same step, or not by a step at all.
enum { NEXT_STEP, SAME_STEP, DISABLED };

// Of an info.
enum { MOST_FIELDS = 8 };

typedef struct {
    // Columns of 8 bytes per row: steps since the reset, the number at which an episode is truncated (INT64_MAX: never),
    // and where random numbers come from.
    int64_t *elapsed, *limit;
    bitgen_t **generator;
    double *parameter;       // column k begins at parameter + k * stride
    int64_t stride;
    int alike;               // all rows have the parameters of row 0
    uint8_t *phase;
    uint8_t *touched;        // stepped since the Python object was the same
    int64_t unloaded;        // rows that are UNLOADED
    int autoreset;
    int fused_draw;          // NumPy's uniform() was compiled to a fused multiply-add
    int64_t count;           // of rows
    int64_t obs_size;        // bytes of a row of the port
    int64_t info_fields, info_at[MOST_FIELDS], info_size[MOST_FIELDS];  // see info_column
    // For wrappers that record episodes, else NULL; see recorders.py.
    double *total, *previous, *final_previous, *history;
    int64_t *length, *final_length;
    int64_t most;            // rewards per row of the history
} Rows;

// The slabs of the ports of a step, from row 0 on.
typedef struct {
    const void *action;
    void *obs;
    double *reward;
    uint8_t *terminated, *truncated;
    void *final_obs, *info, *final_info;
} Ports;

typedef struct {
    // The actions that a live row takes, where they are int64; least > most: they are not, or all are taken.
    int64_t least, most;
    // Steps rows first to first + n, 1 <= n <= BLOCK: obs, reward, terminated, info. What it computes for a row that is not
    // LIVE, if anything, is void, and must be harmless, whatever its action: it draws no random number.
    void (*step)(void *self, const Ports *ports, int64_t first, int64_t n);
    // Draws a new state into row i: obs, info.
    void (*reset)(void *self, const Ports *ports, int64_t i);
} Law;

#define PI 3.141592653589793  // np.pi

static inline uint64_t as_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline double as_double(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// All bits set if true. Selecting by masks rather than by branches lets the compiler vectorise.
static inline uint64_t mask(int truth) {
    return truth ? ~UINT64_C(0) : 0;
}

// np.clip, for bounds that are no NaN.
static inline double clip(double value, double low, double high) {
    const double raised = value < low ? low : value;
    return high < raised ? high : raised;
}

// Generator.random().
static inline double draw_unit(const Rows *rows, int64_t i) {
    bitgen_t *generator = rows->generator[i];
    return generator->next_double(generator->state);
}

// Generator.uniform(low, high): low + (high - low) * random().
static inline double draw_uniform(const Rows *rows, int64_t i, double low, double high) {
    const double range = high - low, unit = draw_unit(rows, i);
    return rows->fused_draw ? fma(range, unit, low) : low + range * unit;
}

// Generator.integers(0, number), and so Generator.choice of that many things; 1 < number <= 2**32. Lemire's method.
static inline int64_t draw_below(const Rows *rows, int64_t i, uint32_t number) {
    bitgen_t *generator = rows->generator[i];
    uint64_t product = (uint64_t)generator->next_uint32(generator->state) * number;
    if ((uint32_t)product < number) {
        const uint32_t threshold = -number % number;
        while ((uint32_t)product < threshold) product = (uint64_t)generator->next_uint32(generator->state) * number;
    }
    return (int64_t)(product >> 32);
}

// Row of the first action in a live row that the law does not take; -1: none.
static inline int64_t first_refused(const Rows *rows, const Law *law, const void *action, int64_t lo, int64_t hi) {
    if (law->least > law->most) return -1;
    const uint64_t least = (uint64_t)law->least, most = (uint64_t)law->most;
    const uint64_t *restrict number = action;
    uint64_t outside = 0;
    for (int64_t i = lo; i < hi; i++) outside |= (number[i] - least) | (most - number[i]);
    if (!(outside >> 63)) return -1;
    for (int64_t i = lo; i < hi; i++)
        if (rows->phase[i] == LIVE && (((number[i] - least) | (most - number[i])) >> 63)) return i;
    return -1;
}

// Row of the first that cannot be stepped at all; -1: none.
static inline int64_t first_stuck(const Rows *rows, int64_t lo, int64_t hi) {
    if (!rows->unloaded && rows->autoreset != DISABLED) return -1;
    for (int64_t i = lo; i < hi; i++)
        if (rows->phase[i] == UNLOADED || (rows->autoreset == DISABLED && rows->phase[i] != LIVE)) return i;
    return -1;
}

static inline void rows_truncate(const Rows *rows, const Ports *ports, int64_t first, int64_t n) {
    int64_t *restrict elapsed = rows->elapsed + first;
    const int64_t *restrict limit = rows->limit + first;
    uint8_t *restrict truncated = ports->truncated + first;
    for (int64_t i = 0; i < n; i++) {
        elapsed[i] += 1;
        truncated[i] = elapsed[i] >= limit[i];
    }
}

static inline void rows_record(const Rows *rows, const Ports *ports, int64_t first, int64_t n) {
    for (int64_t i = first; i < first + n; i++) {
        rows->previous[i] = rows->total[i];
        rows->total[i] += ports->reward[i];
        if (rows->length[i] < rows->most) rows->history[i * rows->most + rows->length[i]] = ports->reward[i];
        rows->length[i] += 1;
    }
}

// The ports of infos hold a column for each field, and not a structure for each row, so that Python may copy it in one
// piece: the field that would be `at` bytes from the start of a structure begins `at` times as far as there are rows.
static inline void *info_column(const Rows *rows, void *info, int64_t at) {
    return (char *)info + rows->count * at;
}

static inline void keep_row(void *to, const void *from, int64_t i, int64_t size) {
    memcpy((char *)to + i * size, (const char *)from + i * size, (size_t)size);
}

static inline void keep_last(const Rows *rows, const Ports *ports, int64_t i) {
    keep_row(ports->final_obs, ports->obs, i, rows->obs_size);
    for (int64_t k = 0; k < rows->info_fields; k++) {
        void *to = info_column(rows, ports->final_info, rows->info_at[k]);
        keep_row(to, info_column(rows, ports->info, rows->info_at[k]), i, rows->info_size[k]);
    }
}

static inline void row_begin(const Rows *rows, const Law *law, void *self, const Ports *ports, int64_t i) {
    rows->elapsed[i] = 0;
    rows->phase[i] = LIVE;
    if (rows->total) {
        rows->total[i] = 0.0;
        rows->length[i] = 0;
    }
    law->reset(self, ports, i);
}

// Row i has ended with this step, or had ended before it: then what was computed for it is void.
static inline void row_end(const Rows *rows, const Law *law, void *self, const Ports *ports, int64_t i) {
    if (rows->phase[i] != LIVE) {
        row_begin(rows, law, self, ports, i);
        ports->reward[i] = 0.0;
        ports->terminated[i] = ports->truncated[i] = 0;
        return;
    }
    if (rows->total) {
        rows->final_previous[i] = rows->previous[i];
        rows->final_length[i] = rows->length[i];
    }
    if (rows->autoreset == SAME_STEP) {
        keep_last(rows, ports, i);
        row_begin(rows, law, self, ports, i);
    } else {
        rows->phase[i] = ports->terminated[i] ? TERMINATED : ENDED;
    }
}

static inline void rows_end(
        const Rows *rows, const Law *law, void *self, const Ports *ports, int64_t first, int64_t n) {
    uint64_t marks[BLOCK / 8];
    uint8_t *restrict byte = (uint8_t *)marks;
    const uint8_t *restrict phase = rows->phase + first;
    const uint8_t *restrict terminated = ports->terminated + first, *restrict truncated = ports->truncated + first;
    memset(marks, 0, sizeof marks);
    for (int64_t i = 0; i < n; i++) byte[i] = phase[i] | terminated[i] | truncated[i];
    for (int64_t word = 0; 8 * word < n; word++) {
        if (!marks[word]) continue;
        for (int64_t i = 8 * word; i < 8 * word + 8; i++)
            if (byte[i]) row_end(rows, law, self, ports, first + i);
    }
}

// The body of a kernel's `run`, whose `self` begins with Rows; see reactvec/_kernel.pxd.
static inline int rows_step(const Law *law, void *self, void **ports, int64_t lo, int64_t hi) {
    const Rows *rows = self;
    const Ports port = {ports[0], ports[1], ports[2], ports[3], ports[4], ports[5], ports[6], ports[7]};
    const int64_t stuck = first_stuck(rows, lo, hi);
    const int64_t wrong = stuck >= 0 ? stuck : first_refused(rows, law, port.action, lo, hi);
    if (wrong >= 0) return (int)(wrong + 1);
    memset(rows->touched + lo, 1, (size_t)(hi - lo));
    for (int64_t first = lo; first < hi; first += BLOCK) {
        const int64_t n = hi - first < BLOCK ? hi - first : BLOCK;
        law->step(self, &port, first, n);
        rows_truncate(rows, &port, first, n);
        if (rows->total) rows_record(rows, &port, first, n);
        rows_end(rows, law, self, &port, first, n);
    }
    return 0;
}

#endif
