"""A run that has nothing left to do, found out from its files: nothing is compiled and no picture is drawn for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cnndsl.errors import CnnError
from cnndsl.runtime.notes import read_notes
from cnndsl.runtime.weights import fitting
from cnndsl.training import checkpoint
from cnndsl.training.fitted import Fitted
from cnndsl.training.live import PICTURES
from cnndsl.training.records import TrainResult
from cnndsl.training.same_run import other_data, other_model, other_recipe, told

if TYPE_CHECKING:
    from cnndsl.language.model import Model
    from cnndsl.language.recipe import TrainRecipe


def finished(run_dir: Path, model: Model, recipe: TrainRecipe, fit: Fitted) -> TrainResult | None:
    """What the run came to; None where steps are left, where it was of something else, or where what it leaves behind is not
    all there: then going on says so, or makes it again. Raises E709, E710.
    """
    at = checkpoint.position(run_dir)
    per_epoch = len(fit.train) // recipe.batch
    steps = recipe.steps if recipe.steps is not None else (recipe.epochs or 1) * per_epoch
    if not per_epoch or at.step < steps:
        return None
    data = told(fit.name, fit.train, fit.apart, fit.validation if fit.apart else None)
    if other_recipe(run_dir, at.recipe, recipe) or other_data(run_dir, at.data, data) or other_model(run_dir, model):
        return None
    path = run_dir / "weights.safetensors"
    notes = read_notes(path)
    if not notes.step == notes.steps == at.step:
        return None
    try:
        if any((run_dir / name).stat().st_mtime_ns < path.stat().st_mtime_ns for name in PICTURES):
            return None  # killed before the last curves were drawn
        weights = dict(fitting(model.name, model.graph.state, path))
    except (CnnError, OSError):
        return None
    return TrainResult(run_dir, weights, tuple(at.history), at.step, begun=at.step, steps_per_epoch=per_epoch)
