"""Threads: BLAS held to one for all programs of a process, and as many threads as the caller wants for any program."""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl.targets.numpy.frame.threads import BLAS, Blas, Crew
from tests.runtime.small_networks import plain, residual

found_blas = pytest.mark.skipif(not BLAS.find(), reason="no OpenBLAS whose threads can be set")


@pytest.fixture(autouse=True)
def _always_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regions of several workers however small the work."""
    monkeypatch.setattr("cnndsl.program.regions.FORK_SECONDS", 0)


@pytest.fixture
def three() -> Iterator[None]:
    """BLAS's own threads are 3, as a user may have set them."""
    before = BLAS.get()
    BLAS.set(3)
    yield
    BLAS.set(before)


def emitted(folder: Path, name: str, **options: Any) -> Any:
    """A file that `compile -o` would write, imported as a stranger would."""
    path = folder / f"{name}.py"
    path.write_text(cnndsl.compile(plain(), batch=4, **options).source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@found_blas
@pytest.mark.usefixtures("three")
def test_programs_that_overlap_leave_blas_as_it_was(tmp_path: Path) -> None:
    """The first to begin ends first: the second still has one thread, and after it there are three again."""
    nets = [emitted(tmp_path, f"net{k}", threads=1 + k).Network() for k in range(2)]
    inside, leave = [threading.Event() for _ in nets], [threading.Event() for _ in nets]

    def hold(k: int) -> None:
        nets[k].guarded(lambda net, a: (inside[k].set(), leave[k].wait(20)), None)

    callers = [threading.Thread(target=hold, args=(k,)) for k in range(2)]
    seen = []
    for k, caller in enumerate(callers):
        caller.start()
        assert inside[k].wait(20)
        seen.append(BLAS.get())
    for k, caller in enumerate(callers):
        leave[k].set()
        caller.join()
        seen.append(BLAS.get())
    assert seen == [1, 1, 1, 3]


@found_blas
@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(("workers", "threads"), [(1, None), (1, 1), (1, 4), (2, None), (4, 2)])
def test_blas_has_one_thread_in_every_program(tmp_path: Path, workers: int, threads: int | None) -> None:
    net = emitted(tmp_path, "net", threads=workers).Network(threads)
    seen: list[int] = []
    net.guarded(lambda net, a: seen.append(BLAS.get()), None)
    assert seen == [1] and BLAS.get() == 3


@pytest.mark.parametrize(
    ("core", "small"),
    [
        (b"SkylakeX", True),
        (b"Cooperlake", True),
        (b"SapphireRapids", True),
        (b"Haswell", False),
        (b"Zen", False),
        (None, False),
    ],
)
def test_small_products_are_known_by_the_core(core: bytes | None, small: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Said:
        def __call__(self) -> bytes | None:
            return core

    said = {f"scipy_openblas_{x}_num_threads64_": lambda *n: 4 for x in ("set", "get")}
    library = SimpleNamespace(**said, scipy_openblas_get_corename64_=Said())
    monkeypatch.setattr(ctypes, "CDLL", lambda path: library)
    monkeypatch.setattr(os, "register_at_fork", lambda **hooks: None)
    monkeypatch.setattr("builtins.open", lambda *a: _Lines(["7f00-7f01 r--p 0 0:0 1 /x/numpy.libs/libscipy_openblas64_.so\n"]))
    blas = Blas()
    assert blas.find() and blas.small is small and blas.core == (core or b"").decode()


class _Lines(list[str]):
    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@found_blas
@pytest.mark.usefixtures("three")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_forked_beside_a_run_has_its_own_count() -> None:
    """The thread that ran in the parent, and may have held the lock, is not there to leave."""
    BLAS.enter()
    try:
        with BLAS.lock:
            child = os.fork()
        if child == 0:
            threading.Timer(20, lambda: os._exit(3)).start()
            before = BLAS.get()
            BLAS.enter()
            inside = BLAS.get()
            BLAS.leave()
            os._exit(0 if (before, inside, BLAS.get()) == (3, 1, 3) else 1)
        _, status = os.waitpid(child, 0)
    finally:
        BLAS.leave()
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.parametrize(("threads", "shares"), [(2, 4), (3, 4), (2, 3), (4, 4), (4, 2)])
def test_a_crew_does_more_shares_than_it_has_threads(threads: int, shares: int) -> None:
    """On all of them: each waits for the others inside its first share."""
    crew, doers = Crew(threads), {}
    meet = threading.Barrier(min(threads, shares))

    def task(share: int) -> None:
        if threading.get_ident() not in doers.values():
            doers[share] = threading.get_ident()
            meet.wait(20)
        doers[share] = threading.get_ident()

    for _ in range(3):
        doers.clear()
        crew.run(task, shares)
        assert sorted(doers) == list(range(shares))
        assert len(set(doers.values())) == min(threads, shares)


def test_fewer_threads_than_workers_give_the_same_bits(tmp_path: Path) -> None:
    graph = residual()
    images = np.random.default_rng(0).standard_normal((9, *graph.inputs["image"].type.shape[1:])).astype(np.float32)
    run = cnndsl.compile(graph, graph.initial_weights(0), batch=8, threads=4)
    wanted = run(images)
    used: list[int] = []
    for threads in (None, 1, 2, 3, 4, 9):
        net = run.module.Network(threads).load(graph.initial_weights(0))
        whole, seen = net.crew.run, set()

        def counted(task: Any, shares: int, whole: Any = whole, seen: Any = seen) -> None:
            def told(share: int) -> None:
                seen.add(threading.get_ident())
                time.sleep(0.001)  # so that a thread that has waited comes to its turn
                task(share)

            whole(told, shares)

        net.crew.run = counted
        assert np.array_equal(net.run(images), wanted)
        used.append(len(seen))
    assert used == [4, 1, 2, 3, 4, 4]


def test_a_training_step_on_fewer_threads_gives_the_same_bits() -> None:
    graph = residual()
    rng = np.random.default_rng(0)
    images = rng.standard_normal((8, *graph.inputs["image"].type.shape[1:])).astype(np.float32)
    found = []
    for threads in (4, 3, 2, 1):
        step = cnndsl.compile_step(
            graph, graph.initial_weights(0), loss="cross_entropy(logits)", optimizer=cnndsl.sgd(rate=0.1), batch=8, threads=4
        )
        step.executable.network.crew.size = threads
        losses = [step(images, (np.arange(8) % 4).astype(np.int32)) for _ in range(3)]
        found.append((losses, {k: v.tobytes() for k, v in step.weights.items()}))
    assert all(x == found[0] for x in found[1:])


def test_what_goes_wrong_in_a_share_is_raised_after_all_have_ended() -> None:
    crew = Crew(3)
    for wrong in range(5):
        ended: list[int] = []

        def task(share: int, wrong: int = wrong, ended: list[int] = ended) -> None:
            try:
                if share == wrong:
                    raise ValueError(f"share {share}")
                time.sleep(0.005)
            finally:
                ended.append(share)

        with pytest.raises(ValueError, match=f"share {wrong}"):
            crew.run(task, 5)
        assert len(ended) >= 3
        done: list[int] = []
        crew.run(lambda share, done=done: done.append(share), 5)  # type: ignore[misc]
        assert sorted(done) == list(range(5))


def test_threads_end_with_their_network() -> None:
    """A thread that waits keeps nothing of the last run alive."""

    def mine() -> list[threading.Thread]:
        return [t for t in threading.enumerate() if t.name == "ending-1"]

    graph = plain()
    graph.name = "ending"
    run = cnndsl.compile(graph, graph.initial_weights(0), batch=4, threads=2)
    run(np.ones((4, 12, 12, 1), np.float32))
    (thread,) = mine()
    del run
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()
