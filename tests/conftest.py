"""What every test shares: no colours, no leftovers in the tree, no GPU test without a GPU."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

os.environ["CNNDSL_TUNING"] = "off"  # a table of this machine's user changes what is compiled


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cases", default="", help="random graphs: these, as 416 or 500:20500, in place of the everyday ones")
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew; read the difference")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what cannot run here as skipped, with the reason."""
    if importlib.util.find_spec("torch") is None:
        for item in items:
            if item.get_closest_marker("torch"):
                item.add_marker(pytest.mark.skip(reason="PyTorch is not installed"))
    if importlib.util.find_spec("cupy") is None:
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="CuPy is not installed"))


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("CNNDSL_DEBUG", raising=False)


@contextmanager
def pictures_left_out() -> Iterator[None]:
    """Runs leave a word in place of loss.png and loss.svg: of a training of a few steps, drawing takes four fifths."""
    from cnndsl.view import curves
    from cnndsl.whole import whole

    def left_out(history: object, paths: Sequence[Path], title: str = "", steps: object = ()) -> None:
        for path in paths:
            with whole(path) as aside:
                aside.write_text("left out")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curves, "loss_curve", left_out)
        yield


@pytest.fixture
def without_pictures(request: pytest.FixtureRequest) -> Iterator[None]:
    """`pictures_left_out` for the tests of a file, but for those that are marked `pictures`."""
    if request.node.get_closest_marker("pictures") is not None:
        yield
        return
    with pictures_left_out():
        yield


@dataclass(frozen=True)
class Result:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


Cli = Callable[..., Result]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """`cli("show", "lenet5")` runs `cnndsl show lenet5` in `tmp_path`."""
    from cnndsl.cli.main import main

    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["cnndsl", *map(str, words)])
        capsys.readouterr()
        code: object = 0
        try:
            main()
        except SystemExit as e:
            code = e.code
        out, err = capsys.readouterr()
        return Result(code if isinstance(code, int) else 0, out, err)

    return run
