"""lark makes the LALR tables of `grammars/cnn.lark`; here they become plain lists and dicts, and the file beside the grammar.

The one file that imports lark, and only when tables are made: `python -m cnndsl.language.syntax.generate`, after each change
of the grammar. The same grammar gives the same text, byte for byte: states are numbered in the order in which they are
reached, since lark's own order is that of hashes.
"""

from __future__ import annotations

import json
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
    rows = {state: sorted(row.items()) for state, row in table.states.items()}
    reached = {table.start_states[name]: None for name in STARTS}
    waiting = list(reached)
    for state in waiting:
        after = [to for _, (action, to) in rows[state] if action is Shift and to not in reached]
        reached |= dict.fromkeys(after)
        waiting += dict.fromkeys(after)
    at = {state: k for k, state in enumerate(reached)}
    ends = {to for row in rows.values() for _, (action, to) in row if action is not Shift}
    rules = sorted({(rule.origin.name, len(rule.expansion)) for rule in ends})
    number = {rule: rules.index((rule.origin.name, len(rule.expansion))) for rule in ends}
    lexer = made.parser.lexer.root_lexer
    assert not lexer.scanner._mres[1:], "one regular expression holds all terminals"
    assert not lexer.callback, "no terminal hides in another: Machine knows of none"
    return {
        "terminals": [[t.name, t.pattern.to_regexp()] for t in lexer.terminals],
        "ignored": sorted(lexer.ignore_types),
        "rules": [[name, size] for name, size in rules],
        "states": [
            {name: at[to] if action is Shift else -1 - number[to] for name, (action, to) in rows[state]} for state in reached
        ],
        "starts": {name: [at[table.start_states[name]], at[table.end_states[name]]] for name in STARTS},
    }


def written(tables: dict[str, Any]) -> str:
    """Tables as the text of their file: JSON, a line for each entry."""
    parts = []
    for name, found in tables.items():
        if isinstance(found, list):
            parts.append(f'"{name}": [\n' + ",\n".join(map(json.dumps, found)) + "\n]")
        else:
            parts.append(f'"{name}": {json.dumps(found)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main() -> None:
    """Write the tables of the grammar beside it."""
    from cnndsl.language.bundled import bundled, grammar
    from cnndsl.language.syntax.tables import FILE, digest
    from cnndsl.whole import write_whole

    text = grammar()
    write_whole(bundled("grammars") / FILE, written({"grammar": digest(text), **generate(text)}))


if __name__ == "__main__":
    main()
