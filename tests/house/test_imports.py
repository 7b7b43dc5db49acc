"""Imports go one way, heavy libraries have one door each, and `import cnndsl` is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "cnndsl"

LAYERS = (
    {"errors", "random", "version"},
    {"whole", "regular"},
    {"graph"},
    {"ops"},
    {"language", "passes", "autodiff"},
    {"program"},
    {"targets"},
    {"runtime"},
    {"data", "formats", "view"},
    {"training"},
    {"peers"},
    {"cli"},
    {"__main__"},
)
"""Lowest first. A module imports from layers below its own, and from its own package."""

DOORS = {
    "networkx": {"cnndsl/graph/networks.py"},
    "lark": {"cnndsl/language/syntax"},
    "cupy": {"cnndsl/targets/cupy"},
    "matplotlib": {"cnndsl/view/plots.py"},
    "onnx": {"cnndsl/formats"},
    "onnxruntime": {"cnndsl/peers"},
    "torch": {"cnndsl/peers"},
    "typer": {"cnndsl/cli"},
    "rich": {"cnndsl/cli"},
    "PIL": {"cnndsl/data"},
}
"""Which files may import a library. A folder stands for one file in it."""

ONE_FILE = ("networkx", "lark", "cupy", "matplotlib")
FILES = sorted(PACKAGE.rglob("*.py"))
LAYER = {name: k for k, names in enumerate(LAYERS) for name in names}


@cache
def imported(path: Path) -> list[tuple[str, bool, int]]:
    """(module, whether at the top of the file, line) for each import of a file, those of type checking left out."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    top = {id(node) for node in tree.body}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [(f"{node.module}.{alias.name}", id(node) in top, node.lineno) for alias in node.names]
    return found


def part(module: str) -> str:
    return module.split(".")[1] if module.count(".") else ""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# The graph layer reaches up by name in a few places: `g.pointwise`, `initial_weights`, `to_cnn` are conveniences of the
# graph's users, imported when called.
UPWARD = {("cnndsl/graph/graph.py", "ops"), ("cnndsl/graph/layers.py", "ops"), ("cnndsl/graph/graph.py", "language")}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_go_down(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return  # the public API: above everything
    wrong = []
    for module, at_top, line in imported(path):
        if not module.startswith("cnndsl.") or part(module) == own:
            continue
        other = part(module)
        assert other in LAYER, f"{other} has no place in the order of imports"
        allowed = LAYER[other] < LAYER[own] or (not at_top and (name_of(path), other) in UPWARD)
        if not allowed:
            wrong.append(f"line {line}: {own} imports {module}")
    assert not wrong


@pytest.mark.parametrize("library", DOORS)
def test_one_door_for_each_library(library: str) -> None:
    users = {name_of(p) for p in FILES for module, _, _ in imported(p) if module.split(".")[0] == library}
    strangers = {u for u in users if not any(u == door or u.startswith(door + "/") for door in DOORS[library])}
    assert not strangers
    if library in ONE_FILE:
        assert len(users) <= 1


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


HEAVY = {"matplotlib", "rich", "PIL", "cupy", "networkx", "lark", "onnx", "typer"}


def test_import_cnndsl_is_light() -> None:
    assert not loaded_by("import cnndsl") & HEAVY


def test_the_command_line_starts_without_numpy() -> None:
    assert not loaded_by("import cnndsl.cli.main") & (HEAVY - {"typer"} | {"numpy"})


def test_the_test_of_imports_sees_imports(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text("import lark.lexer\nif TYPE_CHECKING:\n    import networkx\ndef f():\n    from cnndsl.cli import main\n")
    assert imported(planted) == [("lark.lexer", True, 1), ("cnndsl.cli.main", False, 5)]
