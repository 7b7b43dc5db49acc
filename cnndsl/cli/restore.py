"""`cnndsl restore PICTURE`: deep image prior, a network fitted to one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnndsl.cli.options import PairList, TargetName, Threads

if TYPE_CHECKING:
    from cnndsl.language.recipe import Task
    from cnndsl.training.records import Stopping
    from cnndsl.training.restore import Fitted

NOISE = 25 / 255
HOLES = 0.5
ROWS = "   step      loss    PSNR     time    left"


def restore(
    picture: Annotated[Path, typer.Argument(help="A photograph: PNG, JPEG, …", show_default=False)],
    arguments: PairList = None,
    task: Annotated[
        str, typer.Option("--task", help="A task of the model's file; of hourglass: denoise, inpaint, super_resolve.")
    ] = "denoise",
    model: Annotated[str, typer.Option("--model", help="The network: a file, or a bundled model's name.")] = "hourglass",
    mask: Annotated[
        Path | None,
        typer.Option("--mask", help="For inpaint: white where the picture is known, black where not.", show_default=False),
    ] = None,
    factor: Annotated[
        int | None,
        typer.Option("--factor", min=1, max=32, help="For super_resolve: how many times larger.", show_default=False),
    ] = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", help="The picture as it should be: PSNR is measured.", show_default=False)
    ] = None,
    spoil: Annotated[
        bool,
        typer.Option(
            "--spoil", help="Take PICTURE as the truth: add noise (25/255), drop half of its pixels or shrink it first."
        ),
    ] = False,
    patience: Annotated[
        int | None,
        typer.Option(
            "--patience", min=1, help="Stop when the smoothed loss has not fallen for so many steps.", show_default=False
        ),
    ] = None,
    every: Annotated[int, typer.Option("--every", min=1, help="Steps between a line, a preview and the next.")] = 100,
    target: TargetName = "numpy",
    threads: Threads = None,
) -> None:
    """Mend a photograph with a network that has seen no other: noise, holes, or too few pixels.

    result.png, course.png, log.csv and a preview.png that follows the work go to runs/MODEL_TASK/NUMBER. Entries of the
    task are set with key=value: task.steps=600 task.seed=1. Ctrl-C stops after a step and keeps what there is.
    """
    from cnndsl.cli.arguments import pairs
    from cnndsl.cli.failure import draw
    from cnndsl.cli.models import load_model, say
    from cnndsl.data import photograph
    from cnndsl.errors import error
    from cnndsl.language.recipe_warnings import doubts
    from cnndsl.training import checkpoint
    from cnndsl.training.records import Stopping
    from cnndsl.training.restore import restore as restored
    from cnndsl.training.restore import shrinks, wants_mask

    given = pairs(arguments or ()).only("task")
    net = load_model(model, given)
    if task not in net.tasks:
        known = ", ".join(net.tasks) or "none"
        raise error("E770", f"{net.name} has no task {task}; it has {known}")
    how = net.tasks[task].override(given.recipe.get("task", {}))
    draw(doubts(net, how))
    x = photograph.read_photograph(picture)
    goal = photograph.read_photograph(truth) if truth is not None else None
    hole = photograph.read_mask(mask, x.shape) if mask is not None else None
    scale = factor or shrinks(how) or 1
    if spoil:
        if goal is not None:
            raise error("E770", "--spoil takes the picture as the truth, so there is no --truth beside it")
        x, goal, hole = spoilt(x, how, hole, scale)
    elif wants_mask(how) and hole is None:
        raise error("E770", f"task {task} needs --mask FILE", help="white where the picture is known; or --spoil, to try")
    if goal is not None and goal.shape != (x.shape[0] * scale, x.shape[1] * scale, x.shape[2]):
        size = f"{x.shape[1] * scale} x {x.shape[0] * scale} pixels, {x.shape[2]} channels"
        raise error("E706", f"the truth has {goal.shape[1]} x {goal.shape[0]} pixels, {goal.shape[2]} channels, not {size}")
    before = photograph.resized(x, x.shape[0] * scale, x.shape[1] * scale, "bicubic") if scale > 1 else x
    before = before * hole if hole is not None else before
    quality = photograph.psnr(before, goal) if goal is not None else None
    folders: list[Path] = []

    def tell(e: Fitted | Stopping) -> None:
        if isinstance(e, Stopping):
            say("stopping: this step is finished, then its picture is saved (Ctrl-C again: at once)")
            return
        if not folders:  # what cannot begin leaves no folder
            folders.append(checkpoint.new_run(Path("runs"), f"{net.name}_{task}"))
            print(f"{task} of {picture} by {net.name}, {before.shape[1]} x {before.shape[0]} pixels, into {folders[0]}")
            if quality is not None:
                print(f"before: {quality:.2f} dB" + (" (enlarged by a bicubic filter)" if scale > 1 else ""))
            print(ROWS)
            with kept(folders[0]):
                photograph.save_photograph(folders[0] / "before.png", before)
        print(row(e), flush=True)
        with kept(folders[0]):
            photograph.save_photograph(folders[0] / "preview.png", e.picture)

    done = restored(
        net, how, x, mask=hole, truth=goal, factor=factor, patience=patience, every=every, target=target, threads=threads,
        on_event=tell,
    )  # fmt: skip
    (run_dir,) = folders
    with kept(run_dir):
        from cnndsl.view.course import course_picture
        from cnndsl.whole import whole

        photograph.save_photograph(run_dir / "result.png", done.picture)
        course_picture(before, done.course, run_dir / "course.png", f"{task}: {picture.name}", goal, quality)
        with whole(run_dir / "log.csv", follow=False) as aside:
            aside.write_text(csv(done.course), encoding="utf-8")
    last = done.course[-1]
    gain = f": {last.psnr:.2f} dB, {last.psnr - quality:+.2f} dB" if last.psnr is not None and quality is not None else ""
    print(f"\n{done.why} (step {done.steps:,}){gain}")
    print(f"result   {run_dir}/result.png\ncourse   {run_dir}/course.png, log.csv")


def spoilt(x: Any, task: Task, hole: Any, scale: int) -> tuple[Any, Any, Any]:
    """(picture, truth, mask): what the task is there to mend, made of a picture that is whole."""
    from cnndsl.data import photograph
    from cnndsl.errors import error
    from cnndsl.training.restore import wants_mask

    seed = int(task.entries.get("seed", 0))
    if scale > 1:
        height, width = (n // scale for n in x.shape[:2])
        if not height or not width:
            raise error("E706", f"a picture of {x.shape[1]} x {x.shape[0]} pixels cannot be shrunk {scale} times")
        truth = x[: height * scale, : width * scale]
        return photograph.resized(truth, height, width, "lanczos"), truth, None
    if wants_mask(task):
        return x, x, hole if hole is not None else photograph.with_holes(x.shape, HOLES, seed)
    return photograph.with_noise(x, NOISE, seed), x, None


class kept:  # noqa: N801  (read as a phrase: with kept(run_dir))
    """Writing inside: E708 where the disk is full or the folder cannot be written."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, e: BaseException | None, trace: object) -> None:
        from cnndsl.errors import error

        if isinstance(e, OSError):
            raise error("E708", f"{self.run_dir} cannot be written: {e.strerror or e}") from None


def row(e: Fitted) -> str:
    from cnndsl.cli.progress import clock

    left = e.seconds / e.step * (e.steps - e.step)
    quality = "" if e.psnr is None else f"{e.psnr:.2f}"
    return f"{e.step:>7,}  {e.loss:>8.6f}  {quality:>6}  {clock(e.seconds):>7}  {clock(left):>6}"


def csv(course: tuple[Fitted, ...]) -> str:
    lines = ["step,loss,psnr,seconds"]
    lines += [f"{e.step},{e.loss:.9g},{'' if e.psnr is None else f'{e.psnr:.4f}'},{e.seconds:.3f}" for e in course]
    return "\n".join(lines) + "\n"
