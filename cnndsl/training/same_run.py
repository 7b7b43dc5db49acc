"""Whether a run goes on with what it was begun with: the same recipe, but for its length, and the same data.

A checkpoint keeps both as text: the entries of the recipe as a file writes them, and the data by their names, numbers and
checksums. Where they differ, the message says what differs in words.
"""

from __future__ import annotations

import re
import shlex
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from cnndsl.data.records import Part
from cnndsl.errors import CnnError, counted, error
from cnndsl.language.recipe import NO_ENTRIES, TrainRecipe
from cnndsl.language.writing.recipe import entry
from cnndsl.training import origin, run_folder
from cnndsl.training.checkpoint import runs_of
from cnndsl.training.recipes import drawn

if TYPE_CHECKING:
    from cnndsl.language.model import Model

FREE = ("epochs", "steps", "data")
"""Entries that may differ when a run goes on."""
VALIDATED = "; validated on "
TOLD = re.compile(
    r"(?P<name>.*): (?P<count>\d+) images, labels (?P<labels>[0-9a-f]{8})(?P<beside>(?:, \w+ [0-9a-f]{8})*)", re.S
)


def recipe_entries(recipe: TrainRecipe) -> dict[str, str]:
    """key → text, in the order of the record; empty where nothing is said."""
    said = {f.name: getattr(recipe, f.name) for f in fields(recipe) if f.name not in NO_ENTRIES}
    return {key: "" if x is None or x == () else entry(key, x) for key, x in said.items()}


def other_recipe(run_dir: Path, old: Mapping[str, str], recipe: TrainRecipe) -> CnnError | None:
    """E711 for the first entry that differs and may not, None where there is none.

    An entry that the old recipe does not know was written before there was such a word: what holds without it held then.
    """
    new, otherwise = recipe_entries(recipe), recipe_entries(TrainRecipe())
    for key in new:
        before = old.get(key, otherwise[key])
        if key in FREE or before in (new[key], drawn(getattr(recipe, key))):  # as checkpoints kept it once
            continue
        was, now = (x or "not set" for x in (before, new[key]))
        again = shlex.quote(f"train.{key}={before}") if before else f"leave {key} out"
        message = f"{run_dir} was trained by another recipe: {key} was {was}, is {now}"
        return error("E711", message, help=f"as it was: {again}; or begin a new run, without --resume")
    return None


def other_model(run_dir: Path, model: Model) -> CnnError | None:
    """E711 where the network or its preprocessing is not that of the run, None where it is, or nothing is known of it."""
    differ, notes = origin.changed(run_dir, model)
    if not differ:
        return None
    return error("E711", differ, notes=notes, help="begin a new run, without --resume, or give the file back its text")


def to_resume(model: str, file: str, begin: str) -> Path:
    """The newest run of that model and file in this folder. begin: the command that begins one.

    Raises E709 where there is none, or only of another file that is still there; E710 for one that is not whole in its folder.
    """
    runs = runs_of(model)
    found = origin.newest(runs, file)
    if found is None:
        raise error("E709", f"there is no run of {model} to resume", help=f"begin one: {begin}")
    run_folder.check_found(found)
    if origin.belongs(found, file) or origin.gone(found):
        return found
    other = origin.kept(found).file
    help = f"begin one: {begin}; or go on with the other: {shlex.join(['cnndsl', 'train', other, '--resume'])}"
    raise error("E709", f"there is no run of {file} to resume: {found} is a run of {other}", help=help)


def told(name: str, part: Part, own: str = "", validation: Part | None = None) -> str:
    """The data of a run, by which it knows them again. own, validation: a data set to validate on alone."""
    also = VALIDATED + _told(own, validation) if validation is not None else ""
    return _told(name, part) + also


def _told(name: str, part: Part) -> str:
    beside = "".join(f", {what}s {zlib.crc32(x.tobytes()):08x}" for what, x in part.beside.items())
    return f"{name}: {len(part)} images, labels {zlib.crc32(part.labels.tobytes()):08x}{beside}"


def other_data(run_dir: Path, old: str, new: str) -> CnnError | None:
    """E711 where the data, as `told` tells them, are not those of the run."""
    if old == new:
        return None
    (before, before_own), (now, now_own) = _parts(old), _parts(new)
    help = "the data as they were, or a new run, without --resume"
    differ = list(_differ("trained", before, now))
    if before_own != now_own:
        if now_own is None and before_own is not None:
            differ.append(f"it was validated on {before_own.words}, and no data to validate on are named")
            help = "name the data to validate on again: --validate PATH"
        elif before_own is None and now_own is not None:
            differ.append(f"it was not validated on {now_own.words}, which is named now")
            help = "leave --validate out"
        else:
            differ += _differ("validated", before_own, now_own)
    return error("E711", f"{run_dir} was trained on other data: {'; '.join(differ) or 'they have changed since'}", help=help)


@dataclass(frozen=True)
class _Told:
    name: str
    count: int
    labels: str
    beside: tuple[str, ...]

    @property
    def words(self) -> str:
        return f"{self.name} with {counted(self.count, 'image')}"


def _parts(text: str) -> tuple[_Told | None, _Told | None]:
    first, _, second = text.partition(VALIDATED)
    return _read(first), _read(second)


def _read(text: str) -> _Told | None:
    found = TOLD.fullmatch(text)
    if found is None:
        return None
    beside = tuple(x for x in found["beside"].split(", ") if x)
    return _Told(found["name"], int(found["count"]), found["labels"], beside)


def _differ(what: str, before: _Told | None, now: _Told | None) -> Iterator[str]:
    """What differs, in words. what: `trained` or `validated`."""
    if before is None or now is None:
        return
    if before.words != now.words:
        was = before.words if what == "trained" else f"it was {what} on {before.words}"
        yield f"{was}, where these are {now.words}"
    elif before.labels != now.labels:
        yield f"the labels of {now.name} have changed since"
    elif before.beside != now.beside:
        names = dict.fromkeys(x.split(" ")[0] for x in {*before.beside} ^ {*now.beside})
        yield f"the {' and '.join(sorted(names))} of {now.name} have changed since"
