"""Executes the programs of a Schedule: knows ints, pointers and atomics, and nothing of reinforcement learning.

    begin, finish    the caller, worker 0: issue a command; run its own program and await the others
    run              both, in chunks between which signals are looked at
    serve            every other worker: await a command, run its program, publish, again
    run_program      the loop over instructions, without the GIL unless a Python reaction runs
"""

from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uintptr_t
from libc.stdlib cimport free
from libc.string cimport memchr, memset

from reactvec._kernel cimport Kernel, kernel_name, kernel_run


cdef extern from "Python.h":
    ctypedef struct PyThreadState:
        pass
    void Py_XDECREF(PyObject *) nogil
    PyThreadState *PyEval_SaveThread() nogil
    void PyEval_RestoreThread(PyThreadState *) nogil
    int PyErr_CheckSignals() except -1


cdef extern from "_call.h" nogil:
    PyObject *rv_call(PyObject *callable, PyObject *arguments)


cdef extern from "_sync.h" nogil:
    enum: RV_REACHED, RV_ABORTED, RV_TIMEOUT
    ctypedef struct rv_clock:
        pass
    ctypedef struct rv_flag:
        pass
    ctypedef struct rv_limit:
        pass
    ctypedef struct rv_patience:
        int64_t expected_ns
        int may_spin
    void rv_clock_init(rv_clock *)
    void rv_publish(rv_clock *, uint32_t)
    int rv_reached(rv_clock *, uint32_t)
    int rv_await(rv_clock *, uint32_t, rv_patience *, const rv_flag *)
    void rv_abort(rv_flag *, rv_clock *, int)
    void rv_raise(rv_flag *)
    void rv_lower(rv_flag *)
    bint rv_raised(const rv_flag *)
    bint rv_take(rv_flag *)
    void rv_set_limit(rv_limit *, int64_t)
    int64_t rv_limited(const rv_limit *)
    void rv_lower_limit(rv_limit *, int64_t)
    void *rv_allocate(size_t)
    int64_t rv_now_ns()


cdef enum:
    EXEC = 0
    PUBLISH = 1
    AWAIT = 2
    ADVANCE = 3


# Between two looks at pending signals `run` lets about this much time pass.
cdef int64_t SIGNAL_NS = 10_000_000
cdef int64_t FIRST_CHUNK = 16
cdef int64_t LEVELS = 1 << 20
cdef int64_t NEVER = (1 << 62) - 1 + (1 << 62)


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


cdef struct Control:       # the one control word: written by the caller before it advances `issued`
    rv_clock issued
    int command
    int64_t cycles
    int64_t tag
    rv_limit last          # a reaction failed at this point: what comes later does not run, see `point`
    rv_flag abort          # leave every wait, serve no more
    rv_flag busy           # the caller is in `run`


cdef struct Worker:        # private to one worker, but for `error` and its companions once a command has ended
    int index
    int workers
    Control *control
    rv_clock *clocks
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


cdef void fail(Worker *worker, Instruction *at, int64_t tag, PyObject *error, int code) noexcept nogil:
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


cdef void execute_present(Worker *worker, Instruction *at, void **entry, int64_t slot, int64_t tag) noexcept nogil:
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


cdef int check_signals(Worker *worker) noexcept nogil:
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


cdef extern from "Python.h":
    void Py_INCREF_object "Py_INCREF"(object)


cdef int wait_for(Worker *worker, rv_clock *clock, uint32_t target) noexcept nogil:
    cdef int outcome
    if rv_reached(clock, target):
        return RV_REACHED
    detach(worker)
    while True:
        outcome = rv_await(clock, target, &worker.patience, &worker.control.abort)
        if outcome != RV_TIMEOUT:
            return outcome
        if worker.index == 0 and check_signals(worker) == RV_ABORTED:
            return RV_ABORTED
        detach(worker)


cdef int run_program(Worker *worker, int command, int64_t cycles, int64_t tag) noexcept nogil:
    """Run `cycles` tags of this worker's program, then publish that it is through."""
    cdef Program *program = &worker.programs[command]
    cdef uint32_t *publishes = program.publishes
    cdef uint32_t mine = worker.base[worker.index]
    cdef Instruction *at
    cdef int64_t cycle
    cdef uint32_t target
    cdef int other
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
    for other in range(worker.workers):
        worker.base[other] += <uint32_t> (cycles * publishes[other] + 1)
    if worker.workers > 1:
        rv_publish(&worker.clocks[worker.index], worker.base[worker.index])
    return RV_REACHED


cdef void serve_commands(Worker *worker) noexcept nogil:
    cdef Control *control = worker.control
    cdef uint32_t seen = 0
    while True:
        seen += 1
        if wait_for(worker, &control.issued, seen) == RV_ABORTED:
            return
        if run_program(worker, control.command, control.cycles, control.tag) == RV_ABORTED:
            return


cdef class Engine:
    """The workers of one schedule in this process: their programs, clocks and the control word.

    Owns its memory; keeps alive what its instructions point to. One caller at a time; RuntimeError otherwise.
    """

    cdef int workers
    cdef Control *control
    cdef rv_clock *clocks
    cdef Worker **team
    cdef public int64_t tag  # that the next command runs as; counted here, where no signal can come between
    cdef uint32_t issued
    cdef int64_t chunk
    cdef int commands
    cdef list kept

    def __cinit__(self, int workers, int commands, bint may_spin):
        cdef int index
        cdef Worker *worker
        self.workers, self.commands, self.chunk, self.kept = workers, commands, FIRST_CHUNK, []
        self.tag = -1
        self.control = <Control *> allocate(sizeof(Control))
        self.clocks = <rv_clock *> allocate(workers * sizeof(rv_clock))
        self.team = <Worker **> allocate(workers * sizeof(Worker *))
        rv_clock_init(&self.control.issued)
        rv_set_limit(&self.control.last, NEVER)
        for index in range(workers):
            rv_clock_init(&self.clocks[index])
            worker = self.team[index] = <Worker *> allocate(sizeof(Worker))
            worker.index, worker.workers = index, workers
            worker.control, worker.clocks = self.control, self.clocks
            worker.base = <uint32_t *> allocate(workers * sizeof(uint32_t))
            worker.programs = <Program *> allocate(commands * sizeof(Program))
            worker.patience.may_spin, worker.patience.expected_ns = may_spin, 5000

    def __dealloc__(self):
        cdef int index, command
        for index in range(self.workers if self.team != NULL else 0):
            if self.team[index] != NULL:
                Py_XDECREF(self.team[index].error)
                Py_XDECREF(self.team[index].interrupt)
                for command in range(self.commands):
                    free_program(&self.team[index].programs[command])
                free(self.team[index].programs)
                free(self.team[index].base)
                free(self.team[index])
        free(self.team)
        free(self.clocks)
        free(self.control)

    def load(self, int command, int worker, const int64_t[:, ::1] code, list bindings, publishes):
        """Load a worker's program. `bindings` holds a `Binding` for each EXEC of `code`, in order."""
        cdef Program *program = &self.team[worker].programs[command]
        cdef int64_t row
        cdef int index
        remaining = iter(bindings)
        program.publishes = <uint32_t *> allocate(self.workers * sizeof(uint32_t))
        for index in range(self.workers):
            program.publishes[index] = publishes[index]
        program.code = <Instruction *> allocate(code.shape[0] * sizeof(Instruction))
        program.length = code.shape[0]
        for row in range(code.shape[0]):
            program.code[row].kind = <int> code[row, 0]
            if code[row, 0] == EXEC:
                self.bind(&program.code[row], code[row], next(remaining))
            elif code[row, 0] == PUBLISH:
                program.code[row].number = code[row, 1]
            elif code[row, 0] == AWAIT:
                program.code[row].other = <int> code[row, 1]
                program.code[row].number = code[row, 2]
                program.code[row].back = code[row, 3]

    cdef int bind(self, Instruction *at, const int64_t[::1] row, binding) except -1:
        cdef Kernel *kernel
        cdef const uintptr_t[:, ::1] addresses = binding.addresses
        cdef const int64_t[::1] lengths = binding.lengths
        at.reaction, at.lo, at.hi = <int> row[1], row[2], row[3]
        at.period, at.offset, at.unit = row[4], row[5], row[6]
        at.timed = at.period != at.unit or at.offset > 0
        at.ports, at.guards, at.effects = binding.ports, binding.guards, len(lengths) - binding.guards
        at.bank, at.level = binding.bank, binding.level
        at.mask, at.width = addresses.shape[0] - 1, <int> addresses.shape[1]
        at.table = <void **> &addresses[0, 0] if at.width else NULL
        at.lengths = <int64_t *> &lengths[0] if len(lengths) else NULL
        self.kept.append(binding)
        if binding.callable is None:
            if not PyCapsule_IsValid(binding.kernel, kernel_name()):
                raise TypeError(
                    f"{binding.name} is native, so it must return a capsule named {kernel_name().decode()!r} "
                    f"(see reactvec/_kernel.pxd), not {binding.kernel!r}"
                )
            kernel = <Kernel *> PyCapsule_GetPointer(binding.kernel, kernel_name())
            at.run, at.self = kernel.run, kernel.self
            return 0
        at.callable = <PyObject *> binding.callable
        at.arguments = borrow(binding.arguments)
        at.row_arguments = borrow(binding.row_arguments)
        return 0

    cpdef bint run(self, int command, int64_t cycles, prepare=None) except? True:
        """Run `cycles` tags of a command, `prepare()` before; True when a reaction failed, see `failures`."""
        cdef int64_t done = 0
        cdef int64_t size, begun
        if cycles < 0:
            raise ValueError(f"cannot run {cycles} tags; give 0 or more")
        self.take()
        try:
            if prepare is not None:
                prepare()
            if cycles <= FIRST_CHUNK:
                self.issue(command, cycles)
                return self.conclude()
            while not rv_raised(&self.control.abort):
                size = min(self.chunk, cycles - done)
                begun = rv_now_ns()
                self.issue(command, size)
                if self.conclude():
                    return True
                done += size
                if done == cycles:
                    return False
                self.chunk = self.chunk * 2 if rv_now_ns() - begun < SIGNAL_NS else max(1, self.chunk // 2)
                PyErr_CheckSignals()
            return True
        finally:
            rv_lower(&self.control.busy)

    cpdef bint begin(self, int command, int64_t cycles) except? True:
        """Issue a command: the others start at once, the caller's part runs in `finish`; True where it is closed."""
        self.take()
        if rv_raised(&self.control.abort):
            rv_lower(&self.control.busy)
            return True
        self.issue(command, cycles)
        return False

    cpdef bint finish(self) except? True:
        """Run the caller's part of the command and wait for the others; True when a reaction failed."""
        if not rv_raised(&self.control.busy):
            raise RuntimeError("finish() without begin()")
        try:
            return self.conclude()
        finally:
            rv_lower(&self.control.busy)

    cdef int take(self) except -1:
        if not rv_take(&self.control.busy):
            raise RuntimeError("this schedule is running already; run it from one thread, one command at a time")
        return 0

    cdef void issue(self, int command, int64_t cycles) noexcept:
        cdef Control *control = self.control
        control.command, control.cycles, control.tag = command, cycles, self.tag
        if self.workers > 1:
            self.issued += 1
            rv_publish(&control.issued, self.issued)

    cdef bint conclude(self) noexcept:
        """The caller's part. Without failure, or with a signal alone, the tags of the command are committed."""
        cdef Worker *caller = self.team[0]
        cdef Control *control = self.control
        cdef int outcome = RV_ABORTED
        cdef int index
        if not rv_raised(&control.abort):
            caller.attached = True
            outcome = run_program(caller, control.command, control.cycles, control.tag)
            for index in range(1, self.workers):
                if outcome == RV_REACHED:
                    outcome = wait_for(caller, &self.clocks[index], caller.base[index])
            attach(caller)
        if outcome == RV_ABORTED or rv_limited(&control.last) != NEVER:
            return True
        self.tag += control.cycles
        return caller.interrupt != NULL  # these tags are complete, those that follow do not run

    def serve(self, int worker):
        """Serve commands as this worker until `abort`; the body of a worker thread."""
        self.team[worker].attached = True
        serve_commands(self.team[worker])
        attach(self.team[worker])

    def failures(self):
        """Take what went wrong in the last command: a list of (tag, reaction, lo, hi, code, exception or None);
        the reaction of what a signal handler raised is -1."""
        cdef int index
        cdef Worker *worker
        taken = []
        worker = self.team[0]
        if worker.interrupt != NULL:
            taken.append((self.tag, -1, 0, 0, 0, <object> worker.interrupt))
            Py_XDECREF(worker.interrupt)
            worker.interrupt = NULL
        for index in range(self.workers):
            worker = self.team[index]
            if worker.failed:
                error = None
                if worker.error != NULL:
                    error = <object> worker.error
                    Py_XDECREF(worker.error)
                taken.append((worker.tag, worker.reaction, worker.lo, worker.hi, worker.code, error))
                worker.failed, worker.error = False, NULL
        rv_set_limit(&self.control.last, NEVER)
        return taken

    def abort(self):
        """Release every wait and end every `serve`; nothing runs after it."""
        rv_abort(&self.control.abort, self.clocks, self.workers)
        rv_abort(&self.control.abort, &self.control.issued, 1)

    @property
    def aborted(self) -> bool:
        return rv_raised(&self.control.abort)


cdef void *allocate(size_t size) except NULL:
    cdef void *memory = rv_allocate(size)
    if memory == NULL:
        raise MemoryError()
    return memory


cdef PyObject **borrow(list objects) except NULL:
    """The objects as an array of borrowed references."""
    cdef PyObject **borrowed = <PyObject **> allocate(len(objects) * sizeof(PyObject *))
    cdef Py_ssize_t index
    for index in range(len(objects)):
        borrowed[index] = <PyObject *> objects[index]
    return borrowed


cdef void free_program(Program *program) noexcept:
    cdef int64_t row
    for row in range(program.length):
        free(program.code[row].arguments)
        free(program.code[row].row_arguments)
    free(program.code)
    free(program.publishes)
