"""SQL: what is executed is our own constant text; values go in as parameters."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent.parent / "gateway"
EXECUTING = {"execute", "executemany", "executescript"}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "sqlite3" in path.read_text())

GOOD = 'QUERY = f"select {NAMES}"\ndef f(db, value):\n    db.execute(QUERY, (value,))\n    db.execute("pragma x")\n'
LOCAL = 'def f(db, value):\n    query = "select ?"\n    db.execute(query, (value,))\n'
LOOP = "def f(db):\n    for step in STEPS[1:]:\n        db.executescript(step)\n"
BAD = [
    'def f(db, v):\n    db.execute(f"select {v}")\n',
    'def f(db, v):\n    db.execute("select %s" % v)\n',
    'def f(db, v):\n    db.execute("select " + v)\n',
    'def f(db, v):\n    db.execute("select {}".format(v))\n',
    "def f(db, v):\n    db.executescript(v)\n",
    'def f(db, v):\n    query = f"select {v}"\n    db.execute(query)\n',
    'def f(db, v):\n    query = "select 1"\n    query += v\n    db.execute(query)\n',
    "def f(db, v):\n    for step in v:\n        db.executescript(step)\n",
]


def is_constant(node: ast.expr) -> bool:
    """Say whether an expression is text that stands in the source: a literal, or a constant of the module."""
    if isinstance(node, ast.Subscript):
        return is_constant(node.value)
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id.isupper())


def bindings(function: ast.AST, name: str) -> Iterator[ast.expr]:
    """Give what a local name is bound to."""
    for node in ast.walk(function):
        targets: list[ast.expr] = []
        value: ast.expr | None = None
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr):
            targets, value = [node.target], node.value
            value = ast.BinOp(node.target, ast.Add(), node.value) if isinstance(node, ast.AugAssign) else value
        elif isinstance(node, ast.For):
            targets, value = [node.target], node.iter
        if value is not None and any(isinstance(target, ast.Name) and target.id == name for target in targets):
            yield value


def formatted(source: str) -> list[int]:
    """Give the lines where something is executed that is not constant text."""
    lines = []
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in EXECUTING:
                query = node.args[0]
                bound = list(bindings(function, query.id)) if isinstance(query, ast.Name) else []
                if not is_constant(query) and not (bound and all(is_constant(each) for each in bound)):
                    lines.append(node.lineno)
    return lines


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_statement_is_put_together_from_values(path: Path) -> None:
    """U-111: every statement is a constant of its module or a literal, and takes parameters."""
    assert formatted(path.read_text()) == []


def test_the_modules_that_speak_sql_are_found() -> None:
    speaking = {"day_files.py", "ledger_sqlite.py", "log_sqlite.py", "state_sqlite.py"}
    assert speaking <= {path.name for path in MODULES}


@pytest.mark.parametrize("source", [GOOD, LOCAL, LOOP])
def test_constants_pass(source: str) -> None:
    assert formatted(source) == []


@pytest.mark.parametrize("source", BAD)
def test_formatted_statements_do_not_pass(source: str) -> None:
    assert formatted(source)
