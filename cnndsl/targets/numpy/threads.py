"""Threads: how many BLAS may use, and the crew of workers that share a run. Copied into every emitted module."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

NAME = ""
BUFFER = 512  # numbers: shorter rows are copied first; rows of 512 with gaps cost 0.45 ns a number with 8192, 0.15 with this


class Blas:
    """How many threads NumPy's BLAS uses: found once, set for the time of a run, set back after the last one.

    small: whether products of up to a million multiply-adds are the faster ones, because they need no packing; so it is
    with OpenBLAS's kernels for AVX-512, on one thread.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.before = 0
        self.searched = False
        self.core = b""
        self.small = False
        self.set: Any = None
        self.get: Any = None

    def find(self) -> bool:
        """Look for OpenBLAS among the libraries of this process."""
        if self.searched:
            return self.set is not None
        self.searched = True
        try:
            with open("/proc/self/maps") as maps:
                paths = sorted({line.split()[-1] for line in maps if "openblas" in line and ".so" in line})
            for path in paths:
                library = ctypes.CDLL(path)
                for name in ("scipy_openblas_{}64_", "openblas_{}64_", "openblas_{}"):
                    if hasattr(library, name.format("set_num_threads")):
                        self.set = getattr(library, name.format("set_num_threads"))
                        self.get = getattr(library, name.format("get_num_threads"))
                        core = getattr(library, name.format("get_corename"), None)
                        if core is not None:
                            core.restype = ctypes.c_char_p
                            self.core = core()
                        return True
        except OSError:
            pass
        return False

    def enter(self, threads: int) -> bool:
        """Use this many threads until `leave`; False where the BLAS is not known."""
        with self.lock:
            if not self.find():
                return False
            if self.users == 0:
                self.before = self.get()
                self.set(threads)
                self.small = threads == 1 and self.core in (b"SkylakeX", b"Cooperlake", b"Sapphirerapids")
            self.users += 1
            return True

    def leave(self) -> None:
        with self.lock:
            self.users -= 1
            if self.users == 0:
                self.set(self.before)


BLAS = Blas()
PATIENCE = 0.1  # seconds after which the others are called again: an interruption may have come before they were


class Crew:
    """A few threads that wait for work. Worker 0 is the caller. The threads end with the crew."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.busy = threading.Lock()
        self.wake = [threading.Semaphore(0) for _ in range(size)]
        self.done = threading.Semaphore(0)
        self.jobs: list[tuple[int, Callable[[int], None], int]] = []  # the one in hand: its number, the task, the shares
        self.finished: list[int] = []
        self.failed: list[BaseException] = []
        self.closed: list[bool] = []
        self.number = 0
        self.shares = 0
        self.process = 0  # where the threads are; a forked process has none

    def start(self) -> None:
        """New threads, and new lists for them: after a fork the old ones belong to the parent's."""
        self.process, self.number, self.shares = os.getpid(), 0, 0
        self.wake = [threading.Semaphore(0) for _ in range(self.size)]
        self.done = threading.Semaphore(0)
        self.jobs, self.finished, self.failed, self.closed = [], [], [], []
        for worker in range(1, self.size):
            shared = (worker, self.wake[worker], self.done, self.jobs, self.finished, self.failed, self.closed)
            threading.Thread(target=work, args=shared, daemon=True, name=f"{NAME}-{worker}").start()

    def __del__(self) -> None:
        self.closed.append(True)
        for wake in self.wake[1:]:
            wake.release()

    def run(self, task: Callable[[int], None], shares: int) -> None:
        """task(0), …, task(shares − 1), at the same time where the crew is free; the results are the same."""
        if shares > self.size or not self.busy.acquire(blocking=False):
            for share in range(shares):
                task(share)
            return
        try:
            if self.process != os.getpid():
                self.start()
            self.settle()
            self.number += 1
            self.jobs[:] = [(self.number, task, shares)]
            self.shares = shares
            try:
                self.call()
                task(0)
            finally:
                self.settle()
            if self.failed:
                raise self.failed.pop()
        finally:
            self.failed.clear()
            self.busy.release()

    def call(self) -> None:
        for worker in range(1, self.shares):
            self.wake[worker].release()

    def settle(self) -> None:
        """Wait for every share of the last job, through interruptions too: nothing may write after we return."""
        interrupted: BaseException | None = None
        while True:
            try:
                while len(self.finished) < self.shares - 1:
                    if not self.done.acquire(timeout=PATIENCE):
                        self.call()
                break
            except KeyboardInterrupt as interrupt:
                interrupted = interrupt
        self.shares = 0
        self.jobs.clear()
        self.finished.clear()
        if interrupted is not None:
            raise interrupted


def work(
    worker: int,
    wake: threading.Semaphore,
    done: threading.Semaphore,
    jobs: list[Any],
    finished: list[int],
    failed: list[BaseException],
    closed: list[bool],
) -> None:
    """The life of one thread of a crew. It takes part in each job once, however often it is woken."""
    last = 0
    with np.errstate(all="ignore"):
        np.setbufsize(BUFFER)
        while True:
            wake.acquire()
            if closed:
                return
            for number, task, shares in tuple(jobs):
                if number == last or worker >= shares:
                    continue
                last = number
                try:
                    task(worker)
                except BaseException as problem:  # told to the caller, who raises it
                    failed.append(problem)
                finished.append(worker)
                done.release()
