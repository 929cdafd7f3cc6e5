"""The import table of the house: which room may import which, and what no room does."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "gateway"
EVERYTHING = frozenset(
    {
        "domain",
        "engine",
        "dialects",
        "receivers",
        "config",
        "adapters",
        "runtime",
        "simulator",
        "web",
        "wiring",
        "cli",
        "app",
    }
)

MAY_IMPORT: dict[str, frozenset[str]] = {
    "domain": frozenset(),
    "engine": frozenset({"domain"}),
    "dialects": frozenset({"domain"}),
    "receivers": frozenset({"domain"}),
    "config": frozenset({"domain", "engine"}),
    "adapters": frozenset({"domain"}),
    "runtime": frozenset({"domain", "engine", "dialects", "config"}),
    "web": frozenset({"domain", "dialects", "runtime"}),
    "simulator": frozenset(),
    "wiring": EVERYTHING - {"cli", "app"},
    "app": EVERYTHING - {"cli"},
    "cli": EVERYTHING,
    "__main__": frozenset({"cli"}),
    "__init__": frozenset(),
}
THIRD_PARTY: dict[str, frozenset[str]] = {
    "domain": frozenset({"msgspec"}),  # nouns made anew for each request: a frozen dataclass takes ten times as long
    "engine": frozenset(),
    "dialects": frozenset({"msgspec"}),
    "receivers": frozenset({"msgspec"}),
    "config": frozenset({"yaml", "jsonschema", "re2", "msgspec"}),
    "adapters": frozenset(
        {"aiohappyeyeballs", "aiohttp", "anthropic", "botocore", "httpx2", "msgspec", "openai", "prometheus_client"}
        | {"watchdog", "yarl"}
    ),
    "runtime": frozenset({"msgspec"}),  # for the same reason
    "web": frozenset({"aiohttp", "multidict", "msgspec"}),
    "simulator": frozenset({"aiohttp"}),
    "wiring": frozenset({"aiohttp", "prometheus_client"}),
    "app": frozenset({"prometheus_client"}),
    "cli": frozenset({"click"}),
    "__main__": frozenset(),
    "__init__": frozenset(),
}
PURE = frozenset({"time", "os", "pathlib", "socket", "logging", "asyncio", "random", "sqlite3", "threading"})
NEVER: dict[str, frozenset[str]] = {
    "domain": PURE,
    "engine": PURE,
    "dialects": PURE,
    "receivers": PURE,
    "config": frozenset({"asyncio", "socket", "random"}),
}
DISK = frozenset({"config.sources", "config.settings", "config.secrets", "config.packaged"})
"""The modules of `config` that may touch the disk."""
WALL = 400

MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def room_of(path: Path) -> str:
    return name_of(path).partition(".")[0]


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} imports relatively"
            module = node.module or ""
            yield from (f"gateway.{alias.name}" for alias in node.names) if module == "gateway" else (module,)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_an_import_points_down_the_table(path: Path) -> None:
    room = room_of(path)
    assert room in MAY_IMPORT, f"{room} is a room that the table does not know: add it, and say why"
    for imported in imports_of(path):
        top, _, rest = imported.partition(".")
        if top == "gateway":
            target = rest.partition(".")[0]
            assert target == room or target in MAY_IMPORT[room], f"{name_of(path)} imports {imported}"
        elif top not in sys.stdlib_module_names:
            assert top in THIRD_PARTY[room], f"{name_of(path)} imports {imported}"
        assert top not in NEVER.get(room, frozenset()), f"{name_of(path)} imports {imported}"


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) == "config"], ids=name_of)
def test_config_touches_the_disk_in_four_modules_only(path: Path) -> None:
    if name_of(path) not in DISK:
        assert not {"os", "pathlib", "shutil", "tempfile"} & set(imports_of(path))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_function_or_branch_imports(path: Path) -> None:
    tree = ast.parse(path.read_text())
    top = {id(node) for node in tree.body}
    inner = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in top]
    assert not inner, f"{name_of(path)}:{inner[0].lineno} imports inside a block"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_file_passes_the_wall(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= WALL


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_rules_are_data_nothing_evaluates_code(path: Path) -> None:
    """U-107: no eval, exec, compile of code or unsafe YAML anywhere in the package."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec", "compile", "__import__"}, f"{name_of(path)}:{node.lineno}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "yaml":
            assert node.attr not in {"load", "safe_load", "unsafe_load", "full_load"}, f"{name_of(path)}:{node.lineno}"


EDGES = ["web.errors", "web.inference", "web.turns"]
TICKS = ["adapters.journal", "runtime.recorder", "runtime.reloader", "runtime.ticks", "runtime.together"]


def test_only_the_edges_and_the_ticks_catch_everything() -> None:
    """Once each: where a caller waits for an answer, and where what was begun for all must go on."""
    broad = [
        name_of(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
    ]
    assert sorted(broad) == sorted([*EDGES, *TICKS])


def test_the_imports_form_no_circle() -> None:
    """Every module can be imported alone: none leans on another having been imported before it."""
    known = {f"gateway.{name_of(path)}" for path in MODULES}
    graph = {(name := f"gateway.{name_of(path)}"): modules_of(path, known) - {name} for path in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def modules_of(path: Path, known: set[str]) -> set[str]:
    """Give the modules of the package that one imports, those that it takes out of a package among them."""
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import():
                imported |= {alias.name for alias in node.names}
            case ast.ImportFrom(module=str(module)):
                imported |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
            case _:
                pass
    return imported & known


def test_the_core_starts_without_the_sdks() -> None:
    """U-120: the SDKs of providers that nobody named are not imported."""
    large = ("openai", "anthropic", "httpx2", "botocore", "boto3", "google.auth", "azure", "uvloop")
    program = f"import gateway.app, sys; print([m for m in {large} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
