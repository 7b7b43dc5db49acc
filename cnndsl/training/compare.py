"""How near what a network gives comes to what it is to give: the loss, and differences between numbers.

    mse = mean (y − t)²      mae = mean |y − t|      psnr = mean over pictures of 10 · log₁₀(1 / mse of one), y cut to 0 … 1

Where there is a mask, means are over what it shows, and a picture of which it shows nothing counts for the loss alone.
Every other picture counts exactly once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data import pipeline
from cnndsl.data.channels import check_dataset
from cnndsl.data.loader import Reader
from cnndsl.data.records import Dataset, Part, check_some
from cnndsl.errors import error
from cnndsl.graph.types import drawn
from cnndsl.language.recipes import refuse
from cnndsl.training.judged import Telling, Weights, is_large, read_ahead, several
from cnndsl.training.needs import Loss, Needs, check_part, given_of, needs_of
from cnndsl.training.records import Comparison, OnJudged
from cnndsl.training.scores import input_shape

if TYPE_CHECKING:
    from cnndsl.language.model import Model
    from cnndsl.language.recipe import Call

Array = NDArray[Any]
METRICS = ("mse", "mae", "psnr")
CHUNK = 64  # images at a time, fewer of large ones


def values_of(needs: Needs) -> tuple[str, ...]:
    """What a run must give: what the loss names, and the output."""
    return tuple(dict.fromkeys([*needs.values, "output"]))


def compare(
    run: Any, reader: Reader, part: Part, needs: Needs, loss: Loss, metrics: Sequence[str] = METRICS,
    tell: OnJudged | None = None,
) -> Comparison:  # fmt: skip
    """`run` (images → the arrays of `values_of`, in a tuple) over all of `part` that can be read, once.

    metrics: of `METRICS`; they are left out where there is nothing of the output's shape to compare it with (`_apart`), or
    where no mask shows anything.
    """
    total, count, shown = 0.0, 0, 0
    sums: dict[str, float] = {}
    for images, outs, given in _pieces(run, reader, part, needs, tell):
        n = len(images)
        total += loss(n, {**outs, **given}) * n
        count += n
        found = _differences(outs["output"], _truth(needs, images, given), given.get("mask"))
        shown += len(next(iter(found.values()), ()))
        for name, each in found.items():
            sums[name] = sums.get(name, 0.0) + float(each.sum())
    if not count:
        raise error("E703", "there is no picture that can be read")
    means = {m: sums[m] / shown for m in metrics if m in sums and shown}
    return Comparison(total / count, means, count, tuple(reader.skipped.values()))


def _pieces(
    run: Any, reader: Reader, part: Part, needs: Needs, tell: OnJudged | None
) -> Iterator[tuple[Array, dict[str, Array], dict[str, Array]]]:
    """(images, what the model gives, what the data give), chunk by chunk."""
    seen, told = 0, Telling(tell, len(part), reader.skipped)
    names = values_of(needs)
    for filling, there in read_ahead(reader, part, 8 if is_large(reader.shape) else CHUNK):
        told.skips()
        if not there.any():
            continue
        beside = {name: x[there] for name, x in filling.beside.items()}
        images = filling.images[there]
        found = run(images)
        outs = dict(zip(names, found if isinstance(found, tuple) else (found,), strict=True))
        seen += len(images)
        told(seen)
        yield images, outs, given_of(needs, images, filling.labels[there], beside)


def _apart(output: Sequence[object], truth: Sequence[object], mask: Sequence[object] | None) -> str:
    """What the output cannot be compared with number by number, `target` or `mask`; empty where it can."""
    if tuple(truth) != tuple(output):
        return "target"
    return "mask" if mask is not None and tuple(mask) != tuple(output) else ""


def _truth(needs: Needs, images: Array, given: Mapping[str, Array]) -> Array | None:
    """What the output is compared with: the target, else the picture where the loss names it."""
    if "target" in given:
        return given["target"]
    return images if needs.inputs or "image" in needs.data else None


def _differences(output: Array, truth: Array | None, mask: Array | None) -> dict[str, Array]:
    """Each metric of each picture of which the mask shows something, float64 (of so many,)."""
    if truth is None or _apart(output.shape, truth.shape, None if mask is None else mask.shape):
        return {}
    axes = tuple(range(1, output.ndim))
    share = np.ones(output.shape) if mask is None else mask.astype(np.float64)
    shows = share.sum(axes) > 0
    share = share[shows] / share[shows].sum(axes, keepdims=True)
    y, t = output[shows].astype(np.float64), truth[shows].astype(np.float64)
    found = {"mse": (share * (y - t) ** 2).sum(axes), "mae": (share * np.abs(y - t)).sum(axes)}
    if output.ndim == 4:
        with np.errstate(divide="ignore"):
            found["psnr"] = 10 * np.log10(1 / (share * (np.clip(y, 0, 1) - t) ** 2).sum(axes))
    return found


def evaluate_numbers(
    model: Model,
    weights: Weights | Sequence[Weights],
    dataset: Dataset,
    *,
    target: str = "numpy",
    threads: int | None = None,
    recipe: str = "",
    workers: int | None = None,
    on_bad_image: str = "stop",
    on_event: OnJudged | None = None,
) -> Comparison:
    """As `evaluate`, for a network whose recipe compares numbers: pictures it makes, vectors it gives.

    Of several weights the means of what the networks give are compared. Raises E423, E703 … E706 as `evaluate`.
    """
    from cnndsl.runtime.compile import compile

    if model.train is None:
        raise error("E423", f"{model.name} has no recipe: what its output is to be compared with is not said")
    how = model.evals.get(recipe)
    said = dict(how.entries) if how is not None else {}
    spans = how.spans if how is not None else {}
    refuse(f"eval {recipe}".rstrip(), said, spans)
    for key in ("views", "reduce"):
        if key in said:
            raise error("E423", f"{key} judge classes, and {model.name} gives numbers to compare", spans.get(key))
    wanted = [call for call in said.get("metrics", ()) if call.name != "loss"]
    for call in wanted:
        if call.name not in METRICS:
            message = f"{call.name} is of classes, and {model.name} gives numbers to compare"
            raise error("E423", message, call.span, help=f"there are {', '.join(METRICS)}")
    needs, shape = needs_of(model, model.train), input_shape(model)
    check_dataset(dataset, shape)
    part = dataset.test
    if part is None:
        raise error("E705", f"{dataset.name} holds no images back to test on")
    check_some(part, dataset.name, "to test on")
    check_part(needs, part, shape, dataset.name, model.train.spans.get("loss"))
    _check_metrics(wanted, model, needs)
    outputs, batch = values_of(needs), min(said.get("batch") or 64, len(part))
    runs = [compile(model, w, target=target, batch=batch, threads=threads, outputs=outputs) for w in several(weights)]
    steps = pipeline.preprocessing(model.preprocess)
    with Reader(steps, shape, workers, on_bad_image) as reader:
        metrics = tuple(call.name for call in wanted) or METRICS
        return compare(_mean(runs), reader, part, needs, Loss(model, model.train), metrics, on_event)


def _check_metrics(wanted: Sequence[Call], model: Model, needs: Needs) -> None:
    """Raises E423 for a metric that is asked for and has nothing to compare: without a word it would be missing."""
    output, image = model.graph.outputs["output"].type.shape[1:], input_shape(model)
    truth = needs.data.get("target", image if needs.inputs or "image" in needs.data else None)
    for call in wanted:
        what = "target" if truth is None else _apart(output, truth, needs.data.get("mask"))
        if what:
            other = truth if what == "target" else needs.data["mask"]
            has = f"the {what} is {drawn(other)}" if other is not None else "the loss takes no target"
            message = f"{call.name} compares the output, which is {drawn(output)}, and {has}"
        elif call.name == "psnr" and len(output) != 3:
            message = f"psnr is of pictures, and {model.name} gives {drawn(output)}"
        else:
            continue
        raise error("E423", message, call.span, help="leave it out: the loss is told all the same")


def _mean(runs: Sequence[Any]) -> Any:
    """images → what each run gives, averaged over the runs."""

    def run(images: Array) -> tuple[Array, ...]:
        found = [r(images) for r in runs]
        each = [x if isinstance(x, tuple) else (x,) for x in found]
        return tuple(np.mean(same, axis=0) for same in zip(*each, strict=True)) if len(each) > 1 else each[0]

    return run
