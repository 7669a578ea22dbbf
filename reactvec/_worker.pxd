# A worker: what it has to itself, what it shares with the others, and how it waits for them.
#
#     attach, detach   take and leave the interpreter
#     look_around      what the caller does while it waits: it looks at signals, and at the lives of processes
#     wait_for         until a clock has come to a number, detached from the interpreter
#     wait_at_end      the caller awaits the end of a command that processes run, no longer than its deadline
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t

from reactvec._program cimport Program
from reactvec._sync cimport *


cdef extern from "Python.h":
    ctypedef struct PyThreadState:
        pass
    void Py_XDECREF(PyObject *) nogil
    void Py_INCREF_object "Py_INCREF"(object)
    PyThreadState *PyEval_SaveThread() nogil
    void PyEval_RestoreThread(PyThreadState *) nogil
    int PyErr_CheckSignals() except -1


cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int POLLIN
    int poll(pollfd *, unsigned long, int)


cdef struct Control:       # the one control word: written by the caller before it advances `issued`
    rv_clock issued
    int command
    int64_t cycles
    int64_t tag
    rv_limit last          # a reaction failed at this point: what comes later does not run, see `point`
    rv_flag abort          # leave every wait, serve no more
    rv_flag busy           # a command was issued and is not finished
    rv_flag begun          # ... by `begin`, and waits for `finish`


cdef struct Watch:         # the caller's eye on worker processes
    pollfd *lives          # a pidfd per worker, or -1
    uint8_t *fallen        # whether it died
    uint32_t *goals        # where its clock stands when the command is over


cdef struct Worker:        # private to one worker, but for `error` and its companions once a command has ended
    int index
    int workers
    Control *control
    rv_clock *clocks
    Watch *watch           # NULL but for a caller of processes
    int64_t deadline_ns    # until when to wait for the end of a command; 0 for ever
    uint32_t *base         # where every worker's clock stood when the command began
    Program *programs
    rv_patience patience
    PyThreadState *saved
    bint attached
    bint failed
    PyObject *interrupt    # owned; what a signal handler raised
    PyObject *error        # owned; NULL where a kernel returned `code`
    int code
    int reaction
    int64_t lo
    int64_t hi
    int64_t tag


cdef inline void attach(Worker *worker) noexcept nogil:
    if not worker.attached:
        PyEval_RestoreThread(worker.saved)
        worker.attached = True


cdef inline void detach(Worker *worker) noexcept nogil:
    if worker.attached:
        worker.attached = False
        worker.saved = PyEval_SaveThread()


cdef inline int check_signals(Worker *worker) noexcept nogil:
    """Run pending signal handlers; what they raise (Ctrl-C) is kept until the tags of this command are complete, or,
    the second time, ends everything at once."""
    attach(worker)
    with gil:
        try:
            PyErr_CheckSignals()
        except BaseException as error:
            if worker.interrupt != NULL:
                rv_abort(&worker.control.abort, worker.clocks, worker.workers)
                return RV_ABORTED
            Py_INCREF_object(error)
            worker.interrupt = <PyObject *> error
    return RV_REACHED


cdef inline void bury(Worker *worker) noexcept nogil:
    """Find the processes that died, and set their clocks to the end of the command, so that nobody waits for them."""
    cdef Watch *watch = worker.watch
    cdef int index
    if poll(watch.lives, worker.workers, 0) <= 0:
        return
    for index in range(worker.workers):
        if watch.lives[index].fd >= 0 and watch.lives[index].revents:
            watch.lives[index].fd = -1
            watch.fallen[index] = True
            rv_publish(&worker.clocks[index], watch.goals[index])


cdef inline int look_around(Worker *worker) noexcept nogil:
    """What the caller does between two parks."""
    if worker.watch != NULL:
        bury(worker)
    return check_signals(worker)


cdef inline int wait_for(Worker *worker, rv_clock *clock, uint32_t target) noexcept nogil:
    cdef int outcome
    if rv_reached(clock, target):
        return RV_REACHED
    detach(worker)
    while True:
        outcome = rv_await(clock, target, &worker.patience, &worker.control.abort)
        if outcome != RV_TIMEOUT:
            return outcome
        if worker.index == 0 and look_around(worker) == RV_ABORTED:
            return RV_ABORTED
        detach(worker)


cdef inline bint has_time(Worker *worker) noexcept nogil:
    """Whether the deadline has not passed; the next park ends with it."""
    cdef int64_t left
    if worker.deadline_ns:
        left = worker.deadline_ns - rv_now_ns()
        worker.patience.park_ns = min(left, <int64_t> RV_PARK_NS)
        return left > 0
    return True


cdef inline int wait_at_end(Worker *worker, rv_clock *clock, uint32_t target) noexcept nogil:
    """The caller's wait for the end of a command that processes run. It can be left (RV_TIMEOUT) at the deadline or at
    a signal, and taken up again."""
    cdef int outcome = RV_REACHED
    if worker.patience.may_spin and rv_glance(clock, target):  # nobody here wants what detaching would give free
        return RV_REACHED
    detach(worker)
    while not rv_reached(clock, target):
        if worker.interrupt != NULL:
            outcome = RV_TIMEOUT
            break
        if not has_time(worker):
            outcome = RV_TIMEOUT
            break
        outcome = rv_await(clock, target, &worker.patience, &worker.control.abort)
        if outcome == RV_TIMEOUT:
            outcome = look_around(worker)
        if outcome == RV_ABORTED:
            break
        detach(worker)
    worker.patience.park_ns = RV_PARK_NS
    return outcome
