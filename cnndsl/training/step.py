"""One training step: forward, loss, gradients and update as one graph, and as something to call.

    model ─ specialise ─ batch statistics, dropout ─ loss ─ gradients ─ clipping ─ optimiser ─ average ─ gate

The gate: `apply = isfinite(loss)`; every update is `select(apply, new, old)`, the step counter's and the running
statistics' too, so that a NaN is found before it has spoilt anything.

A step in k parts (`accumulate = k`) runs the same graph k times, on a k-th of the batch each: loss and gradients are
summed over the parts (`passes.parts`), the rest is computed from the sums, and the gate opens in the last part only.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.autodiff import differentiate
from cnndsl.errors import counted, error
from cnndsl.graph.graph import INPUT, Graph, Origin, Value
from cnndsl.graph.types import TensorType, drawn
from cnndsl.language.frozen import frozen
from cnndsl.language.loss_graph import add_loss, named
from cnndsl.language.recipe import Sgd, TrainRecipe
from cnndsl.language.recipes import check_parts
from cnndsl.passes.parts import PART, part_input, summed
from cnndsl.runtime.executable import how
from cnndsl.runtime.runnable import channels_first
from cnndsl.training.optimizers import add_average, add_updates, clipped, count_step, decay_of, gradient_norm
from cnndsl.training.recipes import check_precision, check_whole

if TYPE_CHECKING:
    from cnndsl.errors import Span
    from cnndsl.language.model import Model
    from cnndsl.language.recipe import Call, LossTerm

Array = NDArray[Any]
NORM = "gradient_norm"
"""The output that is the gradient's length."""


class Step:
    """A compiled training step. `step(images, labels)` does one update and returns the loss before it.

    rate: of the next call; seed: of dropout and noise. `state` is the live memory (parameters, statistics, slots,
    counter); `weights` a copy of what a weight file holds. idle: weights that no gradient reaches, such as those of a
    head that the loss leaves out; they stay as they were given. average: the decay of the weights' moving average, 0
    for none. parts: how many the batch is cut into, one after the other. gradient_norm: of the last call, the Euclidean
    length of the gradient before clipping, where the step gives it.
    """

    def __init__(
        self,
        graph: Graph,
        executable: Any,
        rate: float,
        seed: int,
        scores: str,
        idle: Mapping[str, Array] | None = None,
        average: float = 0.0,
        parts: int = 1,
    ) -> None:
        self.graph = graph
        self.executable = executable
        self.idle = dict(idle or {})
        self.rate = rate
        self.seed = seed
        self.scores = scores
        self.average = average
        self.parts = parts
        self.gradient_norm: float | None = None
        self.own = own_inputs(parts)
        self.classes = min((n.operands[0].type.sizes[-1] for n in graph.nodes if n.op.name == "cross_entropy"), default=0)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        """One line: what a call takes, and where training stands."""
        into = ", ".join(f"{n} {drawn(self._shape(x))}" for n, x in self.graph.inputs.items() if n not in self.own)
        done = int(self.state["step"])
        program = getattr(self.executable, "program", None)
        told = [
            f"{into} → loss",
            *([f"in {self.parts} parts"] if self.parts > 1 else []),
            *([how(program)] if program is not None else []),
            f"rate {self.rate:g}, after {counted(done, 'step')}",
        ]
        return f"<Step {self.graph.name}: {'; '.join(told)}>"

    @property
    def state(self) -> dict[str, Array]:
        state: dict[str, Array] = self.executable.state
        return state

    @property
    def kept(self) -> dict[str, Array]:
        """What training goes on from: `state` without the sums over the parts of the last step, and the idle weights."""
        return {n: x for n, x in self.state.items() if self.graph.state[n].kind != "sum"} | self.idle

    def restore(self, kept: Mapping[str, Array]) -> None:
        """Go on from what `kept` was."""
        self.idle = {n: np.array(kept[n]) for n in self.idle}
        self.executable.load({n: x for n, x in kept.items() if n not in self.idle})

    @property
    def weights(self) -> dict[str, Array]:
        live = self.state
        kept = {n: s.type.dtype for n, s in self.graph.state.items() if s.kind in ("parameter", "buffer")}
        return {name: np.array(live[name] if name in live else self.idle[name], dtype) for name, dtype in kept.items()}

    @property
    def averaged(self) -> dict[str, Array]:
        """`weights`, each parameter that is averaged replaced by its average: what is evaluated in place of the last ones.

        The average starts at 0 and its bias to 0 is taken out, as in Kingma, Ba 2015, section 7.2.
        """
        found, live = self.weights, self.state
        steps = int(live["step"])
        if self.average and steps:
            share = 1.0 - self.average**steps
            for name in found:
                if (slot := f"{name}.average") in live:
                    found[name] = (live[slot].astype(np.float64) / share).astype(found[name].dtype)
        return found

    def save(self, path: str | Path) -> None:
        """Write `weights` as safetensors."""
        from cnndsl.runtime.safetensors import write_weights

        write_weights(path, self.weights)

    def __call__(self, images: Array | Mapping[str, Array], labels: Array | None = None) -> float:
        """One update on a batch: images (batch, H, W, C) float32, labels (batch,) int32. Raises E705, E706.

        Where the step takes more than that (several inputs, a mask), `images` is a mapping from names to arrays.
        """
        return self.run(images, labels, self.rate)[0]

    def run(self, images: Array | Mapping[str, Array], labels: Array | None, rate: float) -> tuple[float, Array | None]:
        """One update; the loss, and the scores of the batch where the step gives them."""
        scores: list[Array] = []
        with self._lock:
            for given in self.in_parts(self.given(images, labels, rate)):
                outputs = self.executable(**given)
                scores += [outputs[self.scores]] if self.scores else []
            self.rate = rate
            self.gradient_norm = float(outputs[NORM]) if NORM in outputs else None
        return float(outputs["loss"]), np.concatenate(scores) if len(scores) > 1 else scores[0] if scores else None

    def _shape(self, x: Value) -> tuple[int, ...]:
        """What the caller gives for an input: the images of all parts together."""
        first, *rest = x.type.sizes or (0,)
        return (self.parts * first, *rest) if x.node.attrs.batched else x.type.sizes

    def in_parts(self, given: Mapping[str, Array]) -> Iterator[dict[str, Array]]:
        """The inputs of each run of the graph, of those of a whole step."""
        if self.parts == 1:
            yield dict(given)
            return
        cut = {n: np.split(x, self.parts) for n, x in given.items() if self.graph.inputs[n].node.attrs.batched}
        for i in range(self.parts):
            yield {**given, **{n: pieces[i] for n, pieces in cut.items()}, PART: np.asarray(i, np.int32)}

    def given(self, images: Array | Mapping[str, Array], labels: Array | None, rate: float) -> dict[str, Array]:
        """The inputs of a step by name. Raises E705, E706 where they do not fit, or one is missing or unknown."""
        found: dict[str, Array] = {}
        wanted = [name for name in self.graph.inputs if name not in self.own]
        by_name: dict[str, Any] = dict(images) if isinstance(images, Mapping) else {}
        if labels is not None:
            by_name |= {name: labels for name in ("label", "target") if name in wanted}
        if not isinstance(images, Mapping):
            rest = [name for name in wanted if name not in by_name]
            if len(rest) != 1:
                message = f"this step takes {', '.join(wanted)}: which of them the images are is not known"
                raise error("E706", message, help=f"give a mapping: {{{', '.join(f'{n!r}: …' for n in wanted)}}}")
            by_name[rest[0]] = images
        odd = [*(n for n in wanted if n not in by_name), *(n for n in by_name if n not in wanted)]
        if odd:
            what = "is missing" if odd[0] in wanted else "is no input of this step"
            raise error("E705" if odd[0] == "label" else "E706", f"{odd[0]} {what}; it takes {', '.join(wanted)}")
        for name, value in self.graph.inputs.items():
            if self.parts > 1 and name == PART:
                continue
            plain = {"rate": np.float32(rate), "seed": np.uint64(self.seed)}
            array = np.asarray(plain[name] if name in plain else by_name[name])
            code = "E705" if name == "label" else "E706"
            if array.shape != self._shape(value):
                message = f"{name}: expected an array of shape {self._shape(value)}, not {array.shape}"
                raise error(code, message, help=channels_first(array.shape[1:], value.type.sizes[1:]))
            if (array.dtype.kind == "f") != value.type.is_float or array.dtype.kind not in "fiu":
                raise error(code, f"{name}: expected {value.type.dtype}, not {array.dtype}")
            if name == "label" and array.size and not 0 <= array.min() <= array.max() < self.classes:
                raise error(code, f"labels go from 0 to {self.classes - 1}, these from {array.min()} to {array.max()}")
            found[name] = np.asarray(array, value.type.dtype, order="C")
        return found


def compile_step(
    net: Model | Graph,
    weights: Any = None,
    *,
    recipe: TrainRecipe | None = None,
    loss: str | Sequence[LossTerm] | None = None,
    optimizer: Any = None,
    clip: Call | str | None = None,
    average: Call | str | None = None,
    freeze: Sequence[str] | None = None,
    batch: int,
    accumulate: int | None = None,
    target: str = "numpy",
    threads: int | None = None,
    seed: int = 0,
    outputs: Sequence[str] = (),
    max_memory: int | str | None = None,
    without: Iterable[str] = (),
    sizes: Mapping[str, int] | None = None,
    norm: bool = False,
) -> Step:
    """Compile one training step of `net` on batches of `batch` images.

    weights: name → array, or a path; None: drawn by `seed`. recipe: what holds where the next five and `accumulate` are
    None; None: the model's own. loss: `"cross_entropy(logits)"`; clip: `"norm(2.0)"`; average: `"ema(0.999)"`, as a
    recipe has them; freeze: paths of weights that stay. accumulate: parts that the batch is cut into, which need memory
    one after the other. outputs: at most one named value to return beside the loss.
    max_memory: what the step may need, in bytes or as `2GB`: activations are then made again instead of kept. Raises E605.
    without: passes to leave out. sizes: numbers for the symbols of the inputs' sizes. norm: measure the gradient's length
    (`Step.gradient_norm`).
    """
    from cnndsl.runtime.compile import checked_batch, compile_step_graph
    from cnndsl.runtime.safetensors import WeightFile

    checked_batch(batch)
    if recipe is None:
        recipe = (None if isinstance(net, Graph) else net.train) or TrainRecipe(optimizer=Sgd(rate=0.01))
    said = {"loss": loss if loss is None else _terms(loss), "optimizer": optimizer, "clip": _entry("clip", clip),
            "average": _entry("average", average), "accumulate": accumulate}  # fmt: skip
    recipe = replace(recipe, **{key: x for key, x in said.items() if x is not None})
    if freeze is not None:
        places = {key: span for key, span in recipe.spans.items() if key != "freeze"}
        recipe = replace(recipe, freeze=tuple(freeze), spans=places)
    precision = check_precision(recipe.precision, target, recipe.spans.get("precision"))
    graph = recipe_step(net, recipe, batch, outputs, sizes, norm)
    given = net.initial_weights(seed) if weights is None else weights
    given = given if isinstance(given, Mapping) else WeightFile(given)
    executable = compile_step_graph(
        graph, given, target=target, batch=batch // recipe.accumulate, threads=threads, without=without, max_memory=max_memory,
        takes={**({} if isinstance(net, Graph) else net.takes), **takes_part(recipe.accumulate, batch // recipe.accumulate)},
        precision=precision,
    )  # fmt: skip
    idle = {n: np.asarray(given[n]) for n in graph.state if n in given and n not in executable.state}
    decay = decay_of(recipe.average) if recipe.average is not None else 0.0
    scores = outputs[0] if outputs else ""
    return Step(graph, executable, float(recipe.optimizer.rate), seed, scores, idle, decay, recipe.accumulate)


def _entry(key: str, said: Call | str | None) -> Call | None:
    """An entry of a recipe that may be given as text."""
    if not isinstance(said, str):
        return said
    from cnndsl.language.recipe import parse_entry

    found: Call = parse_entry(key, said)
    return found


def _terms(loss: str | Sequence[LossTerm]) -> Sequence[LossTerm]:
    if not isinstance(loss, str):
        return loss
    from cnndsl.language.recipe import parse_loss

    return parse_loss(loss)


def own_inputs(parts: int) -> tuple[str, ...]:
    """The inputs of a step's graph beside pictures and what the data say of them."""
    return ("rate", "seed", PART) if parts > 1 else ("rate", "seed")


def takes_part(parts: int, images: int) -> dict[str, str]:
    """What the input `part` of a graph is, in words; nothing where there is none."""
    if parts == 1:
        return {}
    says = "the weights change in the last one, whose loss is the mean of all"
    return {PART: f"0 to {parts - 1}, a call for each, on {counted(images, 'image')} of its own; {says}"}


def recipe_step(
    net: Model | Graph,
    recipe: TrainRecipe,
    batch: int,
    outputs: Sequence[str] = (),
    sizes: Mapping[str, int] | None = None,
    norm: bool = False,
) -> Graph:
    """`build_step` by a recipe's loss, optimizer, clip, average, freeze and accumulate. Raises E423 where it has no loss or no
    optimizer."""
    check_whole(recipe, step=True)
    return build_step(
        net, recipe.loss, recipe.optimizer, batch, outputs,
        clip=recipe.clip, average=recipe.average, freeze=recipe.freeze, parts=recipe.accumulate, places=recipe.spans,
        sizes=sizes, norm=norm,
    )  # fmt: skip


def build_step(
    net: Model | Graph,
    loss: Sequence[LossTerm],
    optimizer: Any,
    batch: int,
    outputs: Sequence[str] = (),
    *,
    clip: Call | None = None,
    average: Call | None = None,
    freeze: Sequence[str] = (),
    parts: int = 1,
    places: Mapping[str, Span] | None = None,
    sizes: Mapping[str, int] | None = None,
    norm: bool = False,
) -> Graph:
    """The graph of one step on `batch` images. Inputs: the model's, `label` (or `target`, `mask`), `rate`, `seed`.

    Outputs: `loss`, each of the named values `outputs` and, with `norm`, `gradient_norm`. Updates: parameters, slots,
    running statistics, `step`.
    clip, average, freeze: as in a recipe; what is frozen has no gradient and no update, and a frozen batch norm uses its
    running statistics. parts: where there are several, the graph is that of one part, on batch / parts images, with the
    input `part` too; `loss` is then the sum over the parts so far, the mean over the batch in the last one.
    places: key of a recipe → where it stands, for errors. Raises E404 (of `freeze`), E423 (also of `accumulate`), E424
    (what the loss names is not there), E603 (an op without a gradient).
    """
    from cnndsl.passes.context import Context, Log, Options
    from cnndsl.passes.specialise import specialise
    from cnndsl.passes.training import training

    graph = net if isinstance(net, Graph) else net.graph
    for name in own_inputs(parts):
        if name in graph.inputs:
            message = f"the model's input {name} has the name of an input of every training step"
            raise error("E423", message, graph.inputs[name].node.origin.span, help="give it another name")
    check_parts(batch, parts, (places or {}).get("accumulate"), "E423")
    options = Options(batch=batch // parts, training=True, sizes=sizes or {})
    ctx = Context(None, options, Log())
    stays = frozen(graph, freeze, (places or {}).get("freeze"))
    graph = training(specialise(graph, ctx), ctx, stays, parts)

    total = add_loss(graph, loss)
    if parts > 1:
        total = graph.pointwise(lambda e, x: x * (1.0 / parts), total, origin=Origin("loss"))
    wanted = {name: named(graph, name) for name in outputs}
    rate = scalar(graph, "rate", "float32")
    states = {n: s for n, s in graph.state.items() if s.kind == "parameter" and n not in stays}
    found = differentiate(graph, total, [graph.state_values[n] for n in states])
    gradients = {n: g for n, g in zip(states, found, strict=True) if g is not None}
    if parts > 1:
        total = summed(graph, "loss.sum", total)
        gradients = {n: summed(graph, f"{n}.gradient", g, graph.state[n].head) for n, g in gradients.items()}
    add_updates(graph, optimizer, clipped(graph, clip, gradients), rate)
    add_average(graph, average, gradients)
    count_step(graph)
    gate(graph, total, parts)
    length = {NORM: gradient_norm(graph, gradients)} if norm and gradients else {}
    graph.outputs = {"loss": total, **wanted, **length}
    return graph


def scalar(graph: Graph, name: str, dtype: str) -> Value:
    """The rank-0 input of that name; made where a pass has not made it already."""
    found = graph.inputs.get(name)
    return graph.source(INPUT, name, TensorType((), dtype), Origin(name)) if found is None else found


def gate(graph: Graph, loss: Value, parts: int = 1) -> None:
    """Let every update happen only where the loss is finite, and in the last part of a step; but sums over its parts."""
    if parts > 1:
        at = part_input(graph)
        ok = graph.pointwise(lambda e, x, p: e.both(e.isfinite(x), p >= parts - 1), loss, at, origin=Origin("apply"))
    else:
        ok = graph.pointwise(lambda e, x: e.isfinite(x), loss, origin=Origin("apply"))
    for name, new in list(graph.updates.items()):
        if graph.state[name].kind == "sum":
            continue
        old = graph.state_values[name]
        graph.update(name, graph.pointwise(lambda e, c, p, q: e.select(c, p, q), ok, new, old, origin=Origin(name)))
