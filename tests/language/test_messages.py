"""Every message as it is shown, held by golden files. `pytest --update-golden` writes them anew; a missing one fails."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from cnndsl.errors import CODES, CnnError
from cnndsl.language.load import load_text

GOLDEN = Path(__file__).parents[1] / "golden"


def _cases(name: str) -> dict[str, str]:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, str] = module.BAD
    return found


BAD = {**_cases("bad_models"), **_cases("beginners")}


def said(text: str) -> str:
    """What the checker says of a model: its errors, or its warnings."""
    try:
        found: Any = load_text(text, "model.cnn", model="m" if text.count("model ") > 1 else None).warnings
    except CnnError as e:
        found = e.diagnostics
    return "\n\n".join(d.render() for d in found) + "\n"


@pytest.mark.parametrize("name", BAD)
def test_message(name: str, request: pytest.FixtureRequest) -> None:
    path, found = GOLDEN / f"{name}.txt", said(BAD[name])
    if request.config.getoption("--update-golden"):
        path.write_text(found, encoding="utf-8")
    assert path.is_file(), f"{path.name} is missing; read the message, then pytest --update-golden\n{found}"
    assert found == path.read_text(encoding="utf-8")


def test_no_golden_file_is_left_over() -> None:
    assert {p.stem for p in GOLDEN.glob("*.txt")} <= set(BAD)


def test_every_message_has_a_known_code_and_a_place() -> None:
    for name, text in BAD.items():
        try:
            load_text(text, model="m" if text.count("model ") > 1 else None)
        except CnnError as e:
            for d in e.diagnostics:
                assert d.code in CODES
                assert d.span is not None, name
                assert d.code != "E799", name


def test_errors_are_ordered_by_place() -> None:
    with pytest.raises(CnnError) as caught:
        load_text(BAD["several"])
    starts = [d.span.start for d in caught.value.diagnostics if d.span]
    assert starts == sorted(starts)
    assert [d.code for d in caught.value.diagnostics] == ["E203", "E203", "E203", "E401"]


RAISABLE = [c for c in CODES if c < "E42" or c in ("E602", "E905", "E906", "E907", "E908", "E909") or c.startswith("W")]
ELSEWHERE = {
    "E108": "a byte of another encoding: test_syntax",
    "E202": "several models, none named: below",
    "E301": "integers where floats are needed: the Python API",
    "E305": "E201 comes first in text",
    "E309": "weights made by hand: the Python API",
    "W412": "a training of few steps: tests/messages",
    "W414": "a run of another text: tests/messages",
}


def test_every_code_that_text_can_raise_is_here() -> None:
    text = "".join(p.read_text(encoding="utf-8") for p in GOLDEN.glob("*.txt"))
    assert [c for c in RAISABLE if f"[{c}]" not in text and c not in ELSEWHERE] == []
    assert len(BAD) >= 150


def test_of_several_models_one_must_be_named() -> None:
    text = "model a { input i: 4x4x1; relu }\nmodel b { input i: 4x4x1; tanh }\n"
    with pytest.raises(CnnError, match="there are a and b") as caught:
        load_text(text, "two.cnn")
    assert caught.value.code == "E202"
    with pytest.raises(CnnError, match="did you mean"):
        load_text(text.replace("model b", "model beta"), "two.cnn", model="betta")
