"""Executes the programs of a Schedule: knows ints, pointers and atomics, and nothing of reinforcement learning.

    begin, finish    the caller, worker 0: issue a command; run its own program and await the others
    run              both, in chunks between which signals are looked at
    serve            every other worker that is a thread, see `_interpreter.pxd`
"""

from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uintptr_t
from libc.stdlib cimport free

from reactvec._interpreter cimport *
from reactvec._kernel cimport Kernel, kernel_name
from reactvec._program cimport *
from reactvec._sync cimport *
from reactvec._worker cimport *

# Between two looks at pending signals `run` lets about this much time pass.
cdef int64_t SIGNAL_NS = 10_000_000
cdef int64_t FIRST_CHUNK = 16


# What became of a command.
DONE = 0
FAILED = 1
PENDING = 2


cdef class Engine:
    """The workers of one schedule: their programs, clocks and the control word.

    Owns what it allocates; keeps alive what its instructions point to. One caller at a time; RuntimeError otherwise.
    """

    def __cinit__(self, int workers, int commands, bint may_spin, *_):  # and what a SharedEngine is given besides
        cdef int index
        cdef Worker *worker
        self.workers, self.commands, self.chunk, self.kept = workers, commands, FIRST_CHUNK, []
        self.tag = -1
        self.team = <Worker **> allocate(workers * sizeof(Worker *))
        for index in range(workers):
            worker = self.team[index] = <Worker *> allocate(sizeof(Worker))
            worker.index, worker.workers = index, workers
            worker.base = <uint32_t *> allocate(workers * sizeof(uint32_t))
            worker.programs = <Program *> allocate(commands * sizeof(Program))
            worker.patience = rv_patient(may_spin)
        self.own = <char *> allocate(sizeof(Control) + workers * sizeof(rv_clock))
        self.settle(self.own)
        self.begin_counting(False)

    cdef void settle(self, char *block) noexcept:
        """Let the control word and the clocks be those of a block of memory."""
        cdef int index
        self.control = <Control *> block
        self.clocks = <rv_clock *> (block + sizeof(Control))
        for index in range(self.workers):
            self.team[index].control, self.team[index].clocks = self.control, self.clocks

    cdef void begin_counting(self, bint shared) noexcept:
        cdef int index
        rv_clock_init(&self.control.issued, shared)
        rv_set_limit(&self.control.last, NEVER)
        for index in range(self.workers):
            rv_clock_init(&self.clocks[index], shared)

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
        free(self.own)

    def load(self, int command, int worker, const int64_t[:, ::1] code, list bindings, publishes, bint counts=True):
        """Load a worker's program. `bindings` holds a `Binding` for each EXEC of `code`, in order; an
        aside does not count: it takes no tag."""
        cdef Program *program = &self.team[worker].programs[command]
        cdef int64_t row
        cdef int index
        remaining = iter(bindings)
        program.publishes = <uint32_t *> allocate(self.workers * sizeof(uint32_t))
        for index in range(self.workers):
            program.publishes[index] = publishes[index]
        program.code = <Instruction *> allocate(code.shape[0] * sizeof(Instruction))
        program.length = code.shape[0]
        program.tags = counts
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

    cpdef int run(self, int command, int64_t cycles, prepare=None) except -1:
        """Run `cycles` tags of a command, `prepare()` before: DONE; FAILED where a reaction did, see `failures`, or a
        worker died, see `fallen`; PENDING where a signal came while processes were at work: `finish` must follow."""
        cdef int64_t done = 0
        cdef int64_t size, begun
        cdef int outcome
        if cycles < 0:
            raise ValueError(f"cannot run {cycles} tags; give 0 or more")
        self.take()
        try:
            if rv_raised(&self.control.abort):
                return _FAILED
            if prepare is not None:
                prepare()
            if cycles <= FIRST_CHUNK:
                self.issue(command, cycles)
                return self.conclude(0)
            while not rv_raised(&self.control.abort):
                size = min(self.chunk, cycles - done)
                begun = rv_now_ns()
                self.issue(command, size)
                outcome = self.conclude(0)
                if outcome != _DONE:
                    return outcome
                done += size
                if done == cycles:
                    return _DONE
                self.chunk = self.chunk * 2 if rv_now_ns() - begun < SIGNAL_NS else max(1, self.chunk // 2)
                PyErr_CheckSignals()
            return _FAILED
        finally:
            self.release()

    cpdef int begin(self, int command, int64_t cycles, prepare=None) except -1:
        """Issue a command, `prepare()` before: the others start at once, the caller's part runs in `finish`; FAILED
        where it is closed."""
        self.take()
        try:
            if rv_raised(&self.control.abort):
                return _FAILED
            if prepare is not None:
                prepare()
            rv_raise(&self.control.begun)
        finally:
            self.release()
        self.issue(command, cycles)
        return _DONE

    cpdef int finish(self, int64_t timeout_ns=0) except -1:
        """Run the caller's part of the command and wait for the others, as `run` does; PENDING after `timeout_ns` > 0,
        where processes are at work: `finish` must follow."""
        if not rv_drop(&self.control.begun):
            raise RuntimeError("finish() without begin()")
        try:
            return self.conclude(rv_now_ns() + timeout_ns if timeout_ns > 0 else 0)
        finally:
            self.release()

    cdef int take(self) except -1:
        if not rv_take(&self.control.busy):
            raise RuntimeError("this schedule is running already; run it from one thread, one command at a time")
        return 0

    cdef void release(self) noexcept:
        if not rv_raised(&self.control.begun):
            rv_lower(&self.control.busy)

    cdef void issue(self, int command, int64_t cycles) noexcept:
        cdef Control *control = self.control
        control.command, control.cycles, control.tag = command, cycles, self.tag
        if self.workers > 1:
            self.issued += 1
            rv_publish(&control.issued, self.issued)

    cdef int conclude(self, int64_t deadline_ns) noexcept:
        """The caller's part, and the wait for the others; threads leave it no deadline, see `SharedEngine`."""
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
        return self.judge(outcome)

    cdef int judge(self, int outcome) noexcept:
        """What became of the command. Without failure, or with a signal alone, its tags are committed."""
        if outcome == RV_ABORTED or rv_limited(&self.control.last) != NEVER:
            return _FAILED
        self.count()
        return _FAILED if self.team[0].interrupt != NULL else _DONE  # these tags are complete; no others run

    def serve(self, int worker):
        """Serve commands as this worker until `abort`; the body of a worker thread."""
        self.team[worker].attached = True
        serve_commands(self.team[worker])
        attach(self.team[worker])

    def run_alone(self, int worker, int command) -> list:
        """Run this worker's part of a command that nobody issued, unheard by the others; what failed."""
        cdef Worker *me = self.team[worker]
        me.attached = True
        run_cycles(me, command, 1, self.tag)
        attach(me)
        return self.take_failures()

    @property
    def command(self) -> int:
        """The command that was issued last."""
        return self.control.command

    @property
    def last_tag(self) -> int:
        """The last tag of that command."""
        return self.control.tag + self.control.cycles - 1

    def commit(self):
        """Count the tags of the last command as run, though a worker died in it."""
        self.count()

    cdef void count(self) noexcept:
        self.tag += self.control.cycles * self.team[0].programs[self.control.command].tags

    def interruption(self):
        """Take what a signal handler raised, or None."""
        cdef Worker *caller = self.team[0]
        if caller.interrupt == NULL:
            return None
        error = <object> caller.interrupt
        Py_XDECREF(caller.interrupt)
        caller.interrupt = NULL
        return error

    def take_failures(self):
        """Take what failed in this process in the last command: (tag, reaction, lo, hi, code, exception or None)."""
        cdef int index
        cdef Worker *worker
        taken = []
        for index in range(self.workers):
            worker = self.team[index]
            if worker.failed:
                error = None
                if worker.error != NULL:
                    error = <object> worker.error
                    Py_XDECREF(worker.error)
                taken.append((worker.tag, worker.reaction, worker.lo, worker.hi, worker.code, error))
                worker.failed, worker.error = False, NULL
        return taken

    def forget_failures(self):
        """Let reactions run again after a failure."""
        rv_set_limit(&self.control.last, NEVER)

    def abort(self):
        """Release every wait and end every `serve`; nothing runs after it."""
        rv_abort(&self.control.abort, self.clocks, self.workers)
        rv_abort(&self.control.abort, &self.control.issued, 1)

    def disown(self):
        """In a forked child, where no worker lives: nothing runs any more."""
        self.abort()

    @property
    def aborted(self) -> bool:
        return rv_raised(&self.control.abort)

    @property
    def busy(self) -> bool:
        return rv_raised(&self.control.busy)

    @property
    def begun(self) -> bool:
        return rv_raised(&self.control.begun)


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
