"""What a training is validated on: the data's test part, a share of its training part, or a data set of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cnndsl.data import datasets
from cnndsl.data.channels import check_dataset
from cnndsl.data.draws import permutation
from cnndsl.data.records import Dataset, Part, by_class
from cnndsl.errors import CnnError, counted, error, located
from cnndsl.language.paths import PATHS, inside
from cnndsl.runtime.notes import numbered
from cnndsl.training.classes import fitted_data
from cnndsl.training.scores import input_shape

if TYPE_CHECKING:
    from cnndsl.errors import Span
    from cnndsl.language.model import Model
    from cnndsl.language.recipe import TrainRecipe


def named_by(recipe: TrainRecipe, check: bool = True) -> Dataset | None:
    """The data set at the path that `validate` of a recipe names, None where it names none.

    A path lies in the folder of the model's file, or below (of an entry set by the command: in the current folder), also
    where links are followed. check: as in `datasets.open`. Raises E701 … E705 at the entry's place.
    """
    if not isinstance(recipe.validate, str):
        return None
    place = recipe.spans.get("validate")
    try:
        path = inside(Path(recipe.home), recipe.validate, place, "E701", PATHS)
        return datasets.open(path, check, hold_back=False)
    except CnnError as e:
        raise located(e, place) from None


def parts(
    model: Model, scores: str, recipe: TrainRecipe, data: Dataset, own: Dataset | None, labels: tuple[str, ...]
) -> tuple[Part, Part | None]:
    """What is trained on, and what is validated on. own: a data set for that alone; labels: what the classes are called.

    Of `own` the test part counts where it has one, else all of it. Raises E423, E705, E706.
    """
    if own is not None:
        own = _fitting(model, scores, own, labels, data.name, recipe.spans.get("validate"))
        return data.train, own.train if own.test is None else own.test
    if recipe.validate is None:
        return data.train, data.test
    return _shared(float(recipe.validate), data)


def _fitting(model: Model, scores: str, own: Dataset, labels: tuple[str, ...], data: str, place: Span | None) -> Dataset:
    strange = [x for x in own.classes if x not in labels]
    if labels and strange and not numbered(own.classes) and not numbered(labels):
        message = f"{own.name} has a class {strange[0]}, which {data} does not have"
        raise error("E705", message, place, help=f"it has {', '.join(labels[:5])}{' …' if len(labels) > 5 else ''}")
    if labels and len(own.classes) > len(labels):
        message = f"{own.name} has {counted(len(own.classes), 'class')}, and {data}, which is trained on, {len(labels)}"
        raise error("E705", message, place, help="validation is on pictures of the same classes")
    try:
        own = fitted_data(model, scores, own, labels) if labels else own
        check_dataset(own, input_shape(model))
    except CnnError as e:
        raise located(e, place) from None
    return own


def _shared(share: float, data: Dataset) -> tuple[Part, Part]:
    """A share of the training part held back, class by class."""
    held = np.zeros(len(data.train), bool)
    order = permutation(0, 0, "validate", len(data.train))
    among, place, count = by_class(data.train.groups[order])
    held[order[among[place < np.rint(share * count)]]] = True
    if not held.any() or held.all():
        raise error("E423", f"validate = {share:g} leaves nothing to {'validate' if not held.any() else 'train'} on")
    return data.train.only(np.flatnonzero(~held)), data.train.only(np.flatnonzero(held))
