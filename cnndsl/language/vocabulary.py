"""The words of recipes: keys, optimizers, schedules, losses, image steps, each with its options and what they may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

SIDE = 16_384
"""Pixels along one side of a picture, at most."""


@dataclass(frozen=True, slots=True)
class Option:
    """What an option of a recipe's word may be.

    kind: `number`; `whole`; `truth`; `word` (one of `words`); `side` (pixels: n, HxW, a range to draw from, or in
    `eval` a list); `draw` (a number, or a range); `pixels` (the same of whole numbers); `numbers` (one, or a list);
    `counts` (whole numbers, one or a list); `pair` (a whole number, or two of them); `value` (the name of a value). low,
    high: ends included, or not (`above`, `below`). needed: has no default.
    """

    kind: str = "number"
    low: float = 0.0
    high: float = inf
    above: bool = False
    below: bool = False
    words: tuple[str, ...] = ()
    needed: bool = False

    @property
    def wanted(self) -> str:
        """`a number from 0 to below 1`, as messages say it."""
        if self.kind == "word":
            return " or ".join(self.words)
        if self.kind == "truth":
            return "true or false"
        if self.kind == "side":
            return f"n or HxW, from 1 to {SIDE:,} pixels"
        if self.kind == "value":
            return "the name of a value"
        what = {"number": "a number", "whole": "a whole number", "draw": "a number or a range low..high",
                "pixels": "a whole number or a range of them"}.get(self.kind)  # fmt: skip
        what = what or {"numbers": "a number or a list of them", "pair": "a whole number or a list of two"}.get(self.kind)
        start = f"above {self.low:g}" if self.above else f"from {self.low:g}"
        end = "" if self.high == inf else f" to {'below ' if self.below else ''}{self.high:g}"
        return f"{what or 'a whole number or a list of them'} {start}{end}" if self.low > -inf else str(what)

    def holds(self, x: float) -> bool:
        """Whether a number lies within the ends."""
        low = x > self.low if self.above else x >= self.low
        return low and (x < self.high if self.below else x <= self.high)


Options = Mapping[str, Option]


def _words(*words: str) -> Option:
    return Option("word", words=words)


_SHARE = Option(high=1)
_PART = Option(high=1, below=True)
_POSITIVE = Option(above=True)
_RATE = Option(needed=True)
_SIDE = Option("side", 1, SIDE, needed=True)
_FREE = Option("draw", -inf)

TRAIN_KEYS = (
    "data", "loss", "optimizer", "schedule", "batch", "accumulate", "epochs", "steps", "seed", "precision", "clip", "average",
    "freeze", "validate", "augment",
)  # fmt: skip
EVAL_KEYS = ("views", "reduce", "metrics", "data", "batch")
TASK_KEYS = ("input", "loss", "optimizer", "schedule", "jitter", "steps", "average", "seed", "precision", "clip")
PREPROCESS_KEYS = ("images", "labels")

DATA = ("digits",)
"""The data sets that come with cnndsl: what a recipe may name."""

_DECAY: Options = {"weight_decay": Option(), "decay_on": _words("all", "weights")}
_ADAM: Options = {"rate": _RATE, "beta1": _PART, "beta2": _PART, "eps": _POSITIVE, **_DECAY}
OPTIMIZERS: dict[str, Options] = {
    "sgd": {
        "rate": _RATE, "momentum": _SHARE, "nesterov": Option("truth"), "weight_decay": Option(),
        "rate_in": _words("velocity", "update"), "decay_on": _words("all", "weights"),
    },
    "rmsprop": {"rate": _RATE, "decay": _PART, "eps": _POSITIVE, "momentum": _SHARE, **_DECAY},
    "adam": _ADAM,
    "adamw": _ADAM,
}  # fmt: skip
SCHEDULES: dict[str, Options] = {
    "constant": {},
    "step": {"every": Option("whole", 1), "at": Option("counts", 1), "factor": _SHARE},
    "exponential": {"factor": Option(high=1, needed=True)},
    "plateau": {"factor": _SHARE, "patience": Option("whole", 1)},
    "cosine": {},
    "linear": {},
    "warmup": {"epochs": Option(needed=True)},
}
LOSSES: dict[str, Options] = {
    "cross_entropy": {"label_smoothing": _PART},
    "mse": {"mask": Option("value")},
    "mae": {"mask": Option("value")},
    "huber": {"delta": _POSITIVE},
    "binary_cross_entropy": {"label_smoothing": _PART},
    "total_variation": {},
}
LABEL_LOSSES = ("cross_entropy", "binary_cross_entropy")
CLIPS: dict[str, Options] = {key: {"most": Option(above=True, needed=True)} for key in ("norm", "value", "global_norm")}
AVERAGES: dict[str, Options] = {"ema": {"decay": Option(high=1, below=True, needed=True)}}
METRICS: dict[str, Options] = {
    "accuracy": {}, "loss": {}, "confusion": {}, "top": {"count": Option("whole", 1, needed=True)},
    "psnr": {}, "mse": {}, "mae": {},
}  # fmt: skip
REDUCTIONS = ("mean", "max")
PRECISIONS = ("float32", "float64", "tf32", "bf16", "fp16")

STEPS: dict[str, Options] = {
    "resize": {"size": _SIDE},
    "center_crop": {"size": _SIDE},
    "crop": {"size": _SIDE, "at": Option("pair", 0, SIDE)},
    "random_crop": {"size": _SIDE},
    "random_resized_crop": {"size": _SIDE, "area": Option("draw", 0, 1, above=True), "aspect": Option("draw", above=True)},
    "ten_crop": {"size": _SIDE},
    "six_crop": {"size": _SIDE},
    "squares": {},
    "fully_convolutional": {},
    "flip": {"axis": _words("horizontal", "vertical")},
    "pad": {"amount": Option("pair", 0, SIDE, needed=True), "mode": _words("zero", "reflect", "edge")},
    "shift": {"amount": Option("pixels", -SIDE, SIDE, needed=True)},
    "affine": {"rotate": _FREE, "scale": Option("draw", above=True), "shear": Option("draw", -80, 80, above=True, below=True),
               "shift": _FREE},
    "color_jitter": {**dict.fromkeys(("brightness", "contrast", "saturation"), Option("draw")),
                     "hue": Option("draw", -0.5, 0.5)},
    "pca_jitter": {"strength": Option()},
    "cutout": {"size": Option("pair", 1, SIDE, needed=True)},
    "noise": {"amount": Option("draw", needed=True)},
    "meshgrid": {},
    "grey": {},
    "invert": {"when": _words("always", "auto")},
    "normalize": {"mean": Option("numbers", -inf, needed=True), "std": Option("numbers", above=True, needed=True)},
}  # fmt: skip

_STILL = ("resize", "center_crop", "crop", "pad", "grey", "invert", "normalize")
_DRAWN = ("random_crop", "random_resized_crop", "flip", "shift", "affine", "color_jitter", "pca_jitter", "cutout", "noise")
PLACES: dict[str, tuple[str, ...]] = {
    "augment": (*_STILL, *_DRAWN),
    "images": _STILL,
    "views": (*_STILL, "flip", "squares", "ten_crop", "six_crop", "fully_convolutional"),
    "input": ("noise", "meshgrid"),
}
"""Which image steps a key takes: `preprocess.images` has no randomness; `views` are every one, not one of many."""

GIVEN = ("label", "image", "target", "mask")
"""What the data gives to a loss."""

RUN: Mapping[str, tuple[str, ...]] = {"precision": ("float32", "float64")}
"""The words that can be carried out, of the keys of which some cannot."""


def not_run(key: str, value: object) -> list[str]:
    """The words in the value of one entry that this version cannot carry out."""
    return [value] if key in RUN and isinstance(value, str) and value not in RUN[key] else []
