"""Files stay short, have honest names, and hold nothing that would run a stranger's bytes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "cnndsl").rglob("*.py"), *(ROOT / "tests").rglob("*.py")])
LONGEST = 450
EXECUTES = {"cnndsl/runtime/load.py"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_length_and_name(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST
    assert path.stem not in {"utils", "util", "helpers", "helper", "common", "misc"}


@pytest.mark.parametrize("path", [p for p in SOURCES if p.is_relative_to(ROOT / "cnndsl")], ids=name_of)
def test_a_module_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    assert not text.strip() or ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", [p for p in SOURCES if p.is_relative_to(ROOT / "cnndsl")], ids=name_of)
def test_nothing_executes_but_the_loader(path: Path) -> None:
    called = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            called.add(node.func.id)
        elif isinstance(node, ast.Import):
            called |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            called |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    dangerous = {"exec", "eval", "__import__", "pickle", "marshal", "shelve", "importlib.import_module"}
    assert not called & dangerous or name_of(path) in EXECUTES


PROMISE = re.compile(r"\b(TODO|FIXME|raise NotImplementedError)\b")


@pytest.mark.parametrize("path", [p for p in SOURCES if p != Path(__file__)], ids=name_of)
def test_no_promises(path: Path) -> None:
    assert not PROMISE.search(path.read_text())
