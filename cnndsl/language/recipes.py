"""Recipes checked: from the syntax tree to the records of `recipe`, every key and word against the vocabulary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from cnndsl.errors import CnnError, Diagnostic, Source, Span, error, in_words, located
from cnndsl.language import vocabulary as words
from cnndsl.language.commas import pointed
from cnndsl.language.descent import optimizer, schedule
from cnndsl.language.options import as_call, bind, check, images, told
from cnndsl.language.paths import PATHS, leads_out
from cnndsl.language.recipe import (
    Call,
    Interval,
    LossTerm,
    Pipeline,
    Preprocess,
    Sides,
    TrainRecipe,
)  # fmt: skip
from cnndsl.language.spelling import listed, nearest
from cnndsl.language.syntax import tree
from cnndsl.language.values import binary, bounded, checked_list, is_number, negate, shown


def plain(x: tree.Expr) -> Any:
    """A recipe's value as it stands: numbers, words, lists, ranges, calls, pipelines."""
    try:
        match x:
            case tree.Literal():
                return bounded(x.value)
            case tree.Name():
                return x.text
            case tree.SizeLiteral():
                return Sides(x.parts)
            case tree.Text():
                return x.text
            case tree.ListOf():
                return checked_list(plain(item) for item in x.items)
            case tree.Range():
                low, high = plain(x.low), plain(x.high)
                if not is_number(low) or not is_number(high) or low > high:
                    raise error("E403", f"a range goes from a number to one not below it, not {shown(low)}..{shown(high)}")
                return Interval(low, high)
            case tree.Postfix(operand=tree.Name(text=first), tail=tail) if all(isinstance(t, tree.Name) for t in tail):
                return ".".join([first, *(t.text for t in tail if isinstance(t, tree.Name))])  # a path of weights
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
        raise located(e, x.span) from None
    raise error("E403", "this cannot stand in a recipe", x.span)


def call_of(x: tree.Apply) -> Call:
    keys: dict[str, Any] = {}
    spans: dict[str, Span] = {}
    args: list[Any] = []
    for a in x.args:
        if a.key is None:
            if keys:
                help = pointed(x.name.text, (b.span for b in x.args))
                raise error("E403", f"{x.name.text}: options without a name come first", a.span, help=help)
            spans[str(len(args))] = a.span
            args.append(plain(a.value))
            continue
        if a.key.text in keys:
            raise error("E403", f"{x.name.text}: {a.key.text} is given twice", a.key.span)
        keys[a.key.text] = plain(a.value)
        spans[a.key.text] = a.span
    return Call(x.name.text, tuple(args), keys, x.span, spans)


COUNTS = {"batch": 64, "accumulate": 4, "epochs": 40, "steps": 6000, "seed": 7}
"""Entries that are whole numbers, with examples."""
TWO_LENGTHS = "a recipe has epochs or steps, not both"
MOST_PARTS = 65536
"""Up to which a number of parts that fits is looked for."""


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
            elif isinstance(value, str) and value in words.LOSSES:
                raise error("E403", f"{value} needs the name of a value", factor.span, help=f"{value}(logits)")
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
            near = nearest(call.name, words.LOSSES) or f"there are {listed(words.LOSSES)}"
            raise error("E402", f"{call.name} is no loss", call.span, help=near)
        options = words.LOSSES[call.name]
        for key, given in call.keys.items():
            place = call.spans.get(key, call.span)
            if key not in options:
                help = nearest(key, options) or (f"it has {listed(options)}" if options else "it has none")
                raise error("E402", f"{call.name} has no option {key}", place, help=help)
            check(call.name, key, options[key], given, place)
        terms.append(LossTerm(weight, call))
    return tuple(terms)


def loss_of(text: str) -> tuple[LossTerm, ...]:
    """A loss given as text."""
    from cnndsl.language.syntax.parse import parse_value

    return loss(parse_value(Source("<loss>", text)))


def labels(value: Any, span: Span) -> tuple[str, ...]:
    if not isinstance(value, tuple) or any(isinstance(x, (tuple, Call, Interval, Pipeline)) for x in value):
        raise error("E403", "labels are a list of names", span, help='labels = [cat, dog, "guinea pig"]')
    found = tuple(shown(x) for x in value)
    twice = next((x for x in found if found.count(x) > 1), None)
    if twice is not None:
        raise error("E403", f"two classes are called {twice}", span)
    return found


def entry(key: str, x: tree.Expr) -> Any:
    """The value of one entry of `train` or `task`, checked."""
    if key == "loss":
        return loss(x)
    value = plain(x)
    match key:
        case "optimizer":
            return optimizer(as_call(value, x.span))
        case "schedule":
            return schedule(value, x.span)
        case "augment" | "input":
            return images(key, value, x.span)
        case "data":
            if not isinstance(value, str):
                message = f"data is the name of a bundled data set, not {told(value)}"
                raise error("E403", message, x.span, help="--data takes paths")
            if value not in words.DATA:
                help = nearest(value, words.DATA) or f"there is {listed(words.DATA)}; --data takes paths"
                raise error("E402", f"{value} is no bundled data set", x.span, help=help)
        case _ if key in COUNTS:
            if not isinstance(value, int) or isinstance(value, bool) or value < (key != "seed"):
                whole = isinstance(value, float) and value.is_integer()
                text = x.span.source.text[x.span.start : x.span.end] if whole else told(value)
                quoted = isinstance(value, str) and value.isdecimal()
                mend = f"without quotes: {key} = {value}" if quoted else f"for example {key} = {COUNTS[key]}"
                mend = f"without a point or an exponent: {key} = {int(value)}" if whole else mend
                raise error("E403", f"{key} is a whole number from {int(key != 'seed')}, not {text}", x.span, help=mend)
        case "jitter":
            if not is_number(value) or value < 0:
                raise error("E403", f"jitter is a number from 0, not {told(value)}", x.span)
        case "clip" | "average":
            if not isinstance(value, str | Call):
                example = "norm(2.0), value(1.0) or global_norm(1.0)" if key == "clip" else "ema(0.999)"
                raise error("E403", f"{key} is a word with a number, not {told(value)}", x.span, help=f"{key} = {example}")
            call = as_call(value, x.span)
            bind(call, words.CLIPS if key == "clip" else words.AVERAGES, "way to clip" if key == "clip" else "average")
            return call
        case "freeze":
            paths = value if isinstance(value, tuple) else (value,)
            if not paths or not all(isinstance(p, str) for p in paths):
                message = f"freeze takes paths of weights, not {told(value)}"
                raise error("E403", message, x.span, help="freeze = [stem, stage1.unit2]")
            return paths
        case "precision":
            if value not in words.PRECISIONS:
                near = nearest(value, words.PRECISIONS) if isinstance(value, str) else None
                raise error("E402", f"precision is {listed_or(words.PRECISIONS)}, not {told(value)}", x.span, help=near)
        case "validate":
            if not isinstance(value, str) and not (is_number(value) and 0 < value < 1):
                raise error("E403", f"validate is a share between 0 and 1, or the path of data, not {told(value)}", x.span)
            if isinstance(value, str) and leads_out(value):
                raise error("E403", f"{value} leads out of the folder of the model", x.span, help=PATHS)
    return value


def listed_or(known: Sequence[str]) -> str:
    return f"{', '.join(known[:-1])} or {known[-1]}"


def eval_entry(key: str, x: tree.Expr) -> Any:
    """The value of one entry of `eval`, checked."""
    if key in ("data", "batch"):
        return entry(key, x)
    value = plain(x)
    if key == "views":
        return images(key, value, x.span)
    if key == "reduce":
        if value not in words.REDUCTIONS:
            help = nearest(value, words.REDUCTIONS) if isinstance(value, str) else None
            raise error("E402", f"reduce is {listed_or(words.REDUCTIONS)}, not {told(value)}", x.span, help=help)
        return value
    places = x.items if isinstance(x, tree.ListOf) else (x,)
    calls = [as_call(v, p.span) for v, p in zip(value if isinstance(value, tuple) else (value,), places, strict=True)]
    for call in calls:
        bind(call, words.METRICS, "metric")
    return tuple(calls)


KEYS = {"train": words.TRAIN_KEYS, "eval": words.EVAL_KEYS, "task": words.TASK_KEYS, "preprocess": words.PREPROCESS_KEYS}


def _elsewhere(key: str) -> str | None:
    """Where a key belongs that another recipe has."""
    found = [kind for kind, keys in KEYS.items() if key in keys]
    return f"{key} stands in {' or '.join(found)}" if found else None


def _option(key: str, text: str, kind: str) -> str | None:
    """How an option of the optimizer or the schedule is set that is given as if it were an entry."""
    for name, vocabulary in (("optimizer", words.OPTIMIZERS), ("schedule", words.SCHEDULES)):
        if name in KEYS[kind] and any(key in options for options in vocabulary.values()):
            return f"{key} is an option of the {name}: {kind}.{name}.{key}={text}"
    return None


def entries(recipe: tree.Recipe, found: list[Diagnostic]) -> tuple[dict[str, Any], dict[str, Span]]:
    """key → value and key → place; errors go to `found`."""
    values: dict[str, Any] = {}
    spans: dict[str, Span] = {}
    keys = KEYS[recipe.kind]
    for e in recipe.entries:
        key = e.key.text
        try:
            if key not in keys:
                help = nearest(key, keys) or _elsewhere(key) or f"there are {listed(keys)}"
                raise error("E401", f"{recipe.kind} has no key {key}", e.key.span, help=help)
            if key in spans:
                raise error("E401", f"{key} is given twice", e.key.span)
            spans[key] = e.span
            values[key] = _value(recipe.kind, key, e.value)
        except CnnError as err:
            quoted = f"without quotes: {key} = {e.value.text}" if isinstance(e.value, tree.Text) else None
            found += [d if d.help else replace(d, help=quoted) for d in err.diagnostics]
    return values, spans


def _value(kind_: str, key: str, x: tree.Expr) -> Any:
    if kind_ == "preprocess":
        return images(key, plain(x), x.span) if key == "images" else labels(plain(x), x.span)
    return eval_entry(key, x) if kind_ == "eval" else entry(key, x)


def not_carried_out(recipe: str, values: Mapping[str, Any], spans: Mapping[str, Span]) -> Iterator[Diagnostic]:
    """W402 for each entry with words that are written correctly and cannot be carried out yet."""
    for key, value in values.items():
        for word in words.not_run(key, value):
            yield Diagnostic("W402", f"{recipe} cannot carry out {key}: {word} yet", spans.get(key))


def refuse(recipe: str, values: Mapping[str, Any], spans: Mapping[str, Span]) -> None:
    """Raises E423, at their places, for what W402 warned of."""
    found = [replace(d, code="E423") for d in not_carried_out(recipe, values, spans)]
    if found:
        raise CnnError(sorted(found, key=lambda d: d.span.start if d.span else -1))


def train_recipe(recipe: tree.Recipe, base: TrainRecipe | None, found: list[Diagnostic]) -> TrainRecipe:
    """The record of one `train`; a named one is the unnamed with its entries changed."""
    values, spans = entries(recipe, found)
    name = recipe.name.text if recipe.name else ""
    start = base or TrainRecipe()
    if "epochs" in values and "steps" in values:
        found.append(Diagnostic("E403", TWO_LENGTHS, spans["steps"]))
    if "epochs" in values:
        values["steps"] = values.get("steps")
    elif "steps" in values:
        values["epochs"] = None
    made = replace(start, name=name, span=recipe.span, spans={**start.spans, **spans}, **values)
    try:
        check_parts(made.batch, made.accumulate, spans.get("accumulate") or spans.get("batch"))
    except CnnError as e:
        found += e.diagnostics
        made = replace(made, accumulate=1)  # or each recipe that builds on this one would say it again
    return made


def check_parts(batch: Any, parts: Any, place: Span | None, code: str = "E403") -> None:
    """Raises E403 where `accumulate = parts` does not cut a batch into equal parts."""
    if isinstance(parts, bool) or not isinstance(parts, int) or parts < 1:
        raise error(code, f"accumulate is a whole number from 1, not {told(parts)}", place)
    if batch % parts:
        fits = next((n for n in range(min(parts, batch, MOST_PARTS), 1, -1) if batch % n == 0), None)
        help = f"accumulate = {fits}" if fits else "leave accumulate out"
        raise error(code, f"a batch of {batch} images cannot be cut into {parts} equal parts", place, help=help)


def preprocess_record(recipe: tree.Recipe, found: list[Diagnostic]) -> Preprocess:
    return Preprocess(**entries(recipe, found)[0])


def entry_of(key: str, text: str, kind: str = "train") -> Any:
    """The value of one entry of `train`, `eval` or `task`, given as text."""
    return given_entry(key, text, kind)[0]


def given_entry(key: str, text: str, kind: str) -> tuple[Any, Span]:
    """The same, and its place: in a text of its own, which is called `train.batch`."""
    from cnndsl.language.syntax.parse import parse_value

    keys = KEYS[kind]
    if key not in keys:
        help = _option(key, text, kind) or nearest(key, keys) or _elsewhere(key) or f"there are {listed(keys)}"
        raise error("E401", f"{kind} has no key {in_words(key)}", help=help)
    source = Source(f"{kind}.{key}", text)
    at = Span(source, 0, len(text))
    if key == "validate" and _is_path(text):
        try:
            return entry(key, tree.Text(at, text)), at
        except CnnError as e:
            raise CnnError(replace(d, help=f"--validate takes any path: --validate {text}") for d in e.diagnostics) from None
    return _value(kind, key, parse_value(source)), at


def _is_path(text: str) -> bool:
    """Whether a shell took the quotes from a path: `photos/val` where a file has `"photos/val"`. A share is a number."""
    return '"' not in text and not re.fullmatch(r"[-+*/().\d\s]*|[\d.]+e[-+]?\d+", text.replace("..", "a"))


def overridden(recipe: TrainRecipe, given: Mapping[str, str]) -> TrainRecipe:
    """`recipe` with entries given as text; `optimizer.rate` is one option of an entry."""
    from cnndsl.language.one_option import whole_entries

    whole = whole_entries("train", given, lambda key: getattr(recipe, key, None))
    found = {key: given_entry(key, text, "train") for key, text in whole.items()}
    values = {key: value for key, (value, _) in found.items()}
    spans = {key: span for key, (_, span) in found.items()}
    if "epochs" in values and "steps" in values:
        raise error("E403", TWO_LENGTHS, spans["steps"], help="leave one of them out")
    if "steps" in values or "epochs" in values:
        values = {"epochs": None, "steps": None, **values}
    known = {f.name for f in fields(TrainRecipe)}
    changed = replace(recipe, **{k: v for k, v in values.items() if k in known}, spans={**recipe.spans, **spans})
    if "validate" in values:
        changed = replace(changed, home="")  # a path that the command gives lies in its own folder
    check_parts(changed.batch, changed.accumulate, changed.spans.get("accumulate"))
    return changed


def overridden_entries(
    kind: str, entries: Mapping[str, Any], spans: Mapping[str, Span], given: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Span]]:
    """`entries` and `spans` of an `eval` or a `task` with entries given as text."""
    from cnndsl.language.one_option import whole_entries

    found = {key: given_entry(key, text, kind) for key, text in whole_entries(kind, given, entries.get).items()}
    values, places = ({key: x[k] for key, x in found.items()} for k in (0, 1))
    return {**entries, **values}, {**spans, **places}
