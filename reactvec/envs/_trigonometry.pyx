# Finds out, once, how NumPy computes sin and cos on this machine.
from cpython.ref cimport PyObject

from reactvec.envs.kernel_bank cimport BLOCK, HAS_WIDE

import numpy as np

cdef extern from "_trigonometry.h" nogil:
    const int NPY_DOUBLE
    const int NPY_FLOAT
    bint numpy_loop(PyObject *function, int type, NumpyLoop *loop)
    void small_sine_cosine(const Trigonometry *self, const double *theta, double *sine, double *cosine, int64_t n)
    void sine_cosine(const Trigonometry *self, const double *theta, double *sine, double *cosine, int64_t n)
    void squares(const Trigonometry *self, const double *x, double *out, int64_t n)

cdef Trigonometry found
cdef bint is_known = False


cdef Trigonometry trigonometry() noexcept:
    return found


cpdef missing():
    return None if is_known else "NumPy computes sin and cos in an unknown way here"


cdef bint agrees(angles, bint small) except -1:
    expected = np.array([[function(angle) for angle in angles.tolist()] for function in (np.sin, np.cos)])
    return tables(angles, found.proven, small).tobytes() == expected.tobytes()


cdef bint find() except -1:
    sine, cosine = <PyObject *>np.sin, <PyObject *>np.cos
    if not (numpy_loop(sine, NPY_DOUBLE, &found.sine) and numpy_loop(cosine, NPY_DOUBLE, &found.cosine)):
        return False
    if not (numpy_loop(sine, NPY_FLOAT, &found.single_sine) and numpy_loop(cosine, NPY_FLOAT, &found.single_cosine)):
        return False
    generator = np.random.Generator(np.random.PCG64(0))
    angles = generator.normal(size=4 * BLOCK) * 0.1
    for rows in (BLOCK, 1):
        found.rows = rows
        if agrees(angles, True):
            found.proven = HAS_WIDE and rows == BLOCK
            found.proven = found.proven and may_prove(generator)
            return True
    return False


cdef bint may_prove(generator) except -1:
    # Functions that are less exact than glibc's give themselves away in a few thousand numbers.
    numbers = generator.uniform(-20.0, 20.0, size=64 * BLOCK)
    if not (agrees(generator.uniform(-0.35, 0.35, size=64 * BLOCK), True) and agrees(numbers, False)):
        return False
    return squared(numbers, True).tobytes() == np.array([number ** 2 for number in numbers.tolist()]).tobytes()


def tables(double[::1] angles, bint proven, bint small):
    cdef Trigonometry local = found
    cdef Py_ssize_t first, rows, n = angles.shape[0]
    cdef double[:, ::1] got = np.empty((2, n))
    local.proven = proven and found.proven
    for first in range(0, n, BLOCK):
        rows = min(BLOCK, n - first)
        if small:
            small_sine_cosine(&local, &angles[first], &got[0, first], &got[1, first], rows)
        else:
            sine_cosine(&local, &angles[first], &got[0, first], &got[1, first], rows)
    return np.asarray(got)


def squared(double[::1] numbers, bint proven):
    cdef Trigonometry local = found
    cdef Py_ssize_t first, n = numbers.shape[0]
    cdef double[::1] got = np.empty(n)
    local.proven = proven and found.proven
    for first in range(0, n, BLOCK):
        squares(&local, &numbers[first], &got[first], min(BLOCK, n - first))
    return np.asarray(got)


is_known = find()
