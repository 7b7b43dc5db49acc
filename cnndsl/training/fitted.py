"""The data of a training held against the model: what is trained and validated on, and what classes are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnndsl.data.channels import check_dataset
from cnndsl.data.records import Dataset, Part, check_some
from cnndsl.training.classes import class_count, class_names, fitted_data
from cnndsl.training.needs import Needs, check_augment, check_part, needs_of
from cnndsl.training.scores import input_shape, scores_of
from cnndsl.training.validation import parts

if TYPE_CHECKING:
    from cnndsl.language.model import Model
    from cnndsl.language.recipe import TrainRecipe


@dataclass(frozen=True)
class Fitted:
    """name: of the data. scores, are_logits: as of `scores_of`, where the network tells classes apart. labels: what they
    are called. needs: what the loss takes. apart: the name of the data set to validate on, where it is one of its own."""

    name: str
    train: Part
    validation: Part | None
    shape: tuple[int, ...]
    scores: str
    are_logits: bool
    labels: tuple[str, ...]
    needs: Needs
    apart: str = ""


def fitted(model: Model, recipe: TrainRecipe, data: Dataset, own: Dataset | None) -> Fitted:
    """own: a data set to validate on alone. Raises E423, E424 (the recipe), E705, E706 (the data)."""
    shape = input_shape(model)
    needs = needs_of(model, recipe)
    scores, are_logits = "", False
    labels: tuple[str, ...] = ()
    if needs.kind != "numbers":
        scores, are_logits = scores_of(model)
        data = fitted_data(model, scores, data)
        labels = class_names(model, class_count(model, scores), data.classes)
    check_dataset(data, shape)
    train, validation = parts(model, scores, recipe, data, own, labels)
    place = recipe.spans.get("loss")
    check_some(train, data.name, "to train on")
    check_part(needs, train, shape, data.name, place)
    if validation is not None:
        held = own.name if own is not None else data.name
        check_some(validation, held, "to validate on")
        check_part(needs, validation, shape, held, place)
    check_augment(needs, recipe.augment)
    return Fitted(data.name, train, validation, shape, scores, are_logits, labels, needs, own.name if own is not None else "")
