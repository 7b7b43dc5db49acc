"""Files of a stranger: what they may reach, and what of their text reaches a terminal, a picture, a page of source."""

from __future__ import annotations

import ast
import os
import unicodedata
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from cnndsl.errors import CnnError
from cnndsl.language.load import check, load
from cnndsl.runtime.safetensors import write_weights

BLOCKS = "block b { relu }\n"
MODEL = "model m {\n    input image: 8x8x1\n    conv(2, 3x3) -> b\n    flatten -> dense(2) as logits\n    softmax\n}\n"


# What a file may reach ---------------------------------------------------------------------------------------------------


def using(folder: Path, said: str) -> list[str]:
    """The codes of what is wrong with a file that uses `said`."""
    (folder / "main.cnn").write_text(f'use "{said}"\n{MODEL}')
    return [d.code for d in check(folder / "main.cnn") if d.severity == "error"]


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    (tmp_path / "secret.cnn").write_text(BLOCKS)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.cnn").write_text(BLOCKS)
    folder = tmp_path / "inside"
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "good.cnn").write_text(BLOCKS)
    (folder / "file.cnn").symlink_to(tmp_path / "secret.cnn")
    (folder / "folder").symlink_to(tmp_path / "outside")
    (folder / "up").symlink_to("..")
    (folder / "loop.cnn").symlink_to("loop.cnn")
    (folder / "zero.cnn").symlink_to("/dev/zero")
    (folder / "broken.cnn").symlink_to("none.cnn")
    (folder / "near.cnn").symlink_to("parts/good.cnn")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.cnn")
    return folder


@pytest.mark.parametrize(
    "said",
    [
        "../secret.cnn", "parts/../../secret.cnn", "./../secret.cnn", "up/secret.cnn", "folder/secret.cnn", "file.cnn",
        "/etc/passwd", "/dev/zero", "/dev/stdin", "/proc/self/environ", "~/x.cnn", "C:/x.cnn", "C:x.cnn",
        "file:///etc/passwd", "http://x/y.cnn", "loop.cnn", "zero.cnn", "broken.cnn", "pipe.cnn", ".", "parts", "", "..",
        "parts/none.cnn", "a" * 300 + ".cnn", "x/" * 3000 + "y.cnn", "parts/good.cnn/more.cnn", r"..\secret.cnn", "CON",
    ],
)  # fmt: skip
def test_use_stays_in_its_folder(inside: Path, said: str) -> None:
    found = using(inside, said)
    assert found[0] == "E211", found
    assert set(found) <= {"E211", "E203"}  # the block is not known then


def test_links_within_the_folder_are_files(inside: Path) -> None:
    for said in ("parts/good.cnn", "near.cnn", "./parts/good.cnn"):
        assert using(inside, said) == []


def test_files_that_use_each_other(inside: Path) -> None:
    (inside / "parts" / "good.cnn").write_text('use "two.cnn"\nuse "good.cnn"\n' + BLOCKS)
    (inside / "parts" / "two.cnn").write_text('use "good.cnn"\nuse "../main.cnn"\n')
    assert using(inside, "parts/good.cnn") == ["E211"]  # ../main.cnn leaves the folder of two.cnn
    (inside / "parts" / "two.cnn").write_text('use "good.cnn"\n')
    assert using(inside, "parts/good.cnn") == []
    assert using(inside, "main.cnn") == ["E203"]


def test_a_chain_of_very_many_files(inside: Path) -> None:
    for k in range(200):
        (inside / f"f{k}.cnn").write_text(f'use "f{k + 1}.cnn"\n' + (BLOCKS if not k else ""))
    assert using(inside, "f0.cnn")[0] == "E211"


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/full", "/dev/tty", "/proc/self/mem", "/dev"])
def test_devices_are_no_models(name: str, tmp_path: Path) -> None:
    if not os.path.exists(name):
        pytest.skip("there is no such device")
    link = tmp_path / "m.cnn"
    link.symlink_to(name)
    for spec in (name, link):
        with pytest.raises(CnnError) as caught:
            load(spec)
        assert caught.value.code in ("E505", "E506", "E108", "E110"), caught.value


# What of it reaches others -----------------------------------------------------------------------------------------------

CONTROL = "\u202e\u2066\u009b2J\u0085\u2028\u200b\u00ad\ufeff\u0301"
LABELLED = f'preprocess {{ images = grey -> resize(8x8); labels = ["{CONTROL}", "b"] }}\n'
LOOKS = "d\u0435nse"  # Cyrillic
NAMES = ("__import__", "eval", "os", "self", "None", "lambda", "np", "exit", "\u1e9b\u0323", "\u00e9t\u00e9", LOOKS, "x\u2028y")


def unseen(text: str) -> list[str]:
    """Characters that steer a terminal or hide something, the newline and tab aside."""
    return sorted({f"U+{ord(c):04X}" for c in text if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") and c not in "\n\t"})


@pytest.mark.parametrize("name", NAMES)
def test_names_are_names_and_nothing_else(cli: Any, tmp_path: Path, name: str) -> None:
    text = f"block {name}(n) {{ conv(n, 1x1) as inner }}\nmodel m{{\ninput image: 8x8x1\n{name}(2) -> relu as {name}_\n"
    text += "flatten -> dense(2) as logits\nsoftmax }\n"
    (tmp_path / "m.cnn").write_text(text, encoding="utf-8")
    outputs = [cli("check", "m.cnn"), cli("show", "m.cnn"), cli("show", "m.cnn", "--svg", "-"), cli("compile", "m.cnn")]
    for done in outputs:
        assert done.code in (0, 1)
        assert not unseen(done.out + done.err), done
        assert "Traceback" not in done.err
        assert "E799" not in done.err
    if outputs[0].code == 0:
        assert outputs[3].code == 0, outputs[3].err
        ET.fromstring(outputs[2].out)
        calls = {
            n.func.id for n in ast.walk(ast.parse(outputs[3].out)) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        }
        assert not calls & {"__import__", "eval", "exec", "exit", "compile"}


@pytest.mark.parametrize(
    "text",
    [
        f"# {CONTROL}\n{BLOCKS}{MODEL}", BLOCKS + MODEL + LABELLED,
        f"{BLOCKS}{MODEL}".replace("relu", f"relu{CONTROL}"), f"{BLOCKS}{MODEL}".replace("model m", f"model m{CONTROL}"),
        f"{BLOCKS}{MODEL}".replace("dense", LOOKS), f"{BLOCKS}{MODEL}".replace("8x8x1", "8\u04458\u04451"),
        f"{BLOCKS}{MODEL}".replace("conv", "\uff43\uff4f\uff4e\uff56"), f"{BLOCKS}{MODEL}train {{ data = \u202edigits }}\n",
        f'use "{CONTROL}.cnn"\n{MODEL}', f"{BLOCKS}{MODEL}".replace("\n", "\u2028"), f"{BLOCKS}{MODEL}".replace(" ", "\u00a0"),
        "\u202e" * 1000, f"{BLOCKS}{MODEL}".replace("8x8x1", "\u0668x\u0668x1"),
    ],
    ids=range(13),
)  # fmt: skip
def test_no_character_steers_a_terminal(cli: Any, tmp_path: Path, text: str) -> None:
    (tmp_path / "m.cnn").write_text(text, encoding="utf-8")
    for words in (
        ("check", "m.cnn"), ("check", "m.cnn", "--json"), ("show", "m.cnn"), ("show", "m.cnn", "--json"),
        ("show", "m.cnn", "--svg", "-"), ("compile", "m.cnn"), ("compile", "m.cnn", "--explain"), ("fmt", "m.cnn", "--check"),
        ("train", "m.cnn"), ("show", f"m{CONTROL}.cnn"), ("show", "m.cnn", f"{CONTROL}=1"), (CONTROL,),
    ):  # fmt: skip
        done = cli(*words)
        assert not unseen(done.out + done.err), (words, done)
        assert "Traceback" not in done.err
        assert "E799" not in done.err, done.err


def test_labels_of_a_stranger_are_shown_escaped(cli: Any, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "one.png")
    (tmp_path / "m.cnn").write_text(BLOCKS + MODEL + LABELLED, encoding="utf-8")
    write_weights(tmp_path / "w.safetensors", load(tmp_path / "m.cnn").initial_weights(1))
    (tmp_path / f"{CONTROL}.png").write_bytes((tmp_path / "one.png").read_bytes())
    np.savez(tmp_path / "data.npz", images=np.zeros((4, 8, 8, 1), np.uint8), labels=np.array([0, 1, 1, 0]))
    for words in (("run", "m.cnn", "one.png", f"{CONTROL}.png"), ("eval", "m.cnn", "--data", "data.npz")):
        done = cli(*words, "-w", "w.safetensors")
        assert done.code == 0, done.err
        assert r"\u202e\u2066\x9b2J" in done.out or words[0] == "eval"
        assert not unseen(done.out + done.err), done
