"""The worst mistakes are those that evaluation counts, the surest first, each with its own picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import cnndsl
from cnndsl.data.datasets import digits
from cnndsl.training.evaluate import evaluate
from cnndsl.training.mistakes import mistakes

WEIGHTS = Path(cnndsl.__file__).parent / "data" / "weights" / "lenet5.safetensors"


def test_they_are_those_of_the_confusion_matrix() -> None:
    net, data = cnndsl.load("lenet5"), digits()
    found = mistakes(net, WEIGHTS, data, most=1000)
    told = evaluate(net, WEIGHTS, data)
    assert found.count == told.count
    assert found.wrong == len(found.worst) == told.count - int(np.trace(told.confusion)) > 3
    confusion = np.zeros_like(told.confusion)
    for x in found.worst:
        confusion[int(x.true), int(x.called)] += 1
    assert np.array_equal(confusion + np.diag(np.diag(told.confusion)), told.confusion)


def test_each_has_its_picture_and_its_probabilities() -> None:
    net, data = cnndsl.load("lenet5"), digits()
    assert data.test is not None
    found = mistakes(net, WEIGHTS, data, most=3)
    assert len(found.worst) == 3 < found.wrong
    sure = [x.probability for x in found.worst]
    assert sure == sorted(sure, reverse=True)
    run = cnndsl.compile(net, WEIGHTS)
    for x in found.worst:
        index = int(x.name.removeprefix("image "))
        picture = np.asarray(data.test.images)[index]
        assert np.allclose(x.picture, picture / 255)
        assert int(x.true) == data.test.labels[index]
        probabilities = np.asarray(run(picture[None].astype(np.float32) / 255))[0]
        assert int(x.called) == probabilities.argmax()
        assert abs(x.probability - probabilities.max()) < 1e-4
        assert abs(x.own - probabilities[int(x.true)]) < 1e-4
