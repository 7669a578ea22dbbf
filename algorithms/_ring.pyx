# Writes steps into the arrays of a TransitionRing, without Python where a schedule runs it: see _ring.pyi.
cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcmp, memcpy

from reactvec._kernel cimport Kernel, kernel_capsule

import numpy as np

cnp.import_array()

cdef enum:
    DIED = 1
    CUT = 2
    NOTHING = 4

cdef struct Ring:
    int64_t slots, held, envs, stack, frame, action  # the last two in bytes
    int64_t head, filled, count, steps, tags
    char *frames
    char *finals
    char *actions
    float *rewards
    uint8_t *ends
    int32_t *kept
    int32_t *free       # rows of finals that were given back
    int64_t given, made  # how many of these there are; rows that were ever used
    uint8_t *ages
    uint8_t *padded
    char *padding
    uint8_t *known       # whether an environment's padding is
    uint8_t *begins      # whether its next step is the first of an episode
    uint8_t *starts      # what `begins` says of this step, if it is one

# One step of all environments, a row for each; `valid` may be NULL.
cdef struct Step:
    const char *obs
    const char *actions
    const double *rewards
    const uint8_t *terminated
    const uint8_t *truncated
    const char *final_obs
    const char *next_obs
    const uint8_t *valid


cdef bint is_padded_by(const char *stack, const char *frame, int64_t count, int64_t size) noexcept nogil:
    cdef int64_t k
    for k in range(count):
        if memcmp(stack + k * size, frame, size):
            return False
    return True


# 0, or 1 + environment where an observation does not go on from the one before, or envs + 1 + environment where one
# that begins an episode is padded neither with its first frame nor as before.
cdef int check_stacks(Ring *ring, const Step *step) noexcept nogil:
    cdef int64_t env, earlier = (ring.stack - 1) * ring.frame, row = earlier + ring.frame
    cdef const char *before
    cdef const char *after
    cdef char *padding
    for env in range(ring.envs):
        ring.starts[env] = 0
        if step.valid != NULL and not step.valid[env]:
            continue
        before = step.obs + env * row
        after = (step.final_obs if step.terminated[env] | step.truncated[env] else step.next_obs) + env * row
        if memcmp(before + ring.frame, after, earlier):
            return <int>(1 + env)
        if not ring.begins[env]:
            continue
        ring.starts[env] = 1
        if is_padded_by(before, before + earlier, ring.stack - 1, ring.frame):
            continue
        padding = ring.padding + env * ring.frame
        if not ring.known[env]:
            memcpy(padding, before, ring.frame)
            ring.known[env] = 1
        if not is_padded_by(before, padding, ring.stack - 1, ring.frame):
            return <int>(1 + ring.envs + env)
        ring.starts[env] = 2
    return 0


# How many frames of a stack are those of its episode, and what the others are.
cdef void note_age(Ring *ring, int64_t place, int64_t before, uint8_t starts) noexcept nogil:
    ring.ages[place] = 0 if starts else <uint8_t>min(<int64_t>ring.ages[before] + 1, ring.stack - 1)
    ring.padded[place] = starts == 2 if starts else ring.padded[before]


cdef void keep_final(Ring *ring, int64_t place, const char *frame) noexcept nogil:
    if ring.given:
        ring.given -= 1
        ring.kept[place] = ring.free[ring.given]
    else:
        ring.kept[place] = <int32_t>ring.made
        ring.made += 1
    memcpy(ring.finals + ring.kept[place] * ring.frame, frame, ring.frame)


cdef int store_step(Ring *ring, const Step *step) noexcept nogil:
    cdef int64_t slot = ring.head, following = (slot + 1) % ring.slots, last = (slot + ring.slots - 1) % ring.slots
    cdef int64_t leaving = (slot + ring.slots - ring.held) % ring.slots
    cdef int64_t newest = (ring.stack - 1) * ring.frame, row = newest + ring.frame, env, place
    cdef bint valid, ended
    cdef int code = check_stacks(ring, step) if ring.stack > 1 else 0
    if code:
        return code
    if ring.filled == ring.held:
        for env in range(ring.envs):
            ring.count -= ring.ends[leaving * ring.envs + env] < NOTHING
    else:
        ring.filled += 1
    for env in range(ring.envs):
        place, valid = slot * ring.envs + env, step.valid == NULL or step.valid[env]
        ended = valid and step.terminated[env] | step.truncated[env]
        memcpy(ring.frames + place * ring.frame, step.obs + env * row + newest, ring.frame)
        memcpy(
            ring.frames + (following * ring.envs + env) * ring.frame, step.next_obs + env * row + newest, ring.frame
        )
        if ring.kept[place] >= 0:
            ring.free[ring.given] = ring.kept[place]
            ring.given += 1
            ring.kept[place] = -1
        if ended:
            keep_final(ring, place, step.final_obs + env * row + newest)
        if ring.stack > 1:
            note_age(ring, place, last * ring.envs + env, ring.starts[env])
        memcpy(ring.actions + place * ring.action, step.actions + env * ring.action, ring.action)
        ring.rewards[place] = <float>step.rewards[env]
        ring.ends[place] = (DIED * step.terminated[env] | CUT * step.truncated[env]) if valid else NOTHING
        ring.ends[following * ring.envs + env] = NOTHING
        ring.begins[env] = ended or not valid
        ring.count += valid
        ring.steps += valid
    ring.head = following
    ring.tags += 1
    return 0


# Ports: obs, action, reward, terminated, truncated, final_obs, next_obs, valid -> environment steps so far.
cdef int store_kernel(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) noexcept nogil:
    cdef Ring *ring = <Ring *>self
    cdef int code
    cdef Step step = Step(
        <char *>ports[0], <char *>ports[1], <double *>ports[2], <uint8_t *>ports[3], <uint8_t *>ports[4],
        <char *>ports[5], <char *>ports[6], <uint8_t *>ports[7],
    )
    code = store_step(ring, &step)
    if not code:
        (<int64_t *>ports[8])[0] = ring.steps
    return code


cdef class RingWriter:
    cdef Ring ring
    cdef Kernel kernel
    cdef dict arrays

    def __init__(self, int64_t held_slots, int64_t stack, **arrays):
        slots, envs, frame = arrays["frames"].shape
        self.ring.slots, self.ring.envs, self.ring.frame = slots, envs, frame
        self.ring.held, self.ring.stack = held_slots, stack
        self.ring.action = arrays["actions"].nbytes // (slots * envs)
        rows = {name: np.zeros(envs, np.uint8) for name in ("known", "begins", "starts")}
        rows["begins"][...] = 1
        self.arrays = {**arrays, **rows, "free": np.zeros(slots * envs, np.int32)}
        self.ring.frames, self.ring.finals = <char *>self.at("frames"), <char *>self.at("finals")
        self.ring.actions, self.ring.rewards = <char *>self.at("actions"), <float *>self.at("rewards")
        self.ring.ends, self.ring.kept = <uint8_t *>self.at("ends"), <int32_t *>self.at("kept")
        self.ring.free, self.ring.ages = <int32_t *>self.at("free"), <uint8_t *>self.at("ages")
        self.ring.padded, self.ring.padding = <uint8_t *>self.at("padded"), <char *>self.at("padding")
        self.ring.known, self.ring.begins = <uint8_t *>self.at("known"), <uint8_t *>self.at("begins")
        self.ring.starts = <uint8_t *>self.at("starts")
        self.kernel.run, self.kernel.self = store_kernel, &self.ring

    cdef void *at(self, str name) except *:
        return cnp.PyArray_DATA(<cnp.ndarray>self.arrays[name])

    @property
    def head(self):
        return self.ring.head

    @property
    def filled(self):
        return self.ring.filled

    @property
    def count(self):
        return self.ring.count

    @property
    def steps(self):
        return self.ring.steps

    @property
    def tags(self):
        return self.ring.tags

    @property
    def finals_made(self):
        return self.ring.made

    @property
    def rows(self):
        return {name: self.arrays[name] for name in ("free", "known", "begins")}

    @property
    def numbers(self):
        ring = &self.ring
        return np.array([ring.head, ring.filled, ring.count, ring.steps, ring.tags, ring.given, ring.made])

    @numbers.setter
    def numbers(self, numbers):
        ring = &self.ring
        ring.head, ring.filled, ring.count, ring.steps, ring.tags, ring.given, ring.made = numbers

    def begin_counting(self):
        self.ring.steps = self.ring.tags = 0

    def kernel_of_store(self):
        return kernel_capsule(&self.kernel, self)

    def store(
        self, const uint8_t[::1] obs, const uint8_t[::1] actions, const double[::1] rewards,
        const uint8_t[::1] terminated, const uint8_t[::1] truncated, const uint8_t[::1] final_obs,
        const uint8_t[::1] next_obs, const uint8_t[::1] valid,
    ):
        cdef Step step
        cdef int64_t row = self.ring.stack * self.ring.frame
        for name, array, size in (
            ("obs", obs, row), ("actions", actions, self.ring.action), ("rewards", rewards, 1),
            ("terminated", terminated, 1), ("truncated", truncated, 1), ("final_obs", final_obs, row),
            ("next_obs", next_obs, row), ("valid", valid, 1),
        ):
            if array is not None and array.shape[0] != self.ring.envs * size:
                raise ValueError(f"{name} are not those of {self.ring.envs} environments")
        step.obs, step.final_obs, step.next_obs = bytes_of(obs), bytes_of(final_obs), bytes_of(next_obs)
        step.actions, step.rewards = bytes_of(actions), &rewards[0]
        step.terminated, step.truncated = &terminated[0], &truncated[0]
        step.valid = NULL
        if valid is not None:
            step.valid = &valid[0]
        return store_step(&self.ring, &step)


cdef const char *bytes_of(const uint8_t[::1] array) noexcept:
    return <const char *>&array[0] if array.shape[0] else NULL
