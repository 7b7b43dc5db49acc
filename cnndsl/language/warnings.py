"""Warnings: what is allowed, runs, and is most likely not what was meant. Codes W4xx.

`of_file` looks at the text alone: definitions that nothing uses, repetitions without effect. `of_model` looks at the
graph. Warnings are found only where there is no error.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from cnndsl.errors import Diagnostic, Source, Span, counted
from cnndsl.graph.graph import Graph, Node
from cnndsl.graph.types import drawn
from cnndsl.language.axes import channels_last
from cnndsl.language.commas import pointed
from cnndsl.language.recipe import Call, Preprocess, Sides
from cnndsl.language.syntax import tree
from cnndsl.language.syntax.scan import plain
from cnndsl.language.syntax.walk import records

ACTIVATIONS = frozenset(
    ["relu", "leaky_relu", "prelu", "relu6", "elu", "gelu", "silu", "hard_swish", "sigmoid", "hard_sigmoid", "tanh"],
) | {"softplus", "softmax", "log_softmax"}
ONCE = ACTIVATIONS | {"identity", "flatten", "dropout", "spatial_dropout", "global_avg_pool", "global_max_pool"}
"""Ops without weights that nobody means to repeat. Pools, upsampling and the like are repeated to good purpose."""
BIASED = ("conv", "depthwise_conv", "conv_transpose", "dense")
MANY_SIZES = 4
"""Changes of size without any shape written down that call for a warning."""


def of_file(file: tree.File, source: Source) -> Iterator[Diagnostic]:
    """W404 for blocks, parameters and shared steps; W405; for the definitions of this one file."""
    uses = _Uses(source.text)
    for item in file.items:
        if isinstance(item, tree.Block | tree.ModelItem):
            yield from _definition(item, source, uses, set())


def _definition(item: tree.Block | tree.ModelItem, source: Source, uses: _Uses, hidden: set[str]) -> Iterator[Diagnostic]:
    """What is wrong with one block or model, and with the blocks inside it. hidden: parameters around it."""
    if isinstance(item, tree.Block) and uses.count(item.name.text, 0, len(source.text)) < 2 and not _described(item, source):
        yield Diagnostic("W404", f"the block {item.name.text} is never used", item.name.span)
    for param in item.params:
        if not uses.count(param.name.text, param.name.span.end, item.span.end):
            what = "model" if isinstance(item, tree.ModelItem) else "block"
            yield Diagnostic("W404", f"the {what} {item.name.text} never uses its parameter {param.name.text}", param.name.span)
    names = hidden | {p.name.text for p in item.params}
    for statement in _statements(item.body):
        match statement:
            case tree.Block():
                yield from _definition(statement, source, uses, names)
            case tree.Share() if not uses.count(statement.name.text, statement.span.end, item.span.end):
                yield Diagnostic("W404", f"the shared step {statement.name.text} is never used", statement.name.span)
            case tree.Step(primary=tree.Invoke(name=name, branches=None), repeat=repeat) if repeat is not None:
                if name.text in ONCE and name.text not in names and getattr(repeat, "value", 2) not in (0, 1):
                    help = "to repeat more than one step, put them into braces: { conv(64, 3x3) -> relu } * 3"
                    message = f"{name.text} has no weights: repeating it does nothing more"
                    yield Diagnostic("W405", message, statement.span, help=help)


def _statements(body: tree.Body) -> Iterator[tree.Statement | tree.Step]:
    """Every statement and step inside `body`, not into blocks."""
    todo: list[tree.Syntax] = [body]
    while todo:
        match todo.pop():
            case tree.Body(statements=statements):
                todo += statements
            case tree.Pipeline(steps=steps):
                todo += steps
            case tree.Step() as step:
                yield step
                if isinstance(step.primary, tree.Body):
                    todo.append(step.primary)
                elif isinstance(step.primary, tree.Invoke) and step.primary.branches is not None:
                    todo.append(step.primary.branches)
            case tree.Branch(pipeline=pipeline) if pipeline is not None:
                todo.append(pipeline)
            case tree.If(cases=cases, otherwise=otherwise):
                todo += [case.body for case in cases]
                todo += [otherwise] if otherwise is not None else []
            case tree.For(body=inner) | tree.Head(body=inner):
                todo.append(inner)
            case tree.Share() as share:
                yield share
                todo.append(share.pipeline)
            case tree.Block() as block:
                yield block


def _described(item: tree.Block, source: Source) -> bool:
    """Whether a comment stands right above: then the block is meant for readers or for other files."""
    end = source.text.rfind("\n", 0, item.span.start)
    return end >= 0 and source.text[source.text.rfind("\n", 0, end) + 1 : end].lstrip().startswith("#")


_WORD = re.compile(r"(?<![\w.])[A-Za-z]\w*(?!\s*=(?!=))(?!\w)")


class _Uses:
    """Where each word of a text stands as anything but the key of an argument: found once, for files of any length."""

    def __init__(self, text: str) -> None:
        self.places: dict[str, list[int]] = {}
        for found in _WORD.finditer(plain(text)):
            self.places.setdefault(found[0], []).append(found.start())

    def count(self, name: str, start: int, end: int) -> int:
        places = self.places.get(name, [])
        return bisect_left(places, end) - bisect_left(places, start)


def of_recipe(recipe: tree.Recipe, optimizer: Any) -> Iterator[Diagnostic]:
    """W411: a decimal comma that gave two numbers, both allowed. A rate of 0 makes it more likely."""
    for entry in recipe.entries:
        idle = entry.key.text == "optimizer" and optimizer is not None and optimizer.rate == 0
        calls = [x for x in records(entry.value) if isinstance(x, tree.Apply) and x.name.text != "normalize"]  # which has two
        for x in calls:
            help = pointed(x.name.text, (a.span for a in x.args), tight=not idle)
            if help is not None:
                yield Diagnostic("W411", "two numbers stand here, which look like one with decimals", x.span, help=help)


def of_model(graph: Graph, named_by_losses: Collection[str], item: tree.ModelItem | None) -> Iterator[Diagnostic]:
    """W401, W403, W404 for values, W406 to W408, W410."""
    users: set[int] = set()
    sizes = 0
    for node in graph.nodes:
        for x in node.operands:
            users.add(id(x.node))
        name = node.op.name
        if name == "batch_norm" or name in ACTIVATIONS:
            yield from _node(node)
        elif name == "input":
            yield from _channels_first(node)
        if node.operands:
            before, after = node.operands[0].type, node.outputs[0].type
            if before is not after and before.shape != after.shape:
                sizes += after.rank > 2 and before.rank == after.rank and before.space != after.space
    yield from _unused(graph, users, named_by_losses)
    output = graph.outputs.get("output")
    last = output.node if output is not None else None
    if last is not None and last.op.name in ("softmax", "log_softmax"):
        last = last.operands[0].node
    if last is not None and last.op.name in ("dropout", "spatial_dropout"):
        yield _at(last, "W407", "nothing but the output follows this dropout", "put it before the last layer with weights")
    if item is not None and sizes >= MANY_SIZES and not _has_notes(item.body):
        message = f"{graph.name} changes its size {sizes} times and no line says to what"
        help = "cnndsl fmt --shapes writes the shapes; they are checked from then on"
        yield Diagnostic("W406", message, item.name.span, help=help)


def _node(node: Node) -> Iterator[Diagnostic]:
    """W401, W403, W408: what one node and the one before it tell."""
    name = node.op.name
    if name == "batch_norm":
        m = node.attrs.momentum
        if m < 0.5:
            help = f"PyTorch's momentum {m:g} is written momentum = {1 - m:g} here"
            yield _at(node, "W401", f"batch_norm(momentum = {m:g}) keeps {m:.0%} of the old statistic", help)
        before = node.operands[0].node
        if before.op.name in BIASED and before.attrs.bias and not _says_bias(before):
            message = f"the bias of this {before.op.name} has no effect: a batch_norm follows and takes the mean away"
            yield _at(before, "W403", message, "bias = false; or for all of them: defaults { conv(bias = false) }")
    elif name in ACTIVATIONS and node.operands:
        before = node.operands[0].node
        if before.op.name == name and before.origin.span != node.origin.span:
            yield _at(node, "W408", f"{name} follows {name}", "leave one of them out")


def _channels_first(node: Node) -> Iterator[Diagnostic]:
    """W410: 3x224x224, where 224x224x3 is meant."""
    shape = node.outputs[0].type.shape[1:]
    meant = channels_last(shape)
    if meant is not None:
        message = f"the input {node.attrs.name} is {shape[0]} rows high and has {shape[2]} channels"
        yield _at(node, "W410", message, f"height, width, channels: {meant}")


def _unused(graph: Graph, users: set[int], losses: Collection[str]) -> Iterator[Diagnostic]:
    """W404: inputs and values that lead to no output, head or loss."""
    wanted = {id(x.node) for x in chain(graph.outputs.values(), graph.heads.values())}
    wanted |= {id(graph.names[n].node) for n in losses if n in graph.names}
    for node in graph.nodes:
        if id(node) in users or id(node) in wanted:
            continue
        if node.op.name == "input" and node.attrs.name not in losses:
            yield _at(node, "W404", f"the input {node.attrs.name} is never used", None)
        elif node.operands:
            names = [n for n, x in graph.names.items() if x.node is node]
            what = f"the value {names[0]}" if names else f"what {node.op.name} gives here"
            yield _at(node, "W404", f"{what} is never used", f"join it, or give it out: output {names[0]}" if names else None)


def of_preprocess(graph: Graph, preprocess: Preprocess, places: Mapping[str, Span], labelled: bool) -> Iterator[Diagnostic]:
    """W409, where the model has one input, a picture of a known size. labelled: its labels are meant for this very model.

    Of pictures nothing, where the input is what is wrong (W410).
    """
    shapes = [x.type.shape[1:] for x in graph.inputs.values()]
    if len(shapes) == 1 and len(shapes[0]) == 3 and all(isinstance(n, int) for n in shapes[0]) and not channels_last(shapes[0]):
        yield from _pictures([n for n in shapes[0] if isinstance(n, int)], next(iter(graph.inputs)), preprocess.images)
    output = graph.outputs.get("output")
    if labelled and output is not None and output.type.rank == 2 and preprocess.labels:
        classes, labels = output.type.channels, len(preprocess.labels)
        if classes != labels:
            message = f"{counted(labels, 'label')} for a model that tells {classes} classes apart: no label is used"
            yield Diagnostic("W409", message, places.get("labels"))


def _pictures(shape: Sequence[int], name: str, steps: Sequence[Call]) -> Iterator[Diagnostic]:
    """What comes out of the steps in another size, or goes into `normalize` with other channels."""
    size: tuple[int, ...] | None = None
    last, grey = None, False
    for call in steps:
        given = [*call.args, *call.keys.values()]
        if call.name == "grey":
            grey = True
        elif call.name in ("resize", "center_crop"):
            side = given[0] if given else None
            size, last = (tuple(side) if isinstance(side, Sides) else None), call
            if call.name == "center_crop" and isinstance(side, int):
                size = (side, side)
        elif call.name in ("crop", "pad"):
            size = None
        elif call.name == "normalize":
            many = [len(x) for x in given if isinstance(x, tuple)]
            later = any(step.name == "grey" for step in steps)
            channels = 1 if grey else 3 if later else shape[2]
            wrong = next((n for n in many if n not in (1, channels)), None)
            if wrong is not None:
                left = "a picture that grey has left 1 channel" if grey else f"pictures of {counted(channels, 'channel')}"
                message = f"normalize has {counted(wrong, 'number')} for {left}"
                help = "one number each: normalize(mean = 0.5, std = 0.5)"
                yield Diagnostic("W409", message, call.span, help=help if channels == 1 else f"{help}, or {channels} each")
    if size is not None and last is not None and size != tuple(shape[:2]):
        message = f"the pictures end as {drawn(size)}, and the input {name} is {drawn(tuple(shape))}"
        yield Diagnostic("W409", message, last.span, help=f"resize({drawn(tuple(shape[:2]))})")


def _has_notes(body: tree.Body) -> bool:
    return any(isinstance(x, tree.Step) and x.check is not None for x in _statements(body))


def _at(node: Node, code: str, message: str, help: str | None) -> Diagnostic:
    span: Span | None = node.origin.span
    return Diagnostic(code, message, span, frames=node.origin.frames, help=help)


def _says_bias(node: Node) -> bool:
    """Whether the step itself says `bias = true`: then it is meant, as in networks that were published so."""
    span = node.origin.span
    return span is not None and re.search(r"\bbias\s*=\s*true\b", span.source.text[span.start : span.end]) is not None
