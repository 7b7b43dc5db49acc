"""load: from a path, `path.cnn:name` or the name of a bundled model, to a `Model`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cnndsl.errors import CnnError, Diagnostic, Source, Span, briefly, error, in_words
from cnndsl.graph.graph import Graph
from cnndsl.language import recipe_warnings, recipes, warnings
from cnndsl.language.arguments import bind_parameters, block_arguments, check_word, words_of_parameter
from cnndsl.language.bundled import bundled
from cnndsl.language.elaborate import MOST_REPORTS, MOST_STEPS, Elaborator
from cnndsl.language.evaluate import evaluate
from cnndsl.language.files import Definitions, define, needs, read, templates_last
from cnndsl.language.frozen import frozen
from cnndsl.language.loss_graph import misfits, unreached
from cnndsl.language.losses import check_loss, names_in, names_of, unknown_names
from cnndsl.language.model import Model
from cnndsl.language.recipe import Eval, Preprocess, Task, TrainRecipe
from cnndsl.language.scope import POISON, BlockValue, Env, Poisoned, listed, nearest
from cnndsl.language.syntax import tree
from cnndsl.language.syntax.parse import parse_value
from cnndsl.language.tasks import Enough, drive, uncollected
from cnndsl.language.values import checked_list
from cnndsl.language.view_sizes import misfits as misfits_of_views

LONGEST_CHAIN = 100
MOST_SHOWN = 100
OF_EACH_MODEL = ("E404", "E405", "E424", "W406")
"""What one place can be told of every model of a file: it is told of the first."""
_MODEL = re.compile(r"^[ \t]*model[ \t]+(\w+)", re.MULTILINE)


def bundled_models() -> dict[str, Path]:
    """The models that come with the package: name → file."""
    found: dict[str, Path] = {}
    for path in sorted(bundled("models").glob("*.cnn")):
        for name in _names(path.read_text(encoding="utf-8")):
            found.setdefault(name, path)
    return found


def models_of(spec: str) -> list[str]:
    """The names of the models that `spec` may mean, as `load` takes it: the one it names, else all of its file, which need not
    be free of mistakes. Raises E505, E506."""
    path, name = locate(spec)
    return [name] if name else _names(read(path).text)


def _names(text: str) -> list[str]:
    return _MODEL.findall(text)


def load(spec: str | Path, /, train: Mapping[str, str] | None = None, **arguments: Any) -> Model:
    """The model `spec`: a path, `path.cnn:name`, or the name of a bundled one.

    arguments: of the model (`classes=26`), as Python values or as text of the language. train: entries of the unnamed
    recipe to change, as text. Raises `CnnError` with every error of the file.
    """
    path, name = locate(in_words(spec))
    with uncollected():
        model = build(define(read(path), path.parent), name, arguments, path.stem)
    return _retrained(model, train)


def name_of(spec: str | Path) -> str:
    """What the model `spec` is called, without a look at its body. Raises as `load`, for what is wrong with the text."""
    path, name = locate(in_words(spec))
    return name or _chosen(define(read(path), path.parent), None, path.stem)


def load_text(text: str, name: str = "<text>", model: str | None = None, **arguments: Any) -> Model:
    """The model in a text; `model` names it where there are several."""
    with uncollected():
        return build(define(Source(name, text.replace("\r\n", "\n")), None), model, arguments, "")


def check(spec: str | Path, /, **arguments: Any) -> list[Diagnostic]:
    """Every error and warning of a file's models, ordered by place. Templates that need arguments are left out,
    unless `spec` names one or nothing else is there."""
    with uncollected():
        return _check(spec, arguments)


def _check(spec: str | Path, arguments: Mapping[str, Any]) -> list[Diagnostic]:
    path, name = locate(str(spec))
    try:
        definitions = define(read(path), path.parent)
    except CnnError as e:
        return list(e.diagnostics)
    names = [name] if name else [n for n, (m, _) in definitions.models.items() if not set(needs(m)) - set(arguments)]
    found: list[Diagnostic] = list(definitions.found)
    for k, each in enumerate(names):
        wrong = sum(d.severity == "error" for d in found)
        if wrong and k and (wrong >= MOST_REPORTS or definitions.steps > MOST_STEPS):
            found[-1] = replace(found[-1], notes=(*found[-1].notes, f"{each} and the models after it were not looked at"))
            break
        try:
            found += build(definitions, each, arguments if name else _fitting(definitions, each, arguments), "").warnings
        except CnnError as e:
            found += e.diagnostics
    return ordered(found)


def _fitting(definitions: Definitions, name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of the arguments for a whole file, those that this model has."""
    item = definitions.models[name][0]
    for _ in range(LONGEST_CHAIN):
        if isinstance(item, tree.ModelItem) or item.template.text not in definitions.models:
            break
        item = definitions.models[item.template.text][0]
    known = {p.name.text for p in item.params} if isinstance(item, tree.ModelItem) else set()
    return {k: v for k, v in arguments.items() if k in known}


def locate(spec: str) -> tuple[Path, str | None]:
    """The file and, where the spec says it, the model. Raises E506."""
    if "\0" in spec:
        raise error("E506", "a model's name has no NUL in it")
    known = bundled_models()
    if spec in known:
        return known[spec], spec
    file, colon, name = spec.rpartition(":")
    if colon and file.endswith(".cnn"):
        return Path(file), name
    if spec.endswith(".cnn") or "/" in spec or os.path.exists(spec):
        return Path(spec), None
    near = f"did you mean {spec}.cnn?" if os.path.isfile(f"{spec}.cnn") else nearest(spec, known)
    help = f"{near or 'a file ends in .cnn;'} cnndsl models lists the bundled ones"
    raise error("E506", f"{spec} is neither a file nor a bundled model", help=help)


def ordered(found: list[Diagnostic]) -> list[Diagnostic]:
    """By place, each message once; of very many the first, and how many more there are."""
    kept: dict[tuple[str, str, int, str], Diagnostic] = {}
    for d in found:
        at = d.span
        told = "" if d.code in OF_EACH_MODEL else d.message
        kept.setdefault((d.code, at.source.name if at else "", at.start if at else -1, told), d)
    each = sorted(kept.values(), key=lambda d: (d.span.source.name, d.span.start) if d.span else ("", -1))
    if len(each) > MOST_SHOWN:
        each.sort(key=lambda d: d.severity)  # errors before warnings
        more = f"{len(each) - MOST_SHOWN:,} more are not shown"
        each = [*each[: MOST_SHOWN - 1], replace(each[MOST_SHOWN - 1], notes=(*each[MOST_SHOWN - 1].notes, more))]
    return each


def build(definitions: Definitions, name: str | None, arguments: Mapping[str, Any], stem: str) -> Model:
    """One model of a file, elaborated. Raises all that is wrong with it at once."""
    name = _chosen(definitions, name, stem)
    elaborator = Elaborator(name)
    found = list(definitions.found)
    given: dict[str, Any] = {}
    try:
        given = elaborated(elaborator, definitions, name, arguments)
    except (Enough, Poisoned):
        pass
    except CnnError as e:
        found += e.diagnostics
    found += elaborator.found
    definitions.steps += elaborator.steps
    model = _with_recipes(
        Model(name, elaborator.graph, source=definitions.source, arguments=given), definitions, found, bool(found)
    )
    if not found:
        fixed = len(definitions.models) == 1 and not arguments  # else the views may be meant for another size
        views = [d for judged in model.evals.values() for d in misfits_of_views(judged, model.graph)]
        found += views if fixed else [replace(d, code="W409") for d in views]
    errors = [d for d in found if d.severity == "error"]
    if errors:
        raise CnnError(ordered(errors))
    return replace(model, warnings=tuple(ordered([*_warnings(model, definitions, bool(arguments)), *found])))


def _chosen(definitions: Definitions, name: str | None, stem: str) -> str:
    """The model that is meant. Raises E202 with those that are there."""
    models = definitions.models
    span = Span(definitions.source, 0, 1)
    if name is None:
        ready = [n for n, (m, _) in models.items() if not needs(m)]
        if len(models) == 1:
            return next(iter(models))
        if stem in ready or len(ready) == 1:
            return stem if stem in ready else ready[0]
        help = f"there are {listed(templates_last(models))}"
        if not models:
            raise CnnError(definitions.found or [Diagnostic("E110", "the file defines no model", span)])
        raise error("E202", f"{definitions.source.name} holds several models: name one, as file.cnn:name", help=help)
    if name not in models:
        near = nearest(name, models)
        help = f"there are {listed(templates_last(models))}" + (f"; {near}" if near else "")
        raise error("E202", f"there is no model {name} in {definitions.source.name}", help=help)
    return name


def elaborated(elaborator: Elaborator, definitions: Definitions, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Expand the model; its arguments. Errors in the body are in `elaborator.found`."""
    item, env = definitions.models[name]
    chain = []
    while isinstance(item, tree.Instance):
        chain.append((item, env))
        template = item.template
        if template.text not in definitions.models or len(chain) > LONGEST_CHAIN:
            circle = len(chain) > LONGEST_CHAIN
            help = "an instance names another model" if circle else nearest(template.text, definitions.models)
            what = "is an instance of itself" if circle else "is no model"
            raise error("E203", f"{template.text} {what}", template.span, help=help)
        item, env = definitions.models[template.text]
    target = BlockValue(item, env)
    for instance, home in reversed(chain):
        target = replace(target, fixed={**target.fixed, **block_arguments(replace(target, fixed={}), instance.args, home)})
    given = {**target.fixed, **_from_outside(target, arguments)}
    missing = [p.name.text for p in item.params if p.default is None and p.name.text not in given]
    if missing:
        ready = [n for n in definitions.models if n != item.name.text and isinstance(definitions.models[n][0], tree.Instance)]
        help = f"give them: {item.name.text} {' '.join(f'{m}=…' for m in missing)}"
        if ready:
            help += f"; or take {listed(ready)}"
        raise error("E210", f"{name} needs {listed(missing)}", item.name.span, help=help)
    inner = Env(env)
    bind_parameters(target, given, inner, item.name.span)
    body = Env(inner)
    body.top = True
    value = drive(elaborator.body(item.body, None, body))
    graph = elaborator.graph
    if value is not POISON and value is not None:
        if value.node.op.name == "input" and not elaborator.found:
            help = "for example conv(6, 5x5) -> relu, in a line of its own"
            elaborator.report(error("E208", f"{name} has no steps", item.name.span, help=help), body)
        graph.output(value)
    elif value is None and not elaborator.found:
        help = "input image: 28x28x1" if not graph.inputs else "begin with an input: image -> conv(6, 5x5)"
        elaborator.report(
            error("E208", f"{name} has no {'steps' if graph.inputs else 'input'}", item.name.span, help=help), body
        )
    return {p.name.text: inner.names[p.name.text].value for p in item.params}


def _from_outside(target: BlockValue, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of Python or of the command line: text is a value of the language, lists are lists."""
    params = {p.name.text: p for p in target.block.params}
    found = {}
    for name, x in arguments.items():
        if name not in params:
            help = nearest(name, params) or (f"it has {listed(params)}" if params else "it has none")
            raise error("E207", f"{target.block.name.text} has no parameter {name}", help=help)
        allowed = words_of_parameter(params[name], target.env)
        if isinstance(x, str):
            try:
                at = parse_value(Source(f"<{name}>", x))
                value = evaluate(at, target.env, allowed)
            except CnnError as e:
                raise CnnError(_no_value(d, name, params[name]) for d in e.diagnostics) from None
            check_word(target.block.name.text, name, value, allowed, at)
        else:
            value = _plain(name, x)
            check_word(target.block.name.text, name, value, allowed, None)
        found[name] = value
    return found


def _no_value(d: Diagnostic, name: str, param: tree.Param) -> Diagnostic:
    """`d` of an argument from outside, where no parameter can be declared: what the file has there shows what is meant."""
    if (d.help is not None and d.code != "E203") or param.default is None:
        return d
    at = param.default.span
    return replace(d, help=f"{name} is a value like the one in the file: {name}={at.source.text[at.start : at.end]}")


def _plain(name: str, x: Any, depth: int = 0) -> Any:
    if isinstance(x, (list, tuple)) and depth < 8:
        return checked_list([_plain(name, p, depth + 1) for p in x])
    if isinstance(x, (bool, int, float, str)):
        return x
    raise error("E313", f"{name} cannot be a {type(x).__name__}", help="numbers, truth values, lists and text can be given")


def _with_recipes(model: Model, definitions: Definitions, found: list[Diagnostic], broken: bool) -> Model:
    """The model with the recipes of its file, each checked; losses only against a graph that is whole."""
    trains: dict[str, TrainRecipe] = {}
    evals: dict[str, Eval] = {}
    tasks: dict[str, Task] = {}
    preprocess: Preprocess | None = None
    seen: set[tuple[str, str]] = set()
    declared = names_in(definitions.models[model.name][0], definitions.models) if broken else []
    for item in sorted(definitions.recipes, key=lambda r: r.kind == "train" and r.name is not None):
        name = item.name.text if item.name else ""
        if (item.kind, name) in seen:
            found.append(Diagnostic("E406", f"{item.kind} {name}".rstrip() + " is given twice", item.span))
        seen.add((item.kind, name))
        if item.kind == "train":
            home = str(definitions.folder or "")
            trains[name] = replace(recipes.train_recipe(item, trains.get(""), found), home=home)
            terms = trains[name].loss
        elif item.kind == "preprocess":
            preprocess = recipes.preprocess_record(item, found)
            continue
        else:
            values, spans = recipes.entries(item, found)
            terms = values.get("loss", ())
            if item.kind == "eval":
                evals[name] = Eval(name, values, item.span, spans)
            else:
                tasks[name] = Task(name, values, item.span, spans)
        if broken:
            found += unknown_names(terms, model.name, declared)
        elif item.kind == "train":
            found += against(trains[name], model.graph)
        else:
            found += list(check_loss(terms, model.graph)) or unreached(terms, model.graph)
    return replace(model, trains=trains, evals=evals, tasks=tasks, preprocess=preprocess)


def against(recipe: TrainRecipe, graph: Graph) -> list[Diagnostic]:
    """What of a recipe does not fit a model: E404, E405, E423 (everything is frozen), E424; W411 for a loss without effect."""
    stays: frozenset[str] = frozenset()
    found: list[Diagnostic] = []
    try:
        stays = frozen(graph, recipe.freeze, recipe.spans.get("freeze"))
    except CnnError as e:
        found += e.diagnostics
    wrong = list(check_loss(recipe.loss, graph))
    if not wrong and not found and recipe.loss:
        wrong = list(misfits(recipe.loss, graph, stays))
    return found + wrong


def _warnings(model: Model, definitions: Definitions, changed: bool) -> Iterator[Diagnostic]:
    """Those of the file and of this model's graph. changed: it was given arguments, such as more classes than it names."""
    if definitions.hints is None:
        definitions.hints = tuple(_hints(definitions))
    yield from definitions.hints
    item = definitions.models[model.name][0]
    terms = [t for r in model.trains.values() for t in r.loss]
    terms += [t for r in model.tasks.values() for t in r.entries.get("loss", ())]
    named = {name for term in terms for name in names_of(term.call)}
    yield from warnings.of_model(model.graph, named, item if isinstance(item, tree.ModelItem) else None)
    yield from recipe_warnings.incomplete(model.trains)
    for train in model.trains.values():
        yield from recipe_warnings.of_train(train, model.graph, model.preprocess, known=definitions.hints)
    yield from filter(None, map(recipe_warnings.lacking_task, model.tasks.values()))
    for task in model.tasks.values():
        yield from recipe_warnings.of_task(task, definitions.hints)
    for judged in model.evals.values():
        yield from recipe_warnings.of_eval(judged, model.graph)
    if model.preprocess is not None and item.span.source is definitions.source:
        places = {e.key.text: e.span for r in definitions.recipes if r.kind == "preprocess" for e in r.entries}
        yield from warnings.of_preprocess(model.graph, model.preprocess, places, labelled=not changed)


def _hints(definitions: Definitions) -> Iterator[Diagnostic]:
    """What the file's text alone makes suspicious, and what of its recipes cannot be carried out yet."""
    if definitions.file is not None:
        yield from warnings.of_file(definitions.file, definitions.source)
    for recipe in definitions.recipes:
        values, spans = recipes.entries(recipe, [])
        what = f"{recipe.kind} {recipe.name.text}" if recipe.name else recipe.kind
        yield from recipes.not_carried_out(what, values, spans)
        yield from warnings.of_recipe(recipe, values.get("optimizer"))


def _retrained(model: Model, train: Mapping[str, str] | None) -> Model:
    if train is None:
        return model
    if not isinstance(train, Mapping):
        raise error("E403", f"entries of a recipe are given by key, not as {briefly(train)}", help='train={"batch": "8"}')
    return replace(model, trains={**model.trains, "": (model.train or TrainRecipe()).override(train)})
