// The kernels around the environments of a rollout (the contract is in reactvec/_kernel.pxd): a policy that draws
// actions, and a buffer that keeps what happened.
#include <stdint.h>
#include <string.h>

// Ports: obs (not looked at), action int64. `self` is a uint64 per row, not 0.
int random_policy(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    uint64_t *restrict state = self;
    int64_t *restrict action = ports[1];
    (void)tag;
    for (int64_t i = lo; i < hi; i++) { // xorshift64
        uint64_t x = state[i];
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        state[i] = x;
        action[i] = (int64_t)(x >> 63);
    }
    return 0;
}

struct buffer {
    int64_t rows, length, width, padded; // rows of flags are padded: two workers do not write to one cache line
    float *obs;                 // [length, rows, width]
    int64_t *action;            // [length, rows]; and so on
    double *reward;
    uint8_t *terminated, *truncated; // [length, padded]
    uint8_t *ended;             // [rows]: with the last tag
    int64_t *steps;             // [rows]: how many were no reset rows
};

// Ports: obs float32 [N, width], action int64, reward float64, terminated uint8, truncated uint8.
int keep(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    struct buffer *buffer = self;
    const int64_t slot = tag % buffer->length, first = slot * buffer->rows + lo, n = hi - lo;
    const int64_t flags = slot * buffer->padded + lo;
    const uint8_t *restrict terminated = (uint8_t *)ports[3] + lo, *restrict truncated = (uint8_t *)ports[4] + lo;
    uint8_t *restrict ended = buffer->ended + lo;
    int64_t *restrict steps = buffer->steps + lo;
    memcpy(buffer->obs + first * buffer->width, (float *)ports[0] + lo * buffer->width, n * buffer->width * sizeof(float));
    memcpy(buffer->action + first, (int64_t *)ports[1] + lo, n * sizeof(int64_t));
    memcpy(buffer->reward + first, (double *)ports[2] + lo, n * sizeof(double));
    uint8_t *restrict kept_terminated = buffer->terminated + flags, *restrict kept_truncated = buffer->truncated + flags;
    for (int64_t i = 0; i < n; i++) steps[i] += !ended[i];
    for (int64_t i = 0; i < n; i++) {
        kept_terminated[i] = terminated[i];
        kept_truncated[i] = truncated[i];
        ended[i] = terminated[i] | truncated[i];
    }
    return 0;
}
