"""The words of recipes: keys, optimizers, schedules, losses, image steps, each with its options."""

from __future__ import annotations

TRAIN_KEYS = (
    "data", "loss", "optimizer", "schedule", "batch", "epochs", "steps", "seed", "precision", "clip", "average", "freeze",
    "validate", "augment",
)  # fmt: skip
EVAL_KEYS = ("views", "reduce", "metrics", "data", "batch")
TASK_KEYS = ("input", "loss", "optimizer", "schedule", "jitter", "steps", "average", "seed", "precision", "clip")
PREPROCESS_KEYS = ("images", "labels")

OPTIMIZERS: dict[str, tuple[str, ...]] = {
    "sgd": ("rate", "momentum", "nesterov", "weight_decay", "rate_in", "decay_on"),
    "rmsprop": ("rate", "decay", "eps", "momentum", "weight_decay", "decay_on"),
    "adam": ("rate", "beta1", "beta2", "eps", "weight_decay", "decay_on"),
    "adamw": ("rate", "beta1", "beta2", "eps", "weight_decay", "decay_on"),
}
SCHEDULES: dict[str, tuple[str, ...]] = {
    "constant": (),
    "step": ("every", "at", "factor"),
    "exponential": ("factor",),
    "plateau": ("factor", "patience"),
    "cosine": (),
    "linear": (),
    "warmup": ("epochs",),
}
LOSSES: dict[str, tuple[str, ...]] = {
    "cross_entropy": ("label_smoothing",),
    "mse": ("mask",),
    "mae": ("mask",),
    "huber": ("delta",),
    "binary_cross_entropy": ("label_smoothing",),
    "total_variation": (),
}
LABEL_LOSSES = ("cross_entropy", "binary_cross_entropy")
CLIPS = {"norm": ("most",), "value": ("most",), "global_norm": ("most",)}
AVERAGES = {"ema": ("decay",)}
STEPS: dict[str, tuple[str, ...]] = {
    "resize": ("size",),
    "center_crop": ("size",),
    "crop": ("size",),
    "random_crop": ("size", "pad"),
    "random_resized_crop": ("size", "area", "aspect"),
    "ten_crop": ("size",),
    "six_crop": ("size",),
    "squares": (),
    "fully_convolutional": (),
    "flip": ("axis",),
    "pad": ("amount", "mode"),
    "shift": ("amount",),
    "affine": ("rotate", "scale", "shear", "shift"),
    "color_jitter": ("brightness", "contrast", "saturation", "hue"),
    "pca_jitter": ("strength",),
    "cutout": ("size",),
    "noise": ("amount",),
    "meshgrid": (),
    "grey": (),
    "invert": ("when",),
    "normalize": ("mean", "std"),
}
GIVEN = ("label", "image", "target", "mask")
"""What the data gives to a loss."""
