"""The file of measured times: kept, read, and left aside where it is not what it should be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import cnndsl
from cnndsl.runtime import tuning
from cnndsl.runtime.tune import problems, untuned
from tests.runtime.small_networks import plain

TIMES = {"conv …": {"a": 1e-3, "b": 2e-3}}


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CNNDSL_TUNING", "on")


def test_kept_and_read_again() -> None:
    path = tuning.place()
    assert path is not None
    assert tuning.mine() == tuning.Tables(None)
    empty = tuning.read(path)
    assert (empty.times, empty.remark, empty.table(2)) == ({}, "", None)
    tuning.write(empty, 2, TIMES)
    found = tuning.mine()
    assert found == tuning.read(path)
    table = found.table(2)
    assert table is not None
    assert (table.times, table.threads, found.table(1)) == (TIMES, 2, None)
    assert [x.name for x in path.parent.iterdir()] == [path.name]
    more = tuning.write(found, 2, {"dense": {"c": 1.0}})
    assert set(more.times["2"]) == {"conv …", "dense"}
    other = more.table(2)
    assert other is not None
    assert other.name != table.name
    tuning.write(more, 1, TIMES)
    assert set(tuning.mine().times) == {"1", "2"}


GOOD: dict[str, Any] = {"format": tuning.FORMAT, "machine": "this one", "times": {"2": TIMES}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is no JSON"),
        ("[" * 99_999, "it is no JSON"),
        ("\xff\xfe", "it is no JSON"),
        ("[]", "it is no table of this version"),
        (json.dumps({**GOOD, "format": "cnndsl tuning 0"}), "it is no table of this version"),
        (json.dumps({**GOOD, "machine": "Z80\x1b[2J"}), "another machine (Z80\\x1b[2J)"),
        (json.dumps({**GOOD, "times": None}), "a time in it is no number"),
        (json.dumps({**GOOD, "times": {"2": []}}), "a time in it is no number"),
        (json.dumps({**GOOD, "times": {"2": {"conv": 1}}}), "a time in it is no number"),
        (json.dumps({**GOOD, "times": {"2": {"conv": {"a": 0}}}}), "a time in it is no number"),
        (json.dumps({**GOOD, "times": {"2": {"conv": {"a": True}}}}), "a time in it is no number"),
        (json.dumps({**GOOD, "times": {"2": {"conv": {"a": float("nan")}}}}), "a time in it is no number"),
        (json.dumps({**GOOD, "times": {"2": {"conv": {"a": "1"}}}}), "a time in it is no number"),
        (json.dumps({**GOOD, "times": {"2": {"conv": {"a": 10**400}}}}), "a time in it is no number"),
        (json.dumps({**GOOD, "times": {"2": {"conv": {"a": 1e300}}}}), "a time in it is no number"),
        (json.dumps({**GOOD, "times": {"2": {"conv": {"a": 7}}}}).replace("7", "7" * 5000), "it is no JSON"),
    ],
)
def test_a_damaged_table_is_left_aside(text: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "machine", lambda: "this one")
    path = tuning.place()
    assert path is not None
    path.parent.mkdir()
    path.write_bytes(text.encode("latin-1"))
    found = tuning.read(path)
    assert (found.times, found.table(2)) == ({}, None)
    assert says in found.remark
    assert found.remark.startswith("the tuning table ")
    assert cnndsl.compile(plain(), batch=1, threads=2).source  # compiles by predictions
    path.write_text(json.dumps(GOOD))
    assert tuning.read(path) == tuning.Tables(path, GOOD["times"])


def test_a_file_too_large_and_a_folder_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(GOOD))
    monkeypatch.setattr(tuning, "LARGEST", 10)
    assert "more than" in tuning.read(path).remark
    kept = tuning.write(tuning.Tables(path / "no" / "folder.json"), 2, TIMES)
    assert "cannot be written" in kept.remark
    assert kept.times == {"2": TIMES}
    assert "no folder" in tuning.write(tuning.Tables(None), 2, TIMES).remark
    assert tuning.read(None) == tuning.Tables(None)
    assert tuning.read(tmp_path).remark  # a folder


def test_processes_that_write_at_once_leave_a_whole_table() -> None:
    path = tuning.place()
    assert path is not None
    tuning.write(tuning.read(path), 2, {"first": {"a": 1.0}})
    code = (
        "import sys\nfrom cnndsl.runtime import tuning\nme = sys.argv[1]\nempty = tuning.Tables(tuning.place())\n"
        "for k in range(40):\n"
        "    assert not tuning.write(empty, 2, {f'{me} {k}': {'a': 1.0 + k}}).remark\n"
        "    assert not tuning.read(tuning.place()).remark\n"
    )
    root = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": root}
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(n)], env=environment, stderr=subprocess.PIPE, text=True)
        for n in range(3)
    ]
    for child in running:
        assert child.communicate(timeout=60)[1] == ""
        assert child.returncode == 0
    found = tuning.read(path)
    assert found.remark == ""
    assert {"first", "0 39"} & set(found.times["2"])
    assert sorted(x.name for x in path.parent.iterdir()) == [path.name]


def test_what_another_process_wrote_stays() -> None:
    path = tuning.place()
    before = tuning.read(path)
    tuning.write(before, 2, {"mine": {"a": 1.0}})
    assert set(tuning.write(before, 2, {"yours": {"a": 1.0}}).times["2"]) == {"mine", "yours"}
    assert set(tuning.read(path).times["2"]) == {"mine", "yours"}


def test_compilations_use_it_and_can_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    g = plain()
    with untuned(1):
        before = cnndsl.compile(g, batch=2, threads=1)
    times = {p.name: {p.labels[-1]: 1.0} for p in problems(before.program)}
    tuning.write(tuning.read(tuning.place()), 1, times)
    tuned = cnndsl.compile(g, batch=2, threads=1).source
    assert tuned != before.source
    assert "Algorithms as measured on " in tuned
    assert cnndsl.compile(g, batch=2, threads=2).source == _untuned(g)  # the table is for another number of threads
    monkeypatch.setenv("CNNDSL_TUNING", "off")
    assert cnndsl.compile(g, batch=2, threads=1).source == before.source
    monkeypatch.setenv("CNNDSL_TUNING", "on")
    path = tuning.place()
    assert path is not None
    os.remove(path)
    assert cnndsl.compile(g, batch=2, threads=1).source == before.source


def _untuned(g: Any) -> str:
    with untuned(2):
        source: str = cnndsl.compile(g, batch=2, threads=2).source
    return source
