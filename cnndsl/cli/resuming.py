"""What a run was begun with, kept in its folder, so that `cnndsl train MODEL --resume` alone goes on with it.

`command.json` holds the arguments of the model, the entries of the recipe that the command set, and its options. What the
command that resumes says itself goes before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cnndsl.cli.arguments import Pairs

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
        with whole(run_dir / NAME) as aside:
            aside.write_text(json.dumps(asdict(said), indent=1), encoding="utf-8")
    except OSError as e:
        raise unwritable(run_dir / NAME, e, run_dir) from None


def kept(run_dir: Path) -> Command:
    """What the run was begun with; nothing where that is not known. Raises E710 where the file is not one of ours."""
    from cnndsl.errors import error

    path = run_dir / NAME
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too large")
        found = Command(**json.loads(path.read_text(encoding="utf-8")))
        if not _sound(found):
            raise ValueError("its entries are of the wrong kind")
    except FileNotFoundError:
        return Command()
    except (OSError, ValueError, TypeError, RecursionError) as e:
        help = "name data and entries again, after the file is removed"
        raise error("E710", f"{path} cannot be read: {getattr(e, 'strerror', None) or e}", help=help) from None
    return found


def _sound(found: Command) -> bool:
    """Whether each entry of a file, which may be a stranger's, is what `keep` writes."""
    texts = (found.arguments, found.entries)
    if not all(isinstance(x, dict) and all(isinstance(v, str) for v in x.values()) for x in texts):
        return False
    options = found.options
    return isinstance(options, dict) and all(name in OPTIONS and type(x) is OPTIONS[name][0] for name, x in options.items())
