"""README, docs and CHANGELOG say what is so: their rules compile, their commands parse, their tables are the code's.

A fenced block of YAML is a rules directory of its own; one behind `<!-- fragment -->` stands beside the shipped
models and chains. A table is found by its first line.
"""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import aiohttp
import click
import pytest
from prometheus_client import CollectorRegistry

from gateway.adapters import alerts_sqlite, journal, webhook
from gateway.adapters.log_rows import COLUMNS
from gateway.adapters.metrics import Metrics
from gateway.app import running
from gateway.cli import COMMANDS, main
from gateway.cli.prices.case import RATES
from gateway.cli.serve import NOT_BUILT
from gateway.config import alerting, burning, catalogue, packaged, providers
from gateway.config.compile import Compiler
from gateway.config.quantities import duration_s, size_bytes
from gateway.config.settings import Address, Settings
from gateway.dialects.reported import Api
from gateway.domain.alert import Severity
from gateway.domain.attempt import Attempt, ProviderError
from gateway.domain.ledger import Amounts
from gateway.domain.limit import QUEUE, QUEUE_WAIT_S
from gateway.domain.load import Capacity, Cut, Patience, Shed
from gateway.domain.refusal import STATUS
from gateway.domain.snapshot import Defaults, Rejected, RuleFile, Snapshot
from gateway.domain.spending import Step
from gateway.domain.window import Calendar
from gateway.domain.words import DEFAULT_FALL_BACK_ON, Failure
from gateway.engine import alert_budgets, alert_burn, alert_prices, classify, complexity, deliveries, marks, reading
from gateway.engine.budgets import HYSTERESIS
from gateway.engine.effects import EFFECTS
from gateway.engine.failure import final_error
from gateway.engine.looks import span
from gateway.engine.patience import SLOWEST_BODY
from gateway.runtime import outbox, spending
from gateway.runtime.connections import SPARE
from gateway.runtime.rehearsal import failures_of, rehearse
from gateway.simulator.faults import Fault
from gateway.web.keys import Parts
from gateway.web.operations import Daemon
from gateway.wiring import ways
from gateway.wiring.load import MOST_DESCRIPTORS
from gateway.wiring.rules import shipped_rules
from gateway.wiring.surfaces import SURFACES, build_web, inference_routes, operations_routes
from tests.fakes.daemon import body_of

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    "README.md",
    "CHANGELOG.md",
    "deploy/README.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]
SCHEMA: Mapping[str, Any] = packaged.rules_schema()
BLOCK = re.compile(
    r"(?:<!-- (?P<mark>[a-z-]+) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
CODE = re.compile(r"`([^`]+)`")
BESIDE_A_FRAGMENT = tuple(file for file in shipped_rules() if file.name in {"00-models.yaml", "80-budget.yaml"})


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    mark: str
    language: str
    text: str


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(language: str) -> list[Block]:
    found = []
    for page in PAGES:
        text = text_of(page)
        for match in BLOCK.finditer(text):
            if match["language"] == language:
                line = text.count("\n", 0, match.start("text"))
                found.append(Block(page, line, match["mark"] or "", language, match["text"]))
    return found


def rows_of(page: str, header: str, heading: str = "") -> list[list[str]]:
    """Give the cells of the table whose first line has these cells, the first one behind a heading."""
    text = text_of(page)
    after = text[text.index(f"## {heading}\n") :] if heading else text
    lines = after[after.index(header) :].splitlines()[2:]
    cells = []
    for line in lines:
        if not line.startswith("|"):
            break
        cells.append([cell.strip() for cell in line.strip()[1:-1].split("|")])
    assert cells
    return cells


def names_of(rows: list[list[str]]) -> list[str]:
    """Give the code words of the first cells."""
    return [name for row in rows for name in CODE.findall(row[0])]


def compiled(block: Block) -> Snapshot | Rejected:
    beside = BESIDE_A_FRAGMENT if block.mark == "fragment" else ()
    return Compiler(catalogue.load()).compile((*beside, RuleFile("docs.yaml", block.text.encode())))


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: f"{block.page}:{block.line}")
def test_a_rule_snippet_loads_and_passes_its_own_tests(block: Block) -> None:
    """U-125: every YAML block is validated by the real loader, and its tests hold."""
    snapshot = compiled(block)
    assert isinstance(snapshot, Snapshot), [str(problem) for problem in snapshot.problems]
    assert [str(problem) for problem in failures_of(rehearse(snapshot, SURFACES))] == []


@pytest.mark.parametrize("block", blocks("json"), ids=lambda block: f"{block.page}:{block.line}")
def test_a_json_snippet_parses(block: Block) -> None:
    json.loads(block.text)


def commands_in(text: str) -> Iterator[list[str]]:
    """Give the words of each `rulegate` command of a script, up to a pipe, a redirection or an end."""
    for line in text.replace("\\\n", " ").splitlines():
        if "rulegate " not in line or line.lstrip().startswith("#"):
            continue
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        command: list[str] | None = None
        for word in words:
            if word and set(word) <= set("|&;<>()"):
                if command:
                    yield command
                command = None
            elif word == "rulegate":
                command = []
            elif command is not None:
                command.append(word)
        if command:
            yield command


COMMAND_LINES = [words for block in blocks("sh") for words in commands_in(block.text)]


def leaf_commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for inner in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), inner)
            assert found is not None
            yield from leaf_commands(found, f"{name} {inner}")
    else:
        yield name, command


LEAVES = dict(leaf_commands(main, "rulegate"))


def resolved(words: list[str]) -> tuple[click.Command, list[str]]:
    """Give the command that the words name, and its arguments."""
    name = next(name for name in LEAVES if f"rulegate {' '.join(words)} ".startswith(f"{name} "))
    return LEAVES[name], words[name.count(" ") :]


@pytest.mark.parametrize("words", COMMAND_LINES, ids=" ".join)
def test_a_command_line_is_one_that_the_command_takes(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("body.json", "prompts.jsonl", "cases.jsonl", "model_prices_and_context_window.json"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    command, arguments = resolved([re.sub(r"\$\w+", "0", word) for word in words])
    with command.make_context(words[0], list(arguments)) as context:
        assert context.params or not command.params


def test_the_scripts_were_found() -> None:
    """Guards the reading of scripts: every command but those of the signals stands in one."""
    assert {words[0] for words in COMMAND_LINES} >= {
        "serve",
        "check",
        "explain",
        "report",
        "prices",
        "alerts",
        "simulate",
        "keys",
    }


@pytest.mark.parametrize("page", PAGES)
def test_a_link_leads_somewhere(page: str) -> None:
    for match in LINK.finditer(text_of(page)):
        path, _, anchor = match["target"].partition("#")
        if path.startswith(("http://", "https://")):
            continue
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), match["target"]
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}, match[
                "target"
            ]


# -- the schema


def not_built_below(part: object, name: str, seen: set[tuple[int, str]]) -> Iterator[str]:
    """Give what the schema marks as not built below a part, as `field` and `field: value`."""
    if isinstance(part, list):
        for each in part:
            yield from not_built_below(each, name, seen)
    if not isinstance(part, Mapping) or (id(part), name) in seen:
        return
    seen.add((id(part), name))
    yield from (f"{name}: {value}" for value in part.get("x-not-built-values", ()))
    if "$ref" in part:
        yield from not_built_below(SCHEMA["$defs"][part["$ref"].rsplit("/", 1)[-1]], name, seen)
    for field, child in {**part.get("properties", {}), **part.get("patternProperties", {})}.items():
        if child.get("x-not-built"):
            yield field
        else:
            yield from not_built_below(child, name if field in {"eq", "in"} else field, seen)
    for key in ("items", "additionalProperties", "anyOf"):
        yield from not_built_below(part.get(key), name, seen)


def test_what_is_not_built_yet_is_listed() -> None:
    """The list of the README is the one that the schema's marks give: neither can change alone."""
    written = {
        row[0].strip("`"): set(CODE.findall(row[1])) for row in rows_of("README.md", "| section | not built yet |")
    }
    sections = SCHEMA["properties"]
    whole = {name for name, section in sections.items() if section.get("x-not-built")}
    partly = {name: set(not_built_below(sections[name], name, set())) for name in sections.keys() - whole}
    assert written.pop("(whole sections)", set()) == whole
    assert written == {name: marked for name, marked in partly.items() if marked}


def test_every_section_is_described() -> None:
    rows = rows_of("docs/rules.md", "| section | what it holds |")
    assert set(names_of(rows)) == SCHEMA["properties"].keys() - {"$schema"}
    marked = {name for name, section in SCHEMA["properties"].items() if section.get("x-not-built")}
    assert {row[0].strip("`") for row in rows if row[1] == "not built yet"} == marked


CONDITIONS = {
    **SCHEMA["$defs"]["condition"]["properties"],
    **{
        pattern[1:].split("\\", 1)[0] + ".NAME": part
        for pattern, part in SCHEMA["$defs"]["condition"]["patternProperties"].items()
    },
}
CONDITION_ROWS = rows_of("docs/rules.md", "| condition | what it sees | example |")


def test_every_condition_is_described() -> None:
    assert sorted(names_of(CONDITION_ROWS)) == sorted(CONDITIONS)
    marked = {name for name, part in CONDITIONS.items() if part.get("x-not-built")}
    assert {names_of([row])[0] for row in CONDITION_ROWS if row[1] == "not built yet"} == marked


@pytest.mark.parametrize("row", CONDITION_ROWS, ids=lambda row: row[0])
def test_the_example_of_a_condition_loads(row: list[str]) -> None:
    """The example of a condition that is built compiles; that of another is refused for that alone."""
    example = row[2].strip("`")
    when = example if example.startswith("{") else f"{{{example}}}"
    text = f"rules:\n  - {{name: example, when: {when}, route: cheap}}\n"
    result = compiled(Block("docs/rules.md", 0, "fragment", "yaml", text))
    if row[1] == "not built yet":
        assert isinstance(result, Rejected)
        assert all("not built yet" in problem.message for problem in result.problems)
    else:
        assert isinstance(result, Snapshot), result
        assert names_of([row])[0].partition(".")[0] in example


def test_every_field_of_a_rule_and_every_operator_is_described() -> None:
    definitions = SCHEMA["$defs"]
    fields = definitions["rule"]["properties"]
    assert set(names_of(rows_of("docs/rules.md", "| field | meaning |"))) == {
        name for name, part in fields.items() if not part.get("x-not-built")
    }
    kinds = (definitions["numberCondition"], definitions["textCondition"])
    operators = {name for kind in kinds for part in kind["anyOf"] for name in part.get("properties", {})}
    assert set(names_of(rows_of("docs/rules.md", "| operator | for | meaning |"))) == operators
    limits = definitions["caller"]["properties"]["limits"]
    for header, definition in (
        ("| field of a provider | meaning |", definitions["provider"]),
        ("| edit | effect |", definitions["params"]),
        ("| limit | for | default |", definitions["timeout"]),
        ("| caller | meaning |", definitions["caller"]),
        ("| limit of a caller | what it counts |", limits),
    ):
        assert set(names_of(rows_of("docs/rules.md", header))) == definition["properties"].keys()


def test_every_cloud_is_described() -> None:
    provider = SCHEMA["$defs"]["provider"]["properties"]
    rows = rows_of("docs/rules.md", "| cloud | `kind` | fields | `api_key` | with `api_key: none` |")
    assert {names_of([row])[0]: row[1].strip("`") for row in rows} == providers.KIND_OF_CLOUD
    for row in rows:
        assert set(CODE.findall(row[2])) == provider[names_of([row])[0]]["properties"].keys()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(ways.EXTRAS.values()) <= extras.keys()


def test_every_field_and_kind_of_an_alert_is_described() -> None:
    definitions = SCHEMA["$defs"]
    alert, receiver = definitions["alert"]["properties"], definitions["receiver"]["properties"]
    assert set(names_of(rows_of("docs/rules.md", "| field | meaning |", "alerts"))) == set(alert)
    rows = rows_of("docs/rules.md", "| kind | tells when | incident for each | fields of its own |")
    assert {names_of([row])[0]: set(CODE.findall(row[3])) for row in rows} == {
        kind.value: set(keys) for kind, keys in alerting.KEYS.items()
    }
    not_built = set(alert["kind"]["enum"]) - {kind.value for kind in alerting.KEYS}
    assert set(alert["kind"]["x-not-built-values"]) == not_built
    assert set(names_of(rows_of("docs/rules.md", "| kind | what is sent |"))) == set(receiver["kind"]["enum"])


def test_the_defaults_of_alerts_are_those_that_are_told() -> None:
    told = {names_of([row])[0]: row[1] for row in rows_of("docs/rules.md", "| field | meaning |", "alerts")}
    shares = {kind.value: f"`{share * 100:.0f}%` for `{kind}`" for kind, share in alerting.DEFAULT_SHARES.items()}
    assert all(words in told["above"] for words in shares.values())
    levels = ", ".join(f"{level * 100:.0f}%" for level in alerting.DEFAULT_LEVELS)
    assert f"`[{levels}, {alerting.FORECAST}]`" in told["at"]
    assert f"default {alerting.DEFAULT_MINIMUM}" in told["minimum"]
    assert "`1m` to `1h`; default `5m`, for `unpriced` `1h`" in told["window"]
    assert alerting.WINDOWS_S == (60.0, 3_600.0)
    assert (alerting.DEFAULT_WINDOW_S, alerting.UNPRICED_WINDOW_S) == (300.0, 3_600.0)


def test_the_windows_of_burn_rates_are_those_that_are_told() -> None:
    header = "| period | critical: short and long window, factor | critical | warning |"
    for periods, *told in rows_of("docs/rules.md", header):
        for period in CODE.findall(periods):
            pairs = alert_burn.PAIRS[Calendar(period)]
            words = [f"{span(pair.short_s)}, {span(pair.long_s)}: {pair.factor:g}" for pair in pairs]
            assert told == [*words, *["none"] * (3 - len(words))], period
            severities = [Severity.CRITICAL, Severity.CRITICAL, Severity.WARNING][: len(pairs)]
            assert [pair.severity for pair in pairs] == severities
    told_of = {period for row in rows_of("docs/rules.md", header) for period in CODE.findall(row[0])}
    assert told_of == set(Calendar)
    page, rules = text_of("docs/alerts.md"), text_of("docs/rules.md")
    assert f"a fifth below its factor for {alert_burn.CLEAR_FOR_S / 60:.0f} minutes" in page
    assert (alert_burn.CLEARS_AT, alert_burn.SPARE) == (0.8, 0.05)
    assert f"default `{burning.DEFAULT_AT_LEAST}`" in rules
    assert f"default `{burning.DEFAULT_AHEAD_DAYS}d`" in rules
    assert burning.PAIR_SHARE == 12
    assert f"used in the last {alert_prices.USED_DAYS} days" in rules
    assert f"a month of {alert_prices.MONTH_DAYS} days" in rules
    assert alert_prices.TOLD_FOR_S == 86_400


def test_the_parameters_and_limits_of_spend_are_those_that_are_told() -> None:
    rows = rows_of("docs/http.md", "| parameter | meaning |")
    assert names_of(rows) == [*SPEND_PARAMETERS, *spending.CHOICES]
    assert set(CODE.findall(rows[0][1])) == set(spending.CHOICES)
    assert {"15m", "1h", "1d"} == {step.value for step in Step}
    page = text_of("docs/http.md")
    assert f"at most {spending.MOST_BUCKETS:,} buckets and {spending.MOST_ROWS:,} rows" in page
    assert f"the last {spending.MESSAGES:,} messages of alerts" in page
    assert spending.MESSAGES == alerts_sqlite.SAID_KEPT
    assert all(f"`{kind}`" in page for kind in marks.MARKED)
    example = json.loads(next(block.text for block in blocks("json") if '"shifts"' in block.text))
    row = example["buckets"][0]["rows"][0]
    assert set(example["total"]) == set(Amounts._fields)
    assert set(row) == {*Amounts._fields, *example["by"]}


SPEND_PARAMETERS = ["by", "from", "to", "step", "timezone", "budget"]


def test_the_terms_of_deliveries_are_those_that_are_told() -> None:
    page = text_of("docs/alerts.md")
    assert f"at most four requests at a time, {webhook.TIMEOUT_S:.0f} seconds each" in page
    assert outbox.MOST_IN_FLIGHT == 4
    assert f"up to {outbox.MOST_WAITING:,} messages wait" in page
    assert "after 5 seconds, 5 and 30 minutes, 2, 5, 10, 14, 20 and 24 hours" in page
    hours = (2, 5, 10, 14, 20, 24)
    assert (0, 5, 300, 1_800, *(3_600 * each for each in hours)) == deliveries.SCHEDULE_S
    assert f"5 % below the limit for {alert_budgets.FORECAST_CLEAR_FOR_S / 60:.0f} minutes" in page
    assert f"{HYSTERESIS * 100:.0f} points below it" in page


def test_the_order_of_rules_is_told_as_it_is() -> None:
    """U-29: larger first, ties by file name and then by position; schema and docs state it."""
    rule = "  - {{name: {0}, priority: {1}, when: {{words: {{gt: {2}}}}}, route: cheap}}\n"
    late = "rules:\n" + rule.format("late-5", 5, 1) + rule.format("late-7", 7, 2)
    early = "rules:\n" + rule.format("early-5", 5, 3) + rule.format("early-5-too", 5, 4)
    files = (RuleFile("b.yaml", late.encode()), RuleFile("a.yaml", early.encode()))
    snapshot = Compiler(catalogue.load()).compile((*files, *BESIDE_A_FRAGMENT))
    assert isinstance(snapshot, Snapshot)
    assert [each.name for each in snapshot.rules] == ["late-7", "early-5", "early-5-too", "late-5"]
    told = SCHEMA["$defs"]["rule"]["properties"]["priority"]["description"]
    assert told.endswith("Larger is tried first; default 0. Ties: by file name, then by position.")
    page = text_of("docs/rules.md")
    assert "from the largest `priority` to the smallest" in page
    assert "in the byte order of their files' names, then in their order within the file" in page


def test_the_defaults_that_are_told_are_those_that_hold() -> None:
    told = {row[0].strip("`"): row[2] for row in rows_of("docs/rules.md", "| limit | for | default |")}
    assert told == {name: f"{getattr(Defaults().timeouts, f'{name}_s'):g}s" for name in told}
    snippet = next(block for block in blocks("yaml") if "shipped_categories: true" in block.text)
    snapshot = compiled(snippet)
    assert isinstance(snapshot, Snapshot)
    assert snapshot.defaults == Defaults()


def test_the_bounds_of_the_whole_are_those_that_hold() -> None:
    """U-113: each with its default, under the names of the section `defaults` and of the metrics' labels."""
    fields = SCHEMA["$defs"]["defaults"]["properties"]
    page = text_of("docs/operate.md")
    bounds = {names_of([row])[0]: row[2] for row in rows_of("docs/operate.md", "| bound | of what | default |")}
    assert bounds.keys() <= fields.keys()
    assert {f"max_{bound}" for bound in Shed if bound is not Shed.QUEUE} == bounds.keys()
    assert "{in_flight:d} {lag_s:g}s {bodies_bytes:d} {connections:d}".format_map(asdict(Capacity())) == (
        f"{bounds['max_in_flight']} {bounds['max_lag']} {size_bytes(bounds['max_bodies'])} {bounds['max_connections']}"
    )
    limits = {names_of([row])[0]: row[2] for row in rows_of("docs/operate.md", "| limit | for | default | then |")}
    assert limits.keys() == fields["caller_timeout"]["properties"].keys() == {*map(str, Cut)} - {"connections"}
    assert {name: duration_s(text) for name, text in limits.items()} == {
        name: getattr(Patience(), f"{name}_s") for name in limits
    }
    assert f"{SPARE} more are taken" in page
    assert f"each {SLOWEST_BODY} bytes that come add a second" in page
    assert f"up to {MOST_DESCRIPTORS:,}" in page
    assert f"default {QUEUE}" in text_of("docs/rules.md")
    assert f"default {QUEUE_WAIT_S:g}s" in text_of("docs/rules.md")


def test_every_failure_is_described_as_it_is_treated() -> None:
    """The words, whether the next step is tried, whether the same one is, and whether the model is left alone."""
    rows = rows_of("docs/rules.md", "| failure | when | next step by default | `tries` again | model cools |")
    moves = {"yes": True, "no": False, "never": False}
    told = {row[0].strip("`"): (moves.get(row[2], True), moves[row[3]], row[4].split(",")[0]) for row in rows}
    assert told == {
        each.value: (each in DEFAULT_FALL_BACK_ON, EFFECTS[each].again, EFFECTS[each].cools.value) for each in Failure
    }


# -- commands, endpoints, log, categories


@pytest.mark.parametrize("name", LEAVES)
def test_every_option_is_described(name: str) -> None:
    """Options and arguments with their environment variables are those of the command itself."""
    rows = rows_of("docs/commands.md", "| option | environment | default | meaning |", name)
    told = {row[0].strip("`"): row[1].strip("`") for row in rows}
    shown = [each for each in LEAVES[name].params if not getattr(each, "hidden", False)]
    assert told == {
        each.opts[0] if isinstance(each, click.Option) else str(each.name).upper(): str(each.envvar or "")
        for each in shown
    }


def test_every_command_is_described() -> None:
    headings = re.findall(r"^## (rulegate .*)$", text_of("docs/commands.md"), re.MULTILINE)
    assert sorted(headings) == sorted(LEAVES)
    assert {f"`{command}`" for command in COMMANDS} <= set(re.findall(r"`\w+`", text_of("README.md")))
    assert all(f"`--{option}`" in text_of("docs/commands.md") for option in NOT_BUILT)


def test_the_words_of_a_case_are_described() -> None:
    page = text_of("docs/commands.md")
    assert [word for word in (*RATES, *Api) if f"`{word}`" not in page] == []


def test_every_endpoint_is_described() -> None:
    """The table of endpoints is the application's router; whatever a script asks for is among them."""
    metrics = Metrics(CollectorRegistry(), "0", simulated=False)
    routes = [*inference_routes(cast("Parts", None)), *operations_routes(metrics)]
    app = build_web(cast("Parts", None), cast("Daemon", None), routes)
    found = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource is not None}
    there = {f"{method} {path}" for method, path in found if method not in {"HEAD", "*"}}
    assert set(names_of(rows_of("docs/http.md", "| endpoint | what it does |"))) == there
    paths = {path for _, path in found}
    asked = {path for block in blocks("sh") for path in re.findall(r"\$URL(/[\w/]+)", block.text)}
    assert asked
    assert asked <= paths


async def test_every_header_of_an_answer_is_described(tmp_path: Path) -> None:
    settings = Settings(None, tmp_path, Address("127.0.0.1", 0), simulate=True, simulate_speed=0.0)
    async with (
        running(settings) as daemon,
        aiohttp.ClientSession() as http,
        http.post(f"{daemon.address}/v1/chat/completions", json=body_of("chat") | {"api_key": "x"}) as answer,
        http.post(f"{daemon.address}/v1/messages/count_tokens", json=body_of("chat", model="mini")) as count,
    ):
        names = {name.lower() for each in (answer, count) for name in each.headers}
        got = {name for name in names if name.startswith("x-rulegate-")}
    assert set(names_of(rows_of("docs/http.md", "| header | meaning |", "Response headers"))) == got


def test_the_statuses_are_those_that_callers_get() -> None:
    """Of the gateway's own refusals, and of a request whose only attempt failed in each way."""
    for row in rows_of("docs/http.md", "| failure | status |"):
        failure = Failure(row[0].strip("`"))
        own = 422 if failure is Failure.BAD_REQUEST else 500
        attempt = Attempt(0, "m", "p", failure, error=ProviderError(own), status=own)
        told = own if row[1] == "the provider's own 4xx" else int(row[1][:3])
        assert final_error((attempt,))[0] == told, failure
    told_failures = {Failure(row[0].strip("`")) for row in rows_of("docs/http.md", "| failure | status |")}
    assert told_failures == set(Failure) - {Failure.CANCELLED}
    refusals = {int(row[0]) for row in rows_of("docs/http.md", "| status | for |")}
    assert refusals == set(STATUS.values())


def test_every_column_of_the_log_is_described() -> None:
    assert names_of(rows_of("docs/operate.md", "| column | what it is |")) == list(COLUMNS)


def test_the_limits_of_the_log_are_those_that_are_told() -> None:
    page = text_of("docs/operate.md")
    assert f"one thread, every {journal.BATCH_EVERY_S} seconds" in page
    assert f"up to {journal.MOST_WAITING:,} rows wait" in page
    assert journal.BATCH_EVERY_S * journal.TURNS_OF_REST == 1.0
    assert "is tried again every second" in page
    kept = Defaults()
    assert f"`defaults.retention.days` ({kept.retention_days})" in page
    assert f"`defaults.retention.size` ({kept.retention_bytes // 10**9}GB)" in page
    assert f"batches of {journal.BATCH_EVERY_S} seconds" in text_of("README.md")


def test_every_fault_is_described() -> None:
    assert names_of(rows_of("docs/operate.md", "| fault | what the model does |")) == [fault.value for fault in Fault]


def test_every_metric_is_described() -> None:
    families = Metrics(CollectorRegistry(), "0", simulated=False).registry.collect()
    page = text_of("docs/metrics.md")
    assert [family.name for family in families if family.name not in page] == []


def test_the_shipped_categories_are_described() -> None:
    snapshot = Compiler(catalogue.load()).compile(shipped_rules())
    assert isinstance(snapshot, Snapshot)
    words = {True: "yes", False: "no"}
    assert rows_of("docs/categories.md", "| category | complexity | needs_reasoning |") == [
        [f"`{each.name}`", each.complexity.value, words[each.needs_reasoning]] for each in snapshot.table.categories
    ]
    page = text_of("docs/categories.md")
    limits = (f"first {reading.OPENING:,}", f"last {reading.CLOSING}", f"last {reading.EDGE} characters")
    scores = (f"{complexity.RAISED_FROM:.2f} or more", f"below {complexity.LOWERED_BELOW:.2f}")
    for told in (*limits, *scores, f"{classify.EDGE_FACTOR} times", f"is {complexity.REASONING_FROM:.2f} or more"):
        assert told in page
