"""Where a command's model and weights come from."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnndsl.cli.arguments import Pairs

if TYPE_CHECKING:
    from cnndsl.errors import Diagnostic
    from cnndsl.language.model import Model
    from cnndsl.runtime.notes import Notes


REFUSED = ("W402", "W413")
"""What a recipe says that cannot be carried out yet, or leaves out: `check` warns of it, a command that meets it refuses it."""
OF_TRAINING = "W403"
"""A bias without effect: a word for those who train the network, and noise for those who use it."""
OF_A_RECIPE = "W411"
"""What an entry hardly means: told by `check`, and by the command that carries out the recipe."""


def load_model(spec: str, given: Pairs, trains: bool = False) -> Model:
    """The model `spec` with the arguments given; its warnings go to stderr, as far as they concern the command.

    trains: the command trains the model or judges what a training gave.
    """
    from cnndsl.cli.failure import draw
    from cnndsl.errors import CnnError, error
    from cnndsl.language.load import load

    reserved = given.model.keys() & {"train", "spec"}
    if reserved:
        raise error("E770", f"{min(reserved)} is no argument of a model", help="an entry of the recipe is train.KEY=VALUE")
    arguments: dict[str, Any] = dict(given.model)
    try:
        model = load(spec, **arguments)
    except CnnError as e:
        raise CnnError(_entry_meant(d, given) for d in e.diagnostics) from None
    draw(w for w in model.warnings if w.code not in (*REFUSED, OF_A_RECIPE, *(() if trains else (OF_TRAINING,))))
    return model


def _entry_meant(d: Diagnostic, given: Pairs) -> Diagnostic:
    """`d` with the mend for `epochs=6`, which is no argument of a model: `train.epochs=6`."""
    from cnndsl.language.recipes import KEYS

    for key, value in given.model.items() if d.code == "E207" and d.span is None else ():
        kinds = [kind for kind, keys in KEYS.items() if key in keys]
        own = next((kind for kind in given.reads if kind in kinds), None)
        if kinds and d.message.endswith(f"no parameter {key}"):
            mend = f": {own}.{key}={value}" if own is not None else ", which this command does not read"
            return replace(d, help=f"{key} is an entry of {own or kinds[0]}{mend}")
    return d


@dataclass(frozen=True)
class Weights:
    """A weight file, and where it was found, in words."""

    path: Path
    found: str

    def read(self) -> dict[str, Any]:
        from cnndsl.runtime.safetensors import read_weights

        return read_weights(self.path)

    @property
    def notes(self) -> Notes:
        from cnndsl.runtime.notes import read_notes

        return read_notes(self.path)


def find_weights(model: Model, given: Path | None, spec: str, arguments: Pairs, instead: str = "") -> Weights:
    """`--weights`, else the newest run of this model in this folder, else the bundled ones; E771 if there are none, E504 where
    they are of the model with another argument.

    arguments: what the model was given. instead: what this command can do without any.
    """
    from cnndsl.cli.failure import draw
    from cnndsl.cli.overrides import check_fit

    found = _found(model, given, spec, instead)
    check_fit(model, spec, arguments.model, found.path)
    if given is None:
        draw(_doubts(model, spec, found.path))
    return found


def _doubts(model: Model, spec: str, path: Path) -> Iterator[Diagnostic]:
    """W414 where a run's weights were trained for another preprocess or network than the file's."""
    from cnndsl.errors import Diagnostic
    from cnndsl.training import origin

    differ, notes = origin.changed(path.parent, model)
    if differ:
        help = f"train again: cnndsl train {spec}; or, where these weights are meant: -w {path}"
        yield Diagnostic("W414", differ, notes=notes, help=help)


def _found(model: Model, given: Path | None, spec: str, instead: str) -> Weights:
    from cnndsl.errors import error
    from cnndsl.training.checkpoint import runs_of
    from cnndsl.training.origin import belongs, file_of, kept, newest

    if given is not None:
        return Weights(given, "given")
    file, every = file_of(model.source.name), finished_runs(model.name)
    runs = [path for path in every if belongs(path.parent, file)]
    bundled = Path(__file__).parents[1] / "data" / "weights" / f"{model.name}.safetensors"
    of = f" of {file}" if len(runs) < len(every) else ""
    if not runs and every and not (file == model.name and bundled.is_file()):
        runs, of = every, f", which is of {kept(every[-1].parent).file}"
    latest = newest(runs_of(model.name), file)
    latest = latest if latest is not None and (runs or belongs(latest, file)) else None
    empty = latest is not None and (not runs or runs[-1].parent != latest)
    on = f"cnndsl train {spec} --resume"
    if runs:
        which = ("this folder's newest run with weights" if empty else "this folder's newest run") + of
        told = [which + _standing(runs[-1]), *([f"{latest} has none yet: {on}"] if empty else [])]
        return Weights(runs[-1], "; ".join(told))
    if bundled.is_file():
        return Weights(bundled, f"bundled with cnndsl; {latest} has none yet: {on}" if empty else "bundled with cnndsl")
    if empty:
        raise error("E771", f"there are no weights for {model.name}: {latest} was broken off before it left any", help=on)
    ways = [f"train it first: cnndsl train {spec}"] if any(recipe.data for recipe in model.trains.values()) else []
    if model.trains and not ways:
        ways = [f"train it on pictures of your own: cnndsl train {spec} --data FOLDER"]
    ways += ["name a file: --weights w.safetensors", *([instead] if instead else [])]
    raise error("E771", f"there are no weights for {model.name}: none in runs/, none bundled", help="; or ".join(ways))


def finished_runs(name: str) -> list[Path]:
    """The weight files of this folder's runs of that model, the newest last."""
    from cnndsl.training.checkpoint import safe_name

    found = (Path("runs") / safe_name(name)).glob("*/weights.safetensors")
    return sorted((p for p in found if p.parent.name.isdecimal()), key=lambda p: int(p.parent.name))


def _standing(path: Path) -> str:
    """How far the run of a weight file had come when it was written, where it has not ended."""
    from cnndsl.runtime.notes import read_notes
    from cnndsl.training.checkpoint import complete

    notes = read_notes(path)
    saved = complete(path.parent)
    if notes.step is not None and saved and int(saved[-1].name) > notes.step:
        return f", as it was at step {notes.step:,}; it has come to step {int(saved[-1].name):,} since, unfinished"
    return f", stopped at step {notes.step:,} of {notes.steps:,}" if notes.unfinished else ""


def say(line: str) -> None:
    """A remark for people: on stderr, so that stdout stays the answer. No name in it steers a terminal."""
    from cnndsl.errors import printable

    print("\n".join(map(printable, line.split("\n"))), file=sys.stderr)
