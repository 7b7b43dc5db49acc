"""Training under blows: killed at any moment, a disk that is full at any write, threads that die, ten thousand steps."""

from __future__ import annotations

import builtins
import errno
import gc
import io
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cnndsl.data import pipeline
from cnndsl.errors import CnnError
from cnndsl.language.load import load_text
from cnndsl.training import checkpoint
from cnndsl.training.loop import train
from cnndsl.training.records import EpochDone, Stepped
from tests.conftest import pictures_left_out
from tests.training.test_loop import TEXT, stripes, weights_of

RECIPES = {
    "plateau, validation, augmentation": """
        optimizer = sgd(rate = 0.1, momentum = 0.9, nesterov = true, weight_decay = 1e-3)
        schedule  = plateau(factor = 0.5, patience = 1)
        validate  = 0.2
        augment   = affine(rotate = 10, shift = 1) -> flip -> cutout(2)
    """,
    "average, accumulation, clipping": """
        optimizer  = adam(rate = 0.01)
        accumulate = 4
        average    = ema(0.95)
        clip       = global_norm(1)
        schedule   = warmup(2) -> cosine
    """,
    "rmsprop, a frozen stem": """
        optimizer = rmsprop(rate = 0.01, decay = 0.9, eps = 1, momentum = 0.9)
        freeze    = [stem]
        clip      = value(0.5)
        schedule  = exponential(0.95)
        augment   = shift(1)
    """,
    "all at once": """
        optimizer  = adamw(rate = 0.01, weight_decay = 0.01, decay_on = weights)
        accumulate = 2
        average    = ema(0.9)
        schedule   = plateau(factor = 0.5, patience = 2)
        validate   = 0.2
        augment    = shift(2) -> flip
    """,
}


def text(recipe: str) -> str:
    """The small network of the other tests with another recipe."""
    head = TEXT.replace("relu\n", "relu as stem\n", 1).partition("    optimizer")[0]
    return f"{head}{RECIPES[recipe]}    batch = 16\n    epochs = 4\n}}\npreprocess {{ images = grey }}\n"


# Killed -------------------------------------------------------------------------------------------------------------------

CHILD = """
import sys
import time
sys.path.insert(0, {root!r})
from dataclasses import replace
from tests.training.test_endurance import EpochDone, load_text, stripes, text, train
model = load_text(text({recipe!r}))
print("ready", flush=True)
told = []
def tell(event):
    if {tells} and isinstance(event, EpochDone):
        print("epoch", flush=True)
        told.append(event)
        if len(told) == {tells} + 3:
            time.sleep(600)  # killed before it is done, however late the signal comes
how = replace(model.train, epochs={epochs})
train(model, how, stripes(), run_dir={run!r}, resume={resume}, workers={workers}, on_event=tell)
print("done", flush=True)
"""


def child(recipe: str, run: Path, resume: bool, epochs: int, tells: int = 0) -> subprocess.Popen[str]:
    root, workers = Path(__file__).parents[2], random.randint(1, 3)
    said = CHILD.format(root=str(root), recipe=recipe, run=str(run), resume=resume, epochs=epochs, workers=workers, tells=tells)
    environment = dict(os.environ, PYTHONHASHSEED=str(random.randrange(1000)))
    process = subprocess.Popen([sys.executable, "-c", said], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def whole_then_killed(tmp_path: Path, recipe: str, kills: int, epochs: int) -> None:
    """Kill a run at random moments, resume it each time, and compare its weights with those of an uncut run."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    began = time.perf_counter()
    process = child(recipe, whole, False, epochs)
    assert process.communicate(timeout=600)[0] == "done\n"
    lasted, killed, moments = time.perf_counter() - began, 0, random.Random(kills)
    while True:
        process = child(recipe, cut, bool(checkpoint.complete(cut)), epochs)
        if killed < kills:
            time.sleep(moments.uniform(0, 1.5 * lasted / kills))
            process.kill()
        if process.communicate(timeout=600)[0] == "done\n":
            break
        killed += 1
    assert killed >= kills // 2
    assert weights_of(cut) == weights_of(whole)


def test_killed_twice(tmp_path: Path) -> None:
    """A few moments after an epoch is told, however slow the machine is."""
    recipe, whole, cut = "all at once", tmp_path / "whole", tmp_path / "cut"
    assert child(recipe, whole, False, 16).communicate(timeout=600)[0] == "done\n"
    for after in (3, 4):
        process = child(recipe, cut, bool(checkpoint.complete(cut)), 16, tells=after)
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(after)] == ["epoch\n"] * after
        time.sleep(random.uniform(0, 0.1))
        process.kill()
        assert "done" not in process.communicate(timeout=600)[0]
    assert 5 <= len((cut / "log.csv").read_text().splitlines()) - 1 < 16
    assert child(recipe, cut, True, 16).communicate(timeout=600)[0] == "done\n"
    assert weights_of(cut) == weights_of(whole)


@pytest.mark.campaign
@pytest.mark.parametrize("recipe", RECIPES)
def test_killed_fifty_times(tmp_path: Path, recipe: str) -> None:
    """Two hundred kills in all."""
    whole_then_killed(tmp_path, recipe, 50, 300)


# A full disk --------------------------------------------------------------------------------------------------------------


class Disk:
    """Counts what asks the disk for room; from `full_at` on it has none. Below one folder only."""

    CALLS = ("mkdir", "rename", "replace", "fsync")

    def __init__(self, folder: Path, full_at: int | None = None) -> None:
        self.folder, self.full_at, self.count = str(folder), full_at, 0

    def ask(self) -> None:
        self.count += 1
        if self.full_at is not None and self.count > self.full_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def asking(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*args: Any, **kwargs: Any) -> Any:
            if isinstance(args[0], int) or str(args[0]).startswith(self.folder):
                self.ask()
            return call(*args, **kwargs)

        return asked

    def opening(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if not str(file).startswith(self.folder) or not set(mode) & set("wax+"):
                return call(file, mode, *args, **kwargs)
            self.ask()
            found = call(file, mode, *args, **kwargs)
            return Writing(found, self)

        return opened

    @contextmanager
    def in_use(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name in self.CALLS:
                patch.setattr(os, name, self.asking(getattr(os, name)))
            patch.setattr(io, "open", self.opening(io.open))
            patch.setattr(builtins, "open", io.open)
            yield


class Writing:
    """A file that asks the disk before each of its first writes: a drawn picture has thousands, which are all alike."""

    FIRST = 64

    def __init__(self, file: Any, disk: Disk) -> None:
        self.file, self.disk, self.count = file, disk, 0

    def write(self, data: Any) -> int:
        self.count += 1
        if self.count <= self.FIRST:
            self.disk.ask()
        return int(self.file.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> Writing:
        return self

    def __exit__(self, *failed: object) -> None:
        self.file.close()


def writes(folder: Path, full_at: int | None = None) -> tuple[Disk, CnnError | None]:
    """A whole training with that disk: what it asked for, and how it ended."""
    model, disk = load_text(text("all at once")), Disk(folder, full_at)
    try:
        with disk.in_use():
            train(model, replace(model.train, epochs=2), stripes(), run_dir=folder / "r")
    except CnnError as e:
        return disk, e
    return disk, None


def full_at_each(tmp_path: Path, every: int) -> None:
    """Of all that a training writes, each `every`-th finds a full disk, and all after it: one sentence, nothing lost."""
    model = load_text(text("all at once"))
    recipe = replace(model.train, epochs=2)
    disk, problem = writes(tmp_path / "whole")
    assert problem is None and disk.count > 60
    for n in range(0, disk.count, every):
        folder = tmp_path / str(n)
        _, problem = writes(folder, n)
        assert problem is not None, f"what was written as number {n} was lost without a word"
        assert problem.code == "E708", problem
        (only,) = problem.diagnostics
        assert "No space left on device" in only.message
        assert "\n" not in only.message
        run = folder / "r"
        saved = checkpoint.complete(run)
        assert not saved or str(saved[-1]) in str(only.notes)
        with pictures_left_out():
            train(model, recipe, stripes(), run_dir=run, resume=bool(saved))
        assert weights_of(run) == weights_of(tmp_path / "whole" / "r")
        assert not list(run.rglob(".*")), "something half written is left"


def test_a_disk_that_is_full_at_some_writes(tmp_path: Path) -> None:
    full_at_each(tmp_path, 61)


@pytest.mark.campaign
def test_a_disk_that_is_full_at_any_write(tmp_path: Path) -> None:
    full_at_each(tmp_path, 1)


# Threads that die ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "how", "code"),
    [
        ("a picture", MemoryError("no room"), "E723"),
        ("a picture", OSError(errno.EIO, os.strerror(errno.EIO)), "E703"),
        ("a thread", RuntimeError("can't start new thread"), "E723"),
    ],
    ids=["memory", "device", "threads"],
)
@pytest.mark.usefixtures("without_pictures")
def test_a_worker_that_dies_loses_nothing(tmp_path: Path, where: str, how: Exception, code: str) -> None:
    """In the third epoch, while pictures are made ready: one sentence, and all that was done is there."""
    model = load_text(TEXT)
    over: list[EpochDone] = []

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any) -> Any:
            if len(over) == 2:
                raise how
            return call(*args)

        return called

    def count(event: Any) -> None:
        if isinstance(event, EpochDone):
            over.append(event)

    with pytest.MonkeyPatch.context() as patch:
        home, name = (pipeline, "through") if where == "a picture" else (ThreadPoolExecutor, "submit")
        patch.setattr(home, name, dying(getattr(home, name)))
        with pytest.raises(CnnError) as caught:
            train(model, model.train, stripes(), run_dir=tmp_path / "r", on_event=count)
    assert caught.value.code == code
    assert len(caught.value.diagnostics) == 1
    assert train(model, model.train, stripes(), run_dir=tmp_path / "r", resume=True).steps == 16
    train(model, model.train, stripes(), run_dir=tmp_path / "whole")
    assert weights_of(tmp_path / "r") == weights_of(tmp_path / "whole")


# Ten thousand steps -------------------------------------------------------------------------------------------------------


def resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.campaign
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resident memory is read from /proc")
def test_ten_thousand_steps_take_no_memory(tmp_path: Path) -> None:
    """Between the 1,000th step and the 11,000th, with all that a recipe has: at most 1 MB."""
    model = load_text(text("all at once"))
    steps, sizes = 0, {}

    def look(event: Any) -> None:
        nonlocal steps
        if isinstance(event, Stepped):
            steps += 1
            if steps in (1_000, 11_000):
                gc.collect()
                sizes[steps] = resident()

    data = stripes()
    for name in ("first", "second"):  # what drawing needs is there from the second picture on: 3 MB, however many follow
        train(model, replace(model.train, steps=20), data, run_dir=tmp_path / name)
    many = replace(data, train=replace(data.train, images=data.train.images.repeat(60, 0), labels=data.train.labels.repeat(60)))
    train(model, replace(model.train, epochs=200, steps=11_200), many, run_dir=tmp_path / "r", on_event=look)
    print(f"1,000 steps: {sizes[1_000] / 2**20:.1f} MB, 11,000 steps: {sizes[11_000] / 2**20:.1f} MB")
    assert sizes[11_000] - sizes[1_000] <= 1 << 20
