"""What of a recipe cannot be run, and values of recipes as text."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from cnndsl.errors import CnnError, Span, error
from cnndsl.graph.graph import Graph
from cnndsl.language.load import against
from cnndsl.language.recipe import NO_ENTRIES, Call, Interval, TrainRecipe
from cnndsl.language.recipe_warnings import lacking, title
from cnndsl.language.recipes import check_parts, refuse


def check_recipe(recipe: TrainRecipe, graph: Graph) -> None:
    """Raises E423, at its place, for an entry that training cannot carry out or that is missing; E404, E405, E424 for a loss
    or `freeze` that does not fit the model."""

    def at(name: str) -> Span | None:
        return recipe.spans.get(name, recipe.span)

    said = {f.name: v for f in fields(recipe) if f.name not in NO_ENTRIES and (v := getattr(recipe, f.name)) not in (None, ())}
    refuse(title(recipe), said, recipe.spans)
    check_whole(recipe)
    for name in ("epochs", "steps", "batch"):
        value = getattr(recipe, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise error("E423", f"{name} is a whole number from 1, not {drawn(value)}", at(name))
    check_parts(recipe.batch, recipe.accumulate, at("accumulate"), "E423")
    wrong = [d for d in against(recipe, graph) if d.severity == "error"]
    if wrong:
        raise CnnError(wrong)
    share: Any = recipe.validate
    number = isinstance(share, (int, float)) and not isinstance(share, bool)
    if share is not None and not isinstance(share, str) and not (number and 0 < share < 1):
        raise error("E423", f"validate is a share between 0 and 1, or the path of data, not {drawn(share)}", at("validate"))


def check_whole(recipe: TrainRecipe, step: bool = False) -> None:
    """Raises E423 where the recipe leaves out what training needs, or what a step of it does."""
    short = lacking(recipe, "E423", step)
    if short is not None:
        raise CnnError(short)


def check_precision(said: str | None, target: str, place: Span | None, recipe: str = "train") -> str:
    """The floats that a recipe's `precision` asks for. Raises E423, at its place, where the target does not compute in them."""
    found = said or "float32"
    refuse(recipe, {"precision": found}, {"precision": place} if place is not None else {})
    if found == "float64" and target != "reference":
        message = f"precision = float64: the target {target} computes in float32"
        raise error("E423", message, place, help="--target reference computes in float64, slowly")
    return found


def drawn(value: Any) -> str:
    """A value of a recipe much as it is written in a file."""
    match value:
        case Call():
            given = [drawn(x) for x in value.args] + [f"{k} = {drawn(x)}" for k, x in value.keys.items()]
            return f"{value.name}({', '.join(given)})" if given else value.name
        case Interval():
            return f"{value.low:g}..{value.high:g}"
        case tuple() | list():
            return f"[{', '.join(drawn(x) for x in value)}]"
        case bool():
            return str(value).lower()
        case _ if is_dataclass(value) and not isinstance(value, type):
            inside = [f"{f.name} = {drawn(getattr(value, f.name))}" for f in fields(value) if f.name not in ("span", "spans")]
            return f"{type(value).__name__.lower()}({', '.join(inside)})"
    return str(value)
