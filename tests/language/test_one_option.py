"""One option of an entry set on a command line: everything else of the recipe's call stays."""

from __future__ import annotations

import pytest

from cnndsl.errors import CnnError
from cnndsl.language.load import load_text
from cnndsl.language.recipe import Adam, Call, Cosine, Plateau, Sgd, Warmup

TEXT = """model m { input image: 8x8x1; flatten -> dense(3) as logits -> softmax }
train {
    loss      = cross_entropy(logits)
    optimizer = sgd(rate = 0.1, momentum = 0.9, weight_decay = 1e-4)
    schedule  = warmup(5) -> cosine
    augment   = shift(2) -> flip
    clip      = norm(2.0)
    epochs    = 3
}
eval { metrics = [accuracy, top(5)] }
"""
MODEL = load_text(TEXT, "m.cnn")
RECIPE = MODEL.trains[""]


def test_the_rest_of_the_call_stays() -> None:
    assert RECIPE.override({"optimizer.rate": "2"}).optimizer == Sgd(2, 0.9, weight_decay=1e-4)
    both = RECIPE.override({"optimizer.rate": "2", "optimizer.nesterov": "true"}).optimizer
    assert both == Sgd(2, 0.9, nesterov=True, weight_decay=1e-4)
    assert RECIPE.override({"schedule.epochs": "1"}).schedule == Warmup(1, Cosine())
    assert RECIPE.override({"loss.label_smoothing": "0.1"}).loss[0].call.keys == {"label_smoothing": 0.1}
    assert RECIPE.override({"clip.most": "1"}).clip == Call("norm", (1,))
    changed = RECIPE.override({"augment.axis": "vertical"}).augment
    assert changed == (Call("shift", (2,)), Call("flip", (), {"axis": "vertical"}))
    assert MODEL.evals[""].override({"metrics.count": "2"}).entries["metrics"] == (Call("accuracy"), Call("top", (2,)))


def test_it_is_of_what_the_command_gives_beside_it() -> None:
    for given in ({"optimizer": "adam(rate = 1)", "optimizer.eps": "1"}, {"optimizer.eps": "1", "optimizer": "adam(rate = 1)"}):
        assert RECIPE.override(given).optimizer == Adam(1, eps=1)
    assert RECIPE.override({"schedule": "plateau", "schedule.patience": "2"}).schedule == Plateau(patience=2)


@pytest.mark.parametrize(
    ("entry", "text", "says"),
    [
        ("optimizer.rat", "2", "E402]: sgd has no option rat\n = help: did you mean rate?"),
        ("optimizer.beta1", "0.5", 'adam has it: train.optimizer="adam(beta1 = 0.5)"'),
        ("optimizer.rate", "-2", "E403]: sgd: rate is a number from 0, not -2"),
        ("optimizer.rate", "((", "train.optimizer.rate:1:2"),
        ("optimizr.rate", "2", "did you mean optimizer?"),
        (
            "average.decay",
            "0.9",
            'E401]: train has no average whose decay could be changed\n = help: ema has it: train.average="ema',
        ),
        ("batch.size", "2", "E401]: batch has no options\n = help: it is set whole: train.batch=2"),
        ("rate", "2", "rate is an option of the optimizer: train.optimizer.rate=2"),
        ("momentum", "0.5", "momentum is an option of the optimizer: train.optimizer.momentum=0.5"),
        ("factor", "0.5", "factor is an option of the schedule: train.schedule.factor=0.5"),
    ],
)
def test_what_cannot_be_changed(entry: str, text: str, says: str) -> None:
    with pytest.raises(CnnError) as caught:
        RECIPE.override({entry: text})
    assert says in str(caught.value)


def test_an_option_of_several_steps() -> None:
    two = RECIPE.override({"augment": "random_crop(8) -> cutout(2)"})
    with pytest.raises(CnnError, match="several steps of augment have an option size") as caught:
        two.override({"augment.size": "4"})
    assert 'train.augment="random_crop(8) -> cutout(2)"' in str(caught.value)
