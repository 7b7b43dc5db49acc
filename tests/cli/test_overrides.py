"""Which argument weights ask for: one that makes every shape fit, and only where no other would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cnndsl.cli.overrides import override
from cnndsl.language.load import load
from cnndsl.runtime.safetensors import write_weights

FILE = """model m(classes = 10, width = 8, depth = 1, twin = 8) {
    input image: 8x8x1
    { conv(width, 3x3, pad = same) -> batch_norm } * depth
    conv(2 * width, 3x3, pad = same) -> conv(twin, 1x1)
    flatten
    dense(classes) as logits
}
"""


@pytest.mark.parametrize(
    ("made", "given", "found"),
    [
        ({"classes": 4}, {}, "classes=4"),
        ({"classes": 4}, {"classes": "26"}, "classes=4"),
        ({"width": 16}, {}, "width=16"),
        ({"twin": 12}, {}, "twin=12"),
        ({"width": 16, "classes": 4}, {"width": "16"}, "classes=4"),
        ({"width": 16, "classes": 4}, {}, None),
        ({"depth": 2}, {}, "depth=2"),
        ({}, {}, None),
    ],
)
def test_the_argument_that_makes_weights_fit(
    made: dict[str, Any], given: dict[str, str], found: str | None, tmp_path: Path
) -> None:
    spec, weights = tmp_path / "net.cnn", tmp_path / "w.safetensors"
    spec.write_text(FILE, encoding="utf-8")
    write_weights(weights, load(spec, **made).initial_weights(0))
    arguments: dict[str, Any] = dict(given)
    assert override(load(spec, **arguments), str(spec), given, weights) == found


def test_where_two_arguments_would_do_none_is_named(tmp_path: Path) -> None:
    spec, weights = tmp_path / "net.cnn", tmp_path / "w.safetensors"
    spec.write_text("model m(a = 2, b = 3) { input image: 4x4x1\n flatten -> dense(a * b) }", encoding="utf-8")
    write_weights(weights, load(spec, a=4).initial_weights(0))
    assert override(load(spec), str(spec), {}, weights) is None
    weights.write_bytes(b"no weights")
    assert override(load(spec), str(spec), {}, weights) is None


def test_commands_take_the_argument_that_they_ask_for(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "net.cnn").write_text(FILE, encoding="utf-8")
    write_weights(tmp_path / "w.safetensors", load(tmp_path / "net.cnn", classes=4).initial_weights(0))
    done = cli("export", "net.cnn", "-w", "w.safetensors", "-o", "net.onnx")
    assert done.code == 1
    assert "help: they are of m with classes=4: say so here too: net.cnn classes=4" in done.err
    done = cli("plot", "filters", "net.cnn", "classes=4", "-w", "w.safetensors", "-o", "f.svg")
    assert "E504" not in done.err


def test_labels_of_other_classes_are_no_warning_where_the_classes_were_given() -> None:
    assert load("lenet5", classes=4).warnings == ()
