# Finds out, once, how NumPy computes sin and cos on this machine.
from cpython.ref cimport PyObject

import numpy as np

cdef extern from "_trigonometry.h" nogil:
    bint numpy_loop(PyObject *function, NumpyLoop *loop)
    void sine_cosine(const Trigonometry *self, const double *theta, double *sine, double *cosine, int64_t n)

cdef Trigonometry found
cdef bint is_known = False


cdef Trigonometry trigonometry() noexcept:
    return found


cdef bint known() noexcept:
    return is_known


cdef bint agrees(double[::1] angles, expected) except -1:
    # Does the header give NumPy's bits for every angle?
    cdef Py_ssize_t first, n = angles.shape[0]
    cdef double[:, ::1] got = np.empty((2, n))
    for first in range(0, n, BLOCK):
        sine_cosine(&found, &angles[first], &got[0, first], &got[1, first], min(BLOCK, n - first))
    return np.asarray(got).tobytes() == expected.tobytes()


cdef bint find() except -1:
    if not numpy_loop(<PyObject *>np.sin, &found.sine) or not numpy_loop(<PyObject *>np.cos, &found.cosine):
        return False
    angles = np.random.Generator(np.random.PCG64(0)).normal(size=4 * BLOCK) * 0.1
    expected = np.array([[function(angle) for angle in angles] for function in (np.sin, np.cos)])
    for rows in (BLOCK, 1):
        found.rows = rows
        if agrees(angles, expected):
            return True
    return False


is_known = find()
