"""What a step came to before is taken again only where it means the same: text that is repeated is worked out once."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pytest

from cnndsl.errors import CnnError
from cnndsl.graph.text import to_text
from cnndsl.language import repeated
from cnndsl.language.load import load_text

sys.path.insert(0, str(Path(__file__).parent))
from mutations import exchanged, mutated, sources


def attrs(body: str, word: str, option: str, before: str = "") -> list[Any]:
    """The option of each op of that name."""
    net = load_text(f"{before}\nmodel m {{ input image: 8x8x4\n{body}\n}}\n")
    return [getattr(n.attrs, option) for n in net.graph.nodes if n.op.name == word]


TWICE = "block twice(n, w) { conv(w, 1x1); if n > 0 { twice(n - 1, w + 1) }; conv(w, 1x1) }"


@pytest.mark.parametrize(
    ("body", "word", "option", "found", "before"),
    [
        ("for i in [1, 2, 2, 1] { conv(i, 1x1) }", "conv", "filters", [1, 2, 2, 1], ""),
        ("for k in [1x1, [3, 3], 3x3] { conv(4, k) }", "conv", "kernel", [(1, 1), (3, 3), (3, 3)], ""),
        ("for b in [true, false, true] { conv(4, 1x1, bias = b) }", "conv", "bias", [True, False, True], ""),
        ("conv(4, 1x1, pad = same); for same in [1, 2] { conv(4, 1x1, pad = same) }", "conv", "pad", ["same", 1, 2], ""),
        ("{ p -> p(1) } * 2", "conv", "pad", ["same", 1] * 2, "block p(pad = same) { conv(4, 3x3, pad = pad) }"),
        ("wider * 3", "conv", "filters", [5, 6, 7], "block wider { conv(input.channels + 1, 1x1) }"),
        ("twice(2, 3) * 2", "conv", "filters", [3, 4, 5, 5, 4, 3] * 2, TWICE),
        ("b(2); b(3)", "conv", "filters", [2, 3], "block b(n) { defaults { conv(init = zeros) }; conv(n, 1x1) }"),
        ("one(relu(), 4) -> one(dropout(0.5), 4) -> one(dropout(0.25), 4)", "dropout", "rate", [0.5, 0.25],
         "block one(act, n) { conv(n, 1x1) -> act }"),
    ],
)  # fmt: skip
def test_what_differs_is_worked_out_again(body: str, word: str, option: str, found: list[Any], before: str) -> None:
    assert attrs(body, word, option, before) == found


def test_defaults_hold_for_the_repetition_that_they_stand_in() -> None:
    body = "b(1); { defaults { conv(bias = false) }; b(1); conv(2, 1x1) }; conv(2, 1x1)"
    assert attrs(body, "conv", "bias", "block b(n) { conv(n, 1x1) }") == [True, True, False, True]


def test_a_number_of_another_kind_is_refused_where_the_first_was_right() -> None:
    for wrong in ("true", "1.5", "[1]"):
        with pytest.raises(CnnError, match=r"stride|filters"):
            load_text(f"model m {{ input image: 8x8x4\n for i in [1, {wrong}] {{ conv(i, 1x1, stride = i) }} }}")


def test_a_layer_that_is_too_large_is_refused_in_a_later_turn() -> None:
    with pytest.raises(CnnError) as caught:
        load_text("model m { input image: 64x64x1\n { upsample(8) } * 6 }")
    assert caught.value.code == "E909"


def test_weights_are_made_for_the_channels_that_come_in() -> None:
    net = load_text("model m { input image: 8x8x3\n conv(5, 1x1) * 3 }")
    assert [s.type.shape for n, s in net.graph.state.items() if n.endswith("weight")] == [(1, 1, 3, 5), *[(1, 1, 5, 5)] * 2]


@pytest.mark.parametrize("body", ["conv(4, 3x3, pad = same) * 1000", "for i in range(1000) { conv(a, 3x3, pad = same) }"])
def test_what_is_the_same_is_worked_out_once(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = {"op_record": 0, "layer_of": 0}

    def counted(name: str) -> None:
        real = getattr(repeated, name)

        def call(*args: Any) -> Any:
            calls[name] += 1
            return real(*args)

        monkeypatch.setattr(repeated, name, call)

    counted("op_record")
    counted("layer_of")
    net = load_text(f"model m(a = 4) {{ input image: 8x8x4\n {body} }}")
    assert sum(n.op.name == "conv" for n in net.graph.nodes) == 1000
    assert calls == {"op_record": 1, "layer_of": 1}


def outcome(text: str, model: str | None) -> str:
    """The graph that a text means, or what is said of it."""
    try:
        return to_text(load_text(text, model=model).graph)
    except CnnError as e:
        return str(e)


def compared(seed: int, count: int) -> int:
    """Elaborates changed models with and without what is kept; how many were well formed."""
    draw, texts, good = random.Random(seed), sources(), 0
    for _ in range(count):
        text, model = mutated(draw, texts) if draw.random() < 0.5 else exchanged(draw)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(repeated, "_mean", lambda meant, env: False)
            wanted = outcome(text, model)
        found = outcome(text, model)
        assert found == wanted, (seed, text)
        good += not found.startswith("error[")
    return good


def test_changed_models_mean_the_same_with_and_without() -> None:
    assert compared(0, 60) >= 4


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(1, 11))
def test_a_thousand_changed_models_mean_the_same_with_and_without(seed: int) -> None:
    assert compared(seed, 1000) > 100
