"""How good a trained network is: loss, accuracy, top-k, confusion matrix. Every image counts exactly once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data import pipeline, views
from cnndsl.data.channels import check_dataset
from cnndsl.data.loader import Reader, skips
from cnndsl.data.records import Dataset, Part, check_some
from cnndsl.errors import CnnError, error
from cnndsl.graph.types import drawn
from cnndsl.language.spelling import listed
from cnndsl.language.view_sizes import misfits
from cnndsl.training.classes import class_count, class_names, fitted_data, label_shape
from cnndsl.training.judged import Telling, Weights, is_large, read_ahead, several
from cnndsl.training.records import Evaluation, OnJudged
from cnndsl.training.running import Running
from cnndsl.training.scores import input_shape, last, losses, scores_of, softmax
from cnndsl.training.viewed import Network
from cnndsl.training.viewed import scores as viewed

if TYPE_CHECKING:
    from cnndsl.language.model import Model
    from cnndsl.language.recipe import Eval

Array = NDArray[Any]
CHUNK = 256  # images prepared at a time


def evaluate(
    model: Model,
    weights: Weights | Sequence[Weights],
    dataset: Dataset,
    *,
    target: str = "numpy",
    threads: int | None = None,
    batch: int | None = None,
    part: str = "",
    recipe: str = "",
    workers: int | None = None,
    on_bad_image: str = "stop",
    on_event: OnJudged | None = None,
) -> Evaluation:
    """Loss (mean cross entropy), accuracy and confusion matrix of `model` on a part of `dataset`.

    part: `test`, `train`; empty: what is held back, or all where nothing is.

    weights: name → array, or a file; of several the probabilities are averaged (an ensemble).
    recipe: the name of an `eval` of the file; the unnamed one holds where there is one. batch: else the recipe's, else 64.
    workers: threads that read pictures ahead; None: one for each core. on_bad_image: `stop`, or `skip` for pictures that
    cannot be read. on_event: told how far it is, and of pictures that are skipped.
    Raises E423 for what the recipe asks for and cannot have, E703, E704 for a picture that cannot be read, E705 where there is
    no picture or the labels do not fit the model, E706 where the pictures do not.
    """
    running = Running(target, threads, workers, on_bad_image)
    found = scored(model, weights, dataset, running, batch=batch, part=part, recipe=recipe)
    pieces = found.pieces if on_event is None else _told(found, on_event)
    result = measured(pieces, found.labels, found.are_logits, found.tops)
    pixels, skipped = found.images.labels[0].size, tuple(found.skipped.values())
    return replace(result, count=result.count // pixels, views=found.views, skipped=skipped, pixels=pixels)


def _told(found: Scored, tell: OnJudged) -> Iterator[Piece]:
    """The pieces, each with a word of how far it is."""
    seen, told = 0, Telling(tell, len(found.images), found.skipped, found.views)
    told(seen)
    for piece in found.pieces:
        seen += len(piece.numbers)
        told(seen)
        yield piece
    told.skips()


@dataclass(frozen=True, slots=True)
class Piece:
    """What a network says of some images of a part.

    scores: (n, classes). truth: the true classes (n,); n is of pixels where these have classes. numbers: (images,), which
    images of the part they are: those that cannot be read are not among them.
    """

    scores: Array
    truth: Array
    numbers: Array


@dataclass(frozen=True)
class Scored:
    """What a network says of every image of a part that can be read, in its order.

    pieces: to be gone through once. tops: ks of top(k). images: the part. views: of each image. skipped: path → why, of
    pictures that could not be read, as far as the pieces have come.
    """

    pieces: Iterable[Piece]
    labels: tuple[str, ...]
    are_logits: bool
    tops: tuple[int, ...]
    images: Part
    views: int = 1
    skipped: Mapping[str, str] = field(default_factory=dict)


def scored(
    model: Model,
    weights: Weights | Sequence[Weights],
    dataset: Dataset,
    running: Running,
    *,
    batch: int | None = None,
    part: str = "",
    recipe: str = "",
) -> Scored:
    """The scores behind `evaluate`, which says what batch, part and recipe are, and raises the same."""
    from cnndsl.language.recipes import refuse
    from cnndsl.runtime.compile import compile
    from cnndsl.runtime.notes import read_notes

    skipping = skips(running.on_bad_image)
    skipped: dict[str, str] = {}
    how = model.evals.get(recipe)
    if how is None and recipe:
        known = ", ".join(filter(None, model.evals)) or "none"
        raise error("E423", f"{model.name} has no recipe eval {recipe}; named ones: {known}")
    scores, are_logits = scores_of(model)
    if how is not None:
        refuse(f"eval {recipe}".rstrip(), how.entries, how.spans)
        _check(model, how, label_shape(model, scores))
    usual = min(64, model.train.batch) if label_shape(model, scores) and model.train is not None else 64
    batch = batch or (how.entries.get("batch") if how is not None else None) or usual

    each = several(weights)
    notes = [() if isinstance(w, Mapping) else read_notes(w).classes for w in each]
    trained = notes[0]
    other = next((k for k, classes in enumerate(notes) if classes != trained), None)
    if other is not None:
        told = [f"{_file(each[k], k)} {listed(notes[k]) or 'classes without names'}" for k in (0, other)]
        raise error("E504", f"an ensemble is of networks for the same classes, these know others: {' and '.join(told)}")
    data = fitted_data(model, scores, dataset, trained)
    names = class_names(model, class_count(model, scores), trained, data.classes)
    check_dataset(data, input_shape(model))
    if part not in ("", "train", "test"):
        raise error("E705", f"{data.name} has no part {part}; parts: train, test")
    if part == "test" and data.test is None:
        raise error("E705", f"{data.name} holds no images back to test on", help='part="train" takes those to train on')
    images = data.test if part != "train" and data.test is not None else data.train
    check_some(images, data.name, "to train on" if images is data.train else "to test on")
    both = images.labels.shape[1:], label_shape(model, scores)
    if both[0] != both[1]:
        have, need = (f"for {drawn(x)} pixels of an image" if x else "for whole images" for x in both)
        raise error("E705", f"{data.name} has labels {have}, {model.name} gives classes {need}")
    tops = tops_of(how)
    if how is not None and ("views" in how.entries or "reduce" in how.entries):
        wrong = list(misfits(how, model.graph))
        if wrong:
            raise CnnError(wrong)
        seen = views.bind(how.entries.get("views", ()), model.preprocess)
        networks = [Network(model, w, input_shape(model), scores, seen.whole, batch, running) for w in each]
        reduce = how.entries.get("reduce", "mean")
        found = viewed(networks, seen, images, are_logits, reduce, running.workers, skipped if skipping else None)
        each_alone = (Piece(p[None], images.labels[i : i + 1], np.array([i])) for i, p in found)
        return Scored(each_alone, names, False, tops, images, seen.count, skipped)
    outputs = (scores,) if scores else ()
    runs = [compile(model, w, target=running.target, batch=batch, threads=running.threads, outputs=outputs) for w in each]
    run = runs[0] if len(runs) == 1 else together(runs, are_logits)
    are_logits = are_logits and len(runs) == 1
    steps, shape = pipeline.preprocessing(model.preprocess), input_shape(model)

    def pieces() -> Iterator[Piece]:
        with running.reader(steps, shape, skipped) as reader:
            yield from _scored(run, reader, images, batch if is_large(shape) else 0)

    return Scored(pieces(), names, are_logits, tops, images, 1, skipped)


def _file(weights: Weights, number: int) -> str:
    return f"weights {number + 1}" if isinstance(weights, Mapping) else f"{weights}"


def _check(model: Model, how: Eval, pixels: tuple[int, ...]) -> None:
    """Raises E423 for what an evaluation of classes cannot have."""
    for call in how.entries.get("metrics", ()):
        if call.name in ("psnr", "mse", "mae"):
            message = f"{call.name} compares numbers, and {model.name} tells classes apart"
            raise error("E423", message, call.span, help="there are accuracy, loss, confusion, top(5)")
    for key in ("views", "reduce"):
        if pixels and key in how.entries:
            raise error("E423", f"{key} are of whole pictures, and {model.name} gives classes of pixels", how.spans.get(key))


def together(runs: Sequence[Any], are_logits: bool) -> Any:
    """images → the mean of the networks' probabilities, (n, classes) float64."""

    def run(images: Array) -> Array:
        each = (np.asarray(last(r(images)), np.float64) for r in runs)
        found = (x.reshape(-1, x.shape[-1]) for x in each)
        return np.asarray(np.mean([softmax(x) if are_logits else x for x in found], axis=0))

    return run


def measure(
    run: Any, reader: Reader, part: Part, labels: tuple[str, ...], are_logits: bool, tops: Sequence[int] = ()
) -> Evaluation:
    """`run` (images → scores) over all of `part` that can be read, once. reader: with the steps of `preprocess`."""
    return measured(_scored(run, reader, part), labels, are_logits, tops)


def _scored(run: Any, reader: Reader, part: Part, chunk: int = 0) -> Iterator[Piece]:
    """Chunk by chunk."""
    for found, there in read_ahead(reader, part, chunk or (64 if is_large(reader.shape) else CHUNK)):
        if not there.any():
            continue
        images, truth = (found.images, found.labels) if there.all() else (found.images[there], found.labels[there])
        scores = np.asarray(last(run(images))).reshape(truth.size, -1)
        yield Piece(scores, truth.ravel(), found.samples if there.all() else found.samples[there])


def measured(scored: Iterable[Piece], labels: tuple[str, ...], are_logits: bool, tops: Sequence[int] = ()) -> Evaluation:
    """The numbers of what a network says, piece by piece. tops: ks of top(k)."""
    total, right, count = 0.0, 0, 0
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    within = dict.fromkeys(tops, 0)
    for piece in scored:
        truth = piece.truth
        total += float(losses(piece.scores, truth, are_logits).sum())
        scores = np.where(np.isnan(piece.scores), -np.inf, piece.scores)  # no number is no class's
        called = scores.argmax(axis=1)
        right += int((called == truth).sum())
        np.add.at(confusion, (truth, called), 1)
        own = scores[np.arange(len(truth)), truth]
        first = np.arange(scores.shape[1]) < truth[:, None]
        before = ((scores > own[:, None]) | ((scores == own[:, None]) & first)).sum(axis=1)  # called before the true one
        for k in within:
            within[k] += int((before < k).sum())
        count += len(truth)
    if not count:
        raise error("E703", "there is no picture that can be read")
    top = {k: n / count for k, n in within.items()}
    return Evaluation(total / count, right / count, confusion, labels, count, top)


def tops_of(how: Eval | None) -> tuple[int, ...]:
    """The ks of `metrics = [top(5), …]`."""
    calls = how.entries.get("metrics", ()) if how is not None else ()
    return tuple(int(c.args[0] if c.args else c.keys["count"]) for c in calls if c.name == "top")
