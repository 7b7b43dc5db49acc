"""What the distribution holds: grammar, models, data, weights, types, licence; and that its words agree."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import cnndsl

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from this tree, where the build backend is at hand."""
    pytest.importorskip("hatchling")
    out = tmp_path_factory.mktemp("wheel")
    build = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(out)], cwd=ROOT, check=True, capture_output=True)
    return zipfile.ZipFile(next(out.glob("*.whl")))


def test_the_wheel_is_complete(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    tree = {p.relative_to(ROOT).as_posix() for p in (ROOT / "cnndsl").rglob("*.py")}
    beside = {f"cnndsl/{p.relative_to(ROOT).as_posix()}" for d in ("grammars", "models") for p in (ROOT / d).glob("*.*")}
    data = {"cnndsl/data/digits/digits.npz", "cnndsl/data/weights/lenet5.safetensors", "cnndsl/py.typed"}
    assert {"cnndsl/grammars/cnn.lark", "cnndsl/grammars/cnn.json"} <= beside
    assert "cnndsl/models/lenet5.cnn" in beside
    data |= {p.relative_to(ROOT).as_posix() for p in (ROOT / "cnndsl" / "language" / "messages").glob("*.md")}
    assert not (tree | beside | data) - names
    assert not [n for n in names if n.startswith(("tests/", "docs/")) or n.endswith(".pyc")]
    assert any(n.endswith("licenses/LICENSE") for n in names)


def test_the_wheel_works_from_a_folder_of_its_own(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "site")
    code = (
        "import sys; sys.path.insert(0, 'site'); import cnndsl; from pathlib import Path;"
        "assert Path(cnndsl.__file__).is_relative_to(Path('site').resolve()), cnndsl.__file__;"
        "print(cnndsl.load('lenet5').parameter_count)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "61706", done.stderr


def test_bundled_data_is_small() -> None:
    data = ROOT / "cnndsl" / "data"
    assert (data / "digits" / "digits.npz").stat().st_size < 1_500_000
    assert sum(p.stat().st_size for p in data.rglob("*") if p.is_file()) < 4_000_000


def test_the_version_is_the_same_everywhere() -> None:
    from cnndsl.version import __version__

    assert cnndsl.__version__ == __version__
    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first is not None
    assert first[1] == __version__


def test_every_dependency_is_explained() -> None:
    said = (ROOT / "docs" / "dependencies.md").read_text().lower()
    extras = PROJECT["project"]["optional-dependencies"].values()
    for line in [*PROJECT["project"]["dependencies"], *(x for group in extras for x in group)]:
        name = re.split(r"[<>=; ]", line)[0]
        assert f"`{name}`" in said, name


def test_every_third_party_import_is_a_dependency() -> None:
    ours = {re.split(r"[<>=; ]", line)[0].lower() for line in PROJECT["project"]["dependencies"]}
    ours = {{"pillow": "PIL"}.get(name, name) for name in ours} | {"cnndsl", "onnx", "cupy"}
    ours |= {"torch", "onnxruntime"}  # compared with where they are installed: only in `peers`, which test_imports holds
    used = set()
    for path in (ROOT / "cnndsl").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                used |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                used.add(node.module.split(".")[0])
    assert not used - ours - set(sys.stdlib_module_names)


def test_continuous_integration_runs_the_commands_of_the_readme() -> None:
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    command = 'pip install ".[test]" && pytest'
    assert command in readme
    assert ci.rstrip().endswith(command.replace("pip install", "pip install --quiet"))
