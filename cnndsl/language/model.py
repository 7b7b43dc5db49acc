"""Model: everything a `.cnn` file says about one network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cnndsl.errors import Diagnostic, Source
from cnndsl.graph.graph import STATE, Graph
from cnndsl.graph.types import BATCH, drawn
from cnndsl.language.recipe import Eval, Preprocess, Task, TrainRecipe

COUNTED = ("conv", "depthwise_conv", "conv_transpose", "dense")
"""The ops whose multiply-adds papers count."""


@dataclass(frozen=True, repr=False)
class Model:
    """A network with its recipes. `trains` maps a recipe's name to it; the unnamed one is `""`."""

    name: str
    graph: Graph
    trains: Mapping[str, TrainRecipe] = field(default_factory=dict)
    evals: Mapping[str, Eval] = field(default_factory=dict)
    tasks: Mapping[str, Task] = field(default_factory=dict)
    preprocess: Preprocess | None = None
    source: Source = field(default_factory=lambda: Source("<none>", ""))
    arguments: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()

    def __repr__(self) -> str:
        """One line: what goes in and comes out, how large it is, what the file says beside the network."""
        shapes = " + ".join(f"{name} {drawn(x.type.shape[1:])}" for name, x in self.graph.inputs.items())
        kinds = {"train": self.trains, "eval": self.evals, "task": self.tasks}
        recipes = [f"{kind} {name}".rstrip() for kind, named in kinds.items() for name in named]
        recipes += ["preprocess"] if self.preprocess is not None else []
        told = f"; {', '.join(recipes)}" if recipes else ""
        return f"<Model {self.name}: {shapes} → {drawn(self.output_shape)}, {self.parameter_count:,} parameters{told}>"

    @property
    def train(self) -> TrainRecipe | None:
        """The unnamed train recipe."""
        return self.trains.get("")

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes; empty where the file gives none."""
        return self.preprocess.labels if self.preprocess else ()

    @cached_property
    def takes(self) -> dict[str, str]:
        """What the numbers of the picture input are, in words, by its name: what training and `run` make of a picture.

        Empty where the file does not say: no `preprocess`, no `train`, or several inputs.
        """
        from cnndsl.language.writing.recipe import pipeline

        steps = self.preprocess.images if self.preprocess is not None else ()
        if len(self.graph.inputs) != 1 or not (steps or self.trains):
            return {}
        through = f", then {pipeline(steps)}" if steps else ""
        ((name, x),) = self.graph.inputs.items()
        what = "RGB pictures" if x.type.rank and x.type.shape[-1] == 3 else "pictures"
        return {name: f"{what} with values in [0, 1]{through}"}

    @cached_property
    def parameter_count(self) -> int:
        """Trainable numbers, as papers count: without heads."""
        return sum(s.type.elements for s in self.graph.state.values() if s.kind == "parameter" and not s.head)

    @cached_property
    def head_parameters(self) -> int:
        """Trainable numbers of the heads."""
        return sum(s.type.elements for s in self.graph.state.values() if s.kind == "parameter" and s.head)

    @cached_property
    def multiply_adds(self) -> int:
        """Of convolutions and dense layers, for one image, without heads. Raises E602 where a size is symbolic."""
        one = {BATCH.terms[0][0]: 1}
        total = 0
        for node in self.graph.nodes:
            if node.op.name in COUNTED and node.op.work is not None and not self._of_head(node):
                total += node.op.work(node.attrs, *(x.type.bind(one) for x in node.operands)).multiply_adds
        return total

    def _of_head(self, node: Any) -> bool:
        return any(x.node.op is STATE and self.graph.state[x.node.attrs.name].head for x in node.operands)

    @property
    def output_shape(self) -> tuple[Any, ...]:
        """Of one image."""
        return self.graph.outputs["output"].type.shape[1:]

    def initial_weights(self, seed: int = 0) -> dict[str, Any]:
        """name → float32 array, for every parameter and running statistic."""
        return self.graph.initial_weights(seed)

    def to_cnn(self) -> str:
        """The network written out, as the text of a `.cnn` file, with the recipes of its own file as they stand there.

        No templates, no arguments, no `use`: what `load` made of them. Entries of recipes that `load` changed are not in it.
        """
        from cnndsl.language.writing.model import model_to_cnn

        return model_to_cnn(self)
