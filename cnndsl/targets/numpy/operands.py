"""What the parameters of a printed function are called: by what they are, so that the same function serves every layer."""

from __future__ import annotations

from dataclasses import replace

from cnndsl.graph.graph import Value
from cnndsl.program.program import Buffer, Kernel
from cnndsl.targets.numpy.chains import Chain, Operand
from cnndsl.targets.numpy.texts import identifier

OWN = ("bias", "beta", "gamma")  # weights whose gradients further gradients are computed from


def operands_of(k: Kernel) -> tuple[Operand, ...]:
    """Of the inputs of a kernel: weights and scalar inputs by the last word of their names, others as `_role` says."""
    found = []
    for b, x in zip(k.inputs, k.node.operands, strict=True):
        by_name = b.space == "state" or (b.space == "input" and b.type.rank == 0)
        word = b.slot.rpartition(".")[2] if by_name else _role(x)
        found.append(Operand(identifier(word) if word else "", b.type, b.strides is not None))
    return tuple(found)


def results_of(buffers: list[Buffer]) -> tuple[Operand, ...]:
    return tuple(Operand("", b.type, b.strides is not None) for b in buffers)


def _role(x: Value) -> str:
    """`batch_mean`, `beta_grad`, `grad`, of what is made on the way; empty where it has no name of its own."""
    while x.node.op.view:
        x = x.node.operands[0]
    if x.node.op.results:
        return x.node.op.results[x.index]
    of, _, last = x.node.path.rpartition(".")
    if last != "grad":
        return ""
    word = of.rpartition(".")[2]
    return f"{word}_grad" if word in OWN else "grad" if x.type.rank > 1 else ""


def of_update(chain: Chain, k: Kernel, targets: list[Buffer]) -> Chain:
    """The same with the names that optimisers are written with: weights, gradients, whether the loss is finite."""
    state, words = k.node.graph.state, {"parameter": "weight", "counter": "step"}
    kinds = {state[b.slot].kind for b in targets if b.space == "state"}
    given = "grad" if "parameter" in kinds else "loss" if "counter" in kinds else "batch"  # what comes of the batch
    results, operands = [], []
    for o, b in zip(chain.outputs, targets, strict=True):
        kind = state[b.slot].kind if b.space == "state" else "finite"
        results.append(replace(o, name=identifier(words.get(kind, b.slot.rpartition(".")[2] or kind))))
    for o, b in zip(chain.operands, k.inputs, strict=True):
        made = b.space not in ("state", "input")
        wish = "finite" if b.type.dtype == "bool" else given if made and b.type.shape == targets[-1].type.shape else o.name
        operands.append(replace(o, name=wish))
    return replace(chain, operands=tuple(operands), outputs=tuple(results))
