# Chooses among the loops of dense.h, and shows them to tests and benchmarks.
from libc.stdint cimport int64_t

import numpy as np

cdef extern from "dense_variants.h" nogil:
    const Variant *dense_variant(int number)

# In the order of the enums in math32.h and activation.h.
FUNCTIONS = ("exp", "log", "tanh", "sigmoid")
ACTIVATIONS = ("relu", "tanh", "silu")


def variants():
    names, number = [], 0
    while dense_variant(number) != NULL:
        names.append(dense_variant(number).name.decode())
        number += 1
    return tuple(names)


cdef const Variant *variant_named(name) except NULL:
    if name is None:
        return dense_variant(0)
    if name not in variants():
        raise ValueError(f"this processor cannot run the variant {name!r}; it can run {', '.join(variants())}")
    return dense_variant(variants().index(name))


def aligned(int64_t size):
    room = np.zeros(size + PADDING, np.float32)
    return room[-(room.ctypes.data // 4) % PADDING:][:size]


cdef object checked(str name, array, tuple shape, bint written=False):
    if not isinstance(array, np.ndarray) or array.dtype != np.float32 or not array.flags.c_contiguous:
        kind = f"{array.dtype} array" if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(f"{name} is a {kind}; it must be a contiguous float32 array (np.ascontiguousarray)")
    if array.ndim != len(shape) or any(size not in (-1, have) for size, have in zip(shape, array.shape)):
        wanted = ", ".join("rows" if size == -1 else str(size) for size in shape)
        raise ValueError(f"{name} has the shape {array.shape}; it must be ({wanted})")
    if written and not array.flags.writeable:
        raise ValueError(f"{name} is read-only; give an array that can be written")
    return array


def multiply(a, b, start, c, *, int64_t repeats=1, variant=None):
    cdef float[:, :] left = a
    cdef float[:, ::1] right = b, out = c
    cdef float[:, ::1] begin
    cdef const Variant *chosen = variant_named(variant)
    cdef Product product
    cdef int64_t _turn
    if left.shape[1] != right.shape[0] or out.shape[0] != left.shape[0] or out.shape[1] != right.shape[1]:
        raise ValueError(f"a product of {a.shape} and {b.shape} does not fit into {c.shape}")
    if right.shape[1] % PADDING or not min(*a.shape, *b.shape):
        raise ValueError(f"b has the shape {b.shape}; none may be empty, and its columns must be padded to {PADDING}")
    product.a, product.a_row, product.a_column = &left[0, 0], left.strides[0] // 4, left.strides[1] // 4
    product.b, product.c, product.start, product.start_row = &right[0, 0], &out[0, 0], NULL, 0
    product.m, product.k, product.n = left.shape[0], left.shape[1], right.shape[1]
    if start is not None:
        begin = start
        if begin.shape[1] != right.shape[1] or begin.shape[0] not in (1, left.shape[0]):
            raise ValueError(f"start has the shape {start.shape}; it must have that of c, {c.shape}, or one row of it")
        product.start, product.start_row = &begin[0, 0], 0 if begin.shape[0] == 1 else right.shape[1]
    with nogil:
        for _turn in range(repeats):
            chosen.multiply(&product)


def evaluate(function, numbers, *, variant=None):
    values = np.array(numbers, np.float32, order="C", ndmin=1)
    cdef float[::1] flat = values.reshape(-1)
    cdef const Variant *chosen = variant_named(variant)
    if flat.shape[0]:
        chosen.math(FUNCTIONS.index(function), &flat[0], flat.shape[0])
    return values
