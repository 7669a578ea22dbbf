# Windows over a ring of steps, and the stacks of frames at their ends. A place in the ring is slot * envs + env, so the
# next step of an environment is `envs` places further on.
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcpy

TERMINATED = 1
TRUNCATED = 2
NO_TRANSITION = 4

cdef enum:
    DIED = 1
    NOTHING = 4


def close_windows(
    const float[::1] rewards,
    const uint8_t[::1] ends,
    int64_t envs,
    const int64_t[::1] places,
    int64_t n_step,
    float gamma,
    float[::1] returns,
    float[::1] discounts,
    int64_t[::1] last,
):
    cdef int64_t k, place, following, length, size = ends.shape[0]
    cdef float total, discount
    if not returns.shape[0] == discounts.shape[0] == last.shape[0] == places.shape[0]:
        raise ValueError(f"{places.shape[0]} windows, but arrays of other lengths to put them in")
    with nogil:
        for k in range(places.shape[0]):
            place, length = places[k], 1
            total, discount = rewards[place], gamma
            while length < n_step and not ends[place]:
                following = place + envs if place + envs < size else place + envs - size
                if ends[following] & NOTHING:
                    break
                place = following
                total += discount * rewards[place]
                discount *= gamma
                length += 1
            returns[k], last[k] = total, place
            discounts[k] = 0 if ends[place] & DIED else discount


cdef struct Frames:
    const uint8_t *frames
    const uint8_t *padding
    const uint8_t *ages
    const uint8_t *padded
    int64_t envs, size, bytes


cdef void copy_stack(const Frames *ring, int64_t place, int64_t count, uint8_t *out) noexcept nogil:
    """The last `count` frames of the stack at `place`, the newest last."""
    cdef int64_t back, source
    for back in range(count - 1, -1, -1):
        if back > ring.ages[place] and ring.padded[place]:
            memcpy(out, ring.padding + place % ring.envs * ring.bytes, ring.bytes)
        else:
            source = place - min(back, <int64_t>ring.ages[place]) * ring.envs
            memcpy(out, ring.frames + (source if source >= 0 else source + ring.size) * ring.bytes, ring.bytes)
        out += ring.bytes


cdef const uint8_t *frame_after(
    const Frames *ring, const uint8_t *finals, const int32_t *kept, int64_t place
) noexcept nogil:
    cdef int64_t following = place + ring.envs
    if kept[place] >= 0:
        return finals + kept[place] * ring.bytes
    return ring.frames + (following if following < ring.size else following - ring.size) * ring.bytes


def gather_stacks(
    const uint8_t[:, ::1] frames,
    const uint8_t[:, ::1] padding,
    const uint8_t[::1] ages,
    const uint8_t[::1] padded,
    const uint8_t[:, ::1] finals,
    const int32_t[::1] kept,
    const int64_t[::1] places,
    bint after,
    uint8_t[:, :, ::1] out,
):
    cdef int64_t k, count = places.shape[0], stack = out.shape[1]
    if not count or not out.shape[2]:
        return
    cdef Frames ring = Frames(
        &frames[0, 0], &padding[0, 0], &ages[0], &padded[0], padding.shape[0], frames.shape[0], frames.shape[1]
    )
    cdef const uint8_t *ends = &finals[0, 0] if finals.shape[0] else NULL
    with nogil:
        for k in range(count):
            copy_stack(&ring, places[k], stack - after, &out[k, 0, 0])
            if after:
                memcpy(&out[k, stack - 1, 0], frame_after(&ring, ends, &kept[0], places[k]), ring.bytes)
