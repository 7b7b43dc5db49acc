"""What a loss takes: values of the model, its pictures, and what the data must give beside them.

cross_entropy(logits)                  a class for each picture, or for each pixel where logits are a map
mse(output, target, mask)              what the network is to give, and where that is known
mse(output, image)                     the pictures themselves
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data.records import Part
from cnndsl.errors import Span, error
from cnndsl.graph.graph import INPUT, Graph
from cnndsl.graph.types import drawn
from cnndsl.language.loss_graph import add_loss, named
from cnndsl.language.losses import names_of
from cnndsl.targets.reference.interpreter import evaluate

if TYPE_CHECKING:
    from cnndsl.language.model import Model
    from cnndsl.language.recipe import Call, LossTerm, TrainRecipe

Array = NDArray[Any]
MOVES_NOTHING = ("grey", "invert", "normalize", "color_jitter", "pca_jitter", "noise", "cutout", "flip")
"""Steps of `augment` that may stand where pixels have labels or targets: none moves a picture alone."""


@dataclass(frozen=True)
class Needs:
    """values: of the model, to be computed. inputs: of the model, where the loss names them. data: `label`, `target`,
    `mask`, `image` → the shape for one picture."""

    values: tuple[str, ...]
    inputs: tuple[str, ...]
    data: Mapping[str, tuple[int, ...]]

    @property
    def kind(self) -> str:
        """What the network is trained to give: `classes` of pictures, classes of `pixels`, or `numbers`: pictures, vectors."""
        if "label" not in self.data:
            return "numbers"
        return "pixels" if self.data["label"] else "classes"

    @property
    def by_pixel(self) -> bool:
        """Whether anything that a picture is compared with has the picture's pixels."""
        return any(len(shape) > 1 for name, shape in self.data.items() if name != "image")


def needs_of(model: Model, recipe: TrainRecipe | None) -> Needs:
    """Of the loss of a recipe. Raises E423, E424 where there is no loss, or none that fits the model."""
    graph, loss = _loss_graph(model, recipe.loss if recipe is not None else (), 1)
    values = [n for n in loss.inputs if n in _values(graph)]
    data = {n: v.type.sizes[1:] for n, v in loss.inputs.items() if n not in values and n not in graph.inputs}
    return Needs(tuple(values), tuple(n for n in loss.inputs if n in graph.inputs and n not in values), data)


def kind_of(model: Model) -> str:
    """`Needs.kind` of the unnamed recipe; `classes` where there is none that says a loss."""
    return needs_of(model, model.train).kind if model.train is not None and model.train.loss else "classes"


def _values(graph: Graph) -> dict[str, Any]:
    return {**graph.names, **graph.heads, **graph.outputs}


def _loss_graph(model: Model, terms: Sequence[LossTerm], images: int) -> tuple[Graph, Graph]:
    """The model's graph on so many images; and the loss alone, whose inputs are what it names."""
    from cnndsl.passes.context import Context, Options
    from cnndsl.passes.specialise import specialise

    graph = specialise(model.graph, Context(None, Options(batch=images)))
    loss = Graph(f"{model.name}.loss")
    for name in dict.fromkeys(n for term in terms for n in names_of(term.call)):
        try:
            loss.source(INPUT, name, named(graph, name).type, batched=True)
        except KeyError:
            continue  # given by the data, or unknown: `add_loss` says so
    loss.outputs = {"loss": add_loss(loss, terms)}
    return graph, loss


class Loss:
    """The loss of a recipe as a function of what the model gave, by the definitions of the ops in float64."""

    def __init__(self, model: Model, recipe: TrainRecipe) -> None:
        self.model, self.terms = model, recipe.loss
        self._graphs: dict[int, Graph] = {}

    def __call__(self, images: int, given: Mapping[str, Array]) -> float:
        """The mean over `images` pictures. given: values of the model and of the data by name."""
        if images not in self._graphs:
            self._graphs[images] = _loss_graph(self.model, self.terms, images)[1]
        graph = self._graphs[images]
        outputs, _ = evaluate(graph, {n: given[n] for n in graph.inputs}, {}, dtype="float64")
        return float(outputs["loss"])


def check_part(needs: Needs, part: Part, shape: Sequence[int], name: str, place: Span | None) -> None:
    """Raises E705, E706 where the data do not give what the loss takes. shape: (H, W, C) of the model's input."""
    for what, wanted in needs.data.items():
        if what == "image":
            have: tuple[int, ...] | None = tuple(shape)
        elif what == "label":
            have = part.labels.shape[1:]
        else:
            have = part.beside[what].shape[1:] if what in part.beside else None
        if have is None:
            help = f"an .npz file, or .npy files in a folder, with arrays images and {what}s"
            raise error("E705", f"the loss takes {what}, which {name} does not give", place, help=help)
        if what == "mask" and have[:-1] == wanted[:-1] and have[-1] == 1:
            continue
        if have != wanted:
            told = {"label": "labels"}.get(what, what)
            have_, wanted_ = (drawn(x) if x else "one for each picture" for x in (have, wanted))
            message = f"{name}: {told} of {have_}, the loss takes {wanted_}"
            raise error("E705" if what == "label" else "E706", message, place)


def check_augment(needs: Needs, calls: Sequence[Call]) -> None:
    """Raises E423 for a step that would move a picture and leave behind what its pixels are compared with."""
    for call in calls:
        if needs.by_pixel and call.name not in MOVES_NOTHING:
            message = f"{call.name} moves the picture, and not what its pixels are compared with"
            raise error("E423", message, call.span, help="flip moves both; what changes colours alone may stand here too")


def given_of(needs: Needs, images: Array, labels: Array, beside: Mapping[str, Array]) -> dict[str, Array]:
    """`Needs.data` and `Needs.inputs` by name, for these pictures."""
    found = {"image": images, "label": labels, **beside}
    known = {n: found[n] for n in needs.data}
    if "mask" in known:
        known["mask"] = np.broadcast_to(known["mask"], (len(images), *needs.data["mask"]))
    return known | dict.fromkeys(needs.inputs, images)
