/* Native reactions for the tests. Each row of a bank is computed from what that row may see, and from nothing else. */
#include "kernels.h"

static uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
    return hash ^ (hash >> 29);
}

static void dawdle(const body *self, uint64_t drawn) {
    if (!self->dawdles || drawn % 61) return;
    for (volatile uint64_t turn = 0; turn < drawn / 61 % 4000; turn++) continue;
}

/* Row by row: what it sees and its own past become its next state, and that becomes its outputs. As `Mixer.mix`. */
int mix_rows(void *argument, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    body *self = argument;
    (void)tag;
    for (int64_t row = lo; row < hi; row++) {
        uint64_t hash = mix(mix((uint64_t)self->salt, (uint64_t)row), self->state[row]);
        for (int64_t port = 0; port < self->inputs; port++) {
            const view *in = &self->ports[port];
            for (int64_t piece = 0; piece < in->pieces; piece++) {
                const uint64_t *words = (const uint64_t *)ports[in->at] + row * in->stride + piece * in->words;
                if (in->flags >= 0) {
                    uint8_t flag = ((const uint8_t *)ports[in->flags])[row * in->flag_stride + piece];
                    hash = mix(hash, flag);
                    if (!flag) continue;
                }
                for (int64_t word = 0; word < in->words; word++) hash = mix(hash, words[word]);
            }
        }
        self->state[row] = hash;
        dawdle(self, hash);
        for (int64_t port = self->inputs; port < self->inputs + self->outputs; port++) {
            const view *out = &self->ports[port];
            uint64_t *words = (uint64_t *)ports[out->at] + row * out->stride;
            uint64_t seed = mix(hash, (uint64_t)(port - self->inputs));
            for (int64_t word = 0; word < out->words; word++) words[word] = mix(seed, (uint64_t)word);
            if (out->flags >= 0) ((uint8_t *)ports[out->flags])[row] = (seed >> 5 & 3) != 0;
        }
    }
    return 0;
}

static int64_t due(const view *port, int64_t tag) {
    int64_t passed = tag * port->unit - port->offset;
    return passed < 0 ? 0 : passed / port->period + 1;
}

static uint64_t model(const view *port, int64_t tag, int64_t word) {
    if (tag < 0) return (uint64_t)port->initial;
    return mix(mix((uint64_t)port->writer, (uint64_t)tag), (uint64_t)word);
}

/* Writes what the model says of its outputs at a tag, and checks that its inputs hold what the model says of them.
 * Returns 1 + the number of the port that does not. */
int check_rows(void *argument, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    body *self = argument;
    for (int64_t row = lo; row < hi; row++) {
        for (int64_t port = 0; port < self->inputs; port++) {
            const view *in = &self->ports[port];
            int64_t then = tag - in->delay;
            int present = then < 0 || due(in, then) > due(in, then - 1);
            const uint64_t *words = (const uint64_t *)ports[in->at] + row * in->stride;
            for (int64_t piece = 0; in->flags >= 0 && piece < in->pieces; piece++)
                if (((const uint8_t *)ports[in->flags])[row * in->flag_stride + piece] != present) return 1 + (int)port;
            for (int64_t word = 0; present && word < in->pieces * in->words; word++)
                if (words[word] != model(in, then, row * in->stride + word)) return 1 + (int)port;
        }
        dawdle(self, mix((uint64_t)self->salt, (uint64_t)(tag * 31 + row)));
        for (int64_t port = self->inputs; port < self->inputs + self->outputs; port++) {
            const view *out = &self->ports[port];
            uint64_t *words = (uint64_t *)ports[out->at] + row * out->stride;
            for (int64_t word = 0; word < out->words; word++) words[word] = model(out, tag, row * out->stride + word);
        }
    }
    return 0;
}

/* Adds one to its only row: the input, then the output. Fails with `salt` where the sum is `dawdles`. */
int count_up(void *argument, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    const body *self = argument;
    (void)tag;
    for (int64_t row = lo; row < hi; row++) {
        int64_t sum = ((const int64_t *)ports[0])[row] + 1;
        ((int64_t *)ports[1])[row] = sum;
        if (self->salt && sum == self->dawdles) return (int)self->salt;
    }
    return 0;
}

/* Writes the tag, then keeps its worker for `salt` milliseconds. */
int linger(void *argument, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    const body *self = argument;
    struct timespec pause = {self->salt / 1000, self->salt % 1000 * 1000000};
    nanosleep(&pause, 0);
    for (int64_t row = lo; row < hi; row++) ((int64_t *)ports[0])[row] = tag;
    return 0;
}
