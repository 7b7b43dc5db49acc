"""Recipes as records: what `train`, `eval`, `task` and `preprocess` of a file say, after checking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cnndsl.errors import Span


@dataclass(frozen=True, slots=True)
class Call:
    """A word with options: `affine(rotate = 12)`. Values: numbers, bools, words, tuples, Interval, Call, Pipeline."""

    name: str
    args: tuple[Any, ...] = ()
    keys: Mapping[str, Any] = field(default_factory=dict)
    span: Span | None = field(default=None, compare=False, repr=False)
    spans: Mapping[str, Span] = field(default_factory=dict, compare=False, repr=False)
    """Where each option stands: by its name, or by its number among those without one."""


class Sides(tuple[int, ...]):
    """`28x28`, apart from a list of two numbers."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """`a -> b -> c`."""

    steps: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Interval:
    """`low..high`, both ends included."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LossTerm:
    """`weight * call`."""

    weight: float
    call: Call


@dataclass(frozen=True, slots=True)
class Sgd:
    """v ← momentum·v − rate·(g + weight_decay·θ); θ ← θ + v.

    rate_in = `update` is PyTorch's form: v ← momentum·v + (g + weight_decay·θ); θ ← θ − rate·v. decay_on = `weights`
    leaves biases and norms without decay.
    """

    rate: float
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    rate_in: str = "velocity"
    decay_on: str = "all"


@dataclass(frozen=True, slots=True)
class RmsProp:
    """s ← decay·s + (1 − decay)·g²; m ← momentum·m + rate·g / √(s + eps); θ ← θ − m; g with weight_decay·θ added.

    eps stands under the root, where the published recipes of Inception v2 and later have it (eps = 1.0). Tieleman,
    Hinton, lecture 6.5, 2012; with momentum: Szegedy et al. 2016, section 8.
    """

    rate: float
    decay: float = 0.9
    eps: float = 1e-10
    momentum: float = 0.0
    weight_decay: float = 0.0
    decay_on: str = "all"


@dataclass(frozen=True, slots=True)
class Adam:
    """m ← β₁·m + (1 − β₁)·g; v ← β₂·v + (1 − β₂)·g²; θ ← θ − rate·m̂ / (√v̂ + eps).

    m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ) at step t = 1, 2, …; weight_decay·θ is added to g. Kingma, Ba 2015, algorithm 1.
    """

    rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    decay_on: str = "all"


@dataclass(frozen=True, slots=True)
class AdamW(Adam):
    """Adam whose decay is apart from the gradient: θ ← θ − rate·(m̂ / (√v̂ + eps) + weight_decay·θ).

    Loshchilov, Hutter 2019, algorithm 2.
    """


@dataclass(frozen=True, slots=True)
class Constant:
    """The rate stays."""


@dataclass(frozen=True, slots=True)
class Step:
    """The rate times `factor` every `every` epochs, or at the epochs `at`."""

    every: int | None = None
    at: tuple[int, ...] = ()
    factor: float = 0.1


@dataclass(frozen=True, slots=True)
class Cosine:
    """The rate falls to 0 along half a cosine, by the step."""


@dataclass(frozen=True, slots=True)
class Linear:
    """The rate falls to 0 in a straight line, by the step."""


@dataclass(frozen=True, slots=True)
class Plateau:
    """The rate times `factor` when the loss has not fallen for `patience` epochs."""

    factor: float = 0.1
    patience: int = 5


@dataclass(frozen=True, slots=True)
class Exponential:
    """The rate times `factor` every epoch."""

    factor: float


@dataclass(frozen=True, slots=True)
class Warmup:
    """The rate rises from 0 over `epochs`, by the step; then `then` holds."""

    epochs: float
    then: Any


NO_ENTRIES = ("name", "home", "span", "spans")
"""What a record of a recipe has beside its entries."""


@dataclass(frozen=True)
class TrainRecipe:
    """How a model is trained. What cannot be carried out (some precisions) is kept as it was given."""

    name: str = ""
    loss: tuple[LossTerm, ...] = ()
    optimizer: Any = None
    schedule: Any = field(default_factory=Constant)
    data: str | None = None
    batch: int = 32
    accumulate: int = 1
    epochs: int | None = None
    steps: int | None = None
    seed: int = 0
    augment: tuple[Call, ...] = ()
    validate: float | str | None = None
    average: Call | None = None
    clip: Call | None = None
    freeze: tuple[Any, ...] = ()
    precision: Any = None
    home: str = field(default="", compare=False, repr=False)
    """The folder that the path of `validate` lies in; empty: the current one."""
    span: Span | None = field(default=None, compare=False, repr=False)
    spans: Mapping[str, Span] = field(default_factory=dict, compare=False, repr=False)

    def override(self, entries: Mapping[str, str]) -> TrainRecipe:
        """The recipe with entries changed, given as text in the words of the language: {"epochs": "2"}.

        Raises E401 to E404 for what a file could not say either.
        """
        from cnndsl.language.recipes import overridden

        return overridden(self, entries)


@dataclass(frozen=True)
class Eval:
    """How a model is evaluated: `views`, `reduce`, `metrics`."""

    name: str
    entries: Mapping[str, Any]
    span: Span | None = field(default=None, compare=False, repr=False)
    spans: Mapping[str, Span] = field(default_factory=dict, compare=False, repr=False)

    def override(self, entries: Mapping[str, str]) -> Eval:
        """The evaluation with entries changed, given as text: {"metrics": "[accuracy, top(5)]"}. Raises E401 to E404."""
        from cnndsl.language.recipes import overridden_entries

        said, places = overridden_entries("eval", self.entries, self.spans, entries)
        return replace(self, entries=said, spans=places)


@dataclass(frozen=True)
class Task:
    """An optimisation without training data: `input`, `loss`, `optimizer`, `jitter`, `steps`, …"""

    name: str
    entries: Mapping[str, Any]
    span: Span | None = field(default=None, compare=False, repr=False)
    spans: Mapping[str, Span] = field(default_factory=dict, compare=False, repr=False)

    def override(self, entries: Mapping[str, str]) -> Task:
        """The task with entries changed, given as text: {"steps": "500"}. Raises E401 to E404."""
        from cnndsl.language.recipes import overridden_entries

        said, places = overridden_entries("task", self.entries, self.spans, entries)
        return replace(self, entries=said, spans=places)


@dataclass(frozen=True)
class Preprocess:
    """What happens to a picture before the model sees it, and the names of the classes."""

    images: tuple[Call, ...] = ()
    labels: tuple[str, ...] = ()


def parse_entry(key: str, text: str) -> Any:
    """The value of one entry of `train`, given as a file writes it: ("clip", "norm(2.0)"). Raises E401 to E404."""
    from cnndsl.language.recipes import entry_of

    return entry_of(key, text)


def parse_loss(text: str) -> tuple[LossTerm, ...]:
    """A loss as a recipe writes it: `cross_entropy(logits) + 0.3 * cross_entropy(aux1)`."""
    from cnndsl.language.recipes import loss_of

    return loss_of(text)
