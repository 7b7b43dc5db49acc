"""cnndsl tune: what it tells and keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cnndsl.runtime import tuning

NET = """
model net {
    input image: 16x16x4
    conv(8, 3x3, pad = same) -> relu -> conv(8, 3x3, pad = same) -> global_avg_pool -> dense(5) as logits -> softmax
}
"""


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CNNDSL_TUNING", "on")
    (tmp_path / "net.cnn").write_text(NET)


def test_tune_then_compile_then_forget(cli: Any) -> None:
    words = ("net.cnn", "-b", 2, "--threads", 1)
    plain = cli("compile", *words).out
    done = cli("tune", *words)
    assert done.code == 0, done.err
    assert "conv 2x16x16x4, 3x3x4x8" in done.out
    assert "whole run, predicted" in done.out
    path = tuning.place()
    assert path is not None
    assert done.out.rstrip().endswith(f"{path}: 2 problems on 1 threads")
    assert f"tuning       {path}: 2 problems on 1 threads" in cli("doctor").out
    assert "Algorithms as measured on" in cli("compile", *words).out
    assert "Algorithms" not in cli("compile", "net.cnn", "-b", 3, "--threads", 1).out  # another problem: predicted
    assert cli("tune", "--forget").err == f"{path} is removed\n"
    assert cli("compile", *words).out == plain
    assert cli("tune", "--forget").err == "there is no table\n"
    assert "tuning       none: cnndsl tune NET makes a table" in cli("doctor").out


def test_data(cli: Any) -> None:
    found = json.loads(cli("tune", "lenet5", "--train", "-b", 4, "--threads", 1, "--json").out)
    assert (found["model"], found["batch"], found["training"]) == ("lenet5", 4, True)
    assert found["known"] == len(found["problems"]) > 0
    for p in found["problems"]:
        assert {p["predicted"], p["best"]} <= p["seconds"].keys()
    assert set(found["whole"]) == {"predicted", "tuned"}


def test_a_damaged_table_is_told_and_replaced(cli: Any) -> None:
    path = tuning.place()
    assert path is not None
    path.parent.mkdir(parents=True)
    path.write_text("{")
    said = f"the tuning table {path} is left aside: it is no JSON; cnndsl tune makes a new one"
    done = cli("compile", "net.cnn", "--threads", 1)
    assert (done.code, done.err) == (0, said + "\n")
    assert said in cli("doctor").out
    assert cli("tune", "net.cnn", "--threads", 1).code == 0
    assert cli("compile", "net.cnn", "--threads", 1).err == ""


@pytest.mark.parametrize(("words", "code"), [((), "E770"), (("lenet5", "--forget"), "E770"), (("hourglass",), "E604")])
def test_what_is_refused(words: tuple[Any, ...], code: str, cli: Any) -> None:
    done = cli("tune", *words)
    assert done.code == 1
    assert f"error[{code}]" in done.err
