# The native kernel of gymnasium's Taxi: bit for bit what the Python environments give for the same seeds.
from libc.stdint cimport int64_t

from reactvec.envs._walk cimport WalkBank, Walks

import numpy as np
from gymnasium.envs.toy_text.taxi import TaxiEnv

cdef extern from "_taxi.h" nogil:
    const int ACTIONS
    ctypedef struct TaxiBank:
        WalkBank walk
        int64_t *fickle
        int64_t *may_change
        double *probability
    ctypedef struct TaxiInfo:
        pass
    int taxi_step(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag)

cdef list PLACES = [(0, 0), (0, 4), (4, 0), (4, 3)]


cdef fickle_probability(core):
    # Before Gymnasium 1.3 it is no attribute.
    return getattr(core, "fickle_probability", 0.3)


cdef class Taxis(Walks):
    environment = TaxiEnv
    info_type = np.dtype(
        [("prob", np.float64), ("action_mask", np.int8, (ACTIONS,)), ("begun", np.bool_)], align=True
    )
    reset_types = {}
    actions = ACTIONS

    cdef TaxiBank bank

    def __cinit__(self, envs, autoreset_mode):
        self.bind_walks(&self.bank.walk, taxi_step, &self.bank)
        cdef double *column = self.columns(3)
        cdef int64_t stride = self.bank.walk.rows.stride
        self.bank.fickle, self.bank.may_change = <int64_t *>column, <int64_t *>(column + stride)
        self.bank.probability = column + 2 * stride

    cdef int read_state(self, int64_t i, core) except -1:
        Walks.read_state(self, i, core)
        self.bank.may_change[i] = bool(core.fickle_step)
        return 0

    cdef int write_state(self, int64_t i, core) except -1:
        core.fickle_step = bool(self.bank.may_change[i])
        return Walks.write_state(self, i, core)

    cdef int read_parameters(self, int64_t i, core) except -1:
        self.bank.fickle[i], self.bank.probability[i] = core.fickle_passenger, fickle_probability(core)
        return Walks.read_parameters(self, i, core)

    cdef masks(self, core):
        return np.array([core.action_mask(state) for state in range(len(core.P))], np.int8)

    cdef mask_source(self, core):
        return core.desc.tobytes(), list(core.locs)

    @classmethod
    def another(cls, core):
        if type(core.fickle_passenger) is not bool or type(core.fickle_step) is not bool:
            return "fickle_passenger is not a bool"
        if type(fickle_probability(core)) is not float:
            return "fickle_probability is not a float"
        if core.locs != PLACES:
            return "other places"
        return super(Taxis, cls).another(core)

    @classmethod
    def trials(cls):
        def almost_there():
            # A fickle passenger in the taxi, one step east of the destination.
            env = TaxiEnv(is_rainy=True, fickle_passenger=True)
            env.initial_state_distrib[:] = 0.0
            env.initial_state_distrib[env.encode(0, 1, 4, 0)] = 1.0
            return env

        # To the places in the west and back, and in and out: some arrive, others are taken elsewhere.
        random = np.random.Generator(np.random.PCG64(1))
        near = random.choice([0, 1, 3, 4, 5], 600, p=[0.1, 0.2, 0.3, 0.1, 0.3]).tolist()
        return [(TaxiEnv, [(t * t) // 3 % ACTIONS for t in range(120)]), (almost_there, near)]


assert Taxis.info_type.itemsize == sizeof(TaxiInfo)
