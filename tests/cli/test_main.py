"""The frame: overview, version, usage errors, doctor."""

from __future__ import annotations

import json
from typing import Any

import cnndsl
from cnndsl.version import __version__


def test_version(cli: Any) -> None:
    assert cli("--version").out == f"cnndsl {__version__}\n"
    assert cnndsl.__version__ == __version__


def test_bare_command_is_an_overview(cli: Any) -> None:
    done = cli()
    assert done.code == 0
    assert "cnndsl train" in done.out
    assert "lenet5" in done.out
    assert len(done.out.splitlines()) < 20


def test_every_command_has_help(cli: Any) -> None:
    for command in ("check", "show", "train", "eval", "run", "compile", "export", "doctor"):
        done = cli(command, "--help")
        assert done.code == 0
        assert "Usage: cnndsl " + command in done.out
        assert command in cli("--help").out


def test_usage_errors_are_2(cli: Any) -> None:
    for words in (
        ("shwo",),
        ("show",),
        ("show", "lenet5", "--colour"),
        ("run", "lenet5"),
        ("compile", "lenet5", "--batch", "0"),
    ):
        done = cli(*words)
        assert done.code == 2, words
        assert "Traceback" not in done.err
        assert done.err.startswith("Usage:")


def test_doctor(cli: Any) -> None:
    text, data = cli("doctor"), cli("doctor", "--json")
    assert (text.code, data.code) == (0, 0)
    found = json.loads(data.out)
    assert found["cnndsl"] == __version__
    assert "numpy" in found["packages"]
    for key in ("cores", "blas", "gpu", "python"):
        assert key in text.out
