"""`cnndsl models`: the networks that came along, with their papers and counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cnndsl.cli.options import Json


def models(
    name: Annotated[str | None, typer.Argument(help="Print the file that holds this one.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """The bundled networks: names, papers, parameters and multiply-adds; or the text of one."""
    if name is not None:
        print(text_of(name), end="")
        return
    found = catalogue()
    if as_json:
        print(json.dumps(found, indent=2))
        return
    width = max(len(m["name"]) for family in found for m in family["models"])
    for family in found:
        year = f" ({family['year']})" if family["year"] else ""
        print(f"{family['family']}{year}" + (f"  {family['title']}" if family["title"] else ""))
        for m in family["models"]:
            counts = f"{m['parameters']:>12,} parameters" if m["parameters"] is not None else f"{'':12} give {m['needs']}"
            work = f"  {m['multiply_adds'] / 1e6:>9,.1f} M multiply-adds" if m["multiply_adds"] else ""
            print(f"  {m['name']:<{width}}  {counts}{work}")
        print()
    print("Layers of one:  cnndsl show NAME        Its text:  cnndsl models NAME")


def text_of(name: str) -> str:
    """The file that holds a bundled model. Raises E506."""
    from cnndsl.errors import error
    from cnndsl.language.load import bundled_models
    from cnndsl.language.spelling import nearest

    known = bundled_models()
    if name not in known:
        help = nearest(name, known) or "cnndsl models lists them"
        raise error("E506", f"{name} is no bundled model", help=help)
    return known[name].read_text(encoding="utf-8")


def catalogue() -> list[dict[str, Any]]:
    """One entry a file, by year: family, authors, title, year, file, and its models."""
    from cnndsl.language.load import bundled_models

    by_file: dict[Path, list[str]] = {}
    for name, path in bundled_models().items():
        by_file.setdefault(path, []).append(name)
    found = [_family(path, names) for path, names in by_file.items()]
    return sorted(found, key=lambda f: (f["year"] or 9999, f["file"]))


def _family(path: Path, names: list[str]) -> dict[str, Any]:
    """What one file holds."""
    from cnndsl.language.files import define, needs, read
    from cnndsl.language.papers import paper_of

    source = read(path)
    definitions, paper = define(source, path.parent), paper_of(source.text)
    held = []
    for name in names:
        missing = needs(definitions.models[name][0])
        parameters = work = None
        if not missing:
            parameters, work = _counts(definitions, name)
        held.append({"name": name, "needs": ", ".join(missing), "parameters": parameters, "multiply_adds": work})
    about = {"family": paper.family, "authors": paper.authors, "title": paper.title, "year": paper.year}
    return about | {"file": path.name, "models": held}


def _counts(definitions: Any, name: str) -> tuple[int, int | None]:
    """Parameters, and multiply-adds of one image; None where they depend on its size."""
    from cnndsl.errors import CnnError
    from cnndsl.language.load import build

    model = build(definitions, name, {}, "")
    try:
        return model.parameter_count, model.multiply_adds
    except CnnError:
        return model.parameter_count, None
