"""lark makes the LALR tables of `grammars/cnn.lark`; here they become plain lists and dicts that JSON can hold.

The one file that imports lark, and only when tables are made: once for each version of the grammar (`tables`).
"""

from __future__ import annotations

from typing import Any

STARTS = ("start", "value")


def generate(grammar: str) -> dict[str, Any]:
    """The tables of a grammar, for `Machine`:

    terminals  [name, regular expression], those that are tried first standing first
    ignored    names of the terminals that mean nothing
    rules      [name, how many parts it has]
    states     for each state: name of a terminal or rule → the state that follows, or −1 − the rule that ends here
    starts     name → [the state to begin in, the state that ends]
    """
    from lark import Lark
    from lark.parsers.lalr_analysis import Shift

    made: Any = Lark(
        grammar, start=list(STARTS), parser="lalr", lexer="contextual", keep_all_tokens=True, maybe_placeholders=False
    )
    table = made.parser.parser._parse_table
    number: dict[Any, int] = {}
    for row in table.states.values():
        for action, to in row.values():
            if action is not Shift:
                number.setdefault(to, len(number))
    at = {state: k for k, state in enumerate(table.states)}
    states = [
        {name: at[to] if action is Shift else -1 - number[to] for name, (action, to) in row.items()}
        for row in table.states.values()
    ]
    lexer = made.parser.lexer.root_lexer
    assert not lexer.scanner._mres[1:], "one regular expression holds all terminals"
    assert not lexer.callback, "no terminal hides in another: Machine knows of none"
    return {
        "terminals": [[t.name, t.pattern.to_regexp()] for t in lexer.terminals],
        "ignored": sorted(lexer.ignore_types),
        "rules": [[rule.origin.name, len(rule.expansion)] for rule in number],
        "states": states,
        "starts": {name: [at[table.start_states[name]], at[table.end_states[name]]] for name in STARTS},
    }
