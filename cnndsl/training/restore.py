"""Deep image prior: a network fitted to one spoilt picture, whose structure makes it mend before it spoils again.

Ulyanov, Vedaldi, Lempitsky, "Deep Image Prior", 2018. The network's input is noise (or a mesh grid) that stays, with
fresh noise of deviation `jitter` added at each step; what is given back is the moving average of its outputs (`average`).
The picture is reflected at its lower and right borders up to the sizes that the network can take.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data.photograph import psnr
from cnndsl.errors import CnnError, counted, error
from cnndsl.graph.sizes import Affine
from cnndsl.language.losses import names_of
from cnndsl.language.recipe import Adam, Call, LossTerm, TrainRecipe
from cnndsl.language.recipe_warnings import lacking_task
from cnndsl.language.recipes import refuse
from cnndsl.training import schedules
from cnndsl.training.best import check_patience
from cnndsl.training.interrupts import interrupts
from cnndsl.training.optimizers import decay_of
from cnndsl.training.records import Stopping
from cnndsl.training.step import compile_step

if TYPE_CHECKING:
    from cnndsl.language.model import Model
    from cnndsl.language.recipe import Task

Array = NDArray[np.float32]
SMOOTH = 0.99
"""Of the loss that decides when to stop."""


@dataclass(frozen=True)
class Fitted:
    """Where a restoration stands after `step` steps. loss: smoothed; psnr: of the average to the truth, in dB, where one is
    given; picture: the average so far, (H, W, C)."""

    step: int
    steps: int
    loss: float
    psnr: float | None
    seconds: float
    picture: Array


@dataclass(frozen=True)
class Restored:
    """picture (H, W, C) float32 in [0, 1]; course: one entry each `every` steps; why: what ended it."""

    picture: Array
    course: tuple[Fitted, ...]
    steps: int
    why: str


OnFitted = Callable[[Fitted | Stopping], None]


def restore(
    model: Model,
    task: Task,
    picture: Array,
    *,
    mask: Array | None = None,
    truth: Array | None = None,
    factor: int | None = None,
    patience: int | None = None,
    every: int = 100,
    target: str = "numpy",
    threads: int | None = None,
    on_event: OnFitted | None = None,
) -> Restored:
    """Carry out `task` of `model` on `picture`, (H, W, 1 or 3) in [0, 1].

    mask (H, W, 1), 1 where the picture is known, for a loss that names `mask`. factor: how many times smaller the picture
    is than the result, in place of the task's. truth: what the result is measured against. patience: end where the
    smoothed loss has not fallen for so many steps. The first Ctrl-C ends it after the step, which `on_event` is told from
    another thread (`Stopping`), a second one at once. Raises E423, E424, E606, E706, E707.
    """
    check_patience(patience)
    refuse(f"task {task.name}".rstrip(), task.entries, task.spans)
    fit = _Fit(model, task, picture, mask, factor, target, threads)
    return fit.go(truth, patience, max(1, every), on_event or (lambda event: None))


def shrinks(task: Task) -> int | None:
    """By how much the loss of a task makes the output smaller before it compares: 4 of `downsample(output, 4, lanczos)`."""
    for term in task.entries.get("loss", ()):
        call = _downsampled(term)
        if call is not None:
            found = call.args[1] if len(call.args) > 1 else call.keys.get("factor")
            return found if isinstance(found, int) else None
    return None


def _downsampled(term: LossTerm) -> Call | None:
    """`downsample(output, 4, lanczos)`, where that is what a loss compares."""
    call = term.call.args[0] if term.call.args else None
    return call if isinstance(call, Call) and call.name == "downsample" else None


def wants_mask(task: Task) -> bool:
    return any("mask" in names_of(term.call) for term in task.entries.get("loss", ()))


class _Fit:
    """A task on a picture: what does not change from step to step."""

    def __init__(
        self, model: Model, task: Task, picture: Array, mask: Array | None, factor: int | None, target: str, threads: int | None
    ) -> None:
        said = task.entries
        self.task, self.shape = task, picture.shape
        short = lacking_task(task, "E423")
        if short is not None:
            raise CnnError(short)
        if wants_mask(task) != (mask is not None):
            why = "needs a mask" if mask is None else "takes no mask"
            raise error("E423", f"task {task.name} {why}: its loss is held to {'one' if mask is None else 'every pixel'}",
                        task.spans.get("loss", task.span))  # fmt: skip
        self.terms, self.factor = _with_factor(task, factor)
        self.name, sizes = _sizes(model, picture.shape, self.factor)
        self.steps, self.seed = int(said["steps"]), int(said.get("seed", 0))
        self.schedule = said.get("schedule")
        self.jitter = float(said.get("jitter", 0.0))
        self.average = decay_of(said["average"]) if "average" in said else 0.0
        recipe = TrainRecipe(
            loss=self.terms, optimizer=said.get("optimizer", Adam(rate=0.01)), clip=said.get("clip"), spans=task.spans,
            precision=said.get("precision"),
        )  # fmt: skip
        self.rate = float(recipe.optimizer.rate)
        try:
            self.step = compile_step(
                model, model.initial_weights(self.seed), recipe=recipe, batch=1, target=target, threads=threads, seed=self.seed,
                outputs=("output",), sizes=sizes,
            )  # fmt: skip
        except CnnError as e:
            (d, *_) = e.diagnostics
            if not sizes or d.code != "E307":
                raise
            size = f"{picture.shape[1]} x {picture.shape[0]} pixels"
            raise error("E706", f"{model.name} takes no picture as small as {size}: {d.message}") from None
        wanted = self.step.graph.inputs
        if "image" not in wanted:
            raise error("E423", f"the loss of task {task.name} names no image", task.spans.get("loss", task.span))
        self.given = {"image": _padded(picture, wanted["image"].type.sizes[1:])[None]}
        if mask is not None:
            self.given["mask"] = _padded(mask, wanted["mask"].type.sizes[1:])[None]
        self.still = self._input(wanted[self.name].type.sizes)

    def _input(self, shape: tuple[int, ...]) -> Array:
        """What the network is given, without the noise of a step."""
        from cnndsl.random import stream_of, uniform, words

        word = self.task.entries["input"]
        word = word[0] if isinstance(word, tuple) else word
        if word.name == "noise":
            amount = word.args[0] if word.args else word.keys["amount"]
            low, high = getattr(amount, "low", 0.0), getattr(amount, "high", amount)
            u = uniform(np, words(np, self.seed, 0, stream_of("task.input"), 0, math.prod(shape)))
            return (low + (high - low) * u).astype(np.float32).reshape(shape)
        rows, columns, depth = shape[1:]
        if depth != 2:
            message = f"meshgrid makes 2 channels, and {self.name} has {depth}"
            raise error("E424", message, self.task.spans.get("input"), help="give the model an input of depth 2")
        grid = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
        return np.stack(grid, axis=2).astype(np.float32)[None]

    def _fresh(self, step: int) -> Array:
        """The input of one step: noise keyed by the seed and the step."""
        if not self.jitter:
            return self.still
        from cnndsl.random import normal, stream_of

        count = self.still.size
        z = normal(np, self.seed, step, stream_of("task.jitter"), count + count % 2)[:count]
        return self.still + (self.jitter * z).astype(np.float32).reshape(self.still.shape)

    def go(self, truth: Array | None, patience: int | None, every: int, tell: OnFitted) -> Restored:
        course: list[Fitted] = []
        mean = np.zeros(1, np.float64)
        smooth, best, since, step, why = 0.0, math.inf, 0, 0, "the steps asked for are done"
        began = time.perf_counter()
        with interrupts(lambda: tell(Stopping())) as asked:
            while step < self.steps:
                at = schedules.Position(step, self.steps, 1)
                value, out = self.step.run(self.given | {self.name: self._fresh(step)}, None,
                                           schedules.rate_at(self.schedule, self.rate, at))  # fmt: skip
                if not math.isfinite(value) or out is None:
                    raise error("E707", f"the loss is {value} at step {step + 1}", help="take a smaller rate: task.optimizer=…")
                step += 1
                mean = self.average * mean + (1 - self.average) * out[0]
                smooth = SMOOTH * smooth + (1 - SMOOTH) * value
                loss = smooth / (1 - SMOOTH**step)
                since, best = (0, loss) if loss < best else (since + 1, best)
                ends = asked.is_set() or step == self.steps or (patience is not None and since >= patience)
                if ends or step % every == 0 or step == 1:
                    picture = self._cut(mean / (1 - self.average**step))
                    quality = psnr(picture, truth) if truth is not None else None
                    course.append(Fitted(step, self.steps, loss, quality, time.perf_counter() - began, picture))
                    tell(course[-1])
                if ends:
                    if asked.is_set():
                        why = "stopped"
                    elif step < self.steps:
                        why = f"the smoothed loss has not fallen for {counted(since, 'step')}"
                    break
        return Restored(course[-1].picture, tuple(course), step, why)

    def _cut(self, out: Any) -> Array:
        """The network's output without what was reflected, in the picture's channels."""
        height, width = (n * (self.factor or 1) for n in self.shape[:2])
        cut = out[:height, :width]
        cut = cut.mean(axis=2, keepdims=True) if self.shape[2] == 1 else cut
        return np.clip(cut, 0, 1).astype(np.float32)


def _with_factor(task: Task, factor: int | None) -> tuple[tuple[LossTerm, ...], int | None]:
    """The loss with another factor, and the factor that holds."""
    terms: tuple[LossTerm, ...] = task.entries["loss"]
    own = shrinks(task)
    if factor is None or factor == own:
        return terms, own
    if own is None:
        raise error("E423", f"task {task.name} makes nothing larger, so there is no factor", task.spans.get("loss", task.span))
    if factor < 1:
        raise error("E423", f"a factor is a whole number from 1, not {factor}")
    found = []
    for term in terms:
        call = _downsampled(term)
        if call is not None:
            keys = {k: v for k, v in call.keys.items() if k != "factor"}
            call = replace(call, args=(call.args[0], factor, *call.args[2:]), keys=keys)
            term = replace(term, call=replace(term.call, args=(call, *term.call.args[1:])))
        found.append(term)
    return tuple(found), factor


def _sizes(model: Model, shape: Sequence[int], factor: int | None) -> tuple[str, dict[str, int]]:
    """The model's one input, and sizes for its symbols: the least that hold the picture, `factor` times larger."""
    inputs = model.graph.inputs
    if len(inputs) != 1:
        raise error("E423", f"{model.name} has {counted(len(inputs), 'input')}; a task fits a network of one")
    name, value = next(iter(inputs.items()))
    sizes: dict[str, int] = {}
    if len(value.type.shape) != 4:
        raise error("E423", f"{model.name}: its input {name} is no stack of planes, H x W x depth")
    for pixels, size in zip(shape[:2], value.type.shape[1:3], strict=True):
        wanted = pixels * (factor or 1)
        if isinstance(size, Affine):
            symbol, divisor = size.terms[0][0].partition("/")[0], sum(c for _, c in size.terms)
            together = math.lcm(divisor, factor or 1)
            least = -(-(wanted - size.const) // together) * together + size.const
            if sizes.get(symbol, least) != least:
                raise error("E706", f"{model.name} takes square pictures only, and this one is {shape[1]} x {shape[0]}")
            sizes[symbol] = least
        elif wanted > int(size):
            raise error("E706", f"{model.name} takes pictures of at most {size} pixels a side, and this one has {wanted}")
    return name, sizes


def _padded(x: Array, shape: Sequence[int]) -> Array:
    """`x` reflected at its lower and right borders up to `shape`, in as many channels."""
    amount = [(0, n - m) for m, n in zip(x.shape[:2], shape[:2], strict=True)]
    x = np.pad(x, (*amount, (0, 0)), mode="symmetric")
    return np.ascontiguousarray(np.broadcast_to(x, (*x.shape[:2], shape[2])) if x.shape[2] == 1 else x)
