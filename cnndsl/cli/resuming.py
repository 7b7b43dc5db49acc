"""What a run was begun with, kept in its folder, so that `cnndsl train MODEL --resume` alone goes on with it.

`command.json` holds the arguments of the model, the entries of the recipe that the command set, and its options. What the
command that resumes says itself goes before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cnndsl.cli.arguments import Pairs
from cnndsl.data.loader import ON_BAD_IMAGE
from cnndsl.errors import briefly, printable
from cnndsl.runtime.compile import MOST_THREADS
from cnndsl.targets import NAMES

TARGETS = (*NAMES, "reference")
NAME = "command.json"
LARGEST = 1 << 20
LENGTHS = ("epochs", "steps")
OPTIONS: Mapping[str, tuple[type, Any]] = {
    "recipe": (str, ""),
    "data": (str, None),
    "validate": (str, None),
    "target": (str, "numpy"),
    "threads": (int, None),
    "max_memory": (str, None),
    "on_bad_image": (str, "stop"),
    "patience": (int, None),
    "gradient_norm": (bool, False),
}
"""The options that are kept: the type of each, and what holds where the command does not say it."""
TAKES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "target": (lambda x: x in TARGETS, f"one of {', '.join(TARGETS)}"),
    "threads": (lambda x: 1 <= x <= MOST_THREADS, f"a whole number from 1 to {MOST_THREADS}"),
    "on_bad_image": (lambda x: x in ON_BAD_IMAGE, " or ".join(ON_BAD_IMAGE)),
    "patience": (lambda x: x >= 1, "a whole number from 1"),
}
"""What the command line takes of some of them, and how that is said. The others are judged where they are used."""
PARTS = ("arguments", "entries", "options")


@dataclass(frozen=True)
class Command:
    """arguments: of the model. entries: of the recipe. options: of `OPTIONS`, where they are not what holds anyway."""

    arguments: dict[str, str] = field(default_factory=dict)
    entries: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def over(self, before: Command) -> Command:
        """What holds of a command that goes on with what `before` began."""
        entries = before.entries
        if any(key in self.entries for key in LENGTHS):
            entries = {key: x for key, x in entries.items() if key not in LENGTHS}
        entries = {key: x for key, x in entries.items() if key.partition(".")[0] not in self.entries or key in self.entries}
        return Command({**before.arguments, **self.arguments}, {**entries, **self.entries}, {**before.options, **self.options})

    @property
    def pairs(self) -> Pairs:
        return Pairs(self.arguments, {"train": self.entries} if self.entries else {}, ("train",))

    def option(self, name: str) -> Any:
        return self.options.get(name, OPTIONS[name][1])


def command(given: Pairs, **options: Any) -> Command:
    """What a command line says."""
    said = {name: x for name, x in options.items() if x != OPTIONS[name][1]}
    return Command(given.model, given.recipe.get("train", {}), said)


def keep(run_dir: Path, said: Command) -> None:
    """Write `command.json`. Raises E708."""
    from cnndsl.training.checkpoint import unwritable
    from cnndsl.whole import whole

    try:
        with whole(run_dir / NAME, follow=False) as aside:
            aside.write_text(json.dumps(asdict(said), indent=1), encoding="utf-8")
    except OSError as e:
        raise unwritable(run_dir / NAME, e, run_dir) from None


def kept(run_dir: Path) -> Command:
    """What the run was begun with; nothing where that is not known. Raises E710 where the file is not one of ours."""
    from cnndsl.errors import error
    from cnndsl.regular import read_bounded

    path = run_dir / NAME
    try:
        told = json.loads(read_bounded(path, LARGEST).decode("utf-8"))
        why = _fault(told)
    except FileNotFoundError:
        return Command()
    except OSError as e:
        why = e.strerror or str(e)
    except (ValueError, RecursionError):
        why = "it is no JSON"
    if why is not None:
        help = "name data and entries again, after the file is removed"
        raise error("E710", f"{path} cannot be read: {why}", help=help)
    return Command(**told)


def _fault(told: Any) -> str | None:
    """What in a file, which may be a stranger's, is not as `keep` writes it and the command line takes it."""
    if not isinstance(told, dict) or not set(told) <= set(PARTS):
        return f"it has to hold {', '.join(PARTS)}, and nothing else"
    if not all(isinstance(x, dict) for x in told.values()):
        return "its entries are of the wrong kind"
    options = told.get("options", {})
    texts = [x for part, found in told.items() if part != "options" for x in found.values()]
    known = all(name in OPTIONS and type(x) is OPTIONS[name][0] for name, x in options.items())
    if not known or not all(isinstance(x, str) for x in texts):
        return "its entries are of the wrong kind"
    for name, x in options.items():
        takes = TAKES.get(name)
        if takes is not None and not takes[0](x):
            return f"{name} is {takes[1]}, not {briefly(x)}"
    return None


def whence(said: Command, now: Command, name: str) -> str:
    """The data of a run that goes on, for its first line: `of photos`, and where the run's own file alone names data that lie
    outside the current folder, that.

    said: what holds; now: what this command says of it. name: of the data that are trained on.
    """
    validate = said.option("validate")
    found = f" of {printable(name)}"
    for what, path in (("they lie", "data"), (f"those to validate on, {printable(str(validate))}, lie", "validate")):
        if path not in now.options and path in said.options and _outside(said.options[path]):
            found += f" ({what} outside this folder: the run's {NAME} names them, not this command)"
    return found


def _outside(path: str) -> bool:
    try:
        return not Path(path).resolve().is_relative_to(Path.cwd())
    except (OSError, ValueError, RuntimeError):
        return True
