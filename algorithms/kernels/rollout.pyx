# What a rollout keeps, and what is computed from it. See rollout.pyi for the contract.
cimport numpy as cnp
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from reactvec._kernel cimport Kernel, kernel_capsule
from reactvec.algorithms.kernels.head cimport draw_below, draw_next

import numpy as np

cnp.import_array()

cdef enum:
    MOST_FIELDS = 16

cdef struct Block:
    int whole
    int64_t length, rows, blocks, begin, fields
    char *memory[MOST_FIELDS]
    int64_t size[MOST_FIELDS]


cdef int store_rows(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) noexcept nogil:
    cdef Block *block = <Block *>self
    cdef int64_t at = (tag - block.begin) % (block.length * block.blocks) * block.rows + lo
    cdef int64_t k, size
    if tag < block.begin:
        return 0
    if block.whole:
        hi = block.rows
    for k in range(block.fields):
        size = block.size[k]
        memcpy(block.memory[k] + at * size, <char *>ports[k] + lo * size, (hi - lo) * size)
    return 0


cdef class RolloutMemory:
    cdef Block block
    cdef Kernel kernel
    cdef readonly dict fields

    def __init__(self, dict types, int64_t length, int64_t rows, int64_t blocks=1, int64_t begin=0, bint whole=False):
        if len(types) > MOST_FIELDS:
            raise ValueError(f"a rollout of {len(types)} fields; it can have {MOST_FIELDS}")
        self.fields = {
            name: np.zeros((blocks * length, rows, *shape), dtype) for name, (shape, dtype) in types.items()
        }
        self.block.length, self.block.rows, self.block.blocks = length, rows, blocks
        self.block.begin, self.block.whole, self.block.fields = begin, whole, len(types)
        for k, field in enumerate(self.fields.values()):
            self.block.memory[<int64_t>k] = <char *>cnp.PyArray_DATA(<cnp.ndarray>field)
            self.block.size[<int64_t>k] = field.nbytes // (blocks * length * rows)
        self.kernel.run, self.kernel.self = store_rows, &self.block

    def store(self):
        return kernel_capsule(&self.kernel, self)

    def view(self, int64_t block):
        cdef int64_t begin = block % self.block.blocks * self.block.length
        return {name: field[begin : begin + self.block.length] for name, field in self.fields.items()}


def gae(
    const double[:, ::1] rewards, const float[:, ::1] values, const float[:, ::1] end_values,
    terminations, truncations, validity, double gamma, double lambda_, double reward_scale,
):
    cdef int64_t length = rewards.shape[0], rows = rewards.shape[1], t, i
    cdef const uint8_t[:, ::1] terminated = terminations.view(np.uint8)
    cdef const uint8_t[:, ::1] truncated = truncations.view(np.uint8)
    cdef const uint8_t[:, ::1] valid = validity.view(np.uint8)
    for name, array in (("values", values), ("end_values", end_values), ("terminated", terminated),
                        ("truncated", truncated), ("valid", valid)):
        if array.shape[0] != length or array.shape[1] != rows:
            raise ValueError(f"{name} are {[array.shape[0], array.shape[1]]}, rewards {[length, rows]}")
    cdef float[:, ::1] advantages = np.empty((length, rows), np.float32)
    cdef float[:, ::1] returns = np.empty((length, rows), np.float32)
    cdef double after, delta, advantage
    cdef double[::1] later = np.zeros(rows)
    cdef bint last
    with nogil:
        for t in range(length - 1, -1, -1):
            last = t == length - 1
            for i in range(rows):
                if not valid[t, i]:
                    advantage = 0.0
                else:
                    if terminated[t, i]:
                        after = 0.0
                    elif truncated[t, i] or last:
                        after = end_values[t, i]
                    else:
                        after = values[t + 1, i]
                    delta = rewards[t, i] * reward_scale + gamma * after - values[t, i]
                    if terminated[t, i] or truncated[t, i] or last:
                        advantage = delta
                    else:
                        advantage = delta + gamma * lambda_ * later[i]
                later[i] = advantage
                advantages[t, i] = <float>advantage
                returns[t, i] = <float>(advantage + values[t, i])
    return np.asarray(advantages), np.asarray(returns)


def discounted(const double[:, ::1] rewards, ends, validity, double[::1] current, double gamma):
    cdef int64_t length = rewards.shape[0], rows = rewards.shape[1], t, i
    cdef const uint8_t[:, ::1] ended = ends.view(np.uint8)
    cdef const uint8_t[:, ::1] valid = validity.view(np.uint8)
    cdef double[:, ::1] returns = np.empty((length, rows))
    if (ended.shape[0], ended.shape[1]) != (length, rows) or (valid.shape[0], valid.shape[1]) != (length, rows):
        raise ValueError(f"rewards, ends and validity must have one shape; rewards are {[length, rows]}")
    if current.shape[0] != rows:
        raise ValueError(f"current returns are of {current.shape[0]} environments, rewards of {rows}")
    for t in range(length):
        for i in range(rows):
            if valid[t, i]:
                current[i] = current[i] * gamma + rewards[t, i]
            returns[t, i] = current[i]
            if ended[t, i]:
                current[i] = 0.0
    return np.asarray(returns)


def shuffled(int64_t count, uint64_t key, uint64_t first, uint64_t second):
    cdef int64_t[::1] order = np.arange(count)
    cdef uint64_t state = draw_next(draw_next(key, first), second)
    cdef int64_t i, j
    with nogil:
        for i in range(count - 1, 0, -1):
            j = draw_below(draw_next(state, <uint64_t>i), i + 1)
            order[i], order[j] = order[j], order[i]
    return np.asarray(order)


cdef class Episodes:
    cdef readonly object totals, lengths
    cdef double[::1] total
    cdef int64_t[::1] length

    def __init__(self, int64_t rows):
        self.totals, self.lengths = np.zeros(rows), np.zeros(rows, np.int64)
        self.total, self.length = self.totals, self.lengths

    def add(self, const double[:, ::1] rewards, terminations, truncations, validity):
        cdef const uint8_t[:, ::1] terminated = terminations.view(np.uint8)
        cdef const uint8_t[:, ::1] truncated = truncations.view(np.uint8)
        cdef const uint8_t[:, ::1] valid = validity.view(np.uint8)
        cdef int64_t t, i, counted = 0
        cdef list ended = []
        for t in range(rewards.shape[0]):
            for i in range(rewards.shape[1]):
                if valid[t, i]:
                    counted += 1
                    self.total[i] += rewards[t, i]
                    self.length[i] += 1
                if terminated[t, i] or truncated[t, i]:
                    if valid[t, i]:  # else it was lost, and its return is not that of an episode
                        ended.append((i, self.total[i], self.length[i]))
                    self.total[i], self.length[i] = 0.0, 0
        return counted, ended
