"""A data set's folder may come from a stranger: what it holds is in it, or below, also when links are followed."""

from __future__ import annotations

from pathlib import Path

from cnndsl.errors import error


def stay_in(path: Path, home: Path, things: str = "files") -> None:
    """Raise E702 where `path` leads out of the resolved folder `home`, or cannot be followed."""
    try:
        inside = path.resolve().is_relative_to(home)
    except (OSError, RuntimeError) as e:  # a ring of links
        raise error("E702", f"{path} cannot be read: {getattr(e, 'strerror', None) or e}") from None
    if not inside:
        help = f"put what it leads to in its place; or name the folder where the {things} are"
        raise error("E702", f"{path} is a link that leads out of the folder", help=help)


def file_of(folder: Path, name: str) -> Path | None:
    """The file of that name in `folder`, None where there is none. Raises E702 where it is a link that leads out."""
    path = folder / name
    if not path.is_file():
        return None
    stay_in(path, folder.resolve())
    return path
