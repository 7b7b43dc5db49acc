"""The bundled models against the published counts."""

from __future__ import annotations

import pytest

from cnndsl.language.load import bundled_models, load

COUNTS = {
    "lenet5": (61_706, 0, 416_520),
    "resnet18": (11_689_512, 0, 1_814_073_344),
    "resnet34": (21_797_672, 0, 3_663_761_408),
    "resnet34_a": (21_623_848, 0, 3_644_493_824),
    "resnet34_c": (22_716_840, 0, 3_830_747_136),
    "resnet50": (25_557_032, 0, 4_089_184_256),
    "resnet50_paper": (25_557_032, 0, 3_857_973_248),
    "resnet101": (44_549_160, 0, 7_801_405_440),
    "resnet152": (60_192_808, 0, 11_513_626_624),
    "plain18": (11_515_688, 0, 1_794_805_760),
    "plain34": (21_623_848, 0, 3_644_493_824),
    "resnet20": (269_722, 0, 40_551_040),
    "resnet32": (464_154, 0, 68_862_592),
    "resnet44": (658_586, 0, 97_174_144),
    "resnet56": (853_018, 0, 125_485_696),
    "resnet110": (1_727_962, 0, 252_887_680),
    "googlenet": (6_998_552, 6_379_728, 1_582_671_872),
}
"""name → parameters, those of heads, multiply-adds of an image. Published, but for the last digits of the last column."""


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name: str) -> None:
    model = load(name)
    assert (model.parameter_count, model.head_parameters, model.multiply_adds) == COUNTS[name]
    assert model.train is not None
    assert not model.warnings


def test_every_bundled_model_has_its_counts() -> None:
    assert set(bundled_models()) - set(COUNTS) == {"resnet", "resnet_cifar"}


@pytest.mark.parametrize(("n", "count"), [(3, 269_722), (5, 464_154), (7, 658_586), (9, 853_018), (18, 1_727_962)])
def test_templates_take_arguments(n: int, count: int) -> None:
    assert load("resnet_cifar", n=n).parameter_count == load("resnet_cifar", n=str(n)).parameter_count == count


def test_the_paper_multiply_adds_of_the_deep_resnets() -> None:
    for depths, count in (([3, 4, 23, 3], 7.570), ([3, 8, 36, 3], 11.282)):
        model = load("resnet", unit="bottleneck(stride_in = first)", depths=depths)
        assert round(model.multiply_adds / 1e9, 3) == count


def test_weights_are_named_by_their_path() -> None:
    names = load("resnet50").graph.state
    assert "stage1.unit2.main.conv_bn3.conv.weight" in names
    assert {"stem.conv_bn.conv.weight", "logits.weight", "logits.bias"} <= set(names)
    assert {"conv.weight", "conv2.weight", "dense.weight", "dense2.weight", "logits.weight"} <= set(load("lenet5").graph.state)
