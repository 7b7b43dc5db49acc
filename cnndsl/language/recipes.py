"""Recipes checked: from the syntax tree to the records of `recipe`, every key and word against the vocabulary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from cnndsl.errors import CnnError, Diagnostic, Source, Span, error
from cnndsl.language import vocabulary as words
from cnndsl.language.recipe import (
    Call,
    Constant,
    Cosine,
    Exponential,
    Interval,
    Linear,
    LossTerm,
    Pipeline,
    Plateau,
    Preprocess,
    Sgd,
    Step,
    TrainRecipe,
    Warmup,
)  # fmt: skip
from cnndsl.language.scope import listed, nearest
from cnndsl.language.syntax import tree
from cnndsl.language.values import binary, bounded, checked_list, is_number, kind, negate, shown


def plain(x: tree.Expr) -> Any:
    """A recipe's value as it stands: numbers, words, lists, ranges, calls, pipelines."""
    try:
        match x:
            case tree.Literal():
                return bounded(x.value)
            case tree.Name():
                return x.text
            case tree.SizeLiteral():
                return x.parts
            case tree.Text():
                return x.text
            case tree.ListOf():
                return checked_list(plain(item) for item in x.items)
            case tree.Range():
                low, high = plain(x.low), plain(x.high)
                if not is_number(low) or not is_number(high) or low > high:
                    raise error("E403", f"a range goes from a number to one not below it, not {shown(low)}..{shown(high)}")
                return Interval(low, high)
            case tree.Apply():
                return call_of(x)
            case tree.Arrow():
                return Pipeline(tuple(as_call(plain(s), s.span) for s in x.steps))
            case tree.Chain() if x.rest[0][0] not in ("and", "or"):
                total = plain(x.first)
                for symbol, item in x.rest:
                    total = binary(symbol, total, plain(item))
                return total
            case tree.Prefix() if x.signs[0] != "not":
                value = negate(plain(x.operand))
                return value if x.signs.count("-") % 2 else -value
    except CnnError as e:
        raise CnnError(d if d.span else replace(d, span=x.span) for d in e.diagnostics) from None
    raise error("E403", "this cannot stand in a recipe", x.span)


def call_of(x: tree.Apply) -> Call:
    keys: dict[str, Any] = {}
    for a in x.args:
        if a.key is not None and a.key.text in keys:
            raise error("E403", f"{x.name.text}: {a.key.text} is given twice", a.key.span)
        if a.key is not None:
            keys[a.key.text] = plain(a.value)
    return Call(x.name.text, tuple(plain(a.value) for a in x.args if a.key is None), keys, x.span)


def as_call(value: Any, span: Span) -> Call:
    """A word alone is a call without options."""
    if isinstance(value, Call):
        return value
    if isinstance(value, str):
        return Call(value, (), {}, span)
    raise error("E403", f"a step is a word, perhaps with options, not {shown(value)}", span)


def bind(call: Call, vocabulary: Mapping[str, Sequence[str]], what: str) -> dict[str, Any]:
    """option → value of a call whose word is one of `vocabulary`. Raises E402, E403."""
    if call.name not in vocabulary:
        help = nearest(call.name, vocabulary) or f"there are {listed(vocabulary)}"
        raise error("E402", f"{call.name} is no {what}", call.span, help=help)
    options = vocabulary[call.name]
    if len(call.args) > len(options):
        raise error("E403", f"{call.name} takes {len(options)} option(s): {listed(options) or 'none'}", call.span)
    found = dict(zip(options, call.args, strict=False))
    for key, value in call.keys.items():
        if key not in options:
            help = nearest(key, options) or (f"it has {listed(options)}" if options else "it has none")
            raise error("E402", f"{call.name} has no option {key}", call.span, help=help)
        if key in found:
            raise error("E403", f"{call.name}: {key} is given twice", call.span)
        found[key] = value
    return found


def number(found: Mapping[str, Any], key: str, call: Call, default: Any, low: float = 0.0, high: float = float("inf")) -> Any:
    """A number of `found` from low to high; without a default it is needed."""
    value = found.get(key, default)
    if value is None:
        raise error("E403", f"{call.name} needs {key}", call.span, help=f"{call.name}({key} = …)")
    if not is_number(value) or not low <= value <= high:
        wanted = f"from {low:g} to {high:g}" if high != float("inf") else f"of at least {low:g}"
        raise error("E403", f"{call.name}: {key} is a number {wanted}, not {shown(value)}", call.span)
    return value


def choice(found: Mapping[str, Any], key: str, call: Call, *allowed: str) -> str:
    value = found.get(key, allowed[0])
    if value not in allowed:
        help = nearest(value, allowed) if isinstance(value, str) else None
        raise error("E402", f"{call.name}: {key} is {' or '.join(allowed)}, not {shown(value)}", call.span, help=help)
    return str(value)


def optimizer(call: Call) -> Any:
    """`sgd` as a record; the others as they were given."""
    found = bind(call, words.OPTIMIZERS, "optimizer")
    if call.name != "sgd":
        number(found, "rate", call, None)
        return call
    nesterov = found.get("nesterov", False)
    if not isinstance(nesterov, bool):
        raise error("E403", f"sgd: nesterov is true or false, not {shown(nesterov)}", call.span)
    return Sgd(
        number(found, "rate", call, None), number(found, "momentum", call, 0.0, 0, 1), nesterov,
        number(found, "weight_decay", call, 0.0),
        choice(found, "rate_in", call, "velocity", "update"), choice(found, "decay_on", call, "all", "weights"),
    )  # fmt: skip


def schedule(value: Any, span: Span) -> Any:
    """A schedule's record. `warmup(5) -> cosine` goes before another."""
    steps = value.steps if isinstance(value, Pipeline) else (as_call(value, span),)
    then: Any = Constant()
    for i, call in reversed(list(enumerate(steps))):
        found = bind(call, words.SCHEDULES, "schedule")
        if (call.name == "warmup") != (i < len(steps) - 1) and len(steps) > 1:
            raise error("E403", "only warmup goes before another schedule", call.span, help="warmup(5) -> cosine")
        match call.name:
            case "constant":
                then = Constant()
            case "cosine":
                then = Cosine()
            case "linear":
                then = Linear()
            case "step":
                then = step_schedule(found, call)
            case "exponential":
                then = Exponential(number(found, "factor", call, None, 0, 1))
            case "plateau":
                then = Plateau(number(found, "factor", call, 0.1, 0, 1), int(number(found, "patience", call, 5, 1)))
            case "warmup":
                then = Warmup(number(found, "epochs", call, None), then)
    return then


def step_schedule(found: Mapping[str, Any], call: Call) -> Step:
    every, at = found.get("every"), found.get("at", ())
    if (every is None) == (at == ()):
        raise error("E403", "step takes every or at", call.span, help="step(every = 8, factor = 0.96) or step(at = [82, 123])")
    numbers = at if isinstance(at, tuple) else (at,)
    for n in (*numbers, *(() if every is None else (every,))):
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            raise error("E403", f"step counts epochs from 1, not {shown(n)}", call.span)
    return Step(every, numbers, number(found, "factor", call, 0.1, 0, 1))


def loss(x: tree.Expr) -> tuple[LossTerm, ...]:
    """A sum of numbers times losses."""
    parts = [("+", x)]
    if isinstance(x, tree.Chain) and x.rest[0][0] in ("+", "-"):
        parts = [("+", x.first), *x.rest]
    terms = []
    for sign, part in parts:
        factors = [part]
        if isinstance(part, tree.Chain) and all(symbol == "*" for symbol, _ in part.rest):
            factors = [part.first, *(f for _, f in part.rest)]
        weight, call = -1.0 if sign == "-" else 1.0, None
        for factor in factors:
            value = plain(factor)
            if isinstance(value, Call) and call is None:
                call = value
            elif is_number(value):
                weight *= value
            else:
                raise error(
                    "E403",
                    "a loss is a sum of numbers times losses",
                    factor.span,
                    help="cross_entropy(logits) + 0.3 * cross_entropy(aux1)",
                )
        if call is None:
            raise error("E403", "a loss is missing here", part.span, help="for example cross_entropy(logits)")
        if call.name not in words.LOSSES:
            help = nearest(call.name, words.LOSSES) or f"there are {listed(words.LOSSES)}"
            raise error("E402", f"{call.name} is no loss", call.span, help=help)
        for key in call.keys:
            if key not in words.LOSSES[call.name]:
                help = nearest(key, words.LOSSES[call.name]) or f"it has {listed(words.LOSSES[call.name]) or 'none'}"
                raise error("E402", f"{call.name} has no option {key}", call.span, help=help)
        terms.append(LossTerm(weight, call))
    return tuple(terms)


def loss_of(text: str) -> tuple[LossTerm, ...]:
    """A loss given as text."""
    from cnndsl.language.syntax.parse import parse_value

    return loss(parse_value(Source("<loss>", text)))


def images(value: Any, span: Span) -> tuple[Call, ...]:
    """A pipeline of image steps."""
    steps = value.steps if isinstance(value, Pipeline) else (as_call(value, span),)
    for call in steps:
        bind(call, words.STEPS, "image step")
    return steps


def labels(value: Any, span: Span) -> tuple[str, ...]:
    if not isinstance(value, tuple) or any(isinstance(x, (tuple, Call, Interval, Pipeline)) for x in value):
        raise error("E403", "labels are a list of names", span, help='labels = [cat, dog, "guinea pig"]')
    found = tuple(shown(x) for x in value)
    twice = next((x for x in found if found.count(x) > 1), None)
    if twice is not None:
        raise error("E403", f"two classes are called {twice}", span)
    return found


def entry(key: str, x: tree.Expr) -> Any:
    """The value of one entry of `train`, checked."""
    if key == "loss":
        return loss(x)
    value = plain(x)
    match key:
        case "optimizer":
            return optimizer(as_call(value, x.span))
        case "schedule":
            return schedule(value, x.span)
        case "augment":
            return images(value, x.span)
        case "data":
            if not isinstance(value, str):
                raise error(
                    "E403", f"data is the name of a bundled data set, not {shown(value)}", x.span, help="--data takes paths"
                )
        case "batch" | "epochs" | "steps" | "seed":
            if not isinstance(value, int) or isinstance(value, bool) or value < (key != "seed"):
                raise error("E403", f"{key} is a whole number from {int(key != 'seed')}, not {shown(value)}", x.span)
        case "clip" | "average":
            call = as_call(value, x.span)
            number(
                bind(call, words.CLIPS if key == "clip" else words.AVERAGES, key),
                "most" if key == "clip" else "decay",
                call,
                None,
            )
            return call
        case "freeze":
            return value if isinstance(value, tuple) else (value,)
        case "precision":
            if value not in ("float32", "tf32", "bf16", "fp16"):
                raise error("E402", f"precision is float32, tf32, bf16 or fp16, not {shown(value)}", x.span)
        case "validate":
            if not isinstance(value, str) and not (is_number(value) and 0 < value < 1):
                raise error("E403", f"validate is a share between 0 and 1, not {shown(value)}", x.span)
    return value


KEYS = {"train": words.TRAIN_KEYS, "eval": words.EVAL_KEYS, "task": words.TASK_KEYS, "preprocess": words.PREPROCESS_KEYS}


def entries(recipe: tree.Recipe, found: list[Diagnostic]) -> tuple[dict[str, Any], dict[str, Span]]:
    """key → value and key → place; errors go to `found`."""
    values: dict[str, Any] = {}
    spans: dict[str, Span] = {}
    keys = KEYS[recipe.kind]
    for e in recipe.entries:
        key = e.key.text
        try:
            if key not in keys:
                help = nearest(key, keys) or f"there are {listed(keys)}"
                raise error("E401", f"{recipe.kind} has no key {key}", e.key.span, help=help)
            if key in spans:
                raise error("E401", f"{key} is given twice", e.key.span)
            spans[key] = e.span
            values[key] = _value(recipe.kind, key, e.value)
        except CnnError as err:
            found += err.diagnostics
    return values, spans


def _value(kind_: str, key: str, x: tree.Expr) -> Any:
    if kind_ == "preprocess":
        return images(plain(x), x.span) if key == "images" else labels(plain(x), x.span)
    if kind_ == "eval" and key == "views":
        return images(plain(x), x.span)
    if kind_ == "eval":
        value = plain(x)
        if key == "reduce" and value not in ("mean", "max"):
            raise error("E402", f"reduce is mean or max, not {shown(value)}", x.span)
        return value
    if kind_ == "task" and key == "input":
        return images(plain(x), x.span)
    return entry(key, x) if key in words.TRAIN_KEYS else plain(x)


def train_recipe(recipe: tree.Recipe, base: TrainRecipe | None, found: list[Diagnostic]) -> TrainRecipe:
    """The record of one `train`; a named one is the unnamed with its entries changed."""
    values, spans = entries(recipe, found)
    name = recipe.name.text if recipe.name else ""
    start = base or TrainRecipe()
    if "epochs" in values and "steps" in values:
        found.append(Diagnostic("E403", "a recipe has epochs or steps, not both", spans["steps"]))
    if "epochs" in values:
        values["steps"] = values.get("steps")
    elif "steps" in values:
        values["epochs"] = None
    return replace(start, name=name, span=recipe.span, spans={**start.spans, **spans}, **values)


def preprocess_record(recipe: tree.Recipe, found: list[Diagnostic]) -> Preprocess:
    return Preprocess(**entries(recipe, found)[0])


def overridden(recipe: TrainRecipe, given: Mapping[str, str]) -> TrainRecipe:
    """`recipe` with entries given as text."""
    from cnndsl.language.syntax.parse import parse_value

    values: dict[str, Any] = {}
    for key, text in given.items():
        if key not in words.TRAIN_KEYS:
            help = nearest(key, words.TRAIN_KEYS) or f"there are {listed(words.TRAIN_KEYS)}"
            raise error("E401", f"train has no key {key}", help=help)
        values[key] = entry(key, parse_value(Source(f"train.{key}", text)))
    if "steps" in values and "epochs" not in values:
        values["epochs"] = None
    if "epochs" in values and "steps" not in values:
        values["steps"] = None
    known = {f.name for f in fields(TrainRecipe)}
    return replace(recipe, **{k: v for k, v in values.items() if k in known})


def described(value: Any) -> str:
    """A value in a message."""
    return f"{shown(value)} ({kind(value)})"
