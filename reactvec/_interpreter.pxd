# The loop over the instructions of a worker's program, without the GIL unless a Python reaction runs.
#
#     serve_commands   a worker thread: await a command, run its program, publish, again
#     run_program      the instructions of some tags, one after another
#     execute          one EXEC: is it due, is a trigger present, then the kernel or the Python method
#     wait_for         one AWAIT: detached from the interpreter; the caller looks at signals now and then
#     wait_at_end      the caller awaits the end of a command; it looks at the lives of processes, and at its deadline
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memchr, memset

from reactvec._kernel cimport kernel_run
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


cdef extern from "_call.h" nogil:
    PyObject *rv_call(PyObject *callable, PyObject *arguments)


cdef extern from *:
    """
    #define RV_LEVELS ((int64_t)1 << 20) /* more than a program has levels */
    #define RV_NEVER INT64_MAX
    """
    int64_t LEVELS "RV_LEVELS"
    int64_t NEVER "RV_NEVER"


cdef enum:
    EXEC = 0
    PUBLISH = 1
    AWAIT = 2
    ADVANCE = 3


cdef struct Instruction:
    int kind
    int reaction           # EXEC: index in the schedule
    int64_t level
    int64_t lo             # EXEC: rows [lo, hi)
    int64_t hi
    kernel_run run         # EXEC native: the kernel and its self
    void *self
    PyObject *callable     # EXEC Python: the bound method, NULL for a kernel
    PyObject **arguments   # EXEC Python: a tuple per slot
    PyObject **row_arguments  # ... of a bank with guards: and per slot one for each row
    void **table           # EXEC: per slot the addresses of ports, then of guard flags, then of effect flags
    int64_t *lengths       # EXEC: bytes of each guard's and each effect's flags
    int64_t mask           # EXEC: slots - 1; the slot of a tag is tag & mask
    int width
    int ports
    int guards
    int effects
    bint bank              # EXEC: guards hold row by row
    bint timed             # EXEC: not due at every tag; period and offset are in 1/unit tags
    int64_t period
    int64_t offset
    int64_t unit
    int other              # AWAIT: the worker to wait for
    int64_t number         # PUBLISH, AWAIT: which PUBLISH of a tag
    int64_t back           # AWAIT: how many tags ago


cdef struct Program:
    Instruction *code
    int64_t length
    uint32_t *publishes    # PUBLISH instructions per tag, of every worker
    int64_t tags           # that a cycle takes: 1, or 0 of an aside


cdef struct Control:       # the one control word: written by the caller before it advances `issued`
    rv_clock issued
    int command
    int64_t cycles
    int64_t tag
    rv_limit last          # a reaction failed at this point: what comes later does not run, see `point`
    rv_flag abort          # leave every wait, serve no more
    rv_flag busy           # a command was issued and is not finished
    rv_flag begun          # ... by `begin`, and waits for `finish`


cdef struct Report:        # what a worker process tells the caller, and the other way round
    rv_clock ready         # how often a process came up in this place
    int64_t inbox          # bytes that wait for the worker, written before `issued` advances
    int64_t outbox         # bytes that wait for the caller, written before the worker's clock advances
    int64_t busy_ns        # how long the worker ran in the last command


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


cdef inline int64_t point(Instruction *at, int64_t tag) noexcept nogil:
    """Logical time within a tag, too: reactions of one level do not depend on each other."""
    return tag * LEVELS + at.level


cdef inline void fail(Worker *worker, Instruction *at, int64_t tag, PyObject *error, int code) noexcept nogil:
    """Keep the first failure of a worker. Earlier reactions of others still run, so that the first of all is found
    whatever the workers' speeds."""
    if worker.failed:
        Py_XDECREF(error)  # attached, since it raised
        return
    worker.failed = True
    worker.error = error
    worker.code = code
    worker.reaction = at.reaction
    worker.lo = at.lo
    worker.hi = at.hi
    worker.tag = tag
    rv_lower_limit(&worker.control.last, point(at, tag))


cdef inline int64_t due(Instruction *at, int64_t tag) noexcept nogil:
    cdef int64_t passed = tag * at.unit - at.offset
    return 0 if passed < 0 else passed // at.period + 1


cdef inline bint any_present(Instruction *at, void **entry) noexcept nogil:
    """Whether a plain reaction has a trigger."""
    cdef int guard
    for guard in range(at.guards):
        if memchr(entry[at.ports + guard], 1, at.lengths[guard]) != NULL:
            return True
    return False


cdef inline bint row_present(Instruction *at, void **entry, int64_t row) noexcept nogil:
    """Whether a row (counted from `lo`) of a bank has a trigger; one flag stands for all rows of a broadcast."""
    cdef int guard
    for guard in range(at.guards):
        if (<const uint8_t *> entry[at.ports + guard])[row if at.lengths[guard] > 1 else 0]:
            return True
    return False


cdef inline void set_effects(Instruction *at, void **entry, int value) noexcept nogil:
    cdef int effect
    for effect in range(at.guards, at.guards + at.effects):
        memset(entry[at.ports + effect], value, at.lengths[effect])


cdef inline void call(Worker *worker, Instruction *at, PyObject *arguments, int64_t tag) noexcept nogil:
    cdef PyObject *error
    attach(worker)
    error = rv_call(at.callable, arguments)
    if error != NULL:
        fail(worker, at, tag, error, 0)


cdef inline void compute(
    Worker *worker, Instruction *at, void **entry, int64_t lo, int64_t hi, int64_t tag
) noexcept nogil:
    cdef int code
    detach(worker)
    code = at.run(at.self, entry, lo, hi, tag)
    if code:
        fail(worker, at, tag, NULL, code)


cdef inline void execute_present(
    Worker *worker, Instruction *at, void **entry, int64_t slot, int64_t tag
) noexcept nogil:
    """Run the rows of a bank that have a trigger: each by itself in Python, neighbours together in a kernel."""
    cdef int64_t rows = at.hi - at.lo
    cdef int64_t row = 0
    cdef int64_t end
    cdef int effect
    set_effects(at, entry, 0)
    while row < rows and not worker.failed:
        end = row
        while end < rows and row_present(at, entry, end) and (end == row or at.callable == NULL):
            end += 1
        if end > row:
            for effect in range(at.guards, at.guards + at.effects):
                memset(<uint8_t *> entry[at.ports + effect] + row, 1, end - row)
            if at.callable != NULL:
                call(worker, at, at.row_arguments[slot * rows + row], tag)
            else:
                compute(worker, at, entry, at.lo + row, at.lo + end, tag)
        row = end if end > row else row + 1


cdef inline void execute(Worker *worker, Instruction *at, int64_t tag) noexcept nogil:
    cdef int64_t slot = tag & at.mask
    cdef void **entry = at.table + slot * at.width
    if point(at, tag) > rv_limited(&worker.control.last):
        return
    if at.timed and due(at, tag) == due(at, tag - 1) or at.guards and not at.bank and not any_present(at, entry):
        set_effects(at, entry, 0)
        return
    if at.guards and at.bank:
        execute_present(worker, at, entry, slot, tag)
        return
    set_effects(at, entry, 1)
    if at.callable != NULL:
        call(worker, at, at.arguments[slot], tag)
    else:
        compute(worker, at, entry, at.lo, at.hi, tag)


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


cdef inline int wait_at_end(Worker *worker, rv_clock *clock, uint32_t target) noexcept nogil:
    """The caller's wait for the end of a command. Where processes run it, it can be left (RV_TIMEOUT) at the deadline
    or at a signal, and taken up again."""
    cdef int64_t left
    cdef int outcome = RV_REACHED
    if worker.watch == NULL:
        return wait_for(worker, clock, target)
    if worker.patience.may_spin and rv_glance(clock, target):  # nobody here wants what detaching would give free
        return RV_REACHED
    detach(worker)
    while not rv_reached(clock, target):
        if worker.interrupt != NULL:
            outcome = RV_TIMEOUT
            break
        if worker.deadline_ns:
            left = worker.deadline_ns - rv_now_ns()
            if left <= 0:
                outcome = RV_TIMEOUT
                break
            worker.patience.park_ns = min(left, <int64_t> RV_PARK_NS)
        outcome = rv_await(clock, target, &worker.patience, &worker.control.abort)
        if outcome == RV_TIMEOUT:
            outcome = look_around(worker)
        if outcome == RV_ABORTED:
            break
        detach(worker)
    worker.patience.park_ns = RV_PARK_NS
    return outcome


cdef inline int run_cycles(Worker *worker, int command, int64_t cycles, int64_t tag) noexcept nogil:
    """Run `cycles` tags of this worker's program."""
    cdef Program *program = &worker.programs[command]
    cdef uint32_t *publishes = program.publishes
    cdef uint32_t mine = worker.base[worker.index]
    cdef Instruction *at
    cdef int64_t cycle
    cdef uint32_t target
    for cycle in range(cycles):
        at = program.code
        while at.kind != ADVANCE:
            if at.kind == EXEC:
                execute(worker, at, tag + cycle)
            elif at.kind == PUBLISH:
                target = mine + <uint32_t> (cycle * publishes[worker.index] + at.number)
                rv_publish(&worker.clocks[worker.index], target)
            else:
                target = worker.base[at.other] + <uint32_t> ((cycle - at.back) * publishes[at.other] + at.number)
                if wait_for(worker, &worker.clocks[at.other], target) == RV_ABORTED:
                    return RV_ABORTED
            at += 1
    return RV_REACHED


cdef inline void end_command(Worker *worker, int command, int64_t cycles) noexcept nogil:
    """Publish that this worker is through."""
    cdef uint32_t *publishes = worker.programs[command].publishes
    cdef int other
    for other in range(worker.workers):
        worker.base[other] += <uint32_t> (cycles * publishes[other] + 1)
    if worker.workers > 1:
        rv_publish(&worker.clocks[worker.index], worker.base[worker.index])


cdef inline int run_program(Worker *worker, int command, int64_t cycles, int64_t tag) noexcept nogil:
    """Run `cycles` tags of this worker's program, then publish that it is through."""
    if run_cycles(worker, command, cycles, tag) == RV_ABORTED:
        return RV_ABORTED
    end_command(worker, command, cycles)
    return RV_REACHED


cdef inline void serve_commands(Worker *worker) noexcept nogil:
    cdef Control *control = worker.control
    cdef uint32_t seen = 0
    while True:
        seen += 1
        if wait_for(worker, &control.issued, seen) == RV_ABORTED:
            return
        if run_program(worker, control.command, control.cycles, control.tag) == RV_ABORTED:
            return
