"""W412: for how few steps the running statistics of batch norms are warned of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cnndsl.data.records import Dataset, Part
from cnndsl.language.load import load_text
from cnndsl.language.model import Model
from cnndsl.training.loop import train
from cnndsl.training.records import Event, Started
from cnndsl.training.settling import unsettled

pytestmark = pytest.mark.usefixtures("without_pictures")

TRAIN = "train { loss = cross_entropy(logits); optimizer = sgd(0.1); batch = 4; epochs = 2 }"


def model(*momenta: float, norm: str = "batch_norm") -> Model:
    norms = " -> ".join(f"conv(2, 1x1, bias = false) -> {norm}(momentum = {m})" for m in momenta)
    return load_text(f"model m {{ input image: 4x4x1\n{norms}\n flatten -> dense(2) as logits }}\n{TRAIN}")


@pytest.mark.parametrize(("momentum", "needed"), [(0.99, 300), (0.9, 30), (0.5, 6), (0.999, 3000)])
def test_from_three_times_what_the_momentum_spans_there_is_no_warning(momentum: float, needed: int) -> None:
    net = model(momentum, 0.5)
    assert unsettled(net.graph, needed) is None
    found = unsettled(net.graph, needed - 1)
    assert found is not None
    assert found.code == "W412"
    assert f"momentum = {momentum:g} settle in some {needed:,} steps" in found.message
    assert f"this training makes {needed - 1:,}: " in found.message
    assert ("momentum = " in str(found.help)) == (momentum > 0.5)
    assert found.span is not None
    assert found.span.source.text[found.span.start : found.span.end] == f"batch_norm(momentum = {momentum})"


@pytest.mark.parametrize(("steps", "better"), [(200, "0.98"), (100, "0.95"), (40, "0.9"), (20, "0.8"), (7, "0.5"), (1, "0.5")])
def test_the_help_names_a_momentum_that_so_many_steps_are_enough_for(steps: int, better: str) -> None:
    found = unsettled(model(0.99).graph, steps)
    assert found is not None
    assert f"batch_norm(momentum = {better})" in str(found.help)


def test_networks_without_running_statistics() -> None:
    assert unsettled(load_text("model m { input image: 4x4x1\n conv(2, 1x1) -> layer_norm }").graph, 1) is None


def test_a_new_training_tells_and_one_that_begins_with_trained_weights_does_not(tmp_path: Path) -> None:
    net = model(0.9)
    part = Part(np.zeros((8, 4, 4, 1), np.uint8), np.arange(8, dtype=np.int32) % 2)
    told: list[Event] = []
    assert net.train is not None
    for k, weights in enumerate((None, net.initial_weights(0))):
        train(net, net.train, Dataset("d", ("0", "1"), part), threads=1, run_dir=tmp_path / str(k), weights=weights,
              on_event=told.append)  # fmt: skip
    first, second = (e for e in told if isinstance(e, Started))
    assert [d.code for d in first.warnings] == ["W412"]
    assert "this training makes 4" in first.warnings[0].message
    assert second.warnings == ()
