"""Which classes a model tells apart, what they are called, and whether those of the data are the same.

Names come from three places: the file's `preprocess.labels`, the weights (what they were trained on), the data. Names that
are mere numbers yield to real ones. Where the data's names are among those known, the data's labels are brought into their
order; else the order is what counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cnndsl.data.records import Dataset, Part
from cnndsl.errors import Span, counted, error, printable
from cnndsl.runtime.notes import numbered

if TYPE_CHECKING:
    from cnndsl.graph.graph import Value
    from cnndsl.language.model import Model


def class_count(model: Model, scores: str) -> int:
    """How many classes the model tells apart, of pictures or, where `scores` names a map, of pixels. Raises E705 where it
    does not classify."""
    value = _value(model, scores)
    count = value.shape[-1] if value.type.rank == 2 or (scores and value.type.rank > 2) else None
    if not isinstance(count, int):
        raise error("E705", f"{model.name} gives no vector of classes, its output is {value.type}")
    return count


def label_shape(model: Model, scores: str) -> tuple[int, ...]:
    """Of what has a class each: () of a picture, (h, w) of its pixels."""
    return tuple(_value(model, scores).shape[1:-1])


def class_names(model: Model, classes: int, *known: Sequence[str]) -> tuple[str, ...]:
    """The names of the classes: the file's, else the first of `known` (the weights', the data's) that say more than numbers."""
    fitting = [tuple(printable(str(x)) for x in names) for names in (model.labels, *known) if len(names) == classes]
    return next((names for names in fitting if not numbered(names)), tuple(map(str, range(classes))))


def fitted_data(model: Model, scores: str, data: Dataset, trained: Sequence[str] | None = None) -> Dataset:
    """`data` with its labels in the model's order. Raises E705 where its classes are not the model's.

    trained: names of the classes that the weights were trained on; None: this is the training, where the numbers of classes
    must be equal.
    """
    count = class_count(model, scores)
    names = class_names(model, count, trained or ())
    own = tuple(printable(x) for x in data.classes)
    if trained is None and len(own) == 1:
        message = f"{data.name} holds one class alone, {own[0]}: there is nothing to tell apart"
        raise error("E705", message, help="a folder of pictures has a folder for each class, at least two")
    fewer = trained is None and numbered(own) and len(own) < count
    if set(own) <= set(names) and not fewer:
        return _ordered(data, own, names)
    strange = [x for x in own if x not in names]
    alike = {x.casefold() for x in own} & {x.casefold() for x in names}
    if trained is None and strange and alike and not numbered(own):  # with none alike, labels are other words for the same
        message = f"{data.name} has a class {strange[0]}, which the labels of {model.name} do not name"
        help = f"they name {_listed(names)}; leave labels out of preprocess, and the names of the data go with the weights"
        raise error("E705", message, help=help)
    if trained and not numbered(own) and (len(strange) < len(own) or tuple(names) == tuple(trained)):
        message = f"{data.name} has a class {strange[0]}, which these weights of {model.name} were not trained on"
        raise error("E705", message, help=f"they know {_listed(names)}")
    if len(own) > count or (len(own) < count and (trained is None or not numbered(own))):
        raise error("E705", f"{data.name} has {counted(len(own), 'class')} ({_listed(own)}), {model.name} tells {count} apart",
                    _span(model, scores), help=_mend(model, count, len(own)))  # fmt: skip
    return data


def _ordered(data: Dataset, own: tuple[str, ...], names: tuple[str, ...]) -> Dataset:
    places = np.asarray([names.index(x) for x in own], np.int32)
    if (places == np.arange(len(places))).all():
        return data

    def moved(part: Part) -> Part:
        return replace(part, labels=places[part.labels])

    return replace(data, classes=names, train=moved(data.train), test=moved(data.test) if data.test is not None else None)


def _mend(model: Model, have: int, need: int) -> str:
    """How the model comes to tell `need` classes apart."""
    named = [name for name, x in model.arguments.items() if x == have and not isinstance(x, bool)]
    name = "classes" if "classes" in named else named[0] if named else ""
    return f"say so with the command: {name}={need}" if name else f"the layer at this place has to give {need}"


def _span(model: Model, scores: str) -> Span | None:
    """Where the file says how many classes there are: the last layer with weights before the scores."""
    node = _value(model, scores).node
    while node.op.name in ("softmax", "log_softmax", "flatten", "identity") and node.operands:
        node = node.operands[0].node
    return node.origin.span


def _value(model: Model, scores: str) -> Value:
    return model.graph.names[scores] if scores else model.graph.outputs["output"]


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
