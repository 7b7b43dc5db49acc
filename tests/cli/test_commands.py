"""What each command gives when all is well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnndsl.data.datasets import digits

LENET = Path(__file__).parents[2] / "models" / "lenet5.cnn"


def test_check(cli: Any) -> None:
    done = cli("check", LENET)
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{LENET}: ok\n"


def test_check_reports_every_file(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "a.cnn").write_text("model a {\n    input image: 8x8x1\n    rellu\n    dens(10)\n}\n")
    (tmp_path / "b.cnn").write_text("model b {\n    input image: 8x8x1\n    sofmax\n}\n")
    done = cli("check", "a.cnn", LENET, "b.cnn")
    assert done.code == 1
    assert done.err.count("error[E2") == 3
    assert done.out == f"a.cnn: 2 errors\n{LENET}: ok\nb.cnn: 1 error\n"
    found = json.loads(cli("check", "a.cnn", LENET, "b.cnn", "--json").out)
    assert [(x["place"]["file"], x["place"]["line"]) for x in found] == [("a.cnn", 3), ("a.cnn", 4), ("b.cnn", 3)]


def test_show(cli: Any) -> None:
    data = json.loads(cli("show", "lenet5", "--json").out)
    assert data["parameters"] == 61_706
    assert data["head_parameters"] == 0
    assert data["multiply_adds"] == 28 * 28 * 6 * 25 + 10 * 10 * 16 * 150 + 400 * 120 + 120 * 84 + 84 * 10
    assert data["output_shape"] == [10]
    by_name = {layer["name"]: layer for layer in data["layers"]}
    assert by_name["conv2"]["output_shape"] == [10, 10, 16]
    assert by_name["conv2"]["receptive_field"] == [14, 14]
    assert sum(layer["parameters"] for layer in data["layers"]) == data["parameters"]
    assert sum(layer["multiply_adds"] for layer in data["layers"]) == data["multiply_adds"]
    text = cli("show", "lenet5").out
    assert "61,706 parameters" in text
    assert max(map(len, text.splitlines())) <= 100


def test_show_with_arguments(cli: Any) -> None:
    assert json.loads(cli("show", "lenet5", "classes=26", "--json").out)["output_shape"] == [26]


@pytest.fixture
def digit(tmp_path: Path) -> Path:
    """A digit that was held back from training, black on white: its label is the first character of its name."""
    test = digits().test
    assert test is not None
    path = tmp_path / f"{int(test.labels[5])}.png"
    Image.fromarray(255 - np.asarray(test.images)[5, :, :, 0]).resize((140, 140)).convert("RGB").save(path)
    return path


def test_run_in_the_first_minute(cli: Any, digit: Path) -> None:
    done = cli("run", "lenet5", digit)
    assert done.code == 0, done.err
    assert "bundled" in done.err
    name, label, share = done.out.split()[:3]
    assert name == str(digit)
    assert label == digit.stem
    assert float(share) > 50


def test_run_on_many(cli: Any, digit: Path, tmp_path: Path) -> None:
    test = digits().test
    assert test is not None
    np.save(tmp_path / "images.npy", np.asarray(test.images)[:100])
    (tmp_path / "folder").mkdir()
    for name in ("b.png", "a.jpg"):
        Image.open(digit).save(tmp_path / "folder" / name)
    done = cli("run", "lenet5", "images.npy", "folder", digit, "--json", "--top", "2")
    found = json.loads(done.out)
    assert [x["file"] for x in found[:2]] == ["images.npy[0]", "images.npy[1]"]
    assert [x["file"] for x in found[100:]] == [str(Path("folder/a.jpg")), str(Path("folder/b.png")), str(digit)]
    assert np.mean([x["label"] == str(y) for x, y in zip(found[:100], test.labels, strict=False)]) >= 0.9
    assert all(len(x["top"]) == 2 and 0 <= x["probability"] <= 1 for x in found)


def test_eval(cli: Any) -> None:
    done = cli("eval", "lenet5", "--json")
    found = json.loads(done.out)
    assert found["images"] == 1000
    assert 0.975 <= found["accuracy"] <= 1
    confusion = np.array(found["confusion"])
    assert confusion.shape == (10, 10)
    assert confusion.sum() == 1000
    assert np.trace(confusion) == round(1000 * found["accuracy"])
    text = cli("eval", "lenet5")
    assert f"accuracy  {100 * found['accuracy']:.2f} %" in text.out
    called, head, *rows = text.out.splitlines()[4:]
    assert called.split() == ["called"] and head.split() == ["true", *"0123456789"]
    assert [row.split()[0] for row in rows] == list("0123456789")
    assert head.index(" 0") == rows[0].index("100") + 1
    assert "bundled" in text.err


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """200 digits to train on and 50 to test on."""
    whole = digits()
    assert whole.test is not None
    path = tmp_path / "few.npz"
    np.savez(
        path,
        images=np.asarray(whole.train.images)[::20],
        labels=whole.train.labels[::20],
        test_images=np.asarray(whole.test.images)[::20],
        test_labels=whole.test.labels[::20],
    )
    return path


def test_train_then_use(cli: Any, few: Path, digit: Path, tmp_path: Path) -> None:
    done = cli("train", "lenet5", "--data", few, "train.epochs=2", "train.batch=20", "train.seed=7")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("training lenet5 on 200 images")
    assert [line.split()[0] for line in lines[3:5]] == ["1", "2"]
    folder = tmp_path / "runs" / "lenet5" / "1"
    assert "    batch     = 20\n    epochs    = 2\n    seed      = 7\n" in (folder / "recipe.txt").read_text()
    for name in ("weights.safetensors", "log.csv", "loss.png", "recipe.txt"):
        assert (folder / name).stat().st_size > 0
    assert len((folder / "log.csv").read_text().splitlines()) == 3
    assert "newest run" in cli("run", "lenet5", digit).err
    assert json.loads(cli("eval", "lenet5", "--data", few, "--json").out)["images"] == 50
    cli("train", "lenet5", "--data", few, "train.epochs=1", "train.batch=20")
    assert os.path.join("lenet5", "2") in cli("run", "lenet5", digit).err


def test_compile_writes_what_runs(cli: Any, tmp_path: Path, digit: Path) -> None:
    done = cli("compile", "lenet5", "--batch", "4", "-o", "net.py")
    assert done.code == 0, done.err
    text = (tmp_path / "net.py").read_text()
    shown = cli("compile", "lenet5", "--batch", "4").out
    assert shown.split('"""')[2:] == text.split('"""')[2:]
    assert 'net.load("weights.safetensors")' in text and 'lenet5.load("weights.safetensors")' in shown
    assert "cnndsl" not in [line.split()[1] for line in text.splitlines() if line.startswith(("import ", "from "))]
    weights = Path(__file__).parents[2] / "cnndsl" / "data" / "weights" / "lenet5.safetensors"
    test = digits().test
    assert test is not None
    head = text.split('"""')[1]
    assert "image: pictures with values in [0, 1], then grey -> invert(auto) -> resize(28x28), all of it before the" in head
    np.save(tmp_path / "images.npy", (np.asarray(test.images)[:6] / np.float32(255)).astype(np.float32))
    command = [sys.executable, "net.py", str(weights), "images.npy"]
    alone = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert alone.returncode == 0, alone.stderr
    assert alone.stdout.strip()


def test_compile_for_several_batches(cli: Any, tmp_path: Path) -> None:
    done = cli("compile", "lenet5", "--batch", "1,8", "--explain", "-o", "net.py")
    assert (done.code, done.err) == (0, "net.py: lenet5, inference on 1 or 8 images, numpy\n")
    text = (tmp_path / "net.py").read_text()
    assert "BATCHES = (1, 8)" in text and "    output = net.run(image)    # 1 or 8 images" in text
    for words, code, says in (
        (("--batch", "1,8", "--train"), 1, "a training step has one batch"),
        (("--batch", "1,8", "--dump", "graphs"), 1, "--dump writes the graphs of one batch"),
        (("--batch", "1,8", "--target", "cupy"), 1, "writes files for one batch each"),
        (("--batch", "1,0"), 2, "'1,0' is no batch"),
        (("--batch", "1,"), 2, "'1,' is no batch"),
        (("--batch", "4-8"), 2, "'4-8' is no batch"),
    ):
        done = cli("compile", "lenet5", *words)
        assert done.code == code and says in done.err, done.err


def test_compile_the_training_step(cli: Any, tmp_path: Path) -> None:
    done = cli("compile", "lenet5", "--train", "--batch", "8", "-o", "step.py")
    assert done.code == 0, done.err
    assert "def step" in (tmp_path / "step.py").read_text()


def test_compile_a_step_in_parts(cli: Any, tmp_path: Path) -> None:
    done = cli("compile", "lenet5", "--train", "--batch", "8", "train.accumulate=2", "-o", "step.py")
    assert (done.code, done.err) == (0, "step.py: lenet5, training step on 4 images, one part a call, numpy\n")
    done = cli("compile", "lenet5", "--train", "--batch", "9", "train.accumulate=2", "-o", "step.py")
    assert done.code == 1
    assert "a batch of 9 images cannot be cut into 2 equal parts" in done.err
    assert "only arguments of the model" in cli("compile", "lenet5", "train.accumulate=2").err


def test_compile_explains_and_dumps(cli: Any, tmp_path: Path) -> None:
    done = cli("compile", "lenet5", "--explain", "--dump", "graphs", "-o", "net.py")
    assert done.code == 0, done.err
    for words in ("specialise", "fuse", "dead_code"):
        assert words in done.out
    assert len(list((tmp_path / "graphs").iterdir())) >= 6


def test_a_file_that_cannot_be_written(cli: Any, tmp_path: Path) -> None:
    done = cli("compile", "lenet5", "-o", tmp_path / "no" / "such" / "net.py")
    assert done.code == 1
    assert "error[E598]" in done.err


SYMBOLIC = """
model wide {
    input z: HxWx3 where H % 4 == 0, W % 4 == 0
    conv(4, 3x3, pad = same, stride = 2) -> relu
    conv(4, 3x3, pad = same, stride = 2)
    global_avg_pool
}
"""


def test_sizes_are_bound_on_the_command_line(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "wide.cnn").write_text(SYMBOLIC)
    done = cli("compile", "wide.cnn", "-o", "net.py", "--input", "8x12x3")
    assert done.code == 0
    assert "z: n × 8x12x3 float32" in (tmp_path / "net.py").read_text()
    done = cli("export", "wide.cnn", "-o", "net.onnx", "--seed", "1", "--input", "z=8x12x3")
    assert done.code == 0
    assert (tmp_path / "net.onnx").stat().st_size > 0
    for given, says in (
        ("8x12x4", "z is HxWx3: its 3 cannot become 4"), ("8x10x3", "W is a multiple of 4, not 10"),
        ("8x12", "has 3 sizes, not 2"), ("x=8x12x3", "no input x"), ("8*12", "is not a shape"),
    ):  # fmt: skip
        done = cli("compile", "wide.cnn", "-o", "other.py", "--input", given)
        assert (done.code, says in done.err) == (1, True), done.err
    assert "no size is given for H" in cli("export", "wide.cnn", "--seed", "1").err
    assert not (tmp_path / "other.py").exists()


def test_sizes_are_bound_for_the_table_too(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "wide.cnn").write_text(SYMBOLIC)
    still_open = cli("show", "wide.cnn")
    assert "open multiply-adds" in still_open.out
    assert still_open.err == "in numbers, for one size: cnndsl show wide.cnn --input 256x256x3\n"
    asked = cli(*still_open.err.split(": cnndsl ")[1].split())
    assert (asked.code, asked.err) == (0, "") and "128x128x4" in asked.out
    bound = json.loads(cli("show", "wide.cnn", "--input", "z=8x12x3", "--json").out)
    assert bound["inputs"] == {"z": [8, 12, 3]}
    assert bound["multiply_adds"] == 9 * (4 * 6 * 3 * 4 + 2 * 3 * 4 * 4)
    assert ">4×6×4<" in cli("show", "wide.cnn", "--input", "8x12x3", "--svg", "-").out
    assert "H is a multiple of 4, not 9" in cli("show", "wide.cnn", "--input", "9x12x3").err


def test_the_size_that_a_message_offers_is_taken(cli: Any) -> None:
    said = cli("compile", "hourglass").err
    assert "no size is given for H, W\n" in said and "--input z=256x256x32" in said
    assert "--input 256x256x32" in cli("bench", "hourglass").err
    assert cli("show", "hourglass", "--input", "256x256x32").code == 0


def test_export(cli: Any, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    done = cli("export", "lenet5", "-o", "net.onnx")
    assert done.code == 0, done.err
    onnx.checker.check_model(str(tmp_path / "net.onnx"))
    assert "error[E770]" in cli("export", "lenet5", "-o", "net.pb").err


@pytest.mark.campaign
def test_run_starts_quickly(digit: Path) -> None:
    """The whole process, median of seven, files warm: 0.6 s at most."""
    import time

    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    taken = []
    for _ in range(7):
        began = time.perf_counter()
        command = [sys.executable, "-m", "cnndsl.cli.main", "run", "lenet5", str(digit)]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        taken.append(time.perf_counter() - began)
    assert sorted(taken)[3] <= 0.6


def test_show_draws(cli: Any, tmp_path: Path) -> None:
    drawn = cli("show", "lenet5", "--svg", "-").out
    assert drawn.startswith("<svg ") and drawn.endswith("</svg>\n")
    said = cli("show", "lenet5", "--svg", str(tmp_path / "net.svg"))
    assert (said.out, said.err) == ("", f"drawn into {tmp_path / 'net.svg'}\n")
    assert (tmp_path / "net.svg").read_text(encoding="utf-8") == drawn
    assert "error[E770]" in cli("show", "lenet5", "--json", "--depth", "1").err


def test_show_unfolds(cli: Any) -> None:
    assert "unit2 … × 7" in cli("show", "resnet152").out
    assert "stage2" in cli("show", "resnet152", "--depth", "0").out
    assert "unit2" not in cli("show", "resnet152", "--depth", "0").out


def test_compile_goes_on_from_a_dump(cli: Any, tmp_path: Path) -> None:
    """From every stage the rest of the passes makes the same program; edited, another."""
    assert cli("compile", "lenet5", "--batch", "4", "--dump", "graphs", "-o", "net.py").code == 0
    stages = sorted((tmp_path / "graphs").glob("*.txt"))
    assert len(stages) >= 8 and len(stages) == len(list((tmp_path / "graphs").glob("*.svg")))
    wanted = (tmp_path / "net.py").read_text()
    (tmp_path / "again").mkdir()
    for stage in stages:
        done = cli("compile", "--from", stage, "-o", "again/net.py")
        assert done.code == 0, done.err
        assert (tmp_path / "again" / "net.py").read_text() == wanted, stage.name
    text = stages[-2].read_text()
    assert "= tanh(" in text
    (tmp_path / "edited.txt").write_text(text.replace("= tanh(", "= relu("))
    assert cli("compile", "--from", "edited.txt", "-o", "edited.py").code == 0
    assert "np.maximum(" in (tmp_path / "edited.py").read_text() and "np.tanh(" not in (tmp_path / "edited.py").read_text()


def test_compile_goes_on_from_a_dump_in_a_new_process(cli: Any, tmp_path: Path) -> None:
    assert cli("compile", "lenet5", "--dump", "graphs", "-o", "net.py").code == 0
    stage = next((tmp_path / "graphs").glob("*fold_batch_norm.txt"))
    command = [sys.executable, "-m", "cnndsl.cli.main", "compile", "--from", str(stage), "-o", "again/net.py"]
    (tmp_path / "again").mkdir()
    alone = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert alone.returncode == 0, alone.stderr
    assert (tmp_path / "again" / "net.py").read_text() == (tmp_path / "net.py").read_text()


def test_compile_goes_on_from_a_training_step(cli: Any, tmp_path: Path) -> None:
    assert cli("compile", "lenet5", "--train", "--batch", "4", "--dump", "graphs", "-o", "step.py").code == 0
    stage = sorted((tmp_path / "graphs").glob("*.txt"))[0]
    (tmp_path / "again").mkdir()
    assert cli("compile", "--from", stage, "-o", "again/step.py").code == 0
    assert (tmp_path / "again" / "step.py").read_text() == (tmp_path / "step.py").read_text()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda t: t.replace("# rest", "# best"), "E608"),
        (lambda t: t.replace("batch 1", "batch 0"), "E606"),
        (lambda t: t.replace("target numpy", "target quantum"), "E607"),
        (lambda t: t.replace(" fuse\n", " confuse\n"), "E606"),
        (lambda t: t.replace("= tanh(", "= tank("), "E203"),
        (lambda t: t.replace("float32[1,28,28,6]", "float32[1,28,28,7]"), "E103"),
        (lambda t: t[: len(t) // 2], "E103"),
    ],
)
def test_a_dump_edited_wrongly(cli: Any, tmp_path: Path, change: Any, code: str) -> None:
    assert cli("compile", "lenet5", "--dump", "graphs", "-o", "net.py").code == 0
    stage = next((tmp_path / "graphs").glob("*choose_layout.txt"))
    (tmp_path / "edited.txt").write_text(change(stage.read_text()))
    done = cli("compile", "--from", "edited.txt", "-o", "net.py")
    assert done.code == 1 and f"error[{code}]" in done.err, done.err


def test_passes_are_chosen(cli: Any, tmp_path: Path) -> None:
    done = cli("compile", "resnet18", "--passes", "dead_code,fuse", "--explain", "-o", "net.py")
    assert done.code == 0 and "fold_batch_norm" not in done.out and "fuse:" in done.out
    done = cli("compile", "resnet18", "--without", "fold_batch_norm", "--explain", "-o", "net.py")
    assert done.code == 0 and "fold_batch_norm:" not in done.out
    for option, said in (("--without=fold_batch_nrom", "fold_batch_norm"), ("--without=inference", "cannot be left out")):
        done = cli("compile", "resnet18", option)
        assert done.code == 1 and "error[E606]" in done.err and said in done.err


def test_compile_needs_something(cli: Any, tmp_path: Path) -> None:
    assert "error[E770]" in cli("compile").err
    assert "error[E505]" in cli("compile", "--from", "none.txt").err
    assert "error[E770]" in cli("compile", "lenet5", "--from", "none.txt").err
