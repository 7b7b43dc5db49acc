"""Arguments of a call bound to the options of an op or to the parameters of a block, each checked at its place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING
from typing import Any

from cnndsl.errors import CnnError, Diagnostic, Span, counted, error
from cnndsl.graph.joins import JOINS
from cnndsl.graph.op import Op
from cnndsl.language.commas import pointed
from cnndsl.language.evaluate import evaluate
from cnndsl.language.scope import Binding, BlockValue, Env, OpenWords, OpValue, Words, listed, nearest
from cnndsl.language.syntax import tree
from cnndsl.language.values import is_number, shown


def spread_arguments(
    what: str, names: Sequence[str], args: Sequence[tree.Argument], taken: Mapping[str, Any] | None = None
) -> dict[str, tree.Argument]:
    """name → argument. Positional ones fill the names that are not `taken`, in order. Raises E206, E207."""
    found: dict[str, tree.Argument] = {}
    unknown: list[Diagnostic] = []
    free = [n for n in names if n not in (taken or {})]
    for arg in args:
        if arg.key is None:
            if any(a.key is not None for a in found.values()):
                help = pointed(what, (a.span for a in args))
                raise error("E206", f"{what}: arguments without a name come first", arg.span, help=help)
            if len(found) >= len(free):
                help = (pointed(what, (a.span for a in args)) or f"it takes {listed(free)}") if free else None
                most = f"at most {counted(len(free), 'argument')}" if free else "no arguments here"
                raise error("E206", f"{what} takes {most}", arg.span, help=help)
            found[free[len(found)]] = arg
        elif arg.key.text not in names:
            help = nearest(arg.key.text, names) or (f"it has {listed(names)}" if names else "it takes no arguments")
            unknown.append(Diagnostic("E207", f"{what} has no option named {arg.key.text}", arg.key.span, help=help))
        elif arg.key.text in found:
            raise error("E207", f"{what}: {arg.key.text} is given twice", arg.key.span)
        else:
            found[arg.key.text] = arg
    if unknown:
        raise CnnError(unknown)
    return found


def refuse_tensors(what: str, needed: int, args: Sequence[tree.Argument], env: Env, join: bool = False) -> None:
    """E205 for values among the arguments, as in `relu(x)` and `add(a, b)`: they flow in, or are branches.

    needed: arguments that have no default; where too few were left without the tensors, one stands for a number.
    """
    plain = [a for a in args if a.key is None]
    tensors = [a for a in plain if isinstance(a.value, tree.Name) and _is_tensor(a.value.text, env)]
    if not tensors or len(plain) - len(tensors) < needed:
        return
    names = [a.value.text for a in tensors if isinstance(a.value, tree.Name)]
    if join:
        told = [f"{n}: input" if n == "input" else n for n in (names if len(names) > 1 else ["now: identity", *names])]
        told = [t.replace("input: input", "skip: input") for t in told]
        raise error("E205", f"{what} takes its values as branches", tensors[0].span, help=f"{what} {{ {'; '.join(told)} }}")
    rest = [a.span.source.text[a.span.start : a.span.end] for a in args if a not in tensors]
    step = f"{what}({', '.join(rest)})" if rest else what
    message = f"{names[0]} is a tensor, which flows into {what} and is no argument"
    raise error("E205", message, tensors[0].span, help=f"{names[0]} -> {step}")


def _is_tensor(name: str, env: Env) -> bool:
    found = env.find(name)
    return name == "input" or (found is not None and found.kind == "value")


def op_arguments(op: Op, args: Sequence[tree.Argument], env: Env, taken: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """field → value."""
    fields = {f.name: f for f in op.fields()}
    needed = [n for n, f in fields.items() if f.default is MISSING and f.default_factory is MISSING and n not in (taken or {})]
    refuse_tensors(op.name, len(needed), args, env, op.name in JOINS)
    found = {}
    for name, arg in spread_arguments(op.name, list(fields), args, taken).items():
        value = evaluate(arg.value, env, tuple(op.words.get(name, ())))
        check_option(op, name, str(fields[name].type), value, arg, 0 < len(needed) < sum(a.key is None for a in args))
        found[name] = value
    return found


def check_option(op: Op, name: str, type_: str, value: Any, arg: tree.Argument, extra: bool = False) -> None:
    """Refuse what is of another kind than the option: E313, E201. extra: there are more arguments than the op needs, as where
    the channels that come in were given too."""
    wanted = ""
    if isinstance(value, (BlockValue, OpValue)):
        words = op.words.get(name, ())
        near = nearest(str(value), words) or (f"it is one of {listed(words)}" if words else None)
        raise error("E313", f"{op.name}: {name} cannot be the block or op {value}", arg.value.span, help=near)
    if type_ == "bool" and not isinstance(value, bool):
        wanted = "true or false"
    elif type_ in ("int", "float") and not is_number(value):
        wanted = "a number"
    elif type_.startswith("tuple") and not isinstance(value, tuple):
        wanted = "a size such as 3x3, or a list" if name in ("kernel", "window") else "a list"
    elif type_ == "str" and not isinstance(value, str):
        wanted = "a word"
    if wanted:
        help = order(op) if arg.key is None and isinstance(value, tuple) else None
        if extra and arg.key is None and type_ != "bool":
            help = f"{order(op)}: the channels that come in are known, and not given"
        elif wanted.startswith("a size") and isinstance(value, int) and not isinstance(value, bool) and value > 0:
            help = f"{value}x{value} is a square {name}"
        raise error("E313", f"{op.name}: {name} is {wanted}, not {shown(value)}", arg.value.span, help=help)
    if isinstance(value, str) and value not in op.words.get(name, (value,)):
        words = op.words[name]
        raise error("E201", f"{op.name}: {name} cannot be {value}", arg.value.span, help=f"it is one of {listed(words)}")


def op_record(op: Op, given: Mapping[str, Any], x: tree.Invoke) -> Any:
    """The op's attributes. Raises E210 for an option that is missing, and what the record itself refuses, at the
    argument that the refusal names."""
    span = x.span
    missing = [f.name for f in op.fields() if f.default is MISSING and f.default_factory is MISSING and f.name not in given]
    if missing:
        raise error("E210", f"{op.name} needs {listed(missing)}", span, help=usage(op))
    try:
        return op.attrs(**given)
    except TypeError:
        raise error(
            "E313", f"{op.name}: {', '.join(f'{k} = {shown(v)}' for k, v in given.items())} does not fit", span
        ) from None
    except CnnError as e:
        d = e.diagnostics[0]
        names = [f.name for f in op.fields()]
        told = [a for n, a in spread_arguments(op.name, names, x.args).items() if re.search(rf"\b{n}\b", d.message)]
        needs = any(f.default is MISSING and f.default_factory is MISSING for f in op.fields())
        help = d.help or (usage(op) if told and told[0].key is None and not needs else None)
        raise error(d.code, f"{op.name}: {d.message}", told[0].span if told else span, notes=d.notes, help=help) from None


def usage(op: Op) -> str:
    """`conv(filters, kernel, stride = 1, …)`."""
    parts = []
    for f in op.fields():
        default = None if f.default is MISSING else f.default
        parts.append(f.name if f.default is MISSING or default is None else f"{f.name} = {shown(default)}")
    return f"{op.name}({', '.join(parts)})"


def order(op: Op) -> str:
    """The arguments that are given without names: `conv(filters, kernel, …)`."""
    needed = [f.name for f in op.fields() if f.default is MISSING and f.default_factory is MISSING]
    return f"{op.name}({', '.join([*needed, '…'])})"


def words_of_parameter(param: tree.Param, env: Env) -> Words:
    """The words a parameter may take."""
    if isinstance(param.default, tree.Choices):
        return tuple(w.text for w in param.default.words)
    if isinstance(param.default, tree.Name) and env.find(param.default.text) is None:
        from cnndsl.language.scope import words

        return () if param.default.text in words() else OpenWords()
    return ()


def block_arguments(block: BlockValue, args: Sequence[tree.Argument], env: Env) -> dict[str, Any]:
    """parameter → value, for those that `args` give."""
    params = {p.name.text: p for p in block.block.params}
    what = block.block.name.text
    refuse_tensors(what, sum(p.default is None and n not in block.fixed for n, p in params.items()), args, env)
    found = {}
    for name, arg in spread_arguments(what, list(params), args, block.fixed).items():
        allowed = words_of_parameter(params[name], block.env)
        value = evaluate(arg.value, env, allowed)
        check_word(what, name, value, allowed, arg.value)
        found[name] = value
    return found


def check_word(what: str, name: str, value: Any, allowed: Words, at: tree.Expr | None) -> None:
    """A parameter that lists its words takes no other. Raises E201."""
    if isinstance(allowed, tuple) and allowed and value not in allowed:
        span = at.span if at is not None else None
        help = nearest(value, allowed) if isinstance(value, str) else None
        raise error("E201", f"{what}: {name} is one of {listed(allowed)}, not {shown(value)}",
                    span, help=help)  # fmt: skip


def bind_parameters(target: BlockValue, given: Mapping[str, Any], inner: Env, span: Span | None) -> None:
    """Every parameter of a block in `inner`: given, or its default. Raises E210, E201."""
    missing = [p.name.text for p in target.block.params if p.name.text not in given and p.default is None]
    what = target.block.name.text
    if missing:
        help = f"{what}({', '.join(p.name.text for p in target.block.params)})"
        raise error("E210", f"{what} needs {' and '.join(missing)}", span, help=help)
    for param in target.block.params:
        name, allowed = param.name.text, words_of_parameter(param, inner)
        if name in inner.names:
            raise error("E204", f"{what} has two parameters named {name}", param.name.span)
        if name in given:
            value = given[name]
            check_word(what, name, value, allowed, None)
        elif isinstance(param.default, tree.Choices):
            value = param.default.words[0].text
        else:
            assert param.default is not None
            value = evaluate(param.default, inner, allowed)
        inner.names[name] = Binding("parameter", value, allowed, param.name.span)
