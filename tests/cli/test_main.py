"""The frame: overview, version, usage errors, doctor."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import cnndsl
from cnndsl.cli.doctor import threads_used
from cnndsl.runtime import limits
from cnndsl.runtime.limits import Limits
from cnndsl.runtime.machine import blas_core
from cnndsl.targets.numpy.frame.network import BLAS
from cnndsl.version import __version__


def test_version(cli: Any) -> None:
    assert cli("--version").out == f"cnndsl {__version__}\n"
    assert cnndsl.__version__ == __version__


def test_python_runs_the_package_as_the_command() -> None:
    for words, code, says in ((["--version"], 0, f"cnndsl {__version__}\n"), (["show", "none.cnn"], 1, "error[E505]")):
        done = subprocess.run([sys.executable, "-m", "cnndsl", *words], capture_output=True, text=True, check=False)
        assert done.returncode == code and says in done.stdout + done.stderr


def test_bare_command_is_an_overview(cli: Any) -> None:
    done = cli()
    assert done.code == 0
    assert "cnndsl train" in done.out
    assert "lenet5" in done.out
    assert len(done.out.splitlines()) < 20


def test_every_command_has_help(cli: Any) -> None:
    for command in ("check", "show", "train", "eval", "run", "compile", "export", "bench", "tune", "fmt", "doctor"):
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
    for key in ("cores", "blas", "threads", "gpu", "cache", "python"):
        assert key in text.out
        assert found[key] in text.out


def test_doctor_says_who_chose_the_core(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if not blas_core():
        pytest.skip("this BLAS does not say for which core it chose its kernels")
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    assert "OPENBLAS_CORETYPE" not in cli("doctor").out
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert " as OPENBLAS_CORETYPE=Haswell tells it\n" in cli("doctor").out


def test_doctor_measures_when_asked(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given = lambda threads: Limits(threads, 100.0, 150.0, ((1000, 50.0), (10**8, 5.0)), (40.0, 4.0), (50.0, 5.0))  # noqa: E731
    monkeypatch.setattr(limits, "measure", given)
    assert "limits       products 150 GFLOP/s (100 on one thread); memory 50" in cli("doctor", "--measure", "--threads", 2).out
    found = json.loads(cli("doctor", "--measure", "--threads", 3, "--json").out)["limits"]
    assert (found["threads"], found["product"], found["triad"]) == (3, 150, [50, 5])
    assert "limits" not in json.loads(cli("doctor", "--json").out)


def test_doctor_on_the_cache_folder(cli: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert f"cache        {tmp_path / 'cnndsl'} (not there yet)" in cli("doctor").out
    (tmp_path / "cnndsl").mkdir()
    (tmp_path / "cnndsl" / "x.json").write_bytes(b"1" * 300_000)
    assert f"{tmp_path / 'cnndsl'}: 1 file, 300.0 KB" in cli("doctor").out
    monkeypatch.setattr("cnndsl.runtime.tuning.home", lambda: None)
    assert "this user has no home folder" in cli("doctor").out


def test_doctor_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnndsl.runtime.compile.default_threads", lambda: 3)
    monkeypatch.setattr(BLAS, "find", lambda: True)
    assert threads_used() == "3 of our own, over one thread of BLAS each"
    monkeypatch.setattr(BLAS, "find", lambda: False)
    assert threads_used().startswith("1: threads of our own need an OpenBLAS")
    monkeypatch.setattr("cnndsl.runtime.compile.default_threads", lambda: 1)
    assert threads_used() == "1"


def test_ctrl_c_while_the_commands_are_imported_ends_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    from cnndsl.__main__ import main

    class Interrupted:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == "cnndsl.cli.main":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "cnndsl.cli.main", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    try:
        with pytest.raises(SystemExit) as ended:
            main()
        signal.raise_signal(signal.SIGINT)  # on the way out: nothing
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert ended.value.code == 130
