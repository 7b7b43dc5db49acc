"""Kernels: ordinary functions on arrays. The emitter copies those that a program needs, with this same text.

Common to all: arrays are channels last, every result goes into `out` arrays of the caller, temporary arrays
lie in `scratch` (bytes of the calling worker). `worker` of `workers`: which share of the work to do.
"""
