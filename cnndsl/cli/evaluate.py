"""`cnndsl eval MODEL`: how good a trained network is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnndsl.cli.options import DataSet, EvalName, Json, ModelName, OnBadImage, PairList, TargetName, Threads, Workers

if TYPE_CHECKING:
    from cnndsl.cli.arguments import Pairs
    from cnndsl.cli.models import Weights
    from cnndsl.language.model import Model
    from cnndsl.training.records import Comparison, Evaluation


def evaluate(
    model: ModelName,
    arguments: PairList = None,
    weights: Annotated[
        list[Path] | None,
        typer.Option(
            "--weights", "-w", help="A safetensors file; several times: an ensemble. Else the newest run; else bundled."
        ),
    ] = None,
    data: DataSet = None,
    recipe: EvalName = "",
    target: TargetName = "numpy",
    threads: Threads = None,
    workers: Workers = None,
    on_bad_image: OnBadImage = "stop",
    as_json: Json = False,
) -> None:
    """Loss, accuracy and confusion matrix on data that was held back from training.

    Entries of the evaluation are set with key=value: eval.metrics=[accuracy,top(5)] eval.views=flip.
    """
    import json

    from cnndsl.cli.arguments import pairs
    from cnndsl.cli.data import say_passed
    from cnndsl.cli.judging import Judging
    from cnndsl.cli.models import load_model, say
    from cnndsl.data import datasets
    from cnndsl.runtime.heap import keep_freed_memory
    from cnndsl.training.compare import evaluate_numbers
    from cnndsl.training.evaluate import evaluate as evaluate_model
    from cnndsl.training.needs import kind_of
    from cnndsl.training.records import Evaluation

    asked = pairs(arguments or ()).only("eval")
    net = judged_by(load_model(model, asked, trains=True), recipe, asked)
    found = weights_of(net, weights or (None,), model, asked)
    files = [x.path for x in found]
    name = data_of(net, data, recipe)
    keep_freed_memory()
    images = datasets.open(name, check=on_bad_image != "skip")
    say_passed(images)
    for x in () if as_json else found:
        say(f"weights: {x.path} ({x.found})")
    result: Evaluation | Comparison
    judge: Any = evaluate_numbers if kind_of(net) == "numbers" else evaluate_model
    with Judging() as judging:
        result = judge(
            net,
            files[0] if len(files) == 1 else files,
            images,
            target=target,
            threads=threads,
            recipe=recipe,
            workers=workers,
            on_bad_image=on_bad_image,
            on_event=judging,
        )
    if as_json:
        about = {"model": net.name, "data": name, "weights": str(files[0]) if len(files) == 1 else [str(x) for x in files]}
        told = as_data(result) if isinstance(result, Evaluation) else numbers_as_data(result)
        print(json.dumps(about | told, indent=2))
    else:
        print(report(result) if isinstance(result, Evaluation) else numbers(result))


def judged_by(net: Model, recipe: str, asked: Pairs) -> Model:
    """The model with the entries of that evaluation that the command sets. Warns of what they hardly mean."""
    from cnndsl.cli.failure import draw
    from cnndsl.language.recipe import Eval
    from cnndsl.language.recipe_warnings import doubts

    if recipe and recipe not in net.evals:
        return net  # refused where it is to be carried out
    how = net.evals.get(recipe, Eval(recipe, {})).override(asked.recipe.get("eval", {}))
    draw(doubts(net, how))
    return replace(net, evals={**net.evals, recipe: how}) if how.entries else net


def weights_of(net: Model, files: Sequence[Path | None], model: str, asked: Pairs) -> list[Weights]:
    """Where the weights of each network are. Raises E504 where those of an ensemble are of networks for other classes."""
    from cnndsl.cli.models import find_weights
    from cnndsl.errors import CnnError

    found: list[Weights] = []
    refused: CnnError | None = None
    for file in files:
        try:
            found.append(find_weights(net, file, model, asked))
        except CnnError as e:
            refused = refused or e
    if refused is not None and found and all(d.code == "E504" for d in refused.diagnostics):
        help = f"the networks of an ensemble tell the same classes apart, and {found[0].path} fits {net.name} as it is"
        raise CnnError(replace(d, help=help) for d in refused.diagnostics)
    if refused is not None:
        raise refused
    return found


def data_of(net: Model, given: str | None, recipe: str = "") -> str:
    """The data to evaluate on: those given, else those of the evaluation, else those of the training. E770 without any."""
    from cnndsl.errors import error

    how = net.evals.get(recipe)
    evaluated = how.entries.get("data") if how is not None else None
    name = given or evaluated or (net.train.data if net.train is not None else None)
    if name is None:
        raise error("E770", f"{net.name} names no data to evaluate on", help="name it: --data FOLDER, with one folder a class")
    return str(name)


def as_data(e: Evaluation) -> dict[str, object]:
    """For `--json`. accuracy in [0, 1]; confusion[i][j]: images of class i that were called j."""
    return {
        "images": e.count,
        "views": e.views,
        "pixels": e.pixels,
        "skipped": list(e.skipped),
        "loss": e.loss,
        "accuracy": e.accuracy,
        **({"top": {str(k): x for k, x in e.top.items()}} if e.top else {}),
        "labels": list(e.labels),
        "confusion": [[int(n) for n in row] for row in e.confusion],
    }


def numbers_as_data(e: Comparison) -> dict[str, object]:
    return {"images": e.count, "skipped": list(e.skipped), "loss": e.loss, "metrics": dict(e.metrics)}


def numbers(e: Comparison) -> str:
    """For people: how many pictures, and a line for each number."""
    unit = {"psnr": " dB"}
    lines = [f"images    {', '.join([f'{e.count:,}', *skipped(e.skipped)])}", f"loss      {e.loss:.4g}"]
    return "\n".join(lines + [f"{name:<8}  {x:.4g}{unit.get(name, '')}" for name, x in e.metrics.items()])


def skipped(pictures: Sequence[str]) -> list[str]:
    from cnndsl.errors import counted

    return [f"{counted(len(pictures), 'picture')} skipped"] if pictures else []


def report(e: Evaluation) -> str:
    """For people: two numbers, then the matrix with a row for each true class; no cell where there is nothing."""
    from cnndsl.cli.judging import views
    from cnndsl.errors import printable

    labels = [printable(x) for x in e.labels]
    pixels = [f"{e.pixels:,} pixels with a class each"] if e.pixels > 1 else []
    told = [f"{e.count:,}", *pixels, *views(e.views), *skipped(e.skipped)]
    lines = [f"images    {', '.join(told)}", f"loss      {e.loss:.4f}", f"accuracy  {100 * e.accuracy:.2f} %"]
    lines += [f"top {k:<5} {100 * x:.2f} %" for k, x in e.top.items()] + [""]
    if len(labels) > 40:
        wrong = [(int(e.confusion[i, j]), i, j) for i, j in zip(*e.confusion.nonzero(), strict=True) if i != j]
        lines.append("most often confused:")
        lines += [f"  {n:>5}  {labels[i]} called {labels[j]}" for n, i, j in sorted(wrong, key=lambda x: (-x[0], x[1:]))[:20]]
        return "\n".join(lines)
    cells = [["" if n == 0 else str(n) for n in row] for row in e.confusion]
    width = max(3, *(len(x) for row in cells for x in row), *(min(len(x), 8) for x in labels))
    left = max(len("true"), *(len(x) for x in labels))
    lines.append(" " * (left + 2) + "called")
    lines.append("true".rjust(left) + "  " + " ".join(x[:width].rjust(width) for x in labels))
    lines += [f"{x:>{left}}  " + " ".join(c.rjust(width) for c in row) for x, row in zip(labels, cells, strict=True)]
    return "\n".join(line.rstrip() for line in lines)
