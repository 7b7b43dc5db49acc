"""What every test shares: no colours, no leftovers in the tree, no GPU test without a GPU."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
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
