"""The loop over the Python environments of a bank: what lies between two calls of `env.step`, compiled."""

cimport numpy as cnp
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy

import numpy as np

cnp.import_array()

cdef object NUMPY_BOOL = np.bool_


def step_rows(
    bank, int64_t first, list actions, list envs, list ended, dtype,
    cnp.ndarray obs, cnp.ndarray reward, cnp.ndarray terminated, cnp.ndarray truncated,
    final_obs, infos, cnp.ndarray running,
):
    """Step the environments of rows `first` on, or begin their next episodes, and write what comes of it.

    `envs` and `ended` are of all rows of the bank, `actions` and the arrays (C-contiguous) of those to step. `dtype` is
    that of plain observations, None where they are not arrays.
    `running[0]` is the row that is being stepped, for whoever finds this process dead or late, and -1 at the end.
    """
    cdef double *rewards = <double *> cnp.PyArray_DATA(reward)
    cdef uint8_t *terminals = <uint8_t *> cnp.PyArray_DATA(terminated)
    cdef uint8_t *cuts = <uint8_t *> cnp.PyArray_DATA(truncated)
    cdef char *target = <char *> cnp.PyArray_DATA(obs)
    cdef int64_t *now = <int64_t *> cnp.PyArray_DATA(running)
    cdef Py_ssize_t number = len(actions)
    cdef int64_t size = cnp.PyArray_NBYTES(obs) // number
    cdef int dimensions = cnp.PyArray_NDIM(obs) - 1
    cdef Py_ssize_t k
    write = bank.write
    infos.fill(None)
    for k in range(number):
        now[0] = first + k
        if ended[first + k]:
            observation, value, terminal, cut, info = bank.begin_episode(first + k)
        else:
            observation, value, terminal, cut, info = envs[first + k].step(actions[k])
            if terminal or cut:
                observation, info = bank.end_episode(first + k, k, observation, info, final_obs, infos)
        if info:
            infos[k] = (*(infos[k] or ()), info)
        if type(value) is float:
            rewards[k] = <double> value
        else:
            reward[k] = value
        write_flag(terminated, terminals, k, terminal)
        write_flag(truncated, cuts, k, cut)
        if dtype is not None and fits(observation, dtype, obs, dimensions):
            memcpy(target + k * size, cnp.PyArray_DATA(<cnp.ndarray> observation), size)
        else:
            write(obs, k, observation)
    now[0] = -1


cdef inline int write_flag(cnp.ndarray flags, uint8_t *values, Py_ssize_t k, flag) except -1:
    if flag is True:
        values[k] = 1
    elif flag is False:
        values[k] = 0
    elif type(flag) is NUMPY_BOOL:
        values[k] = bool(flag)
    else:
        flags[k] = flag
    return 0


cdef inline bint fits(observation, dtype, cnp.ndarray obs, int dimensions):
    """Whether an observation can be copied as it lies in memory."""
    cdef int axis
    cdef cnp.ndarray array
    if type(observation) is not cnp.ndarray:
        return False
    array = <cnp.ndarray> observation
    if array.descr is not dtype or cnp.PyArray_NDIM(array) != dimensions or not cnp.PyArray_IS_C_CONTIGUOUS(array):
        return False
    for axis in range(dimensions):
        if cnp.PyArray_DIM(array, axis) != cnp.PyArray_DIM(obs, axis + 1):
            return False
    return True
