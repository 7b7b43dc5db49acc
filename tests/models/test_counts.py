"""The bundled models against the published counts."""

from __future__ import annotations

from functools import cache

import pytest

from cnndsl.language.load import bundled_models, load
from cnndsl.language.model import Model

COUNTS: dict[str, tuple[int, int, int | None]] = {
    "alexnet": (60_965_224, 0, 724_406_816),
    "alexnet_ungrouped": (62_378_344, 0, 1_135_256_096),
    "bn_inception": (11_285_224, 0, 2_032_600_064),
    "bn_inception_96": (11_194_984, 0, 2_018_851_840),
    "course_plain": (171_158, 0, 2_980_200),
    "course": (63_782, 0, 302_888),
    "densenet121": (7_978_856, 0, 2_834_161_664),
    "densenet169": (14_149_480, 0, 3_359_843_328),
    "densenet201": (20_013_928, 0, 4_291_365_888),
    "efficientnet_b0": (5_288_548, 0, 385_814_752),
    "four_relu": (22_554, 0, 2_198_080),
    "four_tanh": (22_554, 0, 2_198_080),
    "googlenet": (6_998_552, 6_379_728, 1_582_671_872),
    "hourglass": (2_217_831, 0, None),
    "hourglass_no_skips": (2_157_955, 0, None),
    "inception_naive": (387_296, 0, 303_464_448),
    "inception_reduced": (163_696, 0, 128_049_152),
    "inception_v2": (23_934_056, 0, 6_178_868_320),
    "inception_v3": (23_834_568, 3_326_696, 5_713_216_096),
    "lenet5": (61_706, 0, 416_520),
    "mobilenet_v2": (3_504_872, 0, 300_774_272),
    "preact": (1_727_962, 0, 252_887_680),
    "preact_a": (1_727_962, 0, 252_887_680),
    "preact_b": (1_727_962, 0, 252_887_680),
    "preact_c": (1_727_962, 0, 252_887_680),
    "preact_d": (1_727_962, 0, 252_887_680),
    "preact_e": (1_727_962, 0, 252_887_680),
    "resnet18": (11_689_512, 0, 1_814_073_344),
    "resnet34": (21_797_672, 0, 3_663_761_408),
    "resnet50": (25_557_032, 0, 4_089_184_256),
    "resnet101": (44_549_160, 0, 7_801_405_440),
    "resnet152": (60_192_808, 0, 11_513_626_624),
    "resnet50_paper": (25_557_032, 0, 3_857_973_248),
    "resnet34_a": (21_623_848, 0, 3_644_493_824),
    "resnet34_c": (22_716_840, 0, 3_830_747_136),
    "plain18": (11_515_688, 0, 1_794_805_760),
    "plain34": (21_623_848, 0, 3_644_493_824),
    "resnet20": (269_722, 0, 40_551_040),
    "resnet32": (464_154, 0, 68_862_592),
    "resnet44": (658_586, 0, 97_174_144),
    "resnet56": (853_018, 0, 125_485_696),
    "resnet110": (1_727_962, 0, 252_887_680),
    "plain20": (269_722, 0, 40_551_040),
    "plain56": (853_018, 0, 125_485_696),
    "residual20": (68_250, 0, 2_525_504),
    "residual56": (215_418, 0, 7_833_920),
    "resnext50": (25_028_904, 0, 4_230_479_872),
    "resnext101": (44_177_704, 0, 7_969_996_800),
    "se_resnet50": (28_088_024, 0, 4_091_699_200),
    "se_resnet101": (49_326_872, 0, 7_806_148_608),
    "squeezenet": (1_235_496, 0, 349_151_936),
    "tower8": (19_194, 0, 756_032),
    "tower8_no_norm": (18_954, 0, 756_032),
    "tower20": (68_250, 0, 2_525_504),
    "tower20_no_norm": (67_562, 0, 2_525_504),
    "tower56": (215_418, 0, 7_833_920),
    "unet": (31_030_658, 0, 150_428_424_448),
    "vgg11": (132_863_336, 0, 7_609_090_048),
    "vgg11_lrn": (132_863_336, 0, 7_609_090_048),
    "vgg13": (133_047_848, 0, 11_308_466_176),
    "vgg16c": (133_638_952, 0, 11_770_888_192),
    "vgg16": (138_357_544, 0, 15_470_264_320),
    "vgg19": (143_667_240, 0, 19_632_062_464),
}
"""name → parameters, those of heads, multiply-adds of an image. Published, but for the last digits of the last column."""


@cache
def loaded(name: str) -> Model:
    return load(name)


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name: str) -> None:
    model = loaded(name)
    parameters, heads, multiply_adds = COUNTS[name]
    assert (model.parameter_count, model.head_parameters) == (parameters, heads)
    if multiply_adds is not None:  # hourglass: its sizes are symbols
        assert model.multiply_adds == multiply_adds
    assert model.trains or model.tasks or name.startswith("inception_")
    assert {w.code for w in model.warnings} <= {"W402"}  # only what its recipe wants and cannot have yet


def test_every_bundled_model_has_its_counts() -> None:
    assert set(bundled_models()) - set(COUNTS) == {"densenet", "four_layers", "resnet", "resnet_cifar", "tower", "vgg"}


PUBLISHED = {
    "inception_v3": 27_161_264, "resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032,
    "resnet101": 44_549_160, "resnet152": 60_192_808, "densenet121": 7_978_856, "squeezenet": 1_235_496,
    "se_resnet50": 28_088_024, "resnext50": 25_028_904, "bn_inception": 11_285_224, "bn_inception_96": 11_194_984,
    "inception_v2": 23_934_056, "alexnet": 60_965_224, "alexnet_ungrouped": 62_378_344, "vgg11": 132_863_336,
    "vgg11_lrn": 132_863_336, "vgg13": 133_047_848, "vgg16c": 133_638_952, "vgg16": 138_357_544, "vgg19": 143_667_240,
    "googlenet": 6_998_552 + 6_379_728, "mobilenet_v2": 3_504_872, "unet": 31_030_658, "efficientnet_b0": 5_288_548,
    "hourglass": 2_217_831,
}  # fmt: skip
"""Trained parameters with the heads: what papers and the authors' releases say, written down apart from the table above."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts(name: str) -> None:
    model = loaded(name)
    assert model.parameter_count + model.head_parameters == PUBLISHED[name]


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
