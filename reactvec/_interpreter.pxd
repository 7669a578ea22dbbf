# The loop over the instructions of a worker's program, without the GIL unless a Python reaction runs.
#
#     serve_commands   a worker thread: await a command, run its program, publish, again
#     run_program      the instructions of some tags, one after another
#     execute          one EXEC: is it due, is a trigger present, then the kernel or the Python method
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memchr, memset

from reactvec._program cimport *
from reactvec._sync cimport *
from reactvec._worker cimport *


cdef extern from "_call.h" nogil:
    PyObject *rv_call(PyObject *callable, PyObject *arguments)


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
