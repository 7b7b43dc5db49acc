"""Threads: BLAS is held to one, and a crew of workers shares a run. Copied into every emitted module."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import types
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

NAME = ""
# Numbers in NumPy's buffer. Shorter rows are copied first: those of 512 with gaps cost 0.45 ns a number with
# the usual 8192, 0.15 with this.
BUFFER = 512
# OpenBLAS's names of the cores whose kernels it runs with AVX-512.
WIDE_CORES = ("skylakex", "cooperlake", "sapphirerapids")


class Blas:
    """NumPy's BLAS: held to one thread while any program runs, given back its own after the last one.

    One thread always, so that results do not depend on how many there are, nor on what else runs.
    small: whether products of up to a million multiply-adds are the faster ones, because they need no
    packing; so it is with OpenBLAS's kernels for AVX-512, on one thread.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.before = 0
        self.searched = False
        self.core = ""
        self.small = False
        self.set: Any = None
        self.get: Any = None

    def find(self) -> bool:
        """Look for OpenBLAS among the libraries of this process, NumPy's own before others'."""
        with self.lock:
            if not self.searched:
                self.search()
                self.searched = True
            return self.set is not None

    def search(self) -> None:
        try:
            with open("/proc/self/maps") as maps:
                paths = {line.split()[-1] for line in maps if "openblas" in line and ".so" in line}
            for path in sorted(paths, key=lambda x: ("numpy" not in x, x)):
                library = ctypes.CDLL(path)
                for name in ("scipy_openblas_{}64_", "openblas_{}64_", "openblas_{}"):
                    if hasattr(library, name.format("set_num_threads")):
                        core = getattr(library, name.format("get_corename"), None)
                        if core is not None:
                            core.restype = ctypes.c_char_p
                            self.core = (core() or b"").decode("ascii", "replace")
                        self.small = self.core.lower() in WIDE_CORES
                        self.get = getattr(library, name.format("get_num_threads"))
                        self.set = getattr(library, name.format("set_num_threads"))
                        os.register_at_fork(after_in_child=self.forked)
                        return
        except OSError:
            pass

    def enter(self) -> bool:
        """Use one thread until `leave`; False where the BLAS is not known."""
        if not self.find():
            return False
        with self.lock:
            if self.users == 0:
                self.before = self.get()
                self.set(1)
            self.users += 1
            return True

    def leave(self) -> None:
        with self.lock:
            self.users -= 1
            if self.users == 0:
                self.set(self.before)

    def forked(self) -> None:
        """In a new process: none of the threads whose programs ran is here."""
        self.lock = threading.Lock()
        if self.users:
            self.users = 0
            self.set(self.before)


def of_this_process(name: str = "_cnndsl_blas_1") -> Blas:
    """The one `Blas` of a process, which all programs share, emitted files too: the first of them makes it.

    name: of the module that holds it; another number where what a `Blas` does has changed.
    """
    home = sys.modules.setdefault(name, types.ModuleType(name, "How many programs of cnndsl use BLAS now."))
    found: Blas = home.__dict__.setdefault("BLAS", Blas())
    return found


BLAS = of_this_process()
# Seconds after which the others are called again: an interruption may have come before they were.
PATIENCE = 0.1


class Job:
    """One task for several threads: thread t does its shares t, t + threads, t + 2 · threads, …"""

    def __init__(self, number: int, task: Callable[[int], None], shares: int, threads: int) -> None:
        self.number = number
        self.task = task
        self.shares = shares
        self.threads = threads
        self.finished: list[int] = []
        self.failed: list[BaseException] = []
        self.news: SimpleQueue[None] = SimpleQueue()  # one word from each that has finished

    def do(self, worker: int) -> None:
        for share in range(worker, self.shares, self.threads):
            self.task(share)

    def help(self, worker: int) -> None:
        """As `do`, for a thread that is not the caller: what goes wrong is told to that, who raises it."""
        try:
            self.do(worker)
        except BaseException as problem:
            self.failed.append(problem)
        self.finished.append(worker)
        self.news.put(None)


class Crew:
    """A few threads that wait for work. Worker 0 is the caller. The threads end with the crew."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.busy = threading.Lock()
        self.wake: list[SimpleQueue[None]] = [SimpleQueue() for _ in range(size)]
        self.jobs: list[Job] = []  # the one in hand
        self.closed: list[bool] = []
        self.number = 0
        self.process = 0  # where the threads are; a forked process has none

    def start(self) -> None:
        """New threads, and new lists for them: after a fork the old ones belong to the parent's."""
        self.process, self.number = os.getpid(), 0
        self.wake = [SimpleQueue() for _ in range(self.size)]
        self.jobs, self.closed = [], []
        for worker in range(1, self.size):
            shared = (worker, self.wake[worker], self.jobs, self.closed)
            threading.Thread(target=work, args=shared, daemon=True, name=f"{NAME}-{worker}").start()

    def __del__(self) -> None:
        self.closed.append(True)
        for wake in self.wake[1:]:
            wake.put(None)

    def run(self, task: Callable[[int], None], shares: int) -> None:
        """task(0), …, task(shares − 1), on as many threads as there are where the crew is free.

        The results are the same whatever their number.
        """
        threads = min(self.size, shares)
        if threads == 1 or not self.busy.acquire(blocking=False):
            for share in range(shares):
                task(share)
            return
        try:
            if self.process != os.getpid():
                self.start()
            self.settle()
            self.number += 1
            job = Job(self.number, task, shares, threads)
            self.jobs[:] = [job]
            try:
                self.call()
                job.do(0)
            finally:
                self.settle()
            if job.failed:
                raise job.failed.pop()
        finally:
            self.busy.release()

    def call(self) -> None:
        for job in self.jobs:
            for worker in range(1, job.threads):
                self.wake[worker].put(None)

    def settle(self) -> None:
        """Wait for all shares of the last job, through interruptions too: nothing may write afterwards."""
        interrupted: BaseException | None = None
        while True:
            try:
                for job in self.jobs:
                    while len(job.finished) < job.threads - 1:
                        try:
                            job.news.get(timeout=PATIENCE)
                        except Empty:
                            self.call()
                break
            except KeyboardInterrupt as interrupt:
                interrupted = interrupt
        self.jobs.clear()
        if interrupted is not None:
            raise interrupted


def work(worker: int, wake: SimpleQueue[None], jobs: list[Job], closed: list[bool]) -> None:
    """The life of one thread of a crew. It takes part in each job once, however often it is woken."""
    last = 0
    with np.errstate(all="ignore"):
        np.setbufsize(BUFFER)
        while True:
            wake.get()
            if closed:
                return
            last = helped(worker, jobs, last)


def helped(worker: int, jobs: list[Job], last: int) -> int:
    """Help with a job newer than `last`; its number. A function: a waiting thread keeps no network alive."""
    for job in tuple(jobs):
        if job.number > last and worker < job.threads:
            job.help(worker)
            return job.number
    return last
