"""Which tests run which lines of the compiler, and a fault's trial before those that run its line, the cheapest first.

A trial is a forked child of a process that has NumPy and pytest loaded, but nothing of cnndsl; it works on a copy of the
repository. Nothing is run that cannot see the fault, and nothing after the first that fails.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

TESTS = (
    "tests/passes", "tests/program", "tests/targets/numpy", "tests/ops/test_ops.py", "tests/test_autodiff.py",
    "tests/test_network_gradients.py", "tests/training/test_step.py", "tests/training/test_optimizers.py",
    "tests/training/test_losses.py", "tests/training/test_accumulate.py", "tests/runtime/test_executable.py",
    "tests/runtime/test_shares.py", "tests/runtime/test_sizes.py", "tests/runtime/test_steady_state.py",
    "tests/runtime/test_threads.py", "tests/models/test_passes.py", "tests/models/test_gradients.py",
    "tests/graph/test_batch.py",
)  # fmt: skip
GRAPHS = 500
"""Random graphs that judge a fault: the everyday ones."""
OFTEN = 300
"""A function's lines are followed for so many of its calls in one test; what it does only later is known by its name alone."""
MEMORY = 6 << 30
HANGS = 20.0
"""Seconds of the processor that a test may take beyond ten times what it took without a fault."""
WAITS = 600.0
"""Seconds after which a test that begins nothing new is stuck, on a machine however loaded."""


@dataclass
class Reach:
    """What each test (a node id of pytest, or `graph 416`) took in seconds, and ran: functions and lines, as numbers' bits."""

    places: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    ran: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.numbers = {place: n for n, place in enumerate(self.places)}

    def number(self, place: str) -> int:
        if place not in self.numbers:
            self.numbers[place] = len(self.places)
            self.places.append(place)
        return self.numbers[place]

    def order(self, lines: Sequence[str], functions: Sequence[str], near: str = "") -> list[str]:
        """The tests that ran one of these lines, then those that ran one of these functions; of each those whose
        names begin with `near` before the others, the cheapest first."""
        found: dict[str, None] = {}
        for wanted in (lines, functions):
            bits = sum(1 << self.numbers[p] for p in dict.fromkeys(wanted) if p in self.numbers)
            ran = [t for t, places in self.ran.items() if places & bits]
            found |= dict.fromkeys(sorted(ran, key=lambda t: (not t.startswith(near), self.seconds[t])))
        return list(found)

    def write(self, path: Path) -> None:
        ran = {t: f"{bits:x}" for t, bits in self.ran.items()}
        path.write_text(json.dumps({"places": self.places, "seconds": self.seconds, "ran": ran}))

    @staticmethod
    def read(path: Path) -> Reach:
        found = json.loads(path.read_text())
        return Reach(found["places"], found["seconds"], {t: int(bits, 16) for t, bits in found["ran"].items()})


class Follower:
    """Follows functions and lines of `folder`, and by name the functions of emitted modules, which are copies of kernels."""

    def __init__(self, reach: Reach, folder: Path) -> None:
        self.reach, self.folder = reach, f"{folder}/"
        self.seen: set[str] = set()
        self.calls: dict[Any, int] = {}

    def begin(self) -> None:
        self.seen, self.calls = set(), {}
        threading.settrace(self._call)
        sys.settrace(self._call)

    def end(self, test: str, seconds: float) -> None:
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]
        self.reach.seconds[test] = seconds
        self.reach.ran[test] = sum(1 << self.reach.number(place) for place in self.seen)

    def _call(self, frame: Any, event: str, arg: Any) -> Any:
        code = frame.f_code
        calls = self.calls[code] = self.calls.get(code, 0) + 1
        if calls > OFTEN:
            return None
        path = code.co_filename
        if not path.startswith(self.folder):
            if calls == 1 and path.startswith("<"):
                self.seen.add(f"emitted:{code.co_name}")
            return None
        path = path[len(self.folder) :]
        if calls == 1:
            self.seen.add(f"{path}:{code.co_name}")
        seen = self.seen

        def line(frame: Any, event: str, arg: Any) -> Any:
            if event == "line":
                seen.add(f"{path}:{frame.f_lineno}")
            return line

        return line


class Mapping:
    """The plugin that follows each test."""

    def __init__(self, follower: Follower) -> None:
        self.follower = follower
        self.failed: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.follower.begin()
        began = time.perf_counter()
        try:
            return (yield)
        finally:
            self.follower.end(item.nodeid, time.perf_counter() - began)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)


def quietly(words: Sequence[str], *plugins: Any) -> int:
    """pytest in this process, without a word. Returns its exit status."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return int(pytest.main([*words, "-p", "no:cacheprovider"], plugins=list(plugins)))


def reach_of(work: Path) -> tuple[Reach, list[str]]:
    """What every test reaches, without a fault; and those that fail even so, which may not judge."""
    reach = Reach()
    follower = Follower(reach, work)
    mapping = Mapping(follower)
    quietly(TESTS, mapping)
    for test in mapping.failed:
        reach.ran.pop(test, None)
    from tests.differential.draw import drawn
    from tests.differential.judge import UnfitError, problem

    for seed in range(GRAPHS):
        case = drawn(seed)
        follower.begin()
        began = time.perf_counter()
        with contextlib.suppress(UnfitError):
            if problem(case):
                mapping.failed.append(f"graph {seed}")
        follower.end(f"graph {seed}", time.perf_counter() - began)
    return reach, mapping.failed


# A trial --------------------------------------------------------------------------------------------------------------


class Herald:
    """The plugin that says through a pipe which test begins, and which has failed."""

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe

    def say(self, text: str) -> None:
        os.write(self.pipe, f"{text}\n".encode())

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.say(f"begin {nodeid}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.say(f"failed {report.nodeid}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.say(f"failed {report.nodeid} (it cannot be read)")


def judge(order: Sequence[str], herald: Herald) -> None:
    """In a child: the tests in this order, graphs beside them in stretches, until one fails."""
    for kind, names in stretches(order):
        if kind == "graph":
            from tests.differential.draw import drawn
            from tests.differential.judge import UnfitError, problem

            for name in names:
                herald.say(f"begin {name}")
                with contextlib.suppress(UnfitError):
                    found = problem(drawn(int(name.split()[1])))
                    if found:
                        herald.say(f"failed {name}: {' '.join(found.split())[:60]}")
                        return
            continue
        status = quietly([*names, "-x"], herald)
        if status == 1:
            return  # the herald has said which
        if status:
            herald.say(f"broken pytest ends with {status} at {names[0]}")
            return
    herald.say("passed")


def stretches(order: Sequence[str], first: int = 40) -> Iterator[tuple[str, list[str]]]:
    """A few tests by pytest, a few graphs, the other tests, the other graphs: starting pytest takes longer than some graphs."""
    tests = [t for t in order if not t.startswith("graph ")]
    graphs = [t for t in order if t.startswith("graph ")]
    for at in (slice(first), slice(first, None)):
        for kind, names in (("test", tests[at]), ("graph", graphs[at])):
            if names:
                yield kind, names


def tried(order: Sequence[str], work: Path, expected: Callable[[str], float], most: float) -> tuple[str, str]:
    """(`caught`, by what), (`survived`, '') or (`unfinished`, the number of tests that passed in `most`
    seconds of the processor).

    Raises RuntimeError where the trial itself did not work, which says nothing of the fault.
    """
    if not order:
        return "survived", "no test runs its line"
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _become(work, writing, order)
    os.close(writing)
    passed, now, began, waiting = 0, "", (0.0, time.monotonic()), b""
    found = ("caught", "the process ends")
    os.set_blocking(reading, False)
    while True:
        time.sleep(0.02)
        try:
            data = os.read(reading, 1 << 16)
        except BlockingIOError:
            data = None  # type: ignore[assignment]
        if data == b"":
            break
        *lines, waiting = (waiting + (data or b"")).split(b"\n")
        for line in lines:
            word, _, rest = line.decode().partition(" ")
            if word == "begin":
                passed, now, began = passed + 1, rest, (spent(child), time.monotonic())
            elif word == "failed":
                found = ("caught", rest)
            elif word == "broken":
                found = ("broken", rest)
            elif word == "passed":
                found = ("survived", f"{len(order)} tests pass")
        if found[1] != "the process ends":
            break
        if spent(child) - began[0] > HANGS + 10 * expected(now) or time.monotonic() - began[1] > WAITS:
            found = ("caught", f"{now} does not end")
            break
        if spent(child) > most:
            found = ("unfinished", f"{passed} of {len(order)} tests pass in {most:.0f} s")
            break
    os.close(reading)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # and what its tests have started
    os.waitpid(child, 0)
    if found[0] == "broken":
        raise RuntimeError(found[1])
    return found


def spent(pid: int) -> float:
    """Seconds of the processor that a process of ours and its children have taken."""
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


def _become(work: Path, writing: int, order: Sequence[str]) -> None:
    """The child's life; it never returns."""
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        sys.dont_write_bytecode = True
        os.chdir(work)
        herald = Herald(writing)
        try:
            judge(order, herald)
        except BaseException as e:  # of the graphs; what a test raises is pytest's
            herald.say(f"failed with {type(e).__name__}: {' '.join(str(e).split())[:80]}")
    finally:
        os._exit(0)


def copy_of(root: Path, work: Path) -> None:
    """The repository without what no test here reads."""
    shutil.copytree(root, work, ignore=shutil.ignore_patterns(".*", "__pycache__", "runs", "_build"))
