"""Habits from other languages: what a reader of Python, C or a framework writes by hand, and how it is written here.

One table. Where the parser stops, the first row counts whose pattern matches a stretch of that line with the place in it, so
that a row says nothing about texts that parse. Groups of a pattern stand in the message and the mend as `{name}`, the whole
match as `{0}`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cnndsl.errors import Diagnostic, Source, Span
from cnndsl.language.foreign import NAMES
from cnndsl.language.spelling import folded

_CODE = re.compile(r'(?:"[^"\n]*"|[^#\n])*')
"""A line without the comment at its end."""
_WHERE = {"top": "", "body": "{", "recipe": "{", "arguments": "(["}


@dataclass(frozen=True, slots=True)
class Habit:
    """pattern: a group `at` must begin where the parser stopped. where: outside every brace (top), in a body, a recipe, or
    among arguments; anywhere where empty. ends: what belongs to it and is read no further: its line, the top-level item, or
    the braces that it opens."""

    pattern: re.Pattern[str]
    message: str
    help: str
    where: str
    ends: str
    code: str


def _row(pattern: str, message: str, help: str, where: str = "", ends: str = "line", code: str = "E103") -> Habit:
    return Habit(re.compile(pattern), message, help, where, ends, code)


HABITS = (
    # comments
    _row(r"(?P<at>//|/\*|--(?![->])|<!--).*|(?:^|(?<=[;}]))\s*(?P<per>%).*|^.*\*/", "this is no comment",
         "a comment begins with #"),
    # sizes and shapes
    _row(r"\b(?!\d+x\d+(?:x\d+)?(?!\w| ?[x×✕]))(?P<a>\d+) ?[xX×✕] ?(?P<b>\d+) ?[xX×✕] ?(?P<c>\d+)\b", "{0} is not a size",
         "one word, with a small x: {a}x{b}x{c}", code="E104"),
    _row(r"\b(?!\d+x\d+(?:x\d+)?(?!\w| ?[x×✕]))(?P<a>\d+) ?[xX×✕] ?(?P<b>\d+)\b", "{0} is not a size",
         "one word, with a small x: {a}x{b}", code="E104"),
    _row(r"(?<=:)\s*\(?\s*(?P<a>\d+) *, *(?P<b>\d+) *, *(?P<c>\d+)\s*\)?", "{0} is not a shape",
         "a shape is written {a}x{b}x{c}",
         code="E104"),
    _row(r"(?<=:)\s*\(?\s*(?P<a>\d+) *, *(?P<b>\d+)\s*\)?", "{0} is not a shape", "a shape is written {a}x{b}", code="E104"),
    _row(r"(?<=:)\s*\(\s*(?P<a>[\dx]+)\s*,?\s*\)", "{0} is not a shape", "a shape is written {a}", code="E104"),
    _row(r"(?<=[=,(])\s*\(\s*(?P<a>\d+) *, *(?P<b>\d+)\s*\)", "{0} is not a size", "a size is written {a}x{b}", code="E104"),
    # inputs and outputs
    _row(r"^\s*input\b\s*(?P<name>[A-Za-z]\w*)?\s*[=(:]*\s*[\[(](?P<a>\d+), *(?P<b>\d+), *(?P<c>\d+)[\])]*.*",
         "an input has a name and, behind a colon, a shape", "input {called}: {a}x{b}x{c}", "body"),
    _row(r"^\s*input\b\s*(?P<name>[A-Za-z]\w*)?\s*[=(]?\s*(?P<shape>\d+(?:x\d+)+)\)?.*",
         "an input has a name and, behind a colon, a shape", "input {called}: {shape}", "body"),
    _row(r"^\s*input\b[^->]*(?P<at>->)\s*(?P<rest>.*)", "an input stands in a line of its own", "{rest} in the next line",
         "body"),
    _row(r"^\s*input\s+\w+\s*:\s*(?P<at>\?|None\b|-|\*).*", "an open size is a capital letter", "input image: HxWx3", "body"),
    _row(r"^\s*head\b\s*(?:[A-Za-z]\w*)?\s*(?P<at>[:({]).*", "a head has a name, and its steps in braces",
         "head aux {{ flatten -> dense(10) }}", "body"),
    _row(r"^\s*share\b(?!\s+\w+\s*=).*", "a shared step gets its name by =",
         "share enc = {{ conv(64, 3x3) -> relu }}", "body"),
    _row(r"^\s*output\s*[:=(]\s*(?P<name>[A-Za-z]\w*)\)?.*", "an output is given out by its name alone",
         "output {name}", "body"),
    _row(r"^\s*output\b\s*[:=(]?\s*(?:\d.*)?$", "output needs the name of a value",
         "the last value goes out by itself; output name gives out another besides", "body"),
    # what a file is made of
    _row(r"^(?P<what>Model|Block|Train|Eval|Task|Preprocess|Use|Defaults)\b.*", "{what} is written in small letters",
         "{small}", "top", "item"),
    _row(r"^\s*(?P<what>Input|Output|Head|Share|If|For|Block|Defaults)\b.*", "{what} is written in small letters",
         "{small}", "body"),
    _row(r"^\s*use\s+(?P<name>[\w./-]+)\s*$", "the file's name stands in quotes", "use \"{name}\"", "top"),
    _row(r"^\s*model\s+(?P<name>\w+)\s*=\s*(?P<of>\w+)\s*$", "a model made of another has its arguments in parentheses",
         "model {name} = {of}(…)", "top"),
    _row(r"^\s*model\s+(?P<name>\w+)\s*(?P<at>:)\s*(?P<of>\w+\(.*\))\s*$", "a model is made of another by =",
         "model {name} = {of}", "top"),
    _row(r"^\s*(?P<what>train|eval|task|preprocess)\s*(?P<at>[=:])\s*\{.*", "{what} has its braces right behind it",
         "{what} {{ … }}", "top", "item"),
    _row(r"^\s*(?:def|fn|func|function|module)\s+(?P<name>[A-Za-z]\w*)\s*(?P<rest>\([^(){}]*\))?.*",
         "a part that is used again is a block",
         "block {name}{rest} {{ … }}", "top", "item"),
    _row(r"^\s*(?:class|network|net|nn|architecture)\s+(?P<name>[A-Za-z]\w*).*", "a network is a model",
         "model {name} {{ … }}", "top", "item"),
    _row(r"^\s*(?P<what>model|block)\s+[\"'](?P<name>[A-Za-z]\w*)[\"'].*", "a name stands without quotes",
         "{what} {name}", "top", "item"),
    _row(r"^\s*(?P<what>model|block)\s+(?P<name>[A-Za-z]\w*(?:[-.]\w+)+).*",
         "{name} is no name: one is made of letters, digits and _",
         "{what} {under}", "top", "item"),
    _row(r"\b(?:model|block|as)\s+(?P<at>\d+[A-Za-z_]\w*)", "{at} is no name: one begins with a letter", "for example n{at}"),
    _row(r"^\s*(?:import|from|include|#include)\b.*", "nothing is imported: every op is there",
         "another .cnn file is brought in by use \"file.cnn\""),
    _row(r"^\s*(?P<at>train|eval|task|preprocess)\b.*", "{at} stands outside the model, behind the brace that closes it",
         "model name {{ … }} and below it {at} {{ … }}", "body", "braces"),
    _row(r"^(?:input|conv|dense|flatten|max_pool|relu)\b.*", "steps stand in a model",
         "model name {{ … }} around these lines", "top", "item"),
    _row(r"(?P<name>[A-Za-z]\w*)\s*(?P<at>:)\s*(?:int|float|bool|str|list)\b", "a parameter has no type",
         "its name, perhaps with a default: {name} = 1", "arguments"),
    _row(r"(?P<key>[A-Za-z]\w*)\s*(?P<at>:)\s*(?P<value>[\w.]+)", "an option is given with =", "{key} = {value}", "arguments"),
    _row(r"\breturn\b.*", "the last value is what a body gives", "leave return out", "body"),
    # repetitions and conditions
    _row(r"\bfor\s+(?:in\s+)?(?P<n>\w+)\s*\{.*", "for needs a name and a list",
         "for i in range({n}) {{ … }}; without a counter: {{ … }} * {n}"),
    _row(r"\b(?:repeat|loop|times|while|do)\b\s*\(?\s*(?P<n>\w+)\s*\)?\s*\{.*", "a repetition stands behind what it repeats",
         "{{ … }} * {n}", "body"),
    _row(r"[})]\s*(?P<at>[xX×])\s*(?P<n>\d+)", "a repetition is written with *", "… * {n}"),
    _row(r"^\s*(?P<at>\d+)\s*[*x]\s*(?P<step>[A-Za-z{].*)", "a repetition stands behind what it repeats",
         "{step} * {at}", "body"),
    _row(r"^\s*(?P<what>model|block|train|eval|preprocess)\b(?P<rest>[^:{]*)(?P<at>:).*",
         "what belongs to {what} stands in braces",
         "{what} {rest} {{ … }}", "top", "item"),
    _row(r"^\s*(?P<what>if|for|else)\b(?P<rest>[^:{]*)(?P<at>:).*", "what belongs to {what} stands in braces",
         "{what} {rest} {{ … }}"),
    _row(r"\bfor\s+(?P<names>[\w, ]+?)\s+in\s+\(?(?P<items>[\w.]+(?:\s*,\s*[\w.]+)+)\)?", "a list stands in brackets",
         "for {names} in [{items}] {{ … }}"),
    _row(r"\b(?P<at>elif|elsif|elseif)\b", "{at} is two words here", "else if"),
    _row(r"\bif\b(?P<left>[^={]*[^=!<>{ ])\s*(?P<at>=)(?!=)(?P<right>[^{]*)", "two values are compared by ==",
         "if {left} == {right}"),
    _row(r"(?P<at>&&?)", "{at} is the word and", "… and …"),
    _row(r"(?P<at>\|\|)", "{at} is the word or", "… or …"),
    _row(r"(?P<at>!)(?!=)", "{at} is the word not", "not …"),
    _row(r"(?P<a>\w+)\s*(?:\^|\*\*)\s*(?P<b>\w+)", "there is no sign for powers", "multiply: {a} * {a}", "arguments"),
    # steps and what joins them
    _row(r"^\s*(?P<name>[A-Za-z]\w*)\s+as\s+(?P<step>[A-Za-z]\w*\(.*)", "as stands behind the step that it names",
         "{step} as {name}", "body"),
    _row(r"\b(?P<join>concat|add|subtract|multiply|maximum)\s*[{\[]\s*(?P<a>[A-Za-z]\w*)(?:\s*,\s*|\s+)(?P<b>[A-Za-z]\w*)\s*[}\]]",
         "branches stand in braces, with ; between them", "{join} {{ {a}; {b} }}", "body"),
    _row(r"\b(?P<join>concat|add|subtract|multiply|maximum)\s*\[.*", "branches stand in braces, with ; between them",
         "{join} {{ a; b }}", "body"),
    _row(r"(?<=\))\s*(?:->|=)?\s*(?P<shape>\d+(?:x\d+)+)\s*$", "a shape stands behind a colon", ": {shape}", "body"),
    _row(r"=>|→|⟶|\|>|>>|–>|—>|--+>|~>|–|—|(?<=[\w)])\s*>(?=\s*[A-Za-z])", "steps are joined by ->",
         "write -> in place of {0}"),
    _row(r"(?<=[\w)}]) *(?P<at>[|,])(?= *[A-Za-z])", "steps on one line are joined by ->", "write -> in place of {at}", "body"),
    _row(r"\bself\..*", "there is no self: steps stand in the order in which the value flows", "conv(6, 5x5) -> relu"),
    _row(r"(?<![\w.])(?:[A-Za-z_]\w*\.)+(?P<name>[A-Za-z]\w*)", "a step is one word, without a point", "write {word}", "body"),
    _row(r"[\"'“”‘’](?P<name>[A-Za-z]\w*)[\"'“”‘’]", "a word stands without quotes", "write {name}", code="E106"),
    _row(r"[“”‘’]", "a quoted text stands in plain double quotes", "\"…\"", code="E106"),
    _row(r"^\s*(?P<name>[A-Za-z]\w*)\s*(?P<at>=)\s*(?P<step>.*?)\s*;?$", "a value is named behind the step that makes it",
         "{step} as {name}", "body"),
    _row(r"^\s*(?P<a>[A-Za-z]\w*)\s*(?P<at>[+])\s*(?P<b>[A-Za-z]\w*)\s*$", "values are added by a join",
         "add {{ {a}; {b} }}", "body"),
    _row(r"^\s*(?P<a>[A-Za-z]\w*)\s*(?P<at>-)\s*(?P<b>[A-Za-z]\w*)\s*$", "values are subtracted by a join",
         "subtract {{ {a}; {b} }}", "body"),
    _row(r"(?P<step>[A-Za-z]\w*)(?P<at>\[)(?P<args>[^\[\]{}]*)\]", "arguments stand in parentheses", "{step}({args})", "body"),
    _row(r"(?P<step>[A-Za-z]\w*)\{\s*(?P<at>\d)(?P<args>[^{}]*)\}", "arguments stand in parentheses",
         "{step}({at}{args})", "body"),
    _row(r"^\s*(?P<step>[A-Za-z]\w*) +(?P<args>\d\S*(?: +\d\S*)*)\s*$",
         "arguments stand in parentheses, with commas between them",
         "{step}({list})", "body"),
    _row(r"(?P<a>[\w\])\"]+) +(?P<at>\w+)", "a comma is missing", "{a}, {at}", "arguments"),
    _row(r"^\s*(?P<at>->).*", "a line that begins with -> goes on from the line above, where there is no step",
         "begin with a step", "body"),
    _row(r"^\s*data\s*=\s*(?P<at>[./~\\]).*", "data is the name of a data set, not a path",
         "cnndsl train NET --data FOLDER", "recipe"),
    # numbers and entries
    _row(r"(?<![\w.])(?P<at>\.)(?P<digits>\d+)", "a number begins with a digit", "0.{digits}"),
    _row(r"(?P<n>\d+(?:\.\d+)?) ?%\s*(?P<at>[),\]]|$)", "there is no sign for per cent",
         "a share is a number from 0 to 1, such as 0.5"),
    _row(r"^\s*(?P<key>[A-Za-z]\w*)\s*(?P<at>:)\s*(?P<value>[^{}]+?)\s*,?$", "an entry is given with =",
         "{key} = {value}", "recipe"),
    _row(r",\s*$", "a line ends without a comma", "leave it out", "body"),
    _row(r",\s*$", "a line ends without a comma", "leave it out", "recipe"),
)  # fmt: skip


def habit(source: Source, text: str, at: int, inside: str, recipe: bool) -> tuple[Diagnostic, Habit] | None:
    """What a habit of another language explains at `at`. inside: the innermost open bracket; recipe: it is a recipe's."""
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line, place = text[start : len(text) if end < 0 else end], at - start
    code = _CODE.match(line)
    if code is not None and place < code.end():
        line = code[0].rstrip()
    for row in HABITS:
        if row.where and (inside not in _WHERE[row.where] or (row.where == "top") != (inside == "")):
            continue
        if row.where in ("body", "recipe") and recipe != (row.where == "recipe"):
            continue
        for found in row.pattern.finditer(line):
            begin = found.start("at") if found.groupdict().get("at") is not None else -1
            if begin == place or (begin < 0 and (found.start() <= place < found.end() or not line[place:].strip())):
                return _told(source, row, found, start), row
    return None


def _told(source: Source, row: Habit, found: re.Match[str], start: int) -> Diagnostic:
    shown = found[0].strip()
    parts = {name: (value or "").strip() for name, value in found.groupdict().items()}
    name = folded(parts.get("name", ""))
    more = {"word": NAMES.get(name, (name,))[0], "list": ", ".join(parts.get("args", "").split())}
    more["small"] = shown.replace(parts["what"], parts["what"].lower(), 1) if "what" in parts else ""
    more["called"] = parts.get("name") or "image"
    more["under"] = re.sub(r"\W", "_", parts.get("name", ""))
    begin = start + found.start() + len(found[0]) - len(found[0].lstrip())
    help = re.sub(" +", " ", row.help.format(shown, **parts, **more))
    return Diagnostic(row.code, row.message.format(shown, **parts, **more), Span(source, begin, begin + len(shown)), help=help)
