"""docs/models.md says what the models are."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.models.test_counts import COUNTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
sys.path.insert(0, str(ROOT / "tests" / "bench"))


def test_every_count_of_the_page() -> None:
    rows = {m[1]: m[0] for m in re.finditer(r"^\| `(\w+)` \|.*$", PAGE, re.MULTILINE)}
    assert set(rows) == set(COUNTS)
    for name, (parameters, heads, multiply_adds) in COUNTS.items():
        numbers = [int(n.replace(",", "")) for n in re.findall(r"[\d,]{3,}", rows[name].split("|", 2)[2])]
        assert numbers == [n for n in (parameters, heads, multiply_adds) if n]


def test_the_lines_of_ours() -> None:
    from model_lines import of_cnn

    table = PAGE[PAGE.index("## How long they are") :]
    files = {
        "AlexNet": "alexnet", "VGG": "vgg", "GoogLeNet": "googlenet", "Inception v3": "inception_v3", "ResNet": "resnet",
        "DenseNet": "densenet", "SqueezeNet": "squeezenet", "MobileNet v2": "mobilenet_v2", "EfficientNet": "efficientnet",
    }  # fmt: skip
    for name, file in files.items():
        row = re.search(rf"^\| {name} \| (\d+)", table, re.MULTILINE)
        assert row is not None
        assert int(row[1]) == of_cnn((ROOT / "models" / f"{file}.cnn").read_text())
