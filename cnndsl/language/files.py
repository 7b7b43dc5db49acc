"""Files: reading a stranger's text with care, `use`, and what a file defines."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cnndsl.errors import CnnError, Diagnostic, Label, Source, Span, error
from cnndsl.language.decided import defaults
from cnndsl.language.other_files import other_kind
from cnndsl.language.paths import inside
from cnndsl.language.scope import Binding, BlockValue, Env, words
from cnndsl.language.syntax import tree
from cnndsl.language.syntax.parse import parse
from cnndsl.language.syntax.scan import MOST_BYTES
from cnndsl.regular import NotAFileError, beginning

NEWEST = 1
MOST_FILES = 50


def read(path: Path, span: Span | None = None, most: int = MOST_BYTES) -> Source:
    """The text of a file of at most `most` bytes. Raises what `contents` and `decode` raise."""
    return Source(str(path), decode(contents(path, span, most), str(path)))


def contents(path: Path, span: Span | None = None, most: int = MOST_BYTES) -> bytes:
    """The bytes of a file that may be a source. Raises E505 for what is no file, E108 for what is none of text (both E211 under
    `use`), E901 for too much."""
    name, code = str(path), "E505" if span is None else "E211"
    try:
        data = beginning(path, most + 1)
    except FileNotFoundError:
        raise error(code, f"there is no file {name}", span, help=_near(path)) from None
    except IsADirectoryError:
        raise error(code, f"{name} is a folder, not a file", span) from None
    except NotAFileError:
        raise error(code, f"{name} is not a file", span) from None
    except (OSError, ValueError) as e:
        raise error(code, f"{name} cannot be read: {getattr(e, 'strerror', None) or e}", span) from None
    other = other_kind(data, name)
    if other is not None:
        message = f"{name} is {other[0]}, not a .cnn file in UTF-8"
        raise error("E108", message, help=other[1]) if span is None else error("E211", message, span)
    if len(data) > most:
        raise error("E901", f"{name}: a source has at most {most // 1024} KB", span)
    return data


def _near(path: Path) -> str | None:
    """`did you mean tiny.cnn?`, for a file that is not there and one beside it that is."""
    try:
        beside = [x.name for x in path.parent.iterdir() if x.suffix == ".cnn"]
    except (OSError, ValueError):
        return None
    near = difflib.get_close_matches(path.name, sorted(beside), 1, 0.7)
    return f"did you mean {path.with_name(near[0])}?" if near else None


def decode(data: bytes, name: str) -> str:
    """UTF-8 without a byte-order mark, newlines as \\n. Raises E108 at the line of the first wrong byte."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        offset = e.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        line = data.count(b"\n", 0, offset) + 1
        good = data[:offset].decode("utf-8-sig", "replace")
        source = Source(name, good + "�" + data[offset + 1 : offset + 200].decode("latin-1").split("\n")[0])
        help = "save it as UTF-8 (it looks like Latin-1)" if e.end - e.start == 1 else "save it as UTF-8"
        message = f"the byte 0x{data[offset]:02x} in line {line} is not UTF-8"
        raise error("E108", message, Span(source, len(good), len(good) + 1), help=help) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass
class Definitions:
    """What a file defines: blocks (in `env`), models and instances in order, recipes."""

    source: Source
    folder: Path | None = None
    """Where the file stands; None: the text is none."""
    env: Env = field(default_factory=Env)
    models: dict[str, tuple[tree.ModelItem | tree.Instance, Env]] = field(default_factory=dict)
    recipes: list[tree.Recipe] = field(default_factory=list)
    found: list[Diagnostic] = field(default_factory=list)
    file: tree.File | None = None
    """This file's own tree; those that it uses are not kept."""
    hints: tuple[Diagnostic, ...] | None = None
    """The warnings that the text alone gives, once they were looked for."""
    steps: int = 0
    """Spent so far on expanding its models."""


def define(source: Source, folder: Path | None) -> Definitions:
    """The definitions of a text and of the files it uses (not their recipes). folder: where it stands, if anywhere."""
    definitions = Definitions(source, folder, file=parse(source))
    assert definitions.file is not None
    _define(definitions, definitions.file, folder, {source.name}, True)
    if not definitions.models and not definitions.found and not definitions.env.names:
        raise error("E110", "the file defines no model", Span(source, 0, 1), help="model name { input image: 28x28x1 … }")
    return definitions


def _define(into: Definitions, file: tree.File, folder: Path | None, open_: set[str], own: bool) -> None:
    env = Env(into.env)
    for position, item in enumerate(file.items):
        try:
            match item:
                case tree.Version():
                    if position:
                        raise error("E109", "the version stands in the first line", item.span)
                    if item.number != NEWEST:
                        help = f"this cnndsl knows version {NEWEST}; install a newer one"
                        raise error(
                            "E109", f"the file is written in version {item.number} of the language", item.span, help=help
                        )
                case tree.Use():
                    _use(into, item, folder, open_)
                case tree.Defaults():
                    env = Env(into.env, defaults=defaults(item, env))
                case tree.Block():
                    into.env.declare(item.name, Binding("block", BlockValue(item, env), span=item.name.span))
                case tree.ModelItem() | tree.Instance():
                    name = item.name.text
                    if name in into.models or name in words():
                        what = "is declared twice" if name in into.models else "is the name of an op"
                        first = into.models[name][0].name.span if name in into.models else None
                        related = (Label(first, "declared here first"),) if first is not None else ()
                        raise error("E204", f"{name} {what}", item.name.span, related=related, help="choose another name")
                    into.models[name] = (item, env)
                case tree.Recipe() if own:
                    into.recipes.append(item)
        except CnnError as e:
            into.found += e.diagnostics


def _use(into: Definitions, item: tree.Use, folder: Path | None, open_: set[str]) -> None:
    """Bring in another file's blocks and models. Raises E211."""
    said = item.file.text
    if folder is None:
        raise error("E211", "a text that is no file cannot use files", item.span)
    path = inside(folder, said, item.file.span, "E211", "put the file beside this one")
    name = str(path)
    if name in open_:
        return  # each file once; two files may use each other
    if len(open_) >= MOST_FILES:
        raise error("E211", f"a model is made of at most {MOST_FILES} files", item.span)
    open_.add(name)
    source = read(path, item.file.span)
    _define(into, parse(source), path.parent, open_, False)


def templates_last(models: Mapping[str, tuple[tree.ModelItem | tree.Instance, Env]]) -> list[str]:
    """The names of a file's models; those that need arguments last, marked."""
    ready = [n for n, (m, _) in models.items() if not needs(m)]
    return [*ready, *(f"{n}({', '.join(needs(m))})" for n, (m, _) in models.items() if needs(m))]


def needs(item: tree.ModelItem | tree.Instance) -> list[str]:
    """The parameters that must be given."""
    return [p.name.text for p in item.params if p.default is None] if isinstance(item, tree.ModelItem) else []
