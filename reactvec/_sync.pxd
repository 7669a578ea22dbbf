# The protocol of _sync.h, where each function is described.
from libc.stdint cimport int64_t, uint32_t


cdef extern from "_sync.h" nogil:
    enum: RV_REACHED, RV_ABORTED, RV_TIMEOUT, RV_PARK_NS
    ctypedef struct rv_clock:
        pass
    ctypedef struct rv_flag:
        pass
    ctypedef struct rv_limit:
        pass
    ctypedef struct rv_patience:
        int may_spin
        int64_t park_ns
    rv_patience rv_patient(int may_spin)
    void rv_clock_init(rv_clock *, int shared)
    void rv_publish(rv_clock *, uint32_t)
    int rv_reached(rv_clock *, uint32_t)
    uint32_t rv_count(rv_clock *)
    int rv_glance(rv_clock *, uint32_t)
    int rv_await(rv_clock *, uint32_t, rv_patience *, const rv_flag *)
    void rv_abort(rv_flag *, rv_clock *, int)
    void rv_raise(rv_flag *)
    void rv_lower(rv_flag *)
    bint rv_raised(const rv_flag *)
    bint rv_take(rv_flag *)
    bint rv_drop(rv_flag *)
    void rv_set_limit(rv_limit *, int64_t)
    int64_t rv_limited(const rv_limit *)
    void rv_lower_limit(rv_limit *, int64_t)
    void *rv_allocate(size_t)
    int64_t rv_now_ns()
