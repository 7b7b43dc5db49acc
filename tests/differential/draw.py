"""Random cases: `drawn(seed)` gives the same one each time, a network of up to some twenty steps and how it is run."""

from __future__ import annotations

import contextlib
import math
import random
from dataclasses import replace
from typing import Any

from cnndsl.errors import CnnError, error
from cnndsl.graph.graph import Value
from cnndsl.passes.pipelines import INFERENCE, TRAINING
from cnndsl.passes.runner import REQUIRED
from tests.differential.case import Case, Shape, Step, Term, Training, begin, fits
from tests.differential.motifs import MOTIFS
from tests.differential.words import ANY_WEIGHTED, FLAT_WEIGHTED, JOINS, SPATIAL_WEIGHTED, keys_for

LARGEST = 700  # numbers of one image of any value
SQUASHED = ("softmax", "log_softmax", "sigmoid")
INFERENCE_PASSES = tuple(dict.fromkeys(p.__name__ for p in INFERENCE if p.__name__ not in REQUIRED))
TRAINING_PASSES = tuple(dict.fromkeys(p.__name__ for p in TRAINING))


class Draft:
    """A network in the making. `add` refuses what does not fit and what is too large."""

    def __init__(self, draw: random.Random, inputs: tuple[Shape, ...]) -> None:
        self.draw = draw
        self.inputs = inputs
        self.built = begin(inputs)
        self.steps: list[Step] = []
        self.read: set[int] = set()

    def shape(self, i: int) -> Shape:
        return tuple(int(n) for n in self.built.values[i].type.shape[1:])

    def add(self, word: str, *operands: int, shares: int = -1, **keys: Any) -> int:
        """The number of the new value. Raises CnnError."""
        step = Step(word, operands, tuple(keys.items()), shares)
        shape = self.built.apply(step).type.shape[1:]
        if math.prod(int(n) for n in shape) > LARGEST:
            self.built.values.pop()
            self.built.paths.pop()
            name = f"{word}{len(self.built.values)}."
            for state in [s for s in self.built.graph.state if s.startswith(name)]:
                del self.built.graph.state[state], self.built.graph.state_values[state]
            raise error("E303", f"{word} is too large for a test")
        self.steps.append(step)
        self.read.update(operands)
        return len(self.built.values) - 1

    def any_value(self) -> int:
        """A value: the last one most often, so that networks get deep."""
        count = len(self.built.values)
        if self.draw.random() < 0.6:
            return count - 1
        return self.draw.randrange(count) if self.draw.random() < 0.5 else max(0, count - self.draw.randint(1, 5))

    def word(self) -> int:
        """A word with random attributes on a random value."""
        if self.draw.random() < 0.3:
            return self.join()
        x = self.any_value()
        shape = self.shape(x)
        words = ANY_WEIGHTED + FLAT_WEIGHTED * 12 if len(shape) == 1 else ANY_WEIGHTED + SPATIAL_WEIGHTED
        word = self.draw.choice(words)
        alike = [i for i, s in enumerate(self.steps, len(self.inputs)) if s.word == word and s.shares < 0]
        if alike and self.draw.random() < 0.4:
            other = self.draw.choice(alike)
            return self.add(word, x, shares=other, **dict(self.steps[other - len(self.inputs)].keys))
        return self.add(word, x, **keys_for(word, self.draw, shape))

    def join(self) -> int:
        """Two or three values that fit each other, now and then one of them stretched."""
        word = self.draw.choice(JOINS)
        x = self.any_value()
        shape = self.shape(x)
        others = range(len(self.built.values))
        keys = {}
        if word == "concat":
            fitting = [i for i in others if self.shape(i)[:-1] == shape[:-1]]
            if self.draw.random() < 0.3:
                fitting, keys = [i for i in others if len(self.shape(i)) == len(shape)], {"fit": "crop"}
        elif self.draw.random() < 0.7:
            fitting = [i for i in others if self.shape(i) == shape]
        else:
            fitting = [i for i in others if stretches(self.shape(i), shape)]
        count = 1 if word == "subtract" else self.draw.choice((1, 1, 1, 2))
        chosen = [x, *(self.draw.choice(fitting) for _ in range(count))]
        self.draw.shuffle(chosen)
        return self.add(word, *chosen, **keys)


def stretches(a: Shape, b: Shape) -> bool:
    return len(a) == len(b) and all(p == q or 1 in (p, q) for p, q in zip(a, b, strict=True))


def drawn(seed: int) -> Case:
    """The case of this seed: small ones most often, two in five are training steps."""
    draw = random.Random(seed)
    d = Draft(draw, _inputs(draw))
    wanted = draw.randint(1, draw.choice((3, 5, 8, 8, 14)))
    for _ in range(60):
        if len(d.steps) >= wanted:
            break
        try:
            if draw.random() < 0.4:
                draw.choice(MOTIFS)(d, d.any_value())
            else:
                d.word()
        except CnnError:
            continue
    if draw.random() < 0.3:
        with contextlib.suppress(CnnError):
            _classifier(d)
    training = _training(d) if draw.random() < 0.4 else None
    return _run(d, training and _more_of_training(training, d, seed), seed)


def _inputs(draw: random.Random) -> tuple[Shape, ...]:
    rank = draw.choice((0, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3))
    most = {0: 0, 1: 13, 2: 9, 3: 5}[rank]

    def shape() -> Shape:
        channels = draw.choice((1, 2, 3, 4, 6, 8, 12)) if rank else draw.randint(1, 24)
        return (*(draw.randint(1 if draw.random() < 0.1 else 3, most) for _ in range(rank)), channels)

    found = [shape()]
    for _ in range(draw.choice((0, 0, 0, 0, 1, 1, 2))):
        found.append(found[0] if draw.random() < 0.6 else shape())
    return tuple(found)


def _classifier(d: Draft) -> None:
    x = len(d.built.values) - 1
    if len(d.shape(x)) > 1:
        x = d.add(d.draw.choice(("global_avg_pool", "flatten")), x)
    d.add("softmax", d.add("dense", x, units=d.draw.randint(2, 9)))


def _run(d: Draft, training: Training | None, seed: int) -> Case:
    draw, count = d.draw, len(d.built.values)
    ends = [i for i in range(len(d.inputs), count) if i not in d.read]
    outputs = [i for i in ends if i == ends[-1] or draw.random() < 0.6] or [count - 1]
    inner = [draw.randrange(count) for _ in range(3) if draw.random() < 0.15]
    outputs += [i for i in inner if i >= len(d.inputs) or draw.random() < 0.2]
    if draw.random() < 0.5:
        draw.shuffle(outputs)
    heads = tuple(draw.randrange(len(d.inputs), count) for _ in range(2) if d.steps and draw.random() < 0.1)
    names = [f"v{i}" for i in range(len(d.inputs), count)]
    batch = draw.choice((1, 1, 2, 3, 4, 4, 5, 6, 8, 12))
    passes = INFERENCE_PASSES if training is None else TRAINING_PASSES
    wanted = tuple(dict.fromkeys(draw.choice(names) for _ in range(2))) if names and draw.random() < 0.12 else ()
    without = _left_out(draw, passes)
    symbolic = training is None and draw.random() < 0.1 and len(d.inputs[0]) > 1
    return Case(
        inputs=d.inputs,
        steps=tuple(d.steps),
        outputs=tuple(outputs),
        heads=heads,
        with_heads=bool(heads) and draw.random() < 0.6,
        wanted=wanted if training is None else (),
        symbolic=symbolic and fits(d.inputs, d.steps, symbolic=True),
        training=training,
        batch=batch,
        images=batch if draw.random() < 0.5 else draw.randint(1, 2 * batch + 1),
        workers=draw.choice((1, 2, 2, 3)),
        without=without,
        costs=draw.randrange(1, 1 << 30) if draw.random() < 0.6 else 0,
        seed=seed,
    )


def _left_out(draw: random.Random, passes: tuple[str, ...]) -> frozenset[str]:
    """Nothing, one pass, all but one, or any of them."""
    kind = draw.random()
    if kind < 0.35:
        return frozenset()
    one = draw.choice(passes)
    if kind < 0.6:
        return frozenset({one})
    if kind < 0.7:
        return frozenset(passes) - {one}
    return frozenset(p for p in passes if draw.random() < 0.4)


# Losses ---------------------------------------------------------------------------------------------------------------


def _training(d: Draft) -> Training | None:
    draw = d.draw
    terms: list[Term] = []
    given: dict[str, Shape] = {}  # the shape of what the data gives, once for all terms
    for _ in range(20):
        if len(terms) >= draw.choice((1, 1, 1, 2, 3)) or not d.steps:
            break
        last = draw.random() < 0.6
        value = len(d.built.values) - 1 if last else draw.randrange(len(d.inputs), len(d.built.values))
        term = _term(d, value, given)
        if term is not None:
            terms.append(term)
    if not terms:
        return None
    keys: dict[str, Any] = {}
    if draw.random() < 0.6:
        keys |= {"momentum": 0.9, "nesterov": draw.random() < 0.4}
    if draw.random() < 0.5:
        keys |= {"weight_decay": 0.01, "decay_on": draw.choice(("all", "weights"))}
    keys["rate_in"] = draw.choice(("velocity", "update"))
    poisoned, differences = draw.random() < 0.04, draw.random() < 0.12
    return Training(tuple(terms), tuple(keys.items()), poisoned=poisoned, differences=differences)


def _more_of_training(t: Training, d: Draft, seed: int) -> Training:
    """Other optimizers, clipping, an average, weights that stay, and activations made again; drawn apart from the rest."""
    draw = random.Random(f"more of {seed}")
    if draw.random() < 0.4:
        decay = {"weight_decay": 0.01, "decay_on": draw.choice(("all", "weights"))} if draw.random() < 0.5 else {}
        word = draw.choice(("rmsprop", "adam", "adamw"))
        keys = {"momentum": 0.9} if word == "rmsprop" and draw.random() < 0.5 else {}
        t = replace(t, word=word, optimizer=tuple({**keys, **decay, "eps": draw.choice((1e-3, 1.0))}.items()))
    if draw.random() < 0.3:
        t = replace(t, clip=draw.choice(("value", "norm", "global_norm")), most=draw.choice((0.1, 10.0)))
    if draw.random() < 0.2:
        t = replace(t, average=draw.choice((0.9, 0.99)))
    paths = list(dict.fromkeys(n.rsplit(".", 1)[0] for n in d.built.graph.state))
    if len(paths) > 1 and draw.random() < 0.2:
        chosen = tuple(p for p in paths if draw.random() < 0.4)
        trained = [n for n, s in d.built.graph.state.items() if s.kind == "parameter" and n.rsplit(".", 1)[0] not in chosen]
        t = replace(t, freeze=chosen if trained else ())
    return replace(t, recompute=draw.choice((0.5, 1.0, 2.0, 3.0)) if draw.random() < 0.3 else 0.0)


def through_nothing(value: Value) -> Value:
    """What stands before layers that drop nothing and add nothing: they vanish before the loss is looked at."""
    while 0 in (getattr(value.node.attrs, "rate", None), getattr(value.node.attrs, "amount", None)):
        value = value.node.operands[0]
    return value


def _term(d: Draft, value: int, given: dict[str, Shape]) -> Term | None:
    draw, shape = d.draw, d.shape(value)
    word = draw.choice(
        ("cross_entropy", "cross_entropy", "mse", "mse", "mae", "huber", "binary_cross_entropy", "total_variation")
    )
    weight = draw.choice((1.0, 1.0, 0.3, 2.0))
    if word == "total_variation":
        return Term(word, value, weight) if len(shape) > 1 else None
    keys: dict[str, Any] = {}
    if word in ("cross_entropy", "binary_cross_entropy"):
        if through_nothing(d.built.values[value]).node.op.name in SQUASHED:
            return None
        if draw.random() < 0.3:
            keys["label_smoothing"] = 0.1
    if word == "huber":
        keys["delta"] = draw.choice((1.0, 0.3))
    if word == "cross_entropy":
        return Term(word, value, weight, tuple(keys.items())) if given.setdefault("label", shape[:-1]) == shape[:-1] else None
    same = [i for i in range(len(d.built.values)) if d.shape(i) == shape and i != value]
    if same and draw.random() < 0.3:
        return Term(word, value, weight, tuple(keys.items()), draw.choice(same))
    if given.setdefault("target", shape) != shape:
        return None
    if word in ("mse", "mae") and draw.random() < 0.2 and given.setdefault("mask", shape) == shape:
        keys["mask"] = "mask"
    return Term(word, value, weight, tuple(keys.items()))
