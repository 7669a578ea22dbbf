"""The loop over the Python environments of a bank: what lies between two calls of `env.step`, compiled."""

cimport numpy as cnp
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy

import numpy as np

cnp.import_array()

cdef object NUMPY_BOOL = np.bool_


def step_rows(bank, int64_t first, list actions, tuple results):
    """Step the environments of an env bank from row `first` on, or begin their next episodes, and write the results.

    `results` are the bank's ports `stepped`, of these rows, C-contiguous. `running[0]` is the row that is being
    stepped, for whoever finds this process dead or late, and -1 at the end. An exception names its environment.
    """
    cdef int64_t *running = <int64_t *> cnp.PyArray_DATA(<cnp.ndarray?> results[6])
    try:
        step_each(bank, first, actions, results, running)
    except BaseException as error:
        bank.name_environment(error, running[0])
        raise
    finally:
        running[0] = -1


cdef int step_each(bank, int64_t first, list actions, tuple results, int64_t *running) except -1:
    cdef cnp.ndarray obs = results[0]
    cdef cnp.ndarray reward = results[1]
    cdef cnp.ndarray terminated = results[2]
    cdef cnp.ndarray truncated = results[3]
    cdef double *rewards = <double *> cnp.PyArray_DATA(reward)
    cdef uint8_t *terminals = <uint8_t *> cnp.PyArray_DATA(terminated)
    cdef uint8_t *cuts = <uint8_t *> cnp.PyArray_DATA(truncated)
    cdef char *target = <char *> cnp.PyArray_DATA(obs)
    cdef Py_ssize_t number = len(actions)
    cdef int64_t size = cnp.PyArray_NBYTES(obs) // number
    cdef int dimensions = cnp.PyArray_NDIM(obs) - 1
    cdef list envs = bank.envs
    cdef list ended = bank.ended
    cdef Py_ssize_t k
    dtype, write, infos = bank.plain_dtype, bank.write, results[5]
    infos.fill(None)
    for k in range(number):
        running[0] = first + k
        if ended[first + k]:
            observation, value, terminal, cut, info = bank.begin_episode(first + k)
        else:
            observation, value, terminal, cut, info = envs[first + k].step(actions[k])
            if terminal or cut:
                observation, info = bank.end_episode(first + k, k, observation, info, results[4], infos)
        if type(info) is not dict:
            bank.check_info(info)
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
    return 0


def holds_nothing(cnp.ndarray rows) -> bool:
    """Whether all elements of a C-contiguous array of objects are None."""
    cdef PyObject **values = <PyObject **> cnp.PyArray_DATA(rows)
    cdef Py_ssize_t k
    for k in range(cnp.PyArray_SIZE(rows)):
        if values[k] != <PyObject *> None:
            return False
    return True


def ended_rows(cnp.ndarray terminated, cnp.ndarray truncated) -> list:
    """The rows that are done; both arrays are bool `[N]`, C-contiguous."""
    cdef uint8_t *terminals = <uint8_t *> cnp.PyArray_DATA(terminated)
    cdef uint8_t *cuts = <uint8_t *> cnp.PyArray_DATA(truncated)
    cdef Py_ssize_t k
    cdef list rows = []
    for k in range(cnp.PyArray_SIZE(terminated)):
        if terminals[k] or cuts[k]:
            rows.append(k)
    return rows


def put(cnp.ndarray port, values) -> bool:
    """Copy an array into a C-contiguous port of numbers; False, and nothing is done, where dtype or shape differ."""
    cdef cnp.ndarray array
    cdef int axis
    if type(values) is not cnp.ndarray or cnp.PyArray_NDIM(<cnp.ndarray> values) != cnp.PyArray_NDIM(port):
        return False
    array = <cnp.ndarray> values
    if array.descr is not port.descr and not cnp.PyArray_EquivTypes(array.descr, port.descr):
        return False
    for axis in range(cnp.PyArray_NDIM(port)):
        if cnp.PyArray_DIM(array, axis) != cnp.PyArray_DIM(port, axis):
            return False
    if cnp.PyArray_ISCARRAY_RO(array):
        memcpy(cnp.PyArray_DATA(port), cnp.PyArray_DATA(array), cnp.PyArray_NBYTES(port))
    else:
        port[...] = array
    return True


def copies(cnp.ndarray one, cnp.ndarray two, cnp.ndarray three):
    """The arrays, copied."""
    return copy(one), copy(two), copy(three)


cdef inline object copy(cnp.ndarray array):
    return cnp.PyArray_NewCopy(array, cnp.NPY_CORDER)


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
