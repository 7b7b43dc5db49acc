"""A profile as table, data and picture; earlier ones read with suspicion."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl.errors import CnnError
from cnndsl.runtime.limits import Limits
from cnndsl.runtime.profile import Profile, profile
from cnndsl.view import roofline
from cnndsl.view.profile import Bench, fits, kinds, read, table
from tests.runtime.small_networks import residual

LIMITS = Limits(2, 100.0, 190.0, ((1000, 50.0), (10**8, 5.0)), (40.0, 4.0), (50.0, 5.0))


@pytest.fixture(scope="module")
def found() -> Profile:
    g = residual()
    run = cnndsl.compile(g, g.initial_weights(0), batch=2, threads=2)
    images = np.zeros((2, 32, 32, 3), np.float32)
    return profile(run, lambda: run(images), LIMITS, runs=1)


def test_the_table_has_every_kernel_and_what_is_none(found: Profile) -> None:
    b = Bench(found, {"compiling": 0.5}, 2e-3, {"Other": ("1.0", 1e-3, 2e-6)}, {"Third": "it is not installed"})
    text = table(b)
    lines = text.split("\n")
    assert [line.split("  ")[0] for line in lines[4 : 4 + len(found.kernels)]] == [k.path for k in found.kernels]
    assert "products 190 GFLOP/s (100 on one thread)" in text
    assert "compiling 0.500 s" in text
    assert "cnndsl takes 2.00 times as long  results differ by 2.0e-06" in text
    assert lines[-1] == "Third is not compared: it is not installed"
    assert "ratio" not in text
    for name, mine in kinds(found):
        assert any(line.split("  ")[0] == name and f" {len(mine)}  " in line for line in lines)


def test_the_slowest_alone(found: Profile) -> None:
    lines = table(Bench(found, {}), top=2).split("\n")
    slowest = sorted(found.kernels, key=lambda k: -k.seconds)[:2]
    assert [line.split("  ")[0] for line in lines[4:6]] == [k.path for k in slowest]
    assert lines[6] == ""


def test_data_and_an_earlier_one(found: Profile, tmp_path: Path) -> None:
    data = Bench(found, {}).as_dict()
    path = tmp_path / "earlier.json"
    kernels = [{**k, "seconds": k["seconds"] / 2} for k in data["kernels"][1:]]
    path.write_text(json.dumps({**data, "kernels": kernels, "total": found.total * 4}))
    before = read(path)
    fits(path, before, found)
    lines = table(Bench(found, {}), before=before).split("\n")
    assert lines[3].endswith("ratio")
    assert [line.split()[-1] for line in lines[4 : 4 + len(found.kernels)]] == ["new"] + ["2.00"] * (len(found.kernels) - 1)
    assert any(line.startswith("ratio") and "whole run 0.25, products 1.00" in line for line in lines)
    assert any("1 kernels are new, 0 are gone" in line for line in lines)
    elsewhere = table(Bench(found, {}), before={**before, "processor": "Z80\x1b[2J"})
    assert "it ran elsewhere: Z80\\x1b[2J" in elsewhere


GOOD: dict[str, Any] = {
    "format": "cnndsl bench 1",
    "model": "net",
    "batch": 1,
    "training": False,
    "threads": 1,
    "processor": "Z80",
    "kernels": [{"name": "a", "seconds": 1}],
    "limits": {"product": 1},
    "total": 1,
}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is no JSON"),
        ("\xff", "it is no JSON"),
        ("[" * 100_000, "it is no JSON"),
        ("[1]", "it was not written by"),
        ('{"format": "cnndsl bench 0"}', "it was not written by"),
        (json.dumps({**GOOD, "kernels": None}), "parts of it are missing"),
        (json.dumps({**GOOD, "kernels": [{"name": 3}]}), "parts of it are missing"),
        (json.dumps({**GOOD, "limits": []}), "parts of it are missing"),
        (json.dumps({**GOOD, "kernels": [{"name": "a"}]}), "a time in it is no number"),
        (json.dumps({**GOOD, "total": True}), "a time in it is no number"),
        (json.dumps({**GOOD, "total": float("nan")}), "a time in it is no number"),
        (json.dumps({**GOOD, "limits": {"product": -1}}), "a time in it is no number"),
        (json.dumps({**GOOD, "total": 10**400}), "a time in it is no number"),
        (json.dumps({**GOOD, "limits": {"product": 10**400}}), "a time in it is no number"),
        (json.dumps({**GOOD, "kernels": [{"name": "a", "seconds": 10**400}]}), "a time in it is no number"),
        (json.dumps({**GOOD, "total": 5e-324}), "a time in it is no number"),  # so many times as long: inf
        (json.dumps({**GOOD, "threads": "\x1b[31mPWN\x07"}), "parts of it are missing"),
        (json.dumps({**GOOD, "threads": "\ud800"}), "parts of it are missing"),
        (json.dumps({**GOOD, "threads": True}), "parts of it are missing"),
        (json.dumps({**GOOD, "batch": 10**400}), "parts of it are missing"),
        (json.dumps({**GOOD, "training": 0}), "parts of it are missing"),
        (json.dumps({**GOOD, "model": ["net"]}), "parts of it are missing"),
        (json.dumps({**GOOD, "processor": "Z" * 2000}), "parts of it are missing"),
    ],
)
def test_what_is_no_earlier_one(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(CnnError, match="E772") as caught:
        read(path)
    assert says in str(caught.value)


def test_a_file_that_is_not_there_and_one_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CnnError, match="No such file"):
        read(tmp_path / "none.json")
    (tmp_path / "x.json").write_text(json.dumps(GOOD))
    assert read(tmp_path / "x.json") == GOOD
    monkeypatch.setattr("cnndsl.view.profile.LARGEST", 10)
    with pytest.raises(CnnError, match="more than"):
        read(tmp_path / "x.json")


@pytest.mark.parametrize(("key", "value"), [("model", "other"), ("batch", 7), ("training", True)])
def test_one_of_something_else(key: str, value: Any, found: Profile, tmp_path: Path) -> None:
    with pytest.raises(CnnError, match=f"its {key} is {value}"):
        fits(tmp_path, {**Bench(found, {}).as_dict(), key: value}, found)


def test_roofline(found: Profile, tmp_path: Path) -> None:
    dots = roofline.dots_of(found)
    assert sum(d.share for d in dots) == pytest.approx(1)
    assert {d.name for d in dots} == {k.path for k in found.kernels}
    for d in dots:
        assert d.gflops == pytest.approx(d.intensity * d.bandwidth)
    for ending in (".png", ".svg", ".pdf"):
        roofline.draw(found, tmp_path / f"roof{ending}")
        assert (tmp_path / f"roof{ending}").stat().st_size > 5000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["roof.pdf", "roof.png", "roof.svg"]
    drawn = (tmp_path / "roof.svg").read_text()
    assert "<svg" in drawn
    with pytest.raises(CnnError, match="E598"):
        roofline.draw(found, tmp_path / "none" / "roof.png")
    with pytest.raises(CnnError, match="E770"):
        roofline.check(tmp_path / "roof.txt")


def test_many_kinds_are_six_and_the_rest(found: Profile) -> None:
    kernels = tuple(replace(found.kernels[0], kind=f"kind {n}", seconds=20.0 - n) for n in range(9))
    assert {d.kind for d in roofline.dots_of(replace(found, kernels=kernels))} == {*(f"kind {n}" for n in range(6)), "other"}
    still = replace(found, kernels=(replace(kernels[0], operations=0, bytes=10, seconds=1e-3),))
    (dot,) = roofline.dots_of(still)
    assert dot.moves
    roofline.picture([dot], LIMITS, "nothing but copies")
