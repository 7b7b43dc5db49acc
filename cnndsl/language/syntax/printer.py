"""The syntax tree as text. Parsing what this prints gives an equal tree."""

from __future__ import annotations

from cnndsl.language.syntax import tree

INDENT = "    "


def printed(file: tree.File) -> str:
    """A whole file, a blank line between items."""
    return "\n\n".join("\n".join(_item(x)) for x in file.items) + "\n"


def value(x: tree.Expr) -> str:
    """A value on one line. Recursion follows brackets, which nest at most 100 deep."""
    match x:
        case tree.Name():
            return x.text
        case tree.Literal():
            return str(x.value).lower() if isinstance(x.value, bool) else _number(x.value)
        case tree.SizeLiteral():
            return "x".join(map(str, x.parts))
        case tree.Text():
            return f'"{x.text}"'
        case tree.ListOf():
            return f"[{', '.join(map(value, x.items))}]"
        case tree.Apply():
            return f"{x.name.text}({_arguments(x.args)})"
        case tree.Postfix():
            return _inside(x.operand) + "".join(f".{p.text}" if isinstance(p, tree.Name) else value(p) for p in x.tail)
        case tree.Prefix():
            return "".join(s + " " if s == "not" else s for s in x.signs) + _inside(x.operand)
        case tree.Chain():
            return _inside(x.first) + "".join(f" {symbol} {_inside(item)}" for symbol, item in x.rest)
        case tree.Compare():
            return f"{_inside(x.left)} {x.operator} {_inside(x.right)}"
        case tree.Range():
            return f"{_inside(x.low)}..{_inside(x.high)}"
        case tree.Arrow():
            return " -> ".join(map(_inside, x.steps))
    return "_"


def _number(x: float) -> str:
    """As the grammar reads numbers: 1e-06 and 1e+16 are numbers there too."""
    return repr(x)


def _inside(x: tree.Expr) -> str:
    """As an operand: in parentheses where it has operators of its own."""
    alone = not isinstance(x, (tree.Chain, tree.Compare, tree.Range, tree.Arrow, tree.Prefix))
    return value(x) if alone else f"({value(x)})"


def _arguments(args: tuple[tree.Argument, ...]) -> str:
    return ", ".join(f"{a.key.text} = {value(a.value)}" if a.key else value(a.value) for a in args)


def _parameters(params: tuple[tree.Param, ...]) -> str:
    parts = []
    for p in params:
        if isinstance(p.default, tree.Choices):
            parts.append(f"{p.name.text} = {' | '.join(w.text for w in p.default.words)}")
        else:
            parts.append(p.name.text if p.default is None else f"{p.name.text} = {value(p.default)}")
    return f"({', '.join(parts)})" if parts else ""


def _item(x: tree.Item) -> list[str]:
    match x:
        case tree.Version():
            return [f"cnn {x.number}"]
        case tree.Use():
            return [f"use {value(x.file)}"]
        case tree.Defaults():
            return _statement(x)
        case tree.Instance():
            return [f"model {x.name.text} = {x.template.text}({_arguments(x.args)})"]
        case tree.Recipe():
            name = f" {x.name.text}" if x.name else ""
            return [f"{x.kind}{name} {{", *(f"{INDENT}{e.key.text} = {value(e.value)}" for e in x.entries), "}"]
    word = "block" if isinstance(x, tree.Block) else "model"
    return _braced(f"{word} {x.name.text}{_parameters(x.params)}", x.body)


def _braced(head: str, body: tree.Body) -> list[str]:
    inner = [INDENT + line for statement in body.statements for line in _statement(statement)]
    return [f"{head} {{".lstrip(), *inner, "}"]


def _statement(x: tree.Statement) -> list[str]:
    match x:
        case tree.Pipeline():
            return _pipeline(x)
        case tree.Branch():
            lines = _pipeline(x.pipeline) if x.pipeline else [""]
            return [f"{x.label.text}: {lines[0]}" if x.pipeline else x.label.text, *lines[1:]]
        case tree.If():
            lines = []
            for i, case in enumerate(x.cases):
                lines += _braced(f"{'else ' if i else ''}if {value(case.condition)}", case.body)
            return lines + (_braced("else", x.otherwise) if x.otherwise is not None else [])
        case tree.For():
            return _braced(f"for {', '.join(n.text for n in x.names)} in {value(x.over)}", x.body)
        case tree.Head():
            return _braced(f"head {x.name.text}", x.body)
        case tree.Output():
            return [f"output {x.name.text}"]
        case tree.Share():
            lines = _pipeline(x.pipeline)
            return [f"share {x.name.text} = {lines[0]}", *lines[1:]]
        case tree.Defaults():
            return ["defaults {", *(f"{INDENT}{e.name.text}({_arguments(e.args)})" for e in x.entries), "}"]
        case tree.Input():
            where = f" where {', '.join(map(value, x.where))}" if x.where else ""
            return [f"input {x.name.text}: {_shape(x.shape)}{where}"]
        case tree.Block():
            return _braced(f"block {x.name.text}{_parameters(x.params)}", x.body)


def _shape(x: tree.Shape) -> str:
    parts = list(map(value, x.parts))
    return f"[{', '.join(parts)}]" if x.listed else "x".join(parts)


def _pipeline(x: tree.Pipeline) -> list[str]:
    lines = [""]
    for i, step in enumerate(x.steps):
        made = _step(step)
        lines[-1] += (" -> " if i else "") + made[0]
        lines += made[1:]
    return lines


def _step(x: tree.Step) -> list[str]:
    match x.primary:
        case tree.Begin():
            lines = ["input"]
        case tree.Body():
            lines = _braced("", x.primary)
        case tree.Invoke(name=name, args=args, branches=branches):
            head = name.text + (f"({_arguments(args)})" if args else "")
            lines = _braced(head, branches) if branches is not None else [head]
    if x.repeat is not None:
        lines[-1] += f" * {_inside(x.repeat)}"
    if x.name is not None:
        lines[-1] += f" as {x.name.text}"
    if x.check is not None:
        lines[-1] += f" : {_shape(x.check)}"
    return lines
