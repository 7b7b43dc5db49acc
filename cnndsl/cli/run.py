"""`cnndsl run MODEL PICTURE…`: what a trained network says of pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnndsl.cli.options import Json, ModelName, TargetName, Threads, WeightsFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cnndsl.errors import CnnError
    from cnndsl.language.model import Model

CHUNK = 64  # pictures in memory at a time, and the largest batch


def run(
    model: ModelName,
    files: Annotated[list[str], typer.Argument(help="Pictures, folders of them, .npy arrays; key=value for the model.")],
    weights: WeightsFile = None,
    target: TargetName = "numpy",
    threads: Threads = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many labels to tell of each picture.")] = 3,
    prepared: Annotated[
        Path | None,
        typer.Option("--prepared", help="Also write the pictures as the network took them into this .npy file."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what is in pictures: labels with probabilities, the likeliest first.

    The model's `preprocess` says what happens to a picture first. A picture that cannot be read is reported; the
    others are still done.
    """
    import json
    import sys

    from cnndsl.cli.arguments import split
    from cnndsl.cli.failure import draw
    from cnndsl.cli.models import find_weights, load_model, say
    from cnndsl.errors import CnnError, error, printable
    from cnndsl.graph.types import drawn

    names, given = split(files)
    if not names:
        raise error("E770", "there is no picture to look at")
    if prepared is not None and prepared.suffix != ".npy":
        raise error("E770", f"--prepared writes an array, and {prepared} is no .npy file")
    net = load_model(model, given.only())
    paths = found_in(names)
    found = find_weights(net, weights, model, given)
    batch = CHUNK if len(paths) > 1 or any(isinstance(x, Path) and x.suffix == ".npy" for x in paths) else 1
    classify = Classifier(net, found.path, found.notes.classes, batch=batch, target=target, threads=threads)
    if not as_json:
        say(f"weights: {found.path} ({found.found})")
    taken: list[NDArray[Any]] | None = [] if prepared is not None else None
    outcomes: Iterable[tuple[str, NDArray[Any]] | CnnError] = classify.all(paths, taken)
    if prepared is not None and taken is not None:
        outcomes = list(outcomes)  # the file is whole before anyone can stop reading what is printed
        if taken:
            write_array(prepared, taken)
            say(f"{prepared}: {sum(map(len, taken)):,} x {drawn(classify.shape)} float32, prepared")
    answers: list[dict[str, Any]] = []
    failed = False
    width = max(len(printable(str(path))) for path in paths if isinstance(path, Path))
    for outcome in outcomes:
        if isinstance(outcome, CnnError):
            sys.stdout.flush()  # what was said of the pictures before it stands before it
            draw(outcome.diagnostics)
            failed = True
            continue
        name, probabilities = outcome
        best = [{"label": classify.labels[i], "probability": float(probabilities[i])} for i in (-probabilities).argsort()[:top]]
        if as_json:
            answers.append({"file": name} | best[0] | {"top": best})
        else:
            told = "   ".join(f"{printable(str(x['label']))} {100 * x['probability']:.2f} %" for x in best)
            print(f"{printable(name):<{width}}  {told}")
    if as_json:
        print(json.dumps(answers, indent=2))
    if failed:
        raise typer.Exit(1)


def found_in(names: Sequence[str]) -> list[Path | CnnError]:
    """The files, and the pictures of the folders; a folder without any stands as its error, which is raised where there is
    nothing else."""
    from cnndsl.errors import CnnError

    paths: list[Path | CnnError] = []
    for name in names:
        try:
            paths += listed(Path(name))
        except CnnError as e:
            paths.append(e)
    if all(isinstance(x, CnnError) for x in paths):
        raise CnnError(d for e in paths if isinstance(e, CnnError) for d in e.diagnostics)
    return paths


def listed(path: Path) -> list[Path]:
    """The file itself, or the pictures in a folder, by name. E703 where a folder holds none."""
    from cnndsl.data.folder import first_with_pictures, list_pictures
    from cnndsl.errors import error

    if not path.is_dir():
        return [path]
    found = list_pictures(path)
    if not found:
        inner = first_with_pictures(path)
        below = ", and folders within it are not entered" if inner is not None else ""
        raise error("E703", f"there is no picture in {path}{below}", help=f"name one: {inner}" if inner is not None else None)
    return found


def write_array(path: Path, parts: list[NDArray[Any]]) -> None:
    """The parts, one after the other, as an `.npy` file that appears whole or not at all. Raises E598."""
    import numpy as np

    from cnndsl.errors import error
    from cnndsl.whole import whole

    try:
        with whole(path) as aside, aside.open("wb") as file:
            np.save(file, np.concatenate(parts))
    except OSError as e:
        raise error("E598", f"{path} cannot be written: {e.strerror or e}") from None


class Classifier:
    """A compiled model with its labels: pictures in, probabilities out. trained: the classes that the weights name."""

    def __init__(self, net: Model, weights: Path, trained: Sequence[str], batch: int, target: str, threads: int | None) -> None:
        from cnndsl.runtime.compile import compile
        from cnndsl.training.classes import class_count, class_names
        from cnndsl.training.scores import input_shape

        self.labels = class_names(net, class_count(net, ""), trained)
        self.preprocess = net.preprocess
        self.shape = input_shape(net)
        self.last = net.graph.outputs["output"].node.op.name
        self.run = compile(net, weights, target=target, batch=batch, threads=threads)

    def all(
        self, paths: Sequence[Path | CnnError], taken: list[NDArray[Any]] | None = None
    ) -> Iterator[tuple[str, NDArray[Any]] | CnnError]:
        """In their order: (name, probabilities of shape (classes,)) for each picture, or why it cannot be read.

        taken: gets the pictures as the network takes them.
        """
        from cnndsl.errors import CnnError

        for start in range(0, len(paths), CHUNK):
            names: list[str | CnnError] = []
            inputs: list[NDArray[Any]] = []
            for path in paths[start : start + CHUNK]:
                if isinstance(path, CnnError):
                    names.append(path)
                    continue
                try:
                    images = self.prepared(path)
                except CnnError as e:
                    from cnndsl.data.loader import of_picture

                    names.append(of_picture(e, str(path)))
                    continue
                inputs.append(images)
                many = path.suffix == ".npy" and len(images) != 1
                names += [f"{path}[{i}]" for i in range(len(images))] if many else [str(path)]
            if taken is not None:
                taken += inputs
            found = self.probabilities(inputs)
            for name in names:
                yield name if isinstance(name, CnnError) else (name, next(found))

    def prepared(self, path: Path) -> NDArray[Any]:
        """The picture or pictures of a file as the model takes them: (n, H, W, C) float32."""
        from cnndsl.data import pipeline
        from cnndsl.data.arrays import read_npy
        from cnndsl.data.images import read_picture
        from cnndsl.errors import error

        if path.suffix != ".npy":
            return pipeline.apply(self.preprocess, [read_picture(path)], self.shape)
        if not path.is_file():
            raise error("E702", f"there is no file {path}" if not path.exists() else f"{path} is not a file")
        images = read_npy(path, self.shape)
        if not len(images):
            raise error("E706", f"{path} holds no images: its shape is {images.shape}")
        return pipeline.apply(self.preprocess, images, self.shape)

    def probabilities(self, inputs: list[NDArray[Any]]) -> Iterator[NDArray[Any]]:
        """One row for each image, whatever the model ends with: softmax, log_softmax or plain scores."""
        import numpy as np

        from cnndsl.training.scores import softmax

        if not inputs:
            return
        scores = np.asarray(self.run(np.concatenate(inputs)))
        if self.last == "log_softmax":
            scores = np.exp(scores)
        elif self.last != "softmax":
            scores = softmax(scores)
        yield from scores
