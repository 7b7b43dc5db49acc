"""What the language means: scope, names of weights, blocks, joins, shares, defaults, arguments, several files."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cnndsl.errors import CnnError
from cnndsl.language.load import bundled_models, check, load, load_text
from cnndsl.language.model import Model
from cnndsl.passes.context import Context, Log, Options
from cnndsl.passes.specialise import specialise


def model(body: str, before: str = "", **arguments: object) -> Model:
    return load_text(f"{before}\nmodel m(a = 3, option = B | A) {{\n    input image: 8x8x4\n{body}\n}}\n", **arguments)


def weights(net: Model) -> list[str]:
    return [n.removesuffix(".weight") for n in net.graph.state if n.endswith(".weight")]


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ("conv(4, 1x1) -> relu -> conv(4, 1x1); conv(4, 1x1)", ["conv", "conv2", "conv3"]),
        ("conv(4, 1x1) * 3; conv(4, 1x1)", ["conv", "conv2", "conv3", "conv4"]),
        ("conv(4, 1x1) as first; conv(4, 1x1)", ["first", "conv"]),
        ("conv(4, 1x1) -> conv(4, 1x1) as both; conv(4, 1x1)", ["both.conv", "both.conv2", "conv"]),
        ("conv(4, 1x1) as p -> conv(4, 1x1) as q", ["p", "q"]),
        ("conv(4, 1x1) * 2 as twice", ["twice.conv", "twice.conv2"]),
        ("{ conv(4, 1x1) -> relu } * 2 as twice", ["twice.conv", "twice.conv2"]),
        (
            "{ conv(4, 1x1) }; if a == 3 { conv(4, 1x1) }; for i in range(2) { conv(4, 1x1) }",
            ["conv", "conv2", "conv3", "conv4"],
        ),
        ("add { x: conv(4, 1x1); y: identity }; add { x: conv(4, 1x1); y: identity }", ["x.conv", "x2.conv"]),
        ("add { x: conv(4, 1x1); y: conv(4, 1x1) } as sum", ["sum.x.conv", "sum.y.conv"]),
        ("cc(4) -> cc(4); cc(4) as last", ["cc.conv", "cc.conv2", "cc2.conv", "cc2.conv2", "last.conv", "last.conv2"]),
        ("conv(4, 1x1) * 0 -> relu", []),
        ("head h { flatten -> dense(2) -> dense(2) }; flatten -> relu; dense(2)", ["h.dense", "h.dense2", "dense"]),
        ("share e = { conv(4, 1x1) }; e; e -> relu; conv(4, 1x1)", ["e.conv", "conv"]),
    ],
)
def test_weights_are_named_by_their_path(body: str, names: list[str]) -> None:
    assert weights(model(body, "block cc(f) { conv(f, 1x1) -> conv(f, 1x1) }")) == names


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        ("conv(a, 3x3)", (6, 6, 3)),
        ("conv(4 * (1 + 1) - 2 // 2, 1x1)", (8, 8, 7)),
        ("conv(max([1, 5, 2]) + len([1, 2]) + round(2.5) + ceil(0.1) + floor(1.9), 1x1)", (8, 8, 12)),
        ("conv(6 / 2, 1x1)", (8, 8, 3)),
        ("conv(input.channels * 2, 1x1)", (8, 8, 8)),
        ("conv(input.height + image.width, 1x1)", (8, 8, 16)),
        ("conv([2, 3][1 - 2], [1, a])", (8, 6, 3)),
        ("if option == B { conv(1, 1x1) } else { conv(2, 1x1) }", (8, 8, 1)),
        ("if not (option == A) and a > 2 or 1 / 0 == 1 { conv(1, 1x1) }", (8, 8, 1)),
        ("for f, k in [[5, 1x1], [6, 3x3]] { conv(f, k) }", (6, 6, 6)),
        ("concat { a1: conv(2, 1x1); if a == 3 { b: conv(3, 1x1) }; for i in range(2) { c: conv(1, 1x1) } }", (8, 8, 7)),
        ("concat { only: relu }", (8, 8, 4)),
        ("concat(fit = crop) { x: conv(2, 3x3); y: identity }", (6, 6, 6)),
        ("multiply { value: identity; gate: global_avg_pool -> sigmoid }", (8, 8, 4)),
        ("multiply { value: identity; gate: conv(1, 1x1) -> sigmoid }", (8, 8, 4)),
        ("relu as early -> max_pool(2x2) : 4x4x_; early -> conv(2, 1x1) : 8x8x2", (8, 8, 2)),
        ("defaults { conv(pad = same) }; conv(2, 3x3)", (8, 8, 2)),
        ("{ defaults { conv(pad = same) } }; conv(2, 3x3)", (6, 6, 2)),
        ("defaults { conv(pad = same) }; bare", (6, 6, 4)),
        ("twice(relu) -> twice(bare)", (0, 0, 4)),
        ("block local(n) { conv(n + a, 1x1) }; local(1)", (8, 8, 4)),
        ("each(conv(5, 1x1))", (8, 8, 5)),
        ("block down(n) { if n > 0 { conv(n, 1x1); down(n - 1) } }; down(3)", (8, 8, 1)),
    ],
)
def test_values_and_flow(body: str, shape: tuple[int, ...]) -> None:
    before = "block bare { conv(4, 3x3) }\nblock twice(step) { step -> step }\nblock each(step) { step }\n"
    if shape[0] == 0:
        shape = (4, 4, 4)
    assert model(body, before).output_shape == shape


def test_arguments_from_outside() -> None:
    assert model("conv(a, 1x1)", a=5).output_shape == model("conv(a, 1x1)", a="2 + 3").output_shape == (8, 8, 5)
    assert model("if option == A { conv(9, 1x1) }", option="A").output_shape == (8, 8, 9)
    for wrong, code in (({"b": 3}, "E207"), ({"option": "C"}, "E201"), ({"a": "1 +"}, "E103"), ({"a": object()}, "E313")):
        with pytest.raises(CnnError) as caught:
            model("conv(a, 1x1)", **wrong)
        assert caught.value.code == code


def test_heads_names_and_outputs() -> None:
    net = model("conv(5, 1x1) as mid\noutput mid\nhead aux { global_avg_pool -> dense(2) }\nglobal_avg_pool\ndense(3)")
    assert set(net.graph.outputs) == {"output", "mid"}
    assert net.graph.names["mid"] is net.graph.outputs["mid"]
    assert net.graph.heads["aux"].type.shape[1:] == (2,)
    assert (net.parameter_count, net.head_parameters) == (4 * 5 + 5 + 5 * 3 + 3, 5 * 2 + 2)
    assert net.multiply_adds == 8 * 8 * 4 * 5 + 5 * 3


def test_a_shared_step_meets_the_same_channels() -> None:
    with pytest.raises(CnnError) as caught:
        model("share e = { conv(5, 1x1) }; e -> e")
    assert caught.value.code == "E209"


def test_symbolic_sizes() -> None:
    text = "model m { input z: HxWx3 where H % 4 == 0, W % 4 == 0\n max_pool(2x2) * 2 -> upsampled\n }"
    text = text.replace(" -> upsampled", "\n conv(2, 1x1)")
    shape = load_text(text).output_shape
    assert shape[2] == 2
    assert str(shape[0]) == "H/4"
    bound = specialise(load_text(text).graph, Context(None, Options(batch=1, sizes={"H": 8, "W": 12}), Log()))
    assert bound.outputs["output"].type.shape == (1, 2, 3, 2)
    with pytest.raises(CnnError, match="multiple of 4"):
        specialise(load_text(text).graph, Context(None, Options(batch=1, sizes={"H": 9, "W": 12}), Log()))


def test_use_brings_in_blocks_and_never_leaves_the_folder(tmp_path: Path) -> None:
    inside = tmp_path / "here"
    inside.mkdir()
    (tmp_path / "secret.cnn").write_text("block b { relu }\n")
    (inside / "blocks.cnn").write_text('use "main.cnn"\nblock b { conv(7, 1x1) }\ntrain { nonsense = 1 }\n')
    (inside / "main.cnn").write_text('use "blocks.cnn"\nmodel m {\n    input i: 4x4x1\n    b\n}\n')
    assert load(inside / "main.cnn").output_shape == (4, 4, 7)
    (inside / "link.cnn").symlink_to(tmp_path / "secret.cnn")
    for name in ("../secret.cnn", str(tmp_path / "secret.cnn"), "link.cnn", "blocks.cnn/../../secret.cnn", "missing.cnn"):
        (inside / "bad.cnn").write_text(f'use "{name}"\nmodel m {{\n    input i: 4x4x1\n    relu\n}}\n')
        with pytest.raises(CnnError) as caught:
            load(inside / "bad.cnn")
        assert caught.value.code == "E211", name


def test_recipes() -> None:
    net = model(
        "global_avg_pool\ndense(3) as logits",
        "train { loss = cross_entropy(logits); optimizer = sgd(rate = 0.1); epochs = 3 }\ntrain x30 { batch = 7 }\n"
        "eval ten { views = resize([9, 12]) -> ten_crop(8); reduce = mean }\n"
        'preprocess { images = grey -> resize(28x28); labels = [a, 1, "b c"] }\n',
    )
    x30 = net.trains["x30"]
    assert (x30.batch, x30.epochs, x30.optimizer.rate, net.train.batch) == (7, 3, 0.1, 32)  # type: ignore[union-attr]
    assert net.labels == ("a", "1", "b c")
    assert net.evals["ten"].entries["views"][0].args == ((9, 12),)
    changed = x30.override({"steps": "9", "schedule": "warmup(2) -> cosine", "loss": "2 * mse(logits, target)"})
    assert (changed.steps, changed.epochs, changed.loss[0].weight) == (9, None, 2)
    for key, text in (("epoch", "3"), ("epochs", "0"), ("schedule", "cosin"), ("optimizer", "(")):
        with pytest.raises(CnnError):
            x30.override({key: text})


def test_the_model_that_is_meant(tmp_path: Path) -> None:
    one = "model {} {{\n    input i: 4x4x1\n    relu\n}}\n"
    (tmp_path / "two.cnn").write_text(one.format("one") + one.format("two"))
    assert load(tmp_path / "two.cnn").name == "two"
    assert load(f"{tmp_path}/two.cnn:one").name == "one"
    (tmp_path / "two.cnn").rename(tmp_path / "other.cnn")
    for spec in (f"{tmp_path}/other.cnn", f"{tmp_path}/other.cnn:three"):
        with pytest.raises(CnnError, match="one and two"):
            load(spec)
    with pytest.raises(CnnError, match="did you mean lenet5"):
        load("lenet")
    with pytest.raises(CnnError, match="needs unit and depths"):
        load("resnet")


def test_check_tells_all_models_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "m.cnn").write_text("model t(n) { input i: 4x4x1\n conv(n, 1x1) }\nmodel a = t(n = 0)\nmodel b = t(n = 1)\n")
    assert [d.code for d in check(tmp_path / "m.cnn")] == ["E303"]
    assert {d.code for path in set(bundled_models().values()) for d in check(path)} <= {"W402"}


def test_loading_is_quick() -> None:
    load("lenet5")
    start = time.process_time()
    load("resnet50")
    assert time.process_time() - start < 0.5  # 0.3 s on a quiet machine
