"""Training by a recipe: epochs, validation, checkpoints, and a clean stop.

What a run does depends on the recipe, the data and the seed alone: the order of an epoch is a permutation keyed by
(seed, epoch), an image's augmentation is keyed by (seed, epoch, its number). So a run that was stopped or killed and
then resumed ends with the same bits as one that ran through.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from cnndsl.data import pipeline
from cnndsl.data.draws import permutation
from cnndsl.data.loader import Loader, Plan, Reader
from cnndsl.data.records import Dataset
from cnndsl.errors import Diagnostic, counted, error, printable
from cnndsl.language.recipe import Warmup
from cnndsl.language.recipe_warnings import long_warmup
from cnndsl.language.writing.recipe import train_lines
from cnndsl.regular import append, read_bounded
from cnndsl.training import checkpoint, origin, run_folder, schedules
from cnndsl.training.best import best, check_patience, waited
from cnndsl.training.checkpoint import Position
from cnndsl.training.compare import compare, values_of
from cnndsl.training.diagnose import not_finite, spoilt
from cnndsl.training.evaluate import measure
from cnndsl.training.finished import finished
from cnndsl.training.fitted import Fitted, fitted
from cnndsl.training.interrupts import Asked, interrupts
from cnndsl.training.live import Live
from cnndsl.training.needs import Loss, given_of
from cnndsl.training.recipes import check_precision, check_recipe
from cnndsl.training.records import (
    Comparison,
    EpochDone,
    Evaluation,
    OnEvent,
    Row,
    Skipped,
    Started,
    Stepped,
    Stopping,
    TrainResult,
)
from cnndsl.training.running import Running
from cnndsl.training.same_run import other_data, other_model, other_recipe, recipe_entries, to_resume, told
from cnndsl.training.settling import unsettled
from cnndsl.training.sound import follows
from cnndsl.training.starting import starting_weights
from cnndsl.training.step import compile_step
from cnndsl.training.validation import named_by
from cnndsl.whole import whole

if TYPE_CHECKING:
    from cnndsl.language.model import Model
    from cnndsl.language.recipe import TrainRecipe

Array = NDArray[Any]
LARGEST_LIST = 8 << 20
"""Bytes of a skipped.txt."""


def train(
    model: Model,
    recipe: TrainRecipe,
    dataset: Dataset,
    *,
    target: str = "numpy",
    threads: int | None = None,
    run_dir: str | Path | None = None,
    resume: bool = False,
    max_memory: int | str | None = None,
    workers: int | None = None,
    on_bad_image: str = "stop",
    weights: Mapping[str, Array] | str | Path | None = None,
    reset: Sequence[str] = (),
    gradient_norm: bool = False,
    validation: Dataset | None = None,
    patience: int | None = None,
    on_event: OnEvent | None = None,
) -> TrainResult:
    """Train `model` by `recipe` on `dataset`.

    run_dir: the run's own folder; None: a new `runs/<model>/<number>` or, to resume, the newest. resume: go on from its
    newest checkpoint. max_memory: what a step may need, as `2GB`. workers: threads that prepare pictures ahead of the
    step; None: one for each core. on_bad_image: `stop`, or `skip` for pictures that cannot be read. weights: what to
    begin with, but for the paths of `reset`, which are drawn. gradient_norm: log the gradient's length. validation: a data
    set to validate on, in place of what the recipe says. patience: end where the loss has not fallen for so many epochs,
    that of validation where its data are apart, else that of training. on_event: called with `Started`, `Stepped`,
    `Stretch`, `Skipped`, `EpochDone`, and from another thread with `Stopping`.
    The first Ctrl-C ends training after the step, saved (`TrainResult.stopped`); a second one ends it at once, where it is not
    being saved already.

    Raises E421–E424 (the recipe), E606 (patience), E703–E706 (the data), E707 (the loss is not finite), E708 (the disk),
    E709–E711.
    """
    check_recipe(recipe, model.graph)
    check_patience(patience)
    own = validation or named_by(recipe, on_bad_image != "skip")
    check_precision(recipe.precision, target, recipe.spans.get("precision"))
    fit, running = fitted(model, recipe, dataset, own), Running(target, threads, workers, on_bad_image)
    if resume:
        done = finished(_folder(model, run_dir, resume), model, recipe, fit)
        if done is not None:
            return done
    first = starting_weights(model, weights, reset, recipe.seed)
    run = _Run(model, recipe, fit, running, first, max_memory, gradient_norm, on_event or (lambda event: None))
    return run.go(_folder(model, run_dir, resume), resume, weights is None, patience)


def _folder(model: Model, run_dir: str | Path | None, resume: bool) -> Path:
    if run_dir is not None:
        path = Path(run_dir)
        run_folder.check(path)
        if resume and not path.is_dir():
            raise error("E709", f"there is no run {path} to resume")
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise error("E708", f"{path} cannot be written: {e.strerror}") from None
        if not resume and checkpoint.complete(path):
            raise error("E708", f"{path} holds a run already", help="go on with --resume, or name another folder")
        return path
    if not resume:
        return checkpoint.new_run(Path("runs"), model.name)
    return to_resume(model.name, origin.file_of(model.source.name), f"cnndsl train {model.name}")


class _Run:
    """One call of `train`: what does not change while it runs. first: the weights that it begins with."""

    def __init__(
        self,
        model: Model,
        recipe: TrainRecipe,
        fit: Fitted,
        running: Running,
        first: Mapping[str, Array],
        max_memory: int | str | None,
        norm: bool,
        tell: OnEvent,
    ) -> None:
        self.model, self.recipe, self.fit, self.running, self.tell = model, recipe, fit, running, tell
        self.scores, self.labels, self.apart = fit.scores, fit.labels, fit.apart
        # What tells the accuracy in training: the output itself where the loss takes it, which then costs nothing more.
        self.trained = fit.scores or ("output" if fit.labels and "output" in fit.needs.values else "")
        self.part, self.validation = fit.train, fit.validation
        self.input = next(iter(model.graph.inputs))
        self.batch = recipe.batch
        if len(self.part) < self.batch:
            message = f"a batch has {counted(self.batch, 'image')}, there are only {len(self.part)} to train on"
            raise error("E423", message, recipe.spans.get("batch", recipe.span), help=f"batch = {len(self.part)}, or fewer")
        self.per_epoch = len(self.part) // self.batch
        self.steps = recipe.steps if recipe.steps is not None else (recipe.epochs or 1) * self.per_epoch
        self.epochs = math.ceil(self.steps / self.per_epoch)
        self.augment = pipeline.bind(recipe.augment, "augment", random=True)
        self.preprocess = pipeline.preprocessing(model.preprocess)
        self.entries = recipe_entries(recipe)
        self.skipped: dict[str, str] = {}
        self.listed: set[str] = set()  # in skipped.txt, by an earlier part of the run
        self.data = told(fit.name, self.part, self.apart, self.validation if self.apart else None)
        with self._reader(augmented=True) as reader:  # bad pictures and steps are found before anything is compiled
            reader.begin(self.part, self._order(0)[: self.batch], recipe.seed).wait()
        self.step = compile_step(
            model, first, recipe=recipe, batch=self.batch, target=running.target,
            threads=running.threads, seed=recipe.seed, outputs=(self.trained,) if self.trained else (),
            max_memory=max_memory, norm=norm,
        )  # fmt: skip
        self.judge = self._judge() if self.validation is not None else None

    def _reader(self, augmented: bool) -> Reader:
        steps = (*self.augment, *self.preprocess) if augmented else self.preprocess
        return self.running.reader(steps, self.fit.shape)

    def _judge(self) -> Any:
        """The second executable: inference, for validation on the same state."""
        from cnndsl.runtime.compile import compile

        most = 64 if self.fit.needs.kind == "classes" else self.batch // self.recipe.accumulate  # whose memory is there
        batch = min(most, len(self.validation)) if self.validation is not None else 1
        named = (self.scores,) if self.scores else ()
        outputs = values_of(self.fit.needs) if self.fit.needs.kind == "numbers" else named
        target, threads = self.running.target, self.running.threads
        return compile(self.model, self.step.weights, target=target, batch=batch, threads=threads, outputs=outputs)

    def go(self, run_dir: Path, resume: bool, anew: bool, patience: int | None) -> TrainResult:
        """anew: every statistic begins where an untrained network has it."""
        at = Position(0, self.entries, self.data)
        if resume:
            at, self.listed = self._resumed(run_dir), _lines(run_dir / "skipped.txt")
        begun = at.step
        if begun >= self.steps:
            weights = self._leave(run_dir, at, self._live(run_dir, at), self.steps)
            return TrainResult(run_dir, weights, tuple(at.history), begun, begun=begun, steps_per_epoch=self.per_epoch)
        self.tell(Started(self.model.name, run_dir, self.epochs, self.per_epoch, self.batch, len(self.part),
                          len(self.validation) if self.validation is not None else 0, at.step if resume else None,
                          self.apart, tuple(self._warnings(anew and not resume)), self.recipe.steps))  # fmt: skip
        if not resume:
            self._describe(run_dir)
            checkpoint.save(run_dir, at, self.step.kept)
        plan = Plan(self.part, self.batch, self.per_epoch, self.steps, self.recipe.seed, self._order)
        live = self._live(run_dir, at)
        with interrupts(lambda: self.tell(Stopping())) as asked:
            with self._reader(augmented=True) as reader:
                loader = Loader(reader, plan)
                began = time.perf_counter() - at.seconds
                while at.step < self.steps and not asked.is_set() and not self._enough(at, patience):
                    at = self._epoch(at, run_dir, began, asked, loader, live)
            asked.saving = True
            live.write()
            enough = at.step < self.steps and self._enough(at, patience)
            weights = self._leave(run_dir, at, live, at.step if enough else self.steps)
        return TrainResult(run_dir, weights, tuple(at.history), at.step, at.step < self.steps and not enough,
                           tuple(self.skipped.values()), begun, patience if enough else None, self.per_epoch)  # fmt: skip

    def _warnings(self, anew: bool) -> Iterator[Diagnostic]:
        """What only the number of steps tells. anew: every statistic begins where an untrained network has it."""
        found = unsettled(self.model.graph, self.steps) if anew else None
        if found is not None:
            yield found
        schedule = self.recipe.schedule
        if self.recipe.steps is not None and isinstance(schedule, Warmup) and schedule.epochs * self.per_epoch >= self.steps:
            yield long_warmup(self.recipe, f"makes {counted(self.steps, 'step')} of {self.per_epoch:,} an epoch")

    def _enough(self, at: Position, patience: int | None) -> bool:
        """Whether the loss has not fallen for `patience` epochs; never within one."""
        return patience is not None and at.step % self.per_epoch == 0 and waited(self._losses(at.history)) >= patience

    def _live(self, run_dir: Path, at: Position) -> Live:
        title = f"{self.model.name} on {self.data.split(':')[0]}"
        return Live(run_dir, title, self.steps, self.per_epoch, at, self.tell)

    def _epoch(self, at: Position, run_dir: Path, began: float, asked: Asked, loader: Loader, live: Live) -> Position:
        """From `at` to the end of its epoch, or to a stop; ends with a checkpoint."""
        epoch = at.step // self.per_epoch
        last = min((epoch + 1) * self.per_epoch, self.steps)
        first, started = at.step, time.perf_counter()
        loss, right, seen, rate, norms, measured = at.loss, at.right, at.seen, 0.0, at.norms, at.measured
        step = at.step
        while step < last and not asked.is_set():
            images, labels = loader.take(step)
            self._skipped(loader.reader, epoch, run_dir)
            rate = self._rate(step, at.history)
            given = {self.input: images, **given_of(self.fit.needs, images, labels, loader.beside)}
            value, scores = self.step.run(given, None, rate)
            if not math.isfinite(value):
                live.write()  # how it came to that
                raise not_finite(self.step, given, step + 1, epoch + 1, value, run_dir)
            step += 1
            loss += value * len(labels)
            seen += len(labels)
            hits = _hits(scores, labels) if scores is not None else None
            right += hits or 0
            length = self.step.gradient_norm
            norms, measured = norms + (length or 0.0), measured + (length is not None)
            each = (time.perf_counter() - started) / (step - first)
            accuracy = right / seen if scores is not None else None
            self.tell(Stepped(epoch + 1, self.epochs, step - epoch * self.per_epoch, last - epoch * self.per_epoch, loss / seen,
                              accuracy, self.batch / each, each * (self.steps - step)))  # fmt: skip
            live.step(step, rate, value, hits, len(labels), length)
        at = replace(
            at,
            step=step,
            loss=loss,
            right=right,
            seen=seen,
            norms=norms,
            measured=measured,
            seconds=time.perf_counter() - began,
        )
        broken = spoilt(self.step.kept, step, epoch + 1)
        if broken is not None:
            raise broken
        if step < last:  # asked to stop
            asked.saving = True
            checkpoint.save(run_dir, at, self.step.kept)
            return at
        judged = self._judged(epoch, run_dir)
        row = Row(
            epoch + 1,
            step,
            rate,
            loss / seen,
            accuracy=right / seen if self.trained else None,
            validation_loss=judged.loss if judged else None,
            validation_accuracy=judged.accuracy if isinstance(judged, Evaluation) else None,
            seconds=time.perf_counter() - began,
            gradient_norm=norms / measured if measured else None,
        )
        at = replace(at, loss=0.0, right=0, seen=0, norms=0.0, measured=0, seconds=row.seconds, history=(*at.history, row))
        if best(at.history) is row:  # before the checkpoint, after which nothing would make it again
            self._write(run_dir / "best.safetensors", step, step, run_dir)
        checkpoint.save(run_dir, at, self.step.kept)
        live.epoch(at.history)
        self.tell(EpochDone(row, self.epochs))
        return at

    def _order(self, epoch: int) -> Array:
        return permutation(self.recipe.seed, epoch, "shuffle", len(self.part))

    def _skipped(self, reader: Reader, epoch: int, run_dir: Path) -> None:
        """Tell of pictures that could not be read, each once, and keep their names in the run's folder."""
        for name, why in [x for x in reader.skipped.items() if x[0] not in self.skipped]:
            self.skipped[name] = why
            self.tell(Skipped(epoch + 1, name, why, len(self.skipped)))
            if printable(why) in self.listed:
                continue
            try:
                append(run_dir / "skipped.txt", f"{printable(why)}\n")
            except OSError as e:
                raise checkpoint.unwritable(run_dir / "skipped.txt", e, run_dir) from None

    def _losses(self, history: Sequence[Row]) -> list[float]:
        """What a plateau and patience are judged by: validation data held apart from training; without them the training
        loss, not the test part, which must not steer."""
        apart = self.apart or self.recipe.validate is not None
        return [row.validation_loss if apart and row.validation_loss is not None else row.loss for row in history]

    def _rate(self, step: int, history: Sequence[Row]) -> float:
        at = schedules.Position(step, self.steps, self.per_epoch, self._losses(history))
        return schedules.rate_at(self.recipe.schedule, self.recipe.optimizer.rate, at)

    def _judged(self, epoch: int, run_dir: Path) -> Evaluation | Comparison | None:
        if self.validation is None or self.judge is None:
            return None
        self.judge.load(self.step.averaged)
        found: Evaluation | Comparison
        with self._reader(augmented=False) as reader:
            if self.fit.needs.kind == "numbers":
                found = compare(self.judge, reader, self.validation, self.fit.needs, Loss(self.model, self.recipe))
            else:
                found = measure(self.judge, reader, self.validation, self.labels, self.fit.are_logits)
            self._skipped(reader, epoch, run_dir)
        return found

    def _resumed(self, run_dir: Path) -> Position:
        at, state = checkpoint.load(run_dir)
        other = other_recipe(run_dir, at.recipe, self.recipe) or other_data(run_dir, at.data, self.data)
        if other is not None:
            raise other
        checkpoint.fitting(state, self.step.kept, run_dir, self.model.name)
        other = other_model(run_dir, self.model)
        if other is not None:
            raise other
        if not follows(at, self.per_epoch, self.batch):
            where = checkpoint.complete(run_dir)[-1] / "checkpoint.json"
            raise error("E710", f"{where} cannot be read: its epochs and sums are not those of a run at step {at.step:,}")
        self.step.restore(state)
        return replace(at, recipe=self.entries)

    def _describe(self, run_dir: Path) -> None:
        text = "\n".join([f"# {self.model.name} on {printable(self.data)}", *train_lines(self.recipe)])
        try:
            with whole(run_dir / "recipe.txt", follow=False) as aside:
                aside.write_text(f"{text}\n", encoding="utf-8", errors="backslashreplace")
            origin.keep(run_dir, self.model)
        except OSError as e:
            raise checkpoint.unwritable(run_dir / "recipe.txt", e, run_dir) from None

    def _leave(self, run_dir: Path, at: Position, live: Live, steps: int) -> dict[str, Array]:
        """Write the weights, which it gives back, and the pictures of the curves. steps: with which they are finished."""
        weights = self._write(run_dir / "weights.safetensors", at.step, max(at.step, steps), run_dir)
        live.draw()
        return weights

    def _write(self, path: Path, step: int, steps: int, run_dir: Path) -> dict[str, Array]:
        """The weights as they are, averaged where the recipe says so."""
        from cnndsl.runtime.notes import Notes
        from cnndsl.runtime.safetensors import write_weights

        weights = self.step.averaged
        try:
            write_weights(path, weights, Notes(self.labels, step, steps).as_metadata(), follow=False)
        except OSError as e:
            raise checkpoint.unwritable(path, e, run_dir) from None
        return weights


def _lines(path: Path) -> set[str]:
    """The lines of a list of names; none where there is no such file, or one too large."""
    try:
        return set(read_bounded(path, LARGEST_LIST).decode("utf-8", "replace").splitlines())
    except OSError:
        return set()


def _hits(scores: Array, labels: Array) -> float:
    """How many images are called rightly; where pixels have classes, each image counts by its share of pixels."""
    right = int((scores.reshape(labels.size, -1).argmax(axis=1) == labels.ravel()).sum())
    return right if labels.ndim == 1 else right / labels[0].size
