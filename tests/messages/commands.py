"""Commands that are refused, one a message. `tests/golden/commands/<name>.txt` holds what each must say.

Here stands what needs more than the text of one model: several files, weights, pictures, data, runs, edited stages.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Files = Mapping[str, str | bytes]
TINY = "model tiny {\n    input image: 8x8x1\n    flatten\n    dense(3) as logits\n    softmax\n}\n"
PREPARED = TINY + "preprocess { images = grey -> resize(8x8) }\n"
TRAINED = (
    TINY + "train {\n    loss = cross_entropy(logits)\n    optimizer = sgd(rate = 0.1)\n    batch = 4\n    epochs = 1\n}\n"
)
OPEN = "model open {\n    input image: HxWx3\n    conv(4, 3x3) -> relu\n}\n"
HIDING = """block keeping { conv(1, 3x3, pad = same) }
model m {
    input same: 8x8x1
    keeping
}
"""
OTHERS = """model m {
    input image: 8x8x1
    conv(2, 3x3) as low
    conv(3, 3x3) as high
}
train {
    loss = mse(low, target) + mse(high, target)
    optimizer = sgd(rate = 0.1)
}
"""


@dataclass(frozen=True)
class Bad:
    """One refused command, or one that is warned of.

    words: the command line, as text or word by word. files: what lies in the folder. before: commands that are run first, and
    must be well. then: files that are written after those. missing: a package that is not there. varies: what depends on
    how good the compiler is, a pattern that is shown as `…`. code: 0 where there is a warning only.
    """

    words: str | tuple[str, ...]
    files: Files = field(default_factory=dict)
    before: tuple[str, ...] = ()
    then: Callable[[Path], None] | None = None
    missing: str = ""
    varies: str = ""
    code: int = 1


# Files ----------------------------------------------------------------------------------------------------------------


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def data(classes: int = 3, size: int = 8, count: int = 20, **other: Any) -> bytes:
    """White pictures with labels in turn, as an .npz file."""
    images = np.full((count, size, size, 1), 255, np.uint8)
    return npz(images=images, labels=np.arange(count) % classes, **other)


def weights(**arrays: np.ndarray[Any, Any]) -> bytes:
    """A safetensors file of float32 arrays; __ in a name is a point."""
    header, body = {}, b""
    for name, array in arrays.items():
        new = np.asarray(array, np.float32).tobytes()
        offsets = [len(body), len(body) + len(new)]
        header[name.replace("__", ".")] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": offsets}
        body += new
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def png(height: int, width: int) -> bytes:
    """A black picture; its pixels need not all be there."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    pixels = zlib.compress(bytes(min((width + 1) * height, 10_000)))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def stage(*lines: str, state: str = "") -> str:
    """A graph as `compile --dump` writes it, with these nodes."""
    head = "# cnndsl m\n# after    02 inference\n# rest     fuse\n# for      inference, target numpy, batch 1, threads 1\n"
    nodes = "".join(f"  {line}\n" for line in (*filter(None, [state]), IMAGE, *lines))
    return f'{head}graph "m" {{\n{nodes}}}\n'


IMAGE = '%image = input "image" batched -> float32[1,4,4,1] @ "image"'
WEIGHT = '%w = state "w" -> float32[3,3,2,2] @ "conv"'
CONV = "filters=2 kernel=(3, 3) stride=(1, 1) pad=((0, 0), (0, 0)) dilation=(1, 1)"


def spoil(folder: Path) -> None:
    """Damage the newest checkpoint of every run."""
    for path in folder.glob("runs/*/*/checkpoints/*/checkpoint.json"):
        path.write_text("{")


def forget(folder: Path) -> None:
    """Remove the checkpoints of every run."""
    for path in folder.glob("runs/*/*/checkpoints/*/checkpoint.json"):
        path.unlink()


def relabel(folder: Path) -> None:
    """The same pictures under other labels."""
    (folder / "set.npz").write_bytes(npz(images=np.full((20, 8, 8, 1), 255, np.uint8), labels=np.arange(20)[::-1] % 3))


def untold(folder: Path) -> None:
    """What runs were begun with is not known."""
    for path in folder.glob("runs/*/*/command.json"):
        path.unlink()


def strange(folder: Path) -> None:
    """What runs were begun with was written by somebody else."""
    for path in folder.glob("runs/*/*/command.json"):
        path.write_text('{"options": {"threads": "many"}}')


def led_away(folder: Path) -> None:
    """The weights of a run are a file elsewhere."""
    for path in folder.glob("runs/*/*/weights.safetensors"):
        path.rename(folder / "elsewhere")
        path.symlink_to(folder / "elsewhere")


def widened(folder: Path) -> None:
    """One filter more in each convolution."""
    text = (folder / "tiny.cnn").read_text()
    (folder / "tiny.cnn").write_text(text.replace("conv(2", "conv(3"))


def prepared(folder: Path) -> None:
    """A preprocess that was not there."""
    with (folder / "tiny.cnn").open("a") as f:
        f.write("preprocess { images = grey -> resize(8x8) }\n")


MANY = TRAINED.replace("    flatten", "    { conv(2, 3x3, pad = same) -> relu } * 4\n    flatten")
SET = {"tiny.cnn": TRAINED, "set.npz": data()}
ONE = {"one.png": png(8, 8)}
FIT = {"w.safetensors": weights(logits__weight=np.zeros((64, 3)), logits__bias=np.zeros(3))}
TRAIN = "train tiny.cnn --data set.npz --threads 1"
NORMED = TRAINED.replace("    flatten", "    conv(2, 3x3, bias = false) -> batch_norm -> relu\n    flatten")
CLASSES = PREPARED.replace("tiny", "tiny(classes = 3)").replace("(3)", "(classes)") + TRAINED.partition("}\n")[2]
OTHER_CLASSES = {"tiny.cnn": CLASSES, "set.npz": data(classes=4), **ONE}
HUGE = b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '|u1', 'fortran_order': False, 'shape': (9000000000,), }".ljust(117) + b"\n"


def zipped(**files: bytes) -> bytes:
    """An .npz file of these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def empty(folder: Path) -> None:
    """A folder without pictures."""
    (folder / "empty").mkdir()


def broken(folder: Path) -> None:
    """A folder of pictures by class, of which two are none."""
    for name in ("pets/cat/1.png", "pets/dog/1.png", "pets/cat/2.png", "pets/dog/2.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(8, 8) if "1" in name else b"no picture")


def linked(folder: Path) -> None:
    """One of whose pictures is a link to a file elsewhere."""
    (folder / "pets" / "cat").mkdir(parents=True)
    (folder / "pets" / "cat" / "1.png").symlink_to(folder / "one.png")


BAD: dict[str, Bad] = {
    # which model
    "not_utf8": Bad("check latin.cnn", {"latin.cnn": "# caf\u00e9\n".encode("latin-1") + TINY.encode()}),
    "picture_as_a_model": Bad("check photo.png", {"photo.png": png(8, 8)}),
    "picture_before_the_model": Bad("run photo.png lenet5", {"photo.png": png(8, 8)}),
    "data_as_a_model": Bad("train data.npz", {"data.npz": data()}),
    "weights_as_a_model": Bad("show w.safetensors", {"w.safetensors": FIT["w.safetensors"]}),
    "picture_that_is_used": Bad("check tiny.cnn", {"tiny.cnn": 'use "photo.png"\n' + TINY, "photo.png": png(8, 8)}),
    "utf16": Bad("check tiny.cnn", {"tiny.cnn": TINY.encode("utf-16")}),
    "no_such_file": Bad("show none.cnn"),
    "file_misspelt": Bad("show tinny.cnn", {"tiny.cnn": TINY}),
    "folder_to_check": Bad("check .", {"one.cnn": TINY, "two.cnn": TINY.replace("dense", "dens")}),
    "folder_without_files_to_check": Bad("check .", {}),
    "file_without_its_ending": Bad("show tiny", {"tiny.cnn": TINY}),
    "no_such_model_at_all": Bad("show nothing_like_it"),
    "folder_as_a_file": Bad("fmt .", {}),
    "columns_without_a_picture": Bad("show lenet5 --columns 2"),
    "no_such_model": Bad("show lenet"),
    "two_models_none_named": Bad("show two.cnn", {"two.cnn": TINY + TINY.replace("tiny", "small")}),
    "one_of_two_misspelt": Bad("show two.cnn:tinny", {"two.cnn": TINY + TINY.replace("tiny", "small")}),
    "argument_of_another": Bad("show tiny.cnn clases=3", {"tiny.cnn": TINY.replace("tiny", "tiny(classes = 3)")}),
    "classes_in_words": Bad("show tiny.cnn classes=abc", {"tiny.cnn": TINY.replace("tiny", "tiny(classes = 3)")}),
    "argument_that_does_not_fit": Bad("show tiny.cnn n=0", {"tiny.cnn": TINY.replace("tiny", "tiny(n)").replace("(3)", "(n)")}),
    "use_of_a_missing_file": Bad("check tiny.cnn", {"tiny.cnn": 'use "blocks.cnn"\n' + TINY}),
    "error_in_a_used_file": Bad("check tiny.cnn", {"tiny.cnn": 'use "b.cnn"\n' + TINY, "b.cnn": "block b { conv( }\n"}),
    "padding_of_another_notation": Bad("import C-16-5-1-some"),
    # weights
    "no_weights": Bad("run tiny.cnn one.png", {"tiny.cnn": PREPARED, **ONE}),
    "weights_of_other_classes": Bad("run tiny.cnn one.png", OTHER_CLASSES, before=(f"{TRAIN} classes=4",)),
    "weights_of_yet_other_classes": Bad("export tiny.cnn classes=7", OTHER_CLASSES, before=(f"{TRAIN} classes=4",)),
    "no_weight_file": Bad("run tiny.cnn one.png -w w.safetensors", {"tiny.cnn": PREPARED, **ONE}),
    "weights_cut_off": Bad(
        "run tiny.cnn one.png -w w.safetensors", {"tiny.cnn": PREPARED, **ONE, "w.safetensors": FIT["w.safetensors"][:-10]}
    ),
    "weights_of_another": Bad(
        "run tiny.cnn one.png -w w.safetensors",
        {"tiny.cnn": PREPARED, **ONE, "w.safetensors": weights(logits__weight=np.zeros((64, 4)), conv__bias=np.zeros(3))},
    ),
    "weights_to_export": Bad(
        "export tiny.cnn -w w.safetensors", {"tiny.cnn": TINY, "w.safetensors": weights(logits__weight=np.zeros((64, 3)))}
    ),
    "export_without_onnx": Bad("export tiny.cnn --seed 1", {"tiny.cnn": TINY}, missing="onnx"),
    "name_that_hides_a_word": Bad("export m.cnn -o n.cnn", {"m.cnn": HIDING}),
    "export_into_a_text": Bad("export tiny.cnn -o net.txt", {"tiny.cnn": TINY}),
    # compiling
    "folder_that_is_not_there": Bad("compile tiny.cnn -o no/such/net.py", {"tiny.cnn": TINY}),
    "size_left_open": Bad("export open.cnn --seed 1", {"open.cnn": OPEN}),
    "size_that_is_fixed": Bad("compile tiny.cnn --input 9x8x1", {"tiny.cnn": TINY}),
    "too_little_memory": Bad("compile tiny.cnn --max-memory 100", {"tiny.cnn": TINY}, varies=r"[\d.]+ [KMG]?B\b"),
    "no_amount_of_memory": Bad("compile tiny.cnn --max-memory much", {"tiny.cnn": TINY}),
    "no_such_pass": Bad("compile tiny.cnn --passes fuze", {"tiny.cnn": TINY}),
    "no_such_target": Bad("run lenet5 one.png --target tpu", ONE),
    "target_without_a_program": Bad("compile tiny.cnn --target reference", {"tiny.cnn": TINY}),
    "one_target_for_two_losses": Bad("compile m.cnn --train", {"m.cnn": OTHERS}),
    "one_label_for_two_losses": Bad(
        "compile m.cnn --train",
        {
            "m.cnn": OTHERS.replace("mse", "cross_entropy")
            .replace(", target", "")
            .replace("conv(3, 3x3)", "flatten -> dense(3)")
        },
    ),
    "input_of_every_step": Bad("compile m.cnn --train", {"m.cnn": TRAINED.replace("image", "seed")}),
    "step_to_time_without_an_optimizer": Bad(
        "bench tiny.cnn --train", {"tiny.cnn": TINY + "train { loss = mse(logits, target) }\n"}
    ),
    "step_without_a_recipe": Bad("compile tiny.cnn --train", {"tiny.cnn": TINY}),
    "nothing_to_compile": Bad("compile"),
    "stage_for_another_target": Bad("compile --from s.txt --target cupy", {"s.txt": stage()}),
    "stage_for_another_batch": Bad("compile --from s.txt --batch 4", {"s.txt": stage()}),
    # a stage that was edited
    "stage_without_its_head": Bad("compile --from s.txt", {"s.txt": 'graph "m" { }\n'}),
    "stage_cut_off": Bad("compile --from s.txt", {"s.txt": stage('%relu = relu(%image) -> float32[1,4,4,1] @ "relu"')[:-2]}),
    "stage_with_an_unknown_op": Bad("compile --from s.txt", {"s.txt": stage("%a = rellu(%image) -> float32[1,4,4,1]")}),
    "stage_with_another_shape": Bad("compile --from s.txt", {"s.txt": stage("%a = relu(%image) -> float32[1,4,4,2]")}),
    "stage_of_whole_numbers": Bad(
        "compile --from s.txt",
        {"s.txt": stage("%a = batch_norm(%image, %image, %image, %image, %image) -> float32[1,4,4,1]").replace("float", "int")},
    ),
    "stage_with_other_words": Bad(
        "compile --from s.txt", {"s.txt": stage(state='state "w": float32[3,3,2,2] init="he" fan_in=9')}
    ),
    "stage_with_other_weights": Bad(
        "compile --from s.txt",
        {
            "s.txt": stage(
                WEIGHT,
                f"%a = conv(%image, %w) {CONV} bias=false -> float32[1,2,2,2]",
                state='state "w": float32[3,3,2,2] fan_in=9',
            )
        },
    ),
    "stage_that_contradicts_itself": Bad(
        "compile --from s.txt",
        {
            "s.txt": stage(
                "%a = relu(%image) -> float32[1,4,4,1]", 'output "output" = %a', state='state "w": float32[3,3,2,2] fan_in=9'
            )
        },
    ),
    "stage_of_a_stranger": Bad("compile --from s.txt", {"s.txt": stage("%a = scale(%image) factor=" + "(" * 20)}),
    # data and pictures
    "no_such_data": Bad("train tiny.cnn --data nowhere", {"tiny.cnn": TRAINED}),
    "data_without_labels": Bad(
        "train tiny.cnn --data a.npz", {"tiny.cnn": TRAINED, "a.npz": npz(images=np.zeros((4, 8, 8, 1)))}
    ),
    "data_that_promise_too_much": Bad("train tiny.cnn --data a.npz", {"tiny.cnn": TRAINED, "a.npz": zipped(images=HUGE)}),
    "data_that_are_not_there": Bad(
        "train tiny.cnn --data a.npz", {"tiny.cnn": TRAINED, "a.npz": zipped(images=HUGE.replace(b"9000000000", b" 900000000"))}
    ),
    "data_that_is_none": Bad("train tiny.cnn --data a.txt", {"tiny.cnn": TRAINED, "a.txt": "no data"}),
    "no_data": Bad("train tiny.cnn", {"tiny.cnn": TRAINED}),
    "empty_folder": Bad("run lenet5 empty", then=empty),
    "empty_folder_among_others": Bad(
        "run tiny.cnn one.png empty none.png -w w.safetensors", {"tiny.cnn": PREPARED, **ONE, **FIT}, then=empty
    ),
    "picture_that_is_none": Bad("run lenet5 text.png", {"text.png": "no picture"}),
    "picture_too_large": Bad("run lenet5 bomb.png", {"bomb.png": png(60_000, 60_000)}),
    "pictures_that_are_none": Bad("train tiny.cnn --data pets", {"tiny.cnn": TRAINED}, then=broken),
    "pictures_among_others": Bad(
        "run tiny.cnn pets/cat pets/dog one.png -w w.safetensors",
        {"tiny.cnn": TINY, "one.png": png(9, 9), **FIT},
        then=broken,
    ),
    "link_out_of_the_folder": Bad("train tiny.cnn --data pets", {"tiny.cnn": TRAINED, **ONE}, then=linked),
    "picture_of_another_size": Bad("run tiny.cnn one.png -w w.safetensors", {"tiny.cnn": TINY, "one.png": png(9, 9), **FIT}),
    "too_many_classes": Bad(TRAIN, {"tiny.cnn": TRAINED, "set.npz": data(classes=5)}),
    "crop_larger_than_the_picture": Bad(
        TRAIN, {"tiny.cnn": TRAINED.replace("batch", "augment = random_crop(9)\n    batch"), "set.npz": data()}
    ),
    # training
    "shift_by_half_a_pixel": Bad((*TRAIN.split(), "train.augment=shift(0.5)"), SET),
    "batch_of_more_than_all": Bad(f"{TRAIN} train.batch=400", SET),
    "what_cannot_be_carried_out": Bad((*TRAIN.split(), "train.precision=bf16"), SET),
    "task_to_train": Bad(f"{TRAIN} --recipe t", {**SET, "tiny.cnn": TRAINED + "task t { steps = 3 }\n"}),
    "no_optimizer": Bad(TRAIN, {**SET, "tiny.cnn": TRAINED.replace("    optimizer = sgd(rate = 0.1)\n", "")}),
    "override_of_no_key": Bad(f"{TRAIN} train.epoch=3", SET),
    "override_that_does_not_fit": Bad(f"{TRAIN} train.epochs=0", SET),
    "override_with_an_exponent": Bad(f"{TRAIN} train.batch=1e3", SET),
    "override_that_is_no_value": Bad((*TRAIN.split(), "train.optimizer=sgd(rate ="), SET),
    "both_lengths_at_once": Bad(f"{TRAIN} train.epochs=2 train.steps=3", SET),
    "epochs_in_words": Bad(f"{TRAIN} train.epochs=six", SET),
    "entry_without_its_recipe": Bad(f"{TRAIN} epochs=6", SET),
    "loss_misspelt": Bad((*TRAIN.split(), "train.loss=cross_entropy(logit)"), SET),
    "loss_that_the_data_do_not_fit": Bad((*TRAIN.split(), "train.loss=mse(logits, target)"), SET),
    "rate_of_zero_by_command": Bad((*TRAIN.split(), "train.optimizer=sgd(rate = 0)"), SET, code=0),
    "cutout_larger_than_the_pictures": Bad(
        f"{TRAIN} train.augment=cutout(9)", {**SET, "tiny.cnn": TRAINED + "preprocess { images = resize(8x8) }\n"}, code=0
    ),
    "warm_up_of_all_steps": Bad(f"{TRAIN} train.steps=3 train.schedule=warmup(2)", SET, code=0),
    "validation_from_outside": Bad(f"{TRAIN} train.validate=../x", SET),
    "validation_on_other_classes": Bad(f"{TRAIN} --validate digits", SET),
    "one_class_alone": Bad(TRAIN, {"tiny.cnn": TRAINED, "set.npz": data(classes=1)}),
    "top_of_all_by_command": Bad(
        "eval tiny.cnn --data set.npz -w w.safetensors eval.metrics=top(3)",
        {"tiny.cnn": TRAINED, "set.npz": data(), **FIT},
        code=0,
    ),
    "entry_of_an_evaluation": Bad("eval tiny.cnn eval.metric=loss", SET),
    "ensemble_of_other_classes": Bad(
        "eval tiny.cnn --data set.npz -w runs/tiny/1/weights.safetensors -w runs/tiny/2/weights.safetensors",
        {**OTHER_CLASSES, "three.npz": data()},
        before=(f"{TRAIN} classes=4", f"{TRAIN} --data three.npz"),
    ),
    "loss_that_is_no_number": Bad((*TRAIN.split(), "train.optimizer=sgd(rate = 1e38)", "train.epochs=9"), SET),
    "batch_norm_without_time": Bad(f"{TRAIN} train.epochs=8", {**SET, "tiny.cnn": NORMED}, code=0),
    "runs_is_a_file": Bad(TRAIN, {**SET, "runs": ""}),
    "nothing_to_resume": Bad(f"{TRAIN} --resume", SET),
    "run_without_a_checkpoint": Bad(f"{TRAIN} --resume", SET, before=(TRAIN,), then=forget),
    "damaged_checkpoint": Bad(f"{TRAIN} --resume", SET, before=(TRAIN,), then=spoil),
    "resumed_on_other_data": Bad(
        "train tiny.cnn --data more.npz --resume", {**SET, "more.npz": data(count=40)}, before=(TRAIN,)
    ),
    "resumed_on_other_labels": Bad(f"{TRAIN} --resume", SET, before=(TRAIN,), then=relabel),
    "resumed_without_validation": Bad(
        f"{TRAIN} --resume train.loss=cross_entropy(logits)", SET, before=(f"{TRAIN} --validate set.npz",), then=untold
    ),
    "resumed_from_another_file": Bad("train other.cnn --data set.npz --resume", {**SET, "other.cnn": TRAINED}, before=(TRAIN,)),
    "resumed_after_a_change": Bad(f"{TRAIN} --resume", {**SET, "tiny.cnn": MANY}, before=(TRAIN,), then=widened),
    "resumed_with_another_preprocess": Bad(f"{TRAIN} --resume", SET, before=(TRAIN,), then=prepared),
    "weights_from_before_a_change": Bad(
        "run tiny.cnn one.png", {**SET, **ONE, "tiny.cnn": MANY}, before=(TRAIN,), then=widened
    ),
    "weights_of_another_preprocess": Bad("run tiny.cnn one.png", {**SET, **ONE}, before=(TRAIN,), then=prepared, code=0),
    "resumed_by_a_stranger": Bad(f"{TRAIN} --resume", SET, before=(TRAIN,), then=strange),
    "resumed_through_a_link": Bad(f"{TRAIN} --resume", SET, before=(TRAIN,), then=led_away),
    "resumed_by_another_recipe": Bad(f"{TRAIN} --resume train.batch=8", SET, before=(TRAIN,)),
    # the command line
    "not_key_value": Bad("show tiny.cnn 26", {"tiny.cnn": TINY}),
    "given_twice": Bad("show tiny.cnn n=1 n=2", {"tiny.cnn": TINY}),
    "no_picture": Bad("run lenet5 classes=10"),
    "no_file_to_check": Bad("check n=3"),
    "no_such_code": Bad("explain E31"),
    "word_as_a_name": Bad("new conv"),
    "never_overwritten": Bad("new tiny", {"tiny.cnn": TINY}),
    "shape_that_is_none": Bad("compile open.cnn --input 8*8", {"open.cnn": OPEN}),
    "data_as_text_for_programs_too": Bad("data digits --write pictures --json"),
    "threads_of_nothing": Bad("doctor --threads 2"),
    "table_in_part": Bad("tune --forget --batch 4"),
    "slowest_for_programs": Bad("bench tiny.cnn --top 3 --json", {"tiny.cnn": TINY}),
    "curves_without_a_picture": Bad("plot curves runs/a/1 --only training"),
    "nothing_to_compare_with": Bad("bench tiny.cnn --against b.json", {"tiny.cnn": TINY, "b.json": "{}"}),
    "too_large_to_lay_out": Bad("fmt big.cnn", {"big.cnn": "#" * 530_000}),
}
