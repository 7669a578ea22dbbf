# cython: boundscheck=True
# Banks of environments that walk over a table of transitions, `P` in Gymnasium.
cimport numpy as cnp

from itertools import pairwise

import numpy as np
from gymnasium import spaces

cnp.import_array()

INFO = np.dtype([("prob", np.float64), ("begun", np.bool_)], align=True)
cdef object OUTCOME = np.dtype(
    [("cumulative", np.float64), ("probability", np.float64), ("reward", np.float64), ("next", np.int32),
     ("ended", np.bool_)],
    align=True,
)
# What the types of an outcome must be, so that the values are the same as numbers of the table.
cdef tuple TYPES = ({float}, {int, np.int64}, {int, float, np.float64}, {bool})
assert OUTCOME.itemsize == sizeof(Outcome) and INFO.itemsize == sizeof(WalkInfo)


cdef class Walks(KernelBank):
    info_type = INFO
    reset_types = {"prob": int}
    actions = 4

    cdef int bind_walks(self, WalkBank *walks, kernel_run run, void *bank) except -1:
        self.bind(&walks.rows, run, bank)
        cdef double *column = self.columns(4)
        cdef int64_t stride = walks.rows.stride
        self.walks = walks
        walks.table, walks.state = <const Table **>column, <int64_t *>(column + stride)
        walks.last_action, walks.drawn = <int64_t *>(column + 2 * stride), <int64_t *>(column + 3 * stride)
        self.tables = {}
        self.table_of, self.seen = [None] * self.num_envs, [None] * self.num_envs
        return 0

    cdef int read_state(self, int64_t i, core) except -1:
        cdef Transitions transitions = self.table_of[i]
        state = core.s
        if type(state) not in (int, np.int64) or not 0 <= state < transitions.table.states:
            raise ValueError(f"a walk needs a state below {transitions.table.states}, not {state!r}")
        self.walks.state[i] = state
        return 0

    cdef int write_state(self, int64_t i, core) except -1:
        cdef Transitions transitions = self.table_of[i]
        state, action = self.walks.state[i], self.walks.last_action[i]
        core.s = (np.int64 if self.walks.drawn[i] else transitions.state_type)(state)
        core.lastaction = None if action < 0 else np.int64(action)
        return 0

    cdef int read_parameters(self, int64_t i, core) except -1:
        # To look through a table takes long, so one that is as it was last time is not looked through again.
        if not (self.seen[i] is not None and self.seen[i] == self.sight(core)):
            self.take_table(i, core)
            self.seen[i] = self.sight(core)
        return KernelBank.read_parameters(self, i, core)

    cdef sight(self, core):
        # What the table is made of; its tuples cannot change.
        table = {state: {action: tuple(choice) for action, choice in row.items()} for state, row in core.P.items()}
        return table, np.asarray(core.initial_state_distrib).tobytes(), self.mask_source(core)

    cdef int take_table(self, int64_t i, core) except -1:
        # Equal tables are one.
        cdef Transitions transitions
        arrays, state_type = arrays_of(core, self.masks(core))
        key = (*[array.tobytes() for array in arrays], state_type)
        transitions = self.tables.get(key)
        if transitions is None:
            transitions = self.tables[key] = Transitions(key, arrays, state_type)
        self.table_of[i] = transitions
        if len(self.tables) > 2 * self.num_envs:  # those that nobody has any more
            self.tables = {(<Transitions>used).key: used for used in self.table_of if used is not None}
        self.walks.table[i] = &transitions.table
        return 0

    cdef masks(self, core):
        return None

    cdef mask_source(self, core):
        return None

    @property
    def kept_tables(self):
        return len(self.tables)

    def refusal(self, action):
        return KeyError(action)

    def observation(self, row):
        return int(row)

    @classmethod
    def another(cls, core):
        rows = list(core.P.values()) if type(core.P) is dict else []
        numbers = set(range(cls.actions))
        if rows and all(type(row) is dict and set(row) == numbers for row in rows):
            return None
        return f"a table of transitions other than of {cls.actions} actions"

    @classmethod
    def spaces(cls, core):
        return spaces.Discrete(cls.actions), spaces.Discrete(len(core.P))


cdef class Transitions:
    def __init__(self, key, arrays, state_type):
        outcomes, first, start, mask = self.arrays = arrays
        self.table.outcome = <const Outcome *>cnp.PyArray_DATA(<cnp.ndarray>outcomes)
        self.table.first = <const int64_t *>cnp.PyArray_DATA(<cnp.ndarray>first)
        self.table.start = <const double *>cnp.PyArray_DATA(<cnp.ndarray>start)
        self.table.mask = <const int8_t *>cnp.PyArray_DATA(<cnp.ndarray>mask)
        self.table.states, self.table.actions = len(start), (len(first) - 1) // len(start)
        self.table.only_start = only_start(start)
        self.key, self.state_type = key, state_type


cdef int64_t only_start(start) except? -1:
    # Whatever is drawn from [0, 1), it leads there.
    state = int(np.argmax(start > 0))
    return state if start[state] >= 1 else -1


cdef tuple arrays_of(core, masks):
    # The arrays of a table, and the type of its states; ValueError, LookupError or TypeError for one that Gymnasium
    # would go through in another way.
    number, actions = len(core.P), len(core.P[0])
    choices = [core.P[state][action] for state in range(number) for action in range(actions)]
    outcomes = [outcome for choice in choices for outcome in choice]
    columns = list(zip(*outcomes, strict=True))
    if any(not set(map(type, column)) <= types for column, types in zip(columns, TYPES, strict=True)):
        raise ValueError("other types than a probability, a state, a reward and a flag")
    probabilities, following, rewards, flags = columns
    if len(set(map(type, following))) > 1:
        raise ValueError("states of several types")
    if not 0 <= min(following) <= max(following) < number:
        raise ValueError("states that are not numbered from 0 on")
    table = np.zeros(len(outcomes), OUTCOME)
    table["probability"], table["next"], table["reward"], table["ended"] = probabilities, following, rewards, flags
    if not all(probability >= 0 for probability in probabilities):
        raise ValueError("probabilities below 0")
    first = np.cumsum([0, *map(len, choices)])
    for begin, end in pairwise(first.tolist()):
        if begin == end:
            raise ValueError("an action without outcomes")
        table["cumulative"][begin:end] = np.cumsum(np.asarray(probabilities[begin:end]))
    start = np.asarray(core.initial_state_distrib)
    if start.dtype != np.float64 or start.shape != (number,) or not (start >= 0).all():
        raise ValueError(f"the distribution {start!r} of first states")
    mask = np.zeros(0, np.int8) if masks is None else masks
    return [table, first, np.cumsum(start), mask], type(following[0])
