"""What is wrong with a text as YAML, in the words of the person who wrote it.

A parser says what it did not expect; this says what was probably meant. Values never appear in a message, for a value
may be a secret: at most the one character that needs quotes.
"""

import re

import yaml

from gateway.domain.problem import Mark, Problem

_QUOTE_IT = "put the whole value in quotes"
_DOUBLE_IT = "use the other kind of quotes around the value, or write a ' inside single quotes twice"
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
# What YAML 1.2 calls printable, less what YAML 1.1 took for line breaks and editors do not show as one.
_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_DIRECTIVE = re.compile(r"^%", re.MULTILINE)
_FIRST_COLON = re.compile(r"[^\"':#]*:")
_MEANINGS = {
    "found unknown escape character": ("unknown escape in double quotes", "use single quotes: they take '\\' as it is"),
    "mapping keys are not allowed in this context": ("a value cannot start with '?'", _QUOTE_IT),
    "block sequence entries are not allowed in this context": (
        "a list cannot start in this line",
        "start it in the next line, or quote the value if it is text",
    ),
    "did not find expected '-' indicator": (
        "this line is not part of the list above it",
        "start it with '- ', or indent it like the line it belongs to",
    ),
    "did not find expected <document start>": ("text after the end of the document", "remove it, or quote the value"),
}


def decode(file: str, data: bytes) -> str | Problem:
    """Give the text of a file, without its byte order mark, or the first thing in it that cannot be read."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        mark = end(error.object[: error.start].decode("utf-8", "replace"))
        return Problem(file, mark.line, mark.column, "this is not UTF-8 text", "save the file as UTF-8")
    if found := _UNREADABLE.search(text):
        mark = end(text[: found.start()])
        message = f"the character U+{ord(found[0]):04X} is not allowed"
        return Problem(file, mark.line, mark.column, message, f'write "\\u{ord(found[0]):04x}" in double quotes')
    if found := _DIRECTIVE.search(text):
        mark = end(text[: found.start()])
        return Problem(
            file, mark.line, mark.column, "a line cannot start with '%'", "remove the line, or quote the key"
        )
    return text


def explain(file: str, text: str, error: yaml.YAMLError) -> Problem:
    """Give the Problem behind an error of the YAML parser, at a place within the text."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem(file, 1, 1, "this is not YAML", "save the file as plain UTF-8 text")
    lines = _LINE_BREAK.split(text)
    mark = _place(error.problem_mark, lines) or Mark(1, 1)
    start = _place(error.context_mark, lines) or mark
    place, message, hint = _meaning(lines, mark, start, error)
    return Problem(file, place.line, place.column, message, hint)


def _meaning(lines: list[str], mark: Mark, start: Mark, error: yaml.MarkedYAMLError) -> tuple[Mark, str, str]:
    context, problem = error.context or "", error.problem or ""
    line = lines[mark.line - 1]
    character = line[mark.column - 1 : mark.column]
    if "\t" in (character, line[: len(line) - len(line.lstrip())]) or "tab character" in problem:
        return mark, "a tab is used for indentation", "indent with spaces"
    if context in ("while scanning an alias", "while scanning an anchor"):
        sign = "*" if context.endswith("alias") else "&"
        return start, f"a value cannot start with '{sign}'", f"{_QUOTE_IT}: a bare '{sign}' has a meaning in YAML"
    if "tag" in context or "tag" in problem:
        return mark, "a tag ('!') is refused", "rules are data: remove it; if text is meant, quote it"
    if problem == "found character that cannot start any token":
        return mark, f"a value cannot start with '{character}'", _QUOTE_IT
    if problem == "mapping values are not allowed in this context":
        return mark, *_second_colon(lines, mark)
    if context == "while scanning a quoted scalar" and "end of stream" in problem:
        return start, "this quote is never closed", "close it, and write a ' inside single quotes twice"
    if problem == "could not find expected ':'":
        return start, "this is not `key: value`", "put a space after the ':', or quote it if it is text"
    if context.startswith("while parsing a flow"):
        return _brackets(mark, start, character, context)
    if character in ("}", "]"):
        return mark, f"a value cannot start with '{character}'", _QUOTE_IT
    if problem == "did not find expected key":
        return mark, *_unfitting(character, line[: mark.column - 1].rstrip()[-1:])
    message, hint = _MEANINGS.get(problem, (f"this is not YAML: {problem.lower()}", "quote the value if it is text"))
    return mark, message, hint


def _unfitting(character: str, before: str) -> tuple[str, str]:
    """Tell what follows a complete value from a line at the wrong depth."""
    if before and before in "}]":
        return f"text after the closing {before}", _QUOTE_IT
    if before and before in "\"'":
        return f"text after the closing {before}", _DOUBLE_IT
    if character == "-":
        return "this '-' does not line up with the list above it", "indent it like the other entries of its list"
    return "this line does not fit the map above it", "indent it like the other keys of its map"


def _second_colon(lines: list[str], mark: Mark) -> tuple[str, str]:
    """Tell a ': ' inside a value from a key that stands in the wrong place because of the lines before it."""
    line = lines[mark.line - 1]
    above = next((other for other in reversed(lines[: mark.line - 1]) if other.strip()), None)
    if above is None or not _FIRST_COLON.fullmatch(line[: mark.column]):
        return "a value cannot hold ': '", _QUOTE_IT
    if _indentation(line) > _indentation(above):
        return "this key is indented further than its map", "indent it like the line above, or quote what stands there"
    return "the line above this key is not `key: value`", "put a space after its ':', or quote the value"


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def _brackets(mark: Mark, start: Mark, character: str, context: str) -> tuple[Mark, str, str]:
    opened, closed = ("{", "}") if "mapping" in context else ("[", "]")
    if context == "while parsing a flow node" or not character:
        return start, f"this '{opened}' is never closed", f"close it with '{closed}', or quote the value if it is text"
    message = f"',' or '{closed}' is expected here"
    return mark, message, f"the '{opened}' opened in line {start.line}; quote the value if it is text"


def _place(mark: yaml.Mark | None, lines: list[str]) -> Mark | None:
    """Give a mark of the parser, which may lie behind the last line, as one inside the text."""
    if mark is None:
        return None
    if mark.line >= len(lines) or (mark.line == len(lines) - 1 and not lines[-1]):
        last = max((number for number, line in enumerate(lines) if line.strip()), default=0)
        return Mark(last + 1, len(lines[last].rstrip()) + 1)
    return Mark(mark.line + 1, min(mark.column, len(lines[mark.line])) + 1)


def end(text: str) -> Mark:
    """Give the place behind the last character of a text."""
    lines = _LINE_BREAK.split(text)
    return Mark(len(lines), len(lines[-1]) + 1)
