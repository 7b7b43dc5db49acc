"""A random network as a record: small, printable, easy to cut down. `build` makes the graph, `text` the same in Python.

Values are numbered: the inputs first, then one a step. A step is a word of the graph API on values that came before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cnndsl.ops  # noqa: F401  (fills the registry)
from cnndsl.errors import CnnError
from cnndsl.graph.graph import Graph, Origin, Value
from cnndsl.graph.layers import add_layer
from cnndsl.graph.op import REGISTRY
from cnndsl.graph.sizes import Affine
from cnndsl.language.recipe import Adam, AdamW, Call, LossTerm, RmsProp, Sgd

Shape = tuple[int, ...]
OPTIMIZERS: dict[str, Any] = {"sgd": Sgd, "rmsprop": RmsProp, "adam": Adam, "adamw": AdamW}


@dataclass(frozen=True)
class Step:
    """A word on earlier values. keys: its attributes. shares: the value whose weights it uses too, or −1."""

    word: str
    operands: tuple[int, ...]
    keys: tuple[tuple[str, Any], ...] = ()
    shares: int = -1


@dataclass(frozen=True)
class Term:
    """One loss of a step: `weight · word(value)`; `keys` as in a recipe. against: another value, or −1 for the data's."""

    word: str
    value: int
    weight: float = 1.0
    keys: tuple[tuple[str, Any], ...] = ()
    against: int = -1


@dataclass(frozen=True)
class Training:
    """What makes a case a training step. poisoned: its images are NaN, so no update may happen.

    word, optimizer: the optimizer and its options. clip: `value`, `norm`, `global_norm` or nothing, at `most`. average: the
    decay of the weights' average, or 0. freeze: paths. recompute: as in the compiler's options.
    """

    terms: tuple[Term, ...]
    optimizer: tuple[tuple[str, Any], ...] = ()
    word: str = "sgd"
    clip: str = ""
    most: float = 0.3
    average: float = 0.0
    freeze: tuple[str, ...] = ()
    recompute: float = 0.0
    poisoned: bool = False
    differences: bool = False  # its gradient is held against central differences too


@dataclass(frozen=True)
class Case:
    """A network and how it is run.

    inputs: the shape of one image of each. outputs, heads: values, under the names y0, y1, … and h0, …; every step's
    value is named v<number>. wanted: outputs by name in place of the graph's own. images: given at once; batch: of the
    program. costs: 0 for the target's own constants, else the seed of others, under which tiny arrays too are cut into
    blocks and every algorithm is chosen now and then. seed: of weights and data.
    """

    inputs: tuple[Shape, ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    heads: tuple[int, ...] = ()
    with_heads: bool = False
    wanted: tuple[str, ...] = ()
    symbolic: bool = False
    training: Training | None = None
    batch: int = 1
    images: int = 1
    workers: int = 1
    without: frozenset[str] = frozenset()
    costs: int = 0
    seed: int = 0

    @property
    def values(self) -> int:
        return len(self.inputs) + len(self.steps)


@dataclass
class Built:
    """The graph of a case, and its values by number."""

    graph: Graph
    values: list[Value] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def apply(self, step: Step) -> Value:
        """Append a step. Raises CnnError where its own rules refuse it; then nothing is there but unread weights."""
        op = REGISTRY[step.word]
        number = len(self.values)
        shared = step.shares >= 0
        path = self.paths[step.shares] if shared else f"{step.word}{number}"
        operands = [self.values[i] for i in step.operands]
        before = set(self.graph.state)
        try:
            value = add_layer(self.graph, op, operands, op.attrs(**dict(step.keys)), Origin(path), reuse=shared)
        except CnnError:
            for name in set(self.graph.state) - before:  # its name shall be free for another attempt
                del self.graph.state[name], self.graph.state_values[name]
            raise
        self.values.append(value)
        self.paths.append(path)
        self.graph.names[f"v{number}"] = value
        return value


def begin(inputs: Sequence[Shape], symbolic: bool = False) -> Built:
    """The inputs x0, x1, …; `symbolic`: the sizes of the first one's space are the symbols H0, H1, …"""
    built = Built(Graph("case"))
    for k, shape in enumerate(inputs):
        sizes: tuple[Any, ...] = shape
        if symbolic and k == 0:
            sizes = (*(Affine.symbol(f"H{i}") for i in range(len(shape) - 1)), shape[-1])
        built.values.append(built.graph.input(f"x{k}", sizes))
        built.paths.append(f"x{k}")
    return built


def build(case: Case, symbolic: bool = False) -> Built:
    """The graph of a case. Raises CnnError where its steps do not fit each other."""
    built = begin(case.inputs, symbolic)
    for step in case.steps:
        built.apply(step)
    for k, i in enumerate(case.outputs):
        built.graph.output(built.values[i], f"y{k}")
    for k, i in enumerate(case.heads):
        built.graph.heads[f"h{k}"] = built.values[i]
    return built


def fits(inputs: Sequence[Shape], steps: Sequence[Step], symbolic: bool = False) -> bool:
    """Whether the steps' own rules accept what they are given."""
    built = begin(inputs, symbolic)
    try:
        for step in steps:
            built.apply(step)
    except CnnError:
        return False
    return True


def name_of(case: Case, number: int) -> str:
    return f"x{number}" if number < len(case.inputs) else f"v{number}"


def loss_of(case: Case) -> tuple[LossTerm, ...]:
    """The recipe's loss. What no value gives is called `target`, or `label`, one for all terms of that shape."""
    assert case.training is not None
    found = []
    for t in case.training.terms:
        args: list[Any] = [name_of(case, t.value)]
        if t.against >= 0:
            args.append(name_of(case, t.against))
        keys = dict(t.keys)
        found.append(LossTerm(t.weight, Call(t.word, tuple(args), keys)))
    return tuple(found)


def optimizer_of(training: Training) -> Any:
    return OPTIMIZERS[training.word](**{"rate": 1.0, **dict(training.optimizer)})


def step_of(case: Case, net: Graph, outputs: Sequence[str]) -> Graph:
    """The graph of the case's training step."""
    from cnndsl.training.step import build_step

    t = case.training
    assert t is not None
    clip = Call(t.clip, (t.most,)) if t.clip else None
    average = Call("ema", (t.average,)) if t.average else None
    return build_step(
        net, loss_of(case), optimizer_of(t), case.batch, outputs, clip=clip, average=average, freeze=t.freeze
    )  # fmt: skip


# For people -----------------------------------------------------------------------------------------------------------


def text(case: Case) -> str:
    """The case as a Python program that makes its graph and names how it was run."""
    lines = ['g = cnndsl.Graph("case")']
    for k, shape in enumerate(case.inputs):
        lines.append(f'x{k} = g.input("x{k}", {shape!r})')
    built = begin(case.inputs)
    for k, step in enumerate(case.steps, len(case.inputs)):
        first, *others = [name_of(case, i) for i in step.operands]
        args = ", ".join([*others, *(f"{key}={x!r}" for key, x in step.keys)])
        shape = built.apply(step).type.shape[1:]
        shared = f", weights shared with v{step.shares}" if step.shares >= 0 else ""
        lines.append(f"v{k} = {first}.{step.word}({args})  # {'x'.join(map(str, shape))}{shared}")
    lines += [f'g.output({name_of(case, i)}, "y{k}")' for k, i in enumerate(case.outputs)]
    lines += [f'g.heads["h{k}"] = {name_of(case, i)}' for k, i in enumerate(case.heads)]
    how = [f"batch={case.batch}", f"threads={case.workers}"]
    if case.without:
        how.append(f"without={sorted(case.without)!r}")
    if case.training is not None:
        terms = " + ".join(f"{t.weight!r} * {_term(case, t)}" for t in case.training.terms)
        lines.append(f"loss: {terms}; {'; '.join(_rest(case.training))}")
    else:
        how.append(f"{case.images} images")
    how += ["heads=True"] * case.with_heads + [f"outputs={case.wanted!r}"] * bool(case.wanted)
    how += ["symbolic sizes"] * case.symbolic + [f"costs of seed {case.costs}"] * bool(case.costs)
    return "\n".join([*lines, f"run with {', '.join(how)}, data of seed {case.seed}"])


def _rest(t: Training) -> list[str]:
    """The optimizer, and what else a step does."""
    said = [f"{t.word}{dict(t.optimizer)!r}"] + [f"clip {t.clip}({t.most})"] * bool(t.clip)
    said += [f"average {t.average}"] * bool(t.average) + [f"freeze {t.freeze!r}"] * bool(t.freeze)
    return said + [f"recompute {t.recompute}"] * bool(t.recompute) + ["images are NaN"] * t.poisoned


def _term(case: Case, t: Term) -> str:
    args = [name_of(case, t.value), *([name_of(case, t.against)] if t.against >= 0 else [])]
    return f"{t.word}({', '.join([*args, *(f'{k}={x!r}' for k, x in t.keys)])})"
