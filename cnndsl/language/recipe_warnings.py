"""Warnings of recipes: what is allowed, runs, and is most likely not what was meant (W411); what training lacks (W413).

They look at checked recipes, whether a file or a command says them, where the model's own warnings look at its text and graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cnndsl.errors import Diagnostic, Span, counted
from cnndsl.graph.graph import Graph
from cnndsl.graph.types import drawn
from cnndsl.language.commas import MEND as COMMA
from cnndsl.language.model import Model
from cnndsl.language.recipe import (
    Call,
    Eval,
    Exponential,
    LossTerm,
    Plateau,
    Preprocess,
    Sides,
    Step,
    Task,
    TrainRecipe,
    Warmup,
)
from cnndsl.language.spelling import listed

NEEDED = (
    ("loss", "a loss", "loss = cross_entropy(logits)"),
    ("optimizer", "an optimizer", "optimizer = sgd(rate = 0.05, momentum = 0.9)"),
    ("epochs", "how long to train", "epochs = 40"),
)
"""What has no value of its own where a recipe leaves it out: its key, what it is, and an example."""
NEEDED_BY_TASK = (
    ("loss", "a loss", "loss = mse(output, image)"),
    ("input", "an input", "input = noise(0..0.1)"),
    ("steps", "a number of steps", "steps = 2000"),
)
RESIZING = ("resize", "center_crop", "crop", "random_crop", "random_resized_crop", "pad")


def title(recipe: TrainRecipe) -> str:
    """`train`, `train long`: what a recipe is called."""
    return f"train {recipe.name}".rstrip()


def missing(recipe: TrainRecipe) -> frozenset[str]:
    """The keys of `NEEDED` that the recipe has no value for; `epochs` where it has no `steps` either."""
    there = {"loss": bool(recipe.loss), "optimizer": recipe.optimizer is not None,
             "epochs": recipe.epochs is not None or recipe.steps is not None}  # fmt: skip
    return frozenset(key for key, has in there.items() if not has)


def lacking(recipe: TrainRecipe, code: str = "W413", step: bool = False) -> Diagnostic | None:
    """What training would refuse the recipe for, None where it says all that training needs. step: one step is enough."""
    absent = missing(recipe) - ({"epochs"} if step else set())
    wanted = [(what, mend) for key, what, mend in NEEDED if key in absent]
    if not wanted:
        return None
    message = f"{title(recipe)} leaves out what training needs: {listed(what for what, _ in wanted)}"
    return Diagnostic(code, message, recipe.span, help="; ".join(mend for _, mend in wanted))


def lacking_task(task: Task, code: str = "W413") -> Diagnostic | None:
    """The same of a task, which is carried out on one picture."""
    wanted = [(what, mend) for key, what, mend in NEEDED_BY_TASK if key not in task.entries]
    if not wanted:
        return None
    message = f"{f'task {task.name}'.rstrip()} leaves out what it needs: {listed(what for what, _ in wanted)}"
    return Diagnostic(code, message, task.span, help="; ".join(mend for _, mend in wanted))


def incomplete(trains: Mapping[str, TrainRecipe]) -> Iterator[Diagnostic]:
    """W413 for each recipe that cannot be carried out as it stands, but where the unnamed one, which it builds on, says so."""
    told = missing(trains[""]) if "" in trains else frozenset()
    for name, recipe in trains.items():
        found = lacking(recipe)
        if found is not None and (not name or not missing(recipe) <= told):
            yield found


def doubts(model: Model, recipe: TrainRecipe | Eval | Task, pictures: tuple[int, int] | None = None) -> list[Diagnostic]:
    """W411 of the one recipe that a command carries out, with the entries that it sets. pictures: as in `of_train`."""
    commas = [d for d in model.warnings if (d.help or "").startswith(COMMA)]
    commas = [d for d in commas if any(_within(d.span, place) for place in recipe.spans.values())]
    if isinstance(recipe, Eval):
        return [*commas, *of_eval(recipe, model.graph)]
    if isinstance(recipe, Task):
        return [*commas, *of_task(recipe, commas)]
    return [*commas, *of_train(recipe, model.graph, model.preprocess, pictures, commas)]


def of_train(
    recipe: TrainRecipe,
    graph: Graph,
    preprocess: Preprocess | None = None,
    pictures: tuple[int, int] | None = None,
    known: Sequence[Diagnostic] = (),
) -> Iterator[Diagnostic]:
    """W411 for numbers that let nothing be learned, or too much. pictures: (height, width) of those that are trained on, where
    they are known. known: warnings that stand already; one about the same entry is not given twice."""
    shape = _shape(graph)
    found = [*_optimizer(recipe.optimizer, recipe.spans.get("optimizer", recipe.span)), *_schedule(recipe), *_loss(recipe.loss)]
    yield from _new([*found, *_cutouts(recipe.augment, preprocess, pictures, shape)], known)


def of_task(task: Task, known: Sequence[Diagnostic] = ()) -> Iterator[Diagnostic]:
    """The same of a task."""
    found = _optimizer(task.entries.get("optimizer"), task.spans.get("optimizer", task.span))
    yield from _new([*found, *_loss(task.entries.get("loss", ()))], known)


def _new(found: Sequence[Diagnostic], known: Sequence[Diagnostic]) -> Iterator[Diagnostic]:
    """What is not known: no warning of the same code stands within its place."""
    for d in found:
        if not any(k.code == d.code and _within(k.span, d.span) for k in known):
            yield d


def _within(inner: Span | None, outer: Span | None) -> bool:
    same = inner is not None and outer is not None and inner.source == outer.source
    return same and outer.start <= inner.start and inner.end <= outer.end  # type: ignore[union-attr]


def _entry(recipe: TrainRecipe, key: str, message: str, help: str | None = None) -> Diagnostic:
    return Diagnostic("W411", message, recipe.spans.get(key, recipe.span), help=help)


def _optimizer(optimizer: Any, place: Span | None) -> Iterator[Diagnostic]:
    if getattr(optimizer, "rate", None) == 0:
        yield Diagnostic("W411", "with a rate of 0 no weight changes", place, help="rate = 0.05")
    elif getattr(optimizer, "momentum", None) == 1:
        message = "with a momentum of 1 no gradient is ever forgotten: the steps only add up"
        yield Diagnostic("W411", message, place, help="momentum = 0.9")


def _schedule(recipe: TrainRecipe) -> Iterator[Diagnostic]:
    schedule, epochs = recipe.schedule, recipe.epochs
    if isinstance(schedule, Warmup):
        if epochs is not None and schedule.epochs >= epochs:
            yield long_warmup(recipe, f"has {counted(epochs, 'epoch')}")
        schedule = schedule.then
    if isinstance(schedule, Step) and list(schedule.at) != sorted(set(schedule.at)):
        twice = next((x for x in schedule.at if schedule.at.count(x) > 1), None)
        what = f"hold {twice} twice" if twice is not None else "do not ascend"
        right = ", ".join(map(str, sorted(set(schedule.at))))
        yield _entry(recipe, "schedule", f"the epochs of step {what}", f"at = [{right}]")
    if isinstance(schedule, Step | Exponential | Plateau) and schedule.factor == 0:
        yield _entry(
            recipe, "schedule", "with a factor of 0 the rate falls to 0, and no weight changes any more", "factor = 0.1"
        )


def long_warmup(recipe: TrainRecipe, length: str) -> Diagnostic:
    """W411: the rate rises until the end. length: what the training has, `has 3 epochs`."""
    message = f"the warm-up takes {recipe.schedule.epochs:g} epochs, and {title(recipe)} {length}: its rate only rises"
    return _entry(recipe, "schedule", message, "a shorter warm-up, or a longer training")


def _loss(terms: Sequence[LossTerm]) -> Iterator[Diagnostic]:
    for term in terms:
        name = term.call.name
        if term.weight < 0:
            message = f"{name} has a negative weight: training makes this loss as large as it can"
            yield Diagnostic("W411", message, term.call.span, help="losses are added: 0.3 * cross_entropy(aux)")
        elif term.weight == 0:
            message = f"{name} has a weight of 0, and counts for nothing"
            yield Diagnostic("W411", message, term.call.span, help="leave it out")


def _cutouts(
    augment: Sequence[Call], preprocess: Preprocess | None, pictures: tuple[int, int] | None, shape: tuple[int, int] | None
) -> Iterator[Diagnostic]:
    """For a cutout that is no smaller than the picture it is cut out of, as far as the size of that can be told."""
    after = preprocess.images if preprocess is not None else ()
    size = pictures
    if size is None and not any(call.name in RESIZING for call in [*augment, *after]):
        size = shape  # what the model takes is what the data have
    for call in augment:
        side: Any = next(iter([*call.args, *call.keys.values()]), None)
        if call.name in RESIZING:
            size = _resized(call.name, side, size)
        elif call.name == "cutout" and size is not None:
            high, wide = side if isinstance(side, tuple) else (side, side)
            if high >= size[0] and wide >= size[1]:
                message = f"a cutout of {high}x{wide} is no smaller than the pictures, which are {drawn(size)} here"
                yield Diagnostic("W411", message, call.span, help=f"cutout({max(1, min(size) // 4)})")


def _resized(name: str, side: Any, size: tuple[int, int] | None) -> tuple[int, int] | None:
    """The size of a picture after that step, None where it is drawn or depends on the picture."""
    if name == "pad":
        return None
    if isinstance(side, Sides):
        return side[0], side[1]
    if isinstance(side, int) and (name != "resize" or (size is not None and size[0] == size[1])):
        return side, side
    return None


def _shape(graph: Graph) -> tuple[int, int] | None:
    """(height, width) of the model's one picture input."""
    shapes = [x.type.shape[1:] for x in graph.inputs.values()]
    if len(shapes) != 1 or len(shapes[0]) != 3:
        return None
    high, wide, _ = shapes[0]
    return (high, wide) if isinstance(high, int) and isinstance(wide, int) else None


def of_eval(recipe: Eval, graph: Graph) -> Iterator[Diagnostic]:
    """W411 for `top(5)` of a model that tells five classes apart, or fewer."""
    output = graph.outputs.get("output")
    classes = output.type.channels if output is not None and output.type.rank >= 2 else None
    if not isinstance(classes, int):
        return
    for call in recipe.entries.get("metrics", ()):
        most = next(iter([*call.args, *call.keys.values()]), None)
        if call.name == "top" and isinstance(most, int) and most >= classes:
            message = f"top({most}) of {counted(classes, 'class')} is always 100 %"
            help = f"top({classes // 2})" if classes > 3 else "accuracy alone tells enough"
            yield Diagnostic("W411", message, call.span, help=help)
