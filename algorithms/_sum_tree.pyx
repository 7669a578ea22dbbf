# A sum and a minimum over each subtree of a complete binary tree: node 1 is the root, node k has the children 2k and
# 2k + 1, and the leaves are the last half. A node is always made anew of its children and never adjusted by a
# difference, so its bits are a function of the leaves.
from libc.math cimport INFINITY, isfinite
from libc.stdint cimport int64_t

import numpy as np


cdef int64_t first_bad(
    const int64_t *indices, const double *priorities, int64_t count, int64_t capacity
) noexcept nogil:
    cdef int64_t k
    for k in range(count):
        if not (0 <= indices[k] < capacity and priorities[k] >= 0 and isfinite(priorities[k])):
            return k
    return -1


cdef void set_leaves(
    double *sums, double *least, int64_t leaves, const int64_t *indices, const double *priorities, int64_t count
) noexcept nogil:
    cdef int64_t k, node
    for k in range(count):
        node = leaves + indices[k]
        sums[node] = priorities[k]
        least[node] = priorities[k] if priorities[k] > 0 else INFINITY
    # When the last path through a node is followed, both of its children are final.
    for k in range(count):
        node = (leaves + indices[k]) >> 1
        while node:
            sums[node] = sums[2 * node] + sums[2 * node + 1]
            least[node] = min(least[2 * node], least[2 * node + 1])
            node >>= 1


cdef enum:
    LANES = 32


# Searches wait for memory at each level, so LANES of them go down side by side. Nobody could predict which way, so the
# conditions are numbers and no branches.
cdef void descend(
    const double *sums, int64_t leaves, const double *prefix_sums, int64_t *found, int64_t count
) noexcept nogil:
    cdef double prefix[LANES]
    cdef int64_t node[LANES]
    cdef int64_t k, left, right, level = 1
    for k in range(count):
        prefix[k], node[k] = prefix_sums[k], 1
    while level < leaves:
        level *= 2
        for k in range(count):
            left = 2 * node[k]
            # Rounding may carry a prefix past the last priority; it never ends at a leaf that holds nothing.
            right = not sums[left] > 0
            right |= <int64_t>(prefix[k] >= sums[left]) & <int64_t>(sums[left + 1] > 0)
            prefix[k] -= <double>right * sums[left]
            node[k] = left + right
    for k in range(count):
        found[k] = node[k] - leaves


cdef class SumTree:
    cdef readonly int64_t capacity
    cdef int64_t leaves
    cdef double[::1] sums, least
    cdef readonly object priorities

    def __init__(self, int64_t capacity):
        if capacity < 1:
            raise ValueError(f"capacity={capacity} must be at least 1")
        self.capacity, self.leaves = capacity, 1 << (capacity - 1).bit_length()
        sums = np.zeros(2 * self.leaves)
        self.sums, self.least = sums, np.full(2 * self.leaves, np.inf)
        self.priorities = sums[self.leaves : self.leaves + capacity]
        self.priorities.flags.writeable = False

    @property
    def total(self):
        return self.sums[1]

    @property
    def minimum(self):
        return self.least[1]

    def update(self, const int64_t[::1] indices, const double[::1] priorities):
        cdef int64_t bad, count = indices.shape[0]
        if priorities.shape[0] != count:
            raise ValueError(f"{count} indices, but {priorities.shape[0]} priorities")
        if not count:
            return
        with nogil:
            bad = first_bad(&indices[0], &priorities[0], count, self.capacity)
            if bad < 0:
                set_leaves(&self.sums[0], &self.least[0], self.leaves, &indices[0], &priorities[0], count)
        if bad >= 0:
            raise ValueError(
                f"index {indices[bad]} with priority {priorities[bad]}: indices must be in [0, {self.capacity}), and "
                "priorities finite and at least 0"
            )

    def find(self, const double[::1] prefix_sums):
        cdef int64_t k, first, count = prefix_sums.shape[0]
        if not self.sums[1] > 0:
            raise ValueError("all priorities are 0: there is nothing to find")
        found = np.empty(count, np.int64)
        cdef int64_t[::1] indices = found
        with nogil:
            for k in range((count + LANES - 1) // LANES):
                first = k * LANES
                descend(
                    &self.sums[0], self.leaves, &prefix_sums[first], &indices[first], min(<int64_t>LANES, count - first)
                )
        return found
