"""The first lines of an emitted module: what it is, how it is used, what goes in and comes out."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Sequence

from cnndsl.errors import counted
from cnndsl.graph.batch import batched_values, mixes_images
from cnndsl.graph.types import drawn
from cnndsl.program.program import Buffer, Program
from cnndsl.targets.numpy import tuning
from cnndsl.targets.numpy.texts import WIDTH, plain


def introduction(program: Program, batches: Sequence[int] = ()) -> str:
    """The docstring. batches: how many images a run may be on, where there are steps for several numbers alone."""
    file = plain(program.file) if program.file else _word(program.name)
    importable = program.file.isascii() and program.file.isidentifier()
    name = _word(program.name) if not program.file else program.file if importable else "net"
    what = "a training step" if program.training else "inference"
    size = f"{counted(program.batch, 'image')} at a time"
    many = counted(program.batch, "image") if mixes_images(program.graph) else "any number of images"
    if batches:
        size = many = f"{' or '.join(map(str, batches))} images"
    outputs = ", ".join(_word(k) for k in program.outputs)
    arguments = ", ".join(_word(k) for k in program.inputs)
    arrays = " ".join(f"{_word(k)}.npy" for k in program.inputs)
    lines = [f'"""{_word(program.name)}: {what} on {size}, in NumPy.', ""]
    lines += [f"    import {name}"] if importable or not program.file else []
    if program.training:
        lines += [
            f'    net = {name}.load("weights.safetensors")',
            f"    {outputs} = net.step({arguments})    # net.state is updated in place",
        ]
    else:
        lines += [
            f'    {name}.load("weights.safetensors")',
            f"    {outputs} = {name}.run({arguments})    # {many}",
            "",
            f"or `python {shlex.quote(f'{file}.py')} weights.safetensors {arrays}`.",
        ]
    lines += ["", *given_and_taken(program), *_weights(program)]
    lines += ["", "This file needs NumPy and nothing else. Made by cnndsl.", *_measured(), '"""']
    return "\n".join(lines)


def given_and_taken(program: Program) -> list[str]:
    """What goes in, what its numbers mean, and what comes out, for the first lines of a module."""
    inputs = ", ".join(f"{plain(k)}: {_given(b, k, program)}" for k, b in program.inputs.items())
    outputs = ", ".join(f"{plain(k)}: {_given(b, k, program)}{_meaning(program, k)}" for k, b in program.outputs.items())
    lines = [f"Takes {inputs}."]
    for name, text in program.takes.items():
        done = ", all of it before the call" if ", then " in text else ""
        lines += textwrap.wrap(f"{plain(name)}: {plain(text)}{done}.", WIDTH, subsequent_indent="    ")
    return [*lines, f"Gives {outputs}."]


def _weights(program: Program) -> list[str]:
    """How many arrays a weight file holds, and what they are called."""
    names = [k for k in program.state if program.graph.state[k].kind in ("parameter", "buffer")]
    if not names:
        return []
    called = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
    many = counted(len(names), "array")
    where = "WEIGHTS" if program.training else "STATE"
    return textwrap.wrap(f"Weights: {many}, {plain(called)}; {where} has their names and shapes.", WIDTH)


def _measured() -> list[str]:
    """By which table of measured times algorithms were chosen, where one was of use."""
    table = tuning.in_use()
    return [f"Algorithms as measured on {plain(table.name)}."] if table is not None and table.met else []


def _given(b: Buffer, name: str, program: Program) -> str:
    found = batched_values(program.graph)
    batched = any(k == name and v in found for part in (program.graph.inputs, program.graph.outputs) for k, v in part.items())
    shape = drawn(b.type.shape[1:] if batched else b.type.shape)
    images = f"{program.batch if program.training or mixes_images(program.graph) else 'n'} × " if batched else ""
    return f"{images}{shape} {b.type.dtype}"


def _meaning(program: Program, name: str) -> str:
    """`, probabilities`, of what a softmax over the last axis gives."""
    x = program.graph.outputs[name]
    last = x.node.op.name == "softmax" and x.type.rank == 2 and not program.training
    return ", the probabilities of the classes" if last else ""


def _word(name: str) -> str:
    return re.sub(r"\W", "_", name, flags=re.ASCII) or "net"
