# The C contract of a kernel: the body of a reaction, run over a contiguous range of the rows of a bank.
#
# A kernel reaches Python code as a PyCapsule named KERNEL_NAME that points to a `Kernel`. Whoever makes the capsule
# owns the `Kernel` and what `self` points to, and keeps both alive as long as the reactor that hands it out.
#
# `run(self, ports, lo, hi, tag)`
#   ports  one base pointer (row 0 of the slab) per port of the reaction, in the order triggers, sources, effects;
#          slabs are C-contiguous [rows, *shape]. Valid for this call only.
#   lo, hi the rows to compute, lo < hi. Other rows may be computed at the same time by other threads.
#   tag    logical time.
#   return 0, or a positive code that `Reactor.fault(reaction, code)` turns into an exception.
# It must not allocate, lock, log, raise or touch a Python object.
from cpython.pycapsule cimport PyCapsule_GetContext, PyCapsule_New, PyCapsule_SetContext
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int64_t

ctypedef int (*kernel_run)(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) noexcept nogil

cdef struct Kernel:
    kernel_run run
    void *self

cdef inline const char *kernel_name() noexcept nogil:
    return "reactvec.kernel.1"

# A capsule of a kernel that `owner` has, and which the capsule keeps alive.
cdef inline object kernel_capsule(Kernel *kernel, object owner):
    capsule = PyCapsule_New(kernel, kernel_name(), forget_owner)
    PyCapsule_SetContext(capsule, <void *>owner)
    Py_INCREF(owner)
    return capsule

cdef inline void forget_owner(object capsule) noexcept:
    Py_DECREF(<object>PyCapsule_GetContext(capsule))
