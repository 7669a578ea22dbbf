"""Executes the programs of a Schedule: knows ints, pointers and atomics, and nothing of reinforcement learning.

    begin, finish    the caller, worker 0: issue a command; run its own program and await the others
    run              both, in chunks between which signals are looked at
    serve            every other worker that is a thread, see `_interpreter.pxd`
    await_command, execute, complete   the same step by step, for a worker that is a process
"""

from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uintptr_t
from libc.stdlib cimport free

from reactvec._interpreter cimport *
from reactvec._kernel cimport Kernel, kernel_name
from reactvec._sync cimport *

# Between two looks at pending signals `run` lets about this much time pass.
cdef int64_t SIGNAL_NS = 10_000_000
cdef int64_t FIRST_CHUNK = 16


# What became of a command.
DONE = 0
FAILED = 1
PENDING = 2
cdef enum:
    _DONE = 0
    _FAILED = 1
    _PENDING = 2


def shared_bytes(int workers) -> int:
    """How much memory the engines of worker processes share."""
    return sizeof(Control) + workers * (sizeof(rv_clock) + sizeof(Report))


cdef class Engine:
    """The workers of one schedule: their programs, clocks and the control word.

    Where workers are processes, each has an engine of its own over the same `memory` (zeroed, `shared_bytes`, on a page
    boundary); `member` is the worker that it is. Owns what it allocates; keeps alive `memory` and what its
    instructions point to. One caller at a time; RuntimeError otherwise.
    """

    cdef int workers
    cdef Control *control
    cdef rv_clock *clocks
    cdef Report *reports
    cdef Worker **team
    cdef Watch watch
    cdef public int64_t tag  # that the next command runs as; counted here, where no signal can come between
    cdef uint32_t issued
    cdef int64_t chunk
    cdef int commands
    cdef bint through        # the caller's own part of the command is done
    cdef int64_t begun_ns
    cdef int64_t took_ns     # by the caller's watch, since `times_ns`
    cdef int64_t worked_ns   # by all workers together
    cdef list kept
    cdef int plain           # the command that is served without Python, or -1
    cdef list objects
    cdef int64_t slots
    cdef readonly bint executed
    cdef unsigned char[::1] memory

    def __cinit__(self, int workers, int commands, bint may_spin, memory=None, int member=0):
        cdef int index
        cdef Worker *worker
        cdef char *block
        self.workers, self.commands, self.chunk, self.kept = workers, commands, FIRST_CHUNK, []
        self.tag = self.plain = -1
        if memory is not None:
            self.memory = memory
            block = <char *> &self.memory[0]
        else:
            block = <char *> allocate(shared_bytes(workers))
        self.settle(block)
        if member == 0:
            self.begin_counting(memory is not None)
        self.team = <Worker **> allocate(workers * sizeof(Worker *))
        for index in range(workers):
            worker = self.team[index] = <Worker *> allocate(sizeof(Worker))
            worker.index, worker.workers = index, workers
            worker.control, worker.clocks = self.control, self.clocks
            worker.base = <uint32_t *> allocate(workers * sizeof(uint32_t))
            worker.programs = <Program *> allocate(commands * sizeof(Program))
            worker.patience.may_spin, worker.patience.expected_ns = may_spin, 5000
            worker.patience.park_ns = RV_PARK_NS
        if memory is not None and member == 0:
            self.watch.lives = <pollfd *> allocate(workers * sizeof(pollfd))
            self.watch.fallen = <uint8_t *> allocate(workers)
            self.watch.goals = <uint32_t *> allocate(workers * sizeof(uint32_t))
            self.team[0].watch = &self.watch
            for index in range(workers):
                self.watch.lives[index].fd, self.watch.lives[index].events = -1, POLLIN

    cdef void settle(self, char *block) noexcept:
        """Lay out the control word, the clocks and the reports in a block of memory."""
        self.control = <Control *> block
        self.clocks = <rv_clock *> (block + sizeof(Control))
        self.reports = <Report *> (block + sizeof(Control) + self.workers * sizeof(rv_clock))

    cdef void begin_counting(self, bint shared) noexcept:
        cdef int index
        rv_clock_init(&self.control.issued, shared)
        rv_set_limit(&self.control.last, NEVER)
        for index in range(self.workers):
            rv_clock_init(&self.clocks[index], shared)
            rv_clock_init(&self.reports[index].ready, shared)

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
        free(self.watch.lives)
        free(self.watch.fallen)
        free(self.watch.goals)
        if self.memory is None:
            free(self.control)

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
        cdef uint32_t *base = self.team[0].base
        cdef uint32_t *publishes = self.team[0].programs[command].publishes
        cdef int index
        control.command, control.cycles, control.tag = command, cycles, self.tag
        self.through = False
        if self.workers == 1:
            return
        if self.team[0].watch != NULL:
            self.begun_ns = rv_now_ns()
            for index in range(1, self.workers):
                self.watch.goals[index] = base[index] + <uint32_t> (cycles * publishes[index] + 1)
        self.issued += 1
        rv_publish(&control.issued, self.issued)
        if self.team[0].watch != NULL:
            for index in range(1, self.workers):
                if self.watch.fallen[index]:
                    rv_publish(&self.clocks[index], self.watch.goals[index])

    cdef int conclude(self, int64_t deadline_ns) noexcept:
        """The caller's part. Without failure, or with a signal alone, the tags of the command are committed."""
        cdef Worker *caller = self.team[0]
        cdef Control *control = self.control
        cdef int outcome = RV_ABORTED
        cdef int index
        if not rv_raised(&control.abort):
            caller.attached = True
            outcome = RV_REACHED
            if not self.through:
                self.reports[0].busy_ns = -rv_now_ns() if caller.watch != NULL else 0
                outcome = run_program(caller, control.command, control.cycles, control.tag)
                self.reports[0].busy_ns += rv_now_ns() if caller.watch != NULL else 0
                self.through = True
            caller.deadline_ns = deadline_ns
            for index in range(1, self.workers):
                if outcome == RV_REACHED:
                    outcome = wait_at_end(caller, &self.clocks[index], caller.base[index])
            attach(caller)
        if outcome == RV_TIMEOUT:
            rv_raise(&control.begun)
            return _PENDING
        if caller.watch != NULL:
            self.took_ns += rv_now_ns() - self.begun_ns
            for index in range(self.workers):
                self.worked_ns += self.reports[index].busy_ns
        if outcome == RV_ABORTED or rv_limited(&control.last) != NEVER or self.has_fallen():
            return _FAILED
        self.count()
        return _FAILED if caller.interrupt != NULL else _DONE  # these tags are complete; those that follow do not run

    cdef bint has_fallen(self) noexcept:
        cdef int index
        if self.watch.fallen != NULL:
            for index in range(1, self.workers):
                if self.watch.fallen[index]:
                    return True
        return False

    def serve(self, int worker):
        """Serve commands as this worker until `abort`; the body of a worker thread."""
        self.team[worker].attached = True
        serve_commands(self.team[worker])
        attach(self.team[worker])

    def await_command(self, int worker) -> int:
        """Wait for the next command and say its number, or -1 after an abort; `tag` is then its first tag.

        A command that is `plain`, see there, is served at once: its number is said only where its reactions left
        something to send, and `executed` is then True.
        """
        cdef Worker *me = self.team[worker]
        me.attached = True
        while True:
            self.issued += 1
            if wait_for(me, &self.control.issued, self.issued) == RV_ABORTED:
                attach(me)
                return -1
            attach(me)
            self.tag, self.executed = self.control.tag, False
            if self.control.command != self.plain or self.reports[worker].inbox:
                return self.control.command
            if not self.execute(worker):
                return -1
            self.executed = True
            if me.failed or self.left_objects():
                return self.control.command
            self.complete(worker, 0)

    def serve_plainly(self, int command, pieces):
        """Let `await_command` serve this command without Python, where it brings nothing and leaves nothing but None in
        `pieces`: per slot the addresses and lengths of arrays of objects, which must outlive the engine."""
        self.plain, self.objects, self.slots = command, pieces, len(pieces)

    cdef bint left_objects(self) except? True:
        """Whether the last tag of a plain command left an object that is not None."""
        cdef int64_t row
        cdef uintptr_t address
        for address, length in self.objects[(self.control.tag + self.control.cycles - 1) % self.slots]:
            for row in range(length):
                if (<PyObject **> address)[row] != <PyObject *> None:
                    return True
        return False

    cpdef bint execute(self, int worker) except? False:
        """Run this worker's part of the command that was awaited; False after an abort."""
        cdef Worker *me = self.team[worker]
        cdef int64_t begun_ns = rv_now_ns()
        cdef int outcome
        me.attached = True
        outcome = run_cycles(me, self.control.command, self.control.cycles, self.control.tag)
        attach(me)
        self.reports[worker].busy_ns = rv_now_ns() - begun_ns
        return outcome == RV_REACHED

    def run_alone(self, int worker, int command) -> list:
        """Run this worker's part of a command that nobody issued, unheard by the others; what failed."""
        cdef Worker *me = self.team[worker]
        me.attached = True
        run_cycles(me, command, 1, self.tag)
        attach(me)
        return self.take_failures()

    cpdef int complete(self, int worker, int64_t outbox) except -1:
        """Tell the caller that this part is done and how many bytes wait for it."""
        self.reports[worker].outbox = outbox
        end_command(self.team[worker], self.control.command, self.control.cycles)
        return 0

    def take_over(self, int worker, uint32_t issued, bases, int64_t tag):
        """Go on where a process that died has left off, see `standing`; nothing is awaited from before."""
        cdef int index
        self.issued, self.tag = issued, tag
        for index in range(self.workers):
            self.team[worker].base[index] = bases[index]

    def standing(self):
        """Where a process that starts now would go on: `(issued, bases, tag)`, for `take_over`."""
        return self.issued, [self.team[0].base[index] for index in range(self.workers)], self.tag

    def come_up(self, int worker, uint32_t times, int64_t outbox):
        """Publish that a process is in its place, for this many times."""
        self.reports[worker].outbox = outbox
        rv_publish(&self.reports[worker].ready, times)

    def readiness(self, int worker) -> int:
        """How often `come_up` was called for a worker; wraps around."""
        return rv_count(&self.reports[worker].ready)

    def await_ready(self, int worker, uint32_t times) -> bool:
        """Wait for a process to come up for this many times; False where it died or a signal came."""
        cdef Worker *caller = self.team[0]
        cdef int outcome = RV_TIMEOUT
        caller.attached = True
        while outcome == RV_TIMEOUT and not self.watch.fallen[worker] and caller.interrupt == NULL:
            with nogil:
                outcome = rv_await(&self.reports[worker].ready, times, &caller.patience, &self.control.abort)
            if outcome == RV_TIMEOUT and look_around(caller) == RV_ABORTED:
                outcome = RV_ABORTED
        return outcome == RV_REACHED

    def watch_life(self, int worker, int fd):
        """A descriptor that becomes readable when the process of this worker ends; the engine does not own it."""
        self.watch.lives[worker].fd = fd
        self.watch.fallen[worker] = False

    @property
    def fallen(self) -> list[int]:
        """The workers whose processes died and were not replaced."""
        return [index for index in range(self.workers) if self.watch.fallen != NULL and self.watch.fallen[index]]

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

    def post(self, int worker, int64_t inbox):
        """Say how many bytes wait for a worker, before the next command."""
        self.reports[worker].inbox = inbox

    def inbox(self, int worker) -> int:
        """How many bytes wait for this worker; they are taken by it."""
        cdef int64_t size = self.reports[worker].inbox
        self.reports[worker].inbox = 0
        return size

    def outboxes(self) -> list[int] | None:
        """How many bytes wait for the caller from each worker; None where nothing does. They are taken by it."""
        cdef int index
        for index in range(1, self.workers):
            if self.reports[index].outbox:
                break
        else:
            return None
        sizes = [self.reports[index].outbox for index in range(self.workers)]
        for index in range(1, self.workers):
            self.reports[index].outbox = 0
        return sizes

    def times_ns(self):
        """How long commands took since the last look, and how long all workers together were at work in them; processes
        only."""
        cdef int64_t took_ns = self.took_ns
        cdef int64_t worked_ns = self.worked_ns
        self.took_ns = self.worked_ns = 0
        return took_ns, worked_ns

    def interruption(self):
        """Take what a signal handler raised, or None."""
        cdef Worker *caller = self.team[0]
        if caller.interrupt == NULL:
            return None
        error = <object> caller.interrupt
        Py_XDECREF(caller.interrupt)
        caller.interrupt = NULL
        return error

    def fail(self, int64_t tag):
        """Let the caller see that something of this tag failed outside of the engine."""
        rv_lower_limit(&self.control.last, tag * LEVELS)

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
        """In a forked child: leave the memory that is shared with the parent's workers alone, for good. It stays
        mapped, and what replaces it is never freed."""
        cdef int index
        if self.memory is not None:
            self.settle(<char *> allocate(shared_bytes(self.workers)))
            self.begin_counting(False)
            for index in range(self.workers):
                self.team[index].control, self.team[index].clocks = self.control, self.clocks
                self.team[index].watch = NULL
        self.abort()

    @property
    def aborted(self) -> bool:
        return rv_raised(&self.control.abort)

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
