"""An Engine whose workers are processes: what each and the caller tell each other over the memory that they share.

    standing, await_ready, watch_life, post, outboxes   the caller, worker 0
    take_over, come_up   a process that takes the place of one that died
    await_command, inbox, execute, complete   a process serves commands step by step
"""

from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uintptr_t
from libc.stdlib cimport free

from reactvec._interpreter cimport *
from reactvec._program cimport *
from reactvec._sched cimport _FAILED, _PENDING, Engine, allocate
from reactvec._sync cimport *
from reactvec._worker cimport *


cdef struct Report:        # what a worker process tells the caller, and the other way round
    rv_clock ready         # how often a process came up in this place
    int64_t inbox          # bytes that wait for the worker, written before `issued` advances
    int64_t outbox         # bytes that wait for the caller, written before the worker's clock advances
    int64_t busy_ns        # how long the worker ran in the last command


def shared_bytes(int workers) -> int:
    """How much memory the engines of worker processes share."""
    return sizeof(Control) + workers * (sizeof(rv_clock) + sizeof(Report))


cdef class SharedEngine(Engine):
    """An engine in each process, over the same `memory` (zeroed, `shared_bytes`, on a page boundary), which it keeps
    alive; `member` is the worker that this process is."""

    cdef Report *reports
    cdef Watch watch
    cdef bint through        # the caller's own part of the command is done
    cdef int64_t begun_ns
    cdef int64_t took_ns     # by the caller's watch, since `times_ns`
    cdef int64_t worked_ns   # by all workers together
    cdef int plain           # the command that is served without Python, or -1
    cdef list objects
    cdef int64_t slots
    cdef readonly bint executed
    cdef unsigned char[::1] memory

    def __cinit__(self, int workers, int commands, bint may_spin, memory, int member):
        self.plain = -1
        self.memory = memory
        self.settle(<char *> &self.memory[0])
        self.reports = <Report *> &self.clocks[workers]
        if member == 0:
            self.begin_counting(True)
            self.begin_reports(True)
            self.begin_watching()

    cdef void begin_reports(self, bint shared) noexcept:
        cdef int index
        for index in range(self.workers):
            rv_clock_init(&self.reports[index].ready, shared)

    cdef int begin_watching(self) except -1:
        cdef int index
        self.watch.lives = <pollfd *> allocate(self.workers * sizeof(pollfd))
        self.watch.fallen = <uint8_t *> allocate(self.workers)
        self.watch.goals = <uint32_t *> allocate(self.workers * sizeof(uint32_t))
        self.team[0].watch = &self.watch
        for index in range(self.workers):
            self.watch.lives[index].fd, self.watch.lives[index].events = -1, POLLIN
        return 0

    def __dealloc__(self):
        free(self.watch.lives)
        free(self.watch.fallen)
        free(self.watch.goals)

    cdef void issue(self, int command, int64_t cycles) noexcept:
        cdef uint32_t *base = self.team[0].base
        cdef uint32_t *publishes = self.team[0].programs[command].publishes
        cdef int index
        self.through = False
        self.begun_ns = rv_now_ns()
        for index in range(1, self.workers):
            self.watch.goals[index] = base[index] + <uint32_t> (cycles * publishes[index] + 1)
        Engine.issue(self, command, cycles)
        for index in range(1, self.workers):
            if self.watch.fallen[index]:
                rv_publish(&self.clocks[index], self.watch.goals[index])

    cdef int conclude(self, int64_t deadline_ns) noexcept:
        """As an engine of threads does, but the wait can be left at the deadline or at a signal, and taken up again."""
        cdef Worker *caller = self.team[0]
        cdef Control *control = self.control
        cdef int outcome = RV_ABORTED
        cdef int index
        if not rv_raised(&control.abort):
            caller.attached = True
            outcome = RV_REACHED if self.through else self.run_part(caller)
            caller.deadline_ns = deadline_ns
            for index in range(1, self.workers):
                if outcome == RV_REACHED:
                    outcome = wait_at_end(caller, &self.clocks[index], caller.base[index])
            attach(caller)
        if outcome == RV_TIMEOUT:
            rv_raise(&control.begun)
            return _PENDING
        self.took_ns += rv_now_ns() - self.begun_ns
        for index in range(self.workers):
            self.worked_ns += self.reports[index].busy_ns
        return _FAILED if self.has_fallen() else self.judge(outcome)

    cdef int run_part(self, Worker *caller) noexcept:
        """The caller's own part of the command."""
        cdef int64_t begun_ns = rv_now_ns()
        cdef int outcome = run_program(caller, self.control.command, self.control.cycles, self.control.tag)
        self.reports[0].busy_ns = rv_now_ns() - begun_ns
        self.through = True
        return outcome

    cdef bint has_fallen(self) noexcept:
        cdef int index
        for index in range(1, self.workers):
            if self.watch.fallen[index]:
                return True
        return False

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

    def await_ready(self, int worker, uint32_t times, int64_t timeout_ns=0) -> bool:
        """Wait for a process to come up for this many times; False where it died, a signal came, or after `timeout_ns`
        > 0."""
        cdef Worker *caller = self.team[0]
        cdef rv_clock *ready = &self.reports[worker].ready
        cdef int outcome = RV_TIMEOUT
        caller.attached = True
        caller.deadline_ns = rv_now_ns() + timeout_ns if timeout_ns > 0 else 0
        while outcome == RV_TIMEOUT and not self.watch.fallen[worker] and caller.interrupt == NULL and has_time(caller):
            detach(caller)
            outcome = rv_await(ready, times, &caller.patience, &self.control.abort)
            if outcome == RV_TIMEOUT and look_around(caller) == RV_ABORTED:
                outcome = RV_ABORTED
        attach(caller)
        caller.patience.park_ns = RV_PARK_NS
        return outcome == RV_REACHED or rv_reached(ready, times)

    def watch_life(self, int worker, int fd):
        """A descriptor that becomes readable when the process of this worker ends; the engine does not own it."""
        self.watch.lives[worker].fd = fd
        self.watch.fallen[worker] = False

    @property
    def fallen(self) -> list[int]:
        """The workers whose processes died and were not replaced."""
        return [index for index in range(self.workers) if self.watch.fallen != NULL and self.watch.fallen[index]]

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
        """How long commands took since the last look, and how long all workers together were at work in them."""
        cdef int64_t took_ns = self.took_ns
        cdef int64_t worked_ns = self.worked_ns
        self.took_ns = self.worked_ns = 0
        return took_ns, worked_ns

    def fail(self, int64_t tag):
        """Let the caller see that something of this tag failed outside of the engine."""
        rv_lower_limit(&self.control.last, tag * LEVELS)

    def disown(self):
        """In a forked child: leave the memory that is shared with the parent's workers alone, for good. It stays
        mapped, and the reports that replace those in it are never freed."""
        self.settle(self.own)
        self.reports = <Report *> allocate(self.workers * sizeof(Report))
        self.begin_reports(False)
        self.team[0].watch = NULL
        self.abort()
