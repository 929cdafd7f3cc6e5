"""The commands as a newcomer meets them: exit codes, texts, JSON, and messages that say what to do next."""

import gzip
import json
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import COMMANDS, main
from gateway.cli.rules import compile_rules
from gateway.cli.serve import NOT_BUILT
from gateway.cli.serve import command as serve
from gateway.domain.caller import Caller
from gateway.domain.snapshot import Snapshot
from tests.config.test_compile import SHIPPED

REGISTRY = """\
providers: {local: {kind: openai, api_key: none, base_url: "http://127.0.0.1:8000/v1"}}
models:
  small: {provider: local, model: small-1, price: free}
  large: {provider: local, model: large-1, price: free}
"""
GOOD = f"""{REGISTRY}rules:
  - {{name: code, priority: 1, when: {{category: code_generation}}, route: [large, small]}}
  - {{name: rest, route: [small, large]}}
tests:
  - {{name: code is code, request: {{prompt: "Write a Python function"}}, expect: {{rule: code}}}}
"""
LABELLED = Path(__file__).parents[3] / "shared" / "eval" / "routing" / "dev" / "taskkind.jsonl.gz"


def run(*arguments: str, given: str | bytes | None = None, **environment: str) -> Result:
    return CliRunner(env={"NO_COLOR": None, **environment}).invoke(main, arguments, input=given)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    directory = tmp_path / "rules.d"
    directory.mkdir()
    (directory / "a.yaml").write_text(GOOD)
    return directory


def spoil(rules: Path, old: str, new: str) -> None:
    text = (rules / "a.yaml").read_text()
    assert old in text
    (rules / "a.yaml").write_text(text.replace(old, new))


@pytest.mark.parametrize(
    "command",
    [
        (),
        *((name,) for name in COMMANDS),
        ("keys", "add"),
        *(("prices", each) for each in ("show", "compare", "cost")),
        *(("alerts", each) for each in ("test", "silence", "accept", "replay")),
    ],
    ids=" ".join,
)
def test_every_command_has_help(command: tuple[str, ...]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


@pytest.mark.parametrize(
    ("typed", "meant"), [("chek", "check"), ("validate", "check"), ("run", "serve"), ("replay", "alerts replay")]
)
def test_a_command_by_a_wrong_name_is_told_the_one_that_is_meant(typed: str, meant: str) -> None:
    result = run(typed)
    assert result.exit_code == 2
    assert f"there is no command '{typed}': did you mean '{meant}'?" in result.stderr


# check


def test_check_says_ok_and_counts(rules: Path) -> None:
    result = run("check", "--rules", str(rules))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"ok {rules}: 1 file, 2 rules, 2 models, 1 test\n"


def test_check_names_every_problem_at_its_place_and_fails(rules: Path) -> None:
    spoil(rules, "route: [small, large]", "route: [smal, large], x: 1")
    result = run("check", "--rules", str(rules))
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{rules}/a.yaml:7:40: unknown field 'x' in a rule")
    assert result.stdout.endswith(f"FAILED {rules}: 1 problem\n")


def test_check_fails_on_a_failing_test_and_not_on_an_advisory_one(rules: Path) -> None:
    """U-89: the verdict of `check` is the daemon's, tests included."""
    spoil(rules, "expect: {rule: code}", "expect: {rule: rest}")
    result = run("check", "--rules", str(rules))
    assert result.exit_code == 1
    assert f"{rules}/a.yaml:9:12: test 'code is code' failed: rule is code, expected rest" in result.stdout
    spoil(rules, "name: code is code", "name: code is code, advisory: true")
    result = run("check", "--rules", str(rules))
    assert result.exit_code == 0
    assert f"warning: {rules}/a.yaml:9:12: test 'code is code' failed" in result.stdout


def test_check_lists_the_secrets_that_serve_needs_and_needs_none(rules: Path) -> None:
    """U-92."""
    spoil(rules, "api_key: none", "api_key: {env: SOME_KEY}")
    needs = f"serve needs: {rules}/a.yaml:1:13: provider 'local' needs environment variable SOME_KEY"
    assert needs in run("check", "--rules", str(rules)).stdout
    assert needs not in run("check", "--rules", str(rules), SOME_KEY="x").stdout


@pytest.mark.parametrize("flag", [("--json",), ("--format", "json")])
def test_check_as_json(rules: Path, flag: tuple[str, ...]) -> None:
    assert json.loads(run("check", "--rules", str(rules), *flag).stdout) == {
        "ok": True,
        "problems": [],
        "warnings": [],
        "needs": [],
    }
    spoil(rules, "[small, large]", "[smal, large]")
    result = run("check", "--rules", str(rules), *flag)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["problems"] == [
        {
            "file": "a.yaml",
            "line": 7,
            "column": 26,
            "message": "there is no model 'smal'",
            "hint": "did you mean 'small'?",
        }
    ]


def test_check_for_github_annotates_lines(rules: Path) -> None:
    spoil(rules, "[small, large]}", "[smal, large]}")
    result = run("check", "--rules", str(rules), "--format", "github")
    assert result.exit_code == 1
    assert result.stdout == (
        f"::error file={rules}/a.yaml,line=7,col=26::there is no model 'smal' (did you mean 'small'?)\n"
    )


def test_what_stands_in_an_annotation_is_escaped(tmp_path: Path) -> None:
    directory = tmp_path / "50%, a:b"
    directory.mkdir()
    (directory / "a.yaml").write_text("rules: 5%")
    (line,) = run("check", "--rules", str(directory), "--format", "github").stdout.splitlines()
    assert "50%25%2C a%3Ab/a.yaml,line=1" in line


@pytest.mark.parametrize("command", ["check", "test", "explain"])
def test_a_directory_that_is_not_there_or_empty_is_told(command: str, tmp_path: Path) -> None:
    """U-126."""
    more = ("hello",) if command == "explain" else ()
    result = run(command, *more, "--rules", str(tmp_path / "nowhere"))
    assert result.exit_code == 1
    assert f"{tmp_path}/nowhere is not there: write rules to begin with: rulegate init DIR" in result.stderr
    assert "give another directory with --rules DIR" in result.stderr
    result = run(command, *more, "--rules", str(tmp_path))
    assert result.exit_code == 1
    assert (
        f"there is no rule file here (add a file that ends in .yaml, or have some written: rulegate init {tmp_path}"
        in (result.output)
    )


@pytest.mark.parametrize("command", ["check", "test", "explain"])
@pytest.mark.parametrize("text", ["", "defaults: {prefer: cost}\n"])
def test_files_without_a_rule_and_a_model_are_refused_as_the_daemon_does(
    command: str, text: str, tmp_path: Path
) -> None:
    """One verdict: what `serve` would not start with is not called ok."""
    (tmp_path / "a.yaml").write_text(text)
    result = run(command, *(("hello",) if command == "explain" else ()), "--rules", str(tmp_path))
    assert result.exit_code == 1
    assert "the rule files are empty" in result.output


def test_without_a_directory_the_shipped_rules_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "ok the shipped rules: 7 files" in run("check").stdout
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d" / "a.yaml").write_text(GOOD)
    assert "ok rules.d: 1 file" in run("check").stdout
    assert "1 file" in run("check", RULEGATE_RULES="rules.d").stdout


# test


def test_the_tests_are_told_with_the_rules_that_none_reaches(rules: Path) -> None:
    result = run("test", "--rules", str(rules))
    assert result.exit_code == 0
    assert result.stdout == (
        "ok   code is code\n1 passed, 0 failed; rules with a test: 1 of 2\nno test reaches: rest\n"
    )


def test_a_failing_test_fails_the_command(rules: Path) -> None:
    spoil(rules, "expect: {rule: code}", "expect: {rule: rest}")
    result = run("test", "--rules", str(rules))
    assert result.exit_code == 1
    assert f"FAIL {rules}/a.yaml:9:12: test 'code is code' failed: rule is code, expected rest" in result.stdout


def test_the_tests_as_json(rules: Path) -> None:
    expected = {"name": "code is code", "file": "a.yaml", "line": 9, "rule": "code", "failed": []}
    assert json.loads(run("test", "--json", "--rules", str(rules)).stdout) == {
        "ok": True,
        "problems": [],
        "tests": [expected],
        "untested_rules": ["rest"],
    }
    spoil(rules, "[small, large]", "[smal, large]")
    result = run("test", "--json", "--rules", str(rules))
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["ok"], found["problems"][0]["message"]) == (False, "there is no model 'smal'")


def test_a_shadow_rule_counts_as_reached_where_it_would_have_taken_the_request(rules: Path) -> None:
    spoil(rules, "rules:", "rules:\n  - {name: watched, priority: 5, mode: shadow, route: [small, large]}")
    assert "no test reaches: rest\n" in run("test", "--rules", str(rules)).stdout


# explain


def test_explain_tells_rule_reason_and_what_was_tried(rules: Path) -> None:
    result = run("explain", "hello", "--rules", str(rules))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "rule        rest (a.yaml:7, priority 0)"
    assert lines[2].startswith("model       small, then large; about 0.000000 USD")
    assert "  code (a.yaml:6): needs category: code_generation; saw category unsure" in lines


def test_explain_as_json_for_a_prompt_a_body_and_a_header(rules: Path) -> None:
    by_prompt = json.loads(run("explain", "--json", "hello", "--rules", str(rules)).stdout)
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hello"}]})
    by_body = json.loads(run("explain", "--json", "--body", "-", "--rules", str(rules), given=body).stdout)
    assert by_body == by_prompt
    assert by_prompt["rule"] == "rest"
    spoil(rules, "when: {category: code_generation}", "when: {header.x-app: shop}")
    told = run("explain", "--json", "hello", "--header", "X-App: shop", "--rules", str(rules)).stdout
    assert json.loads(told)["rule"] == "code"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "give one of: a PROMPT, --body FILE, --id ID, --jsonl FILE"),
        (("hello", "--id", "x"), 2, "give one of: a PROMPT, --body FILE, --id ID, --jsonl FILE"),
        (("hello", "--header", "x"), 2, "'x' is no header: write NAME:VALUE"),
        (("--id", "0190-nope", "--data", "nowhere"), 1, "there is no row 0190-nope under nowhere"),
        (("--body", "no-such-file"), 2, "No such file"),
    ],
)
def test_what_explain_cannot_answer_is_told(arguments: tuple[str, ...], code: int, message: str, rules: Path) -> None:
    result = run("explain", *arguments, "--rules", str(rules))
    assert result.exit_code == code
    assert message in result.stderr


def test_a_line_in_is_a_line_out(rules: Path) -> None:
    prompts = [{"id": 7, "prompt": "Write a Python function", "label": "x"}, {"id": "\u00e9", "prompt": "hello"}]
    given = "\n\n".join(json.dumps(each) for each in prompts) + "\n"
    result = run("explain", "--jsonl", "-", "--rules", str(rules), given=given)
    assert result.exit_code == 0
    first, second = [json.loads(line) for line in result.stdout.splitlines()]
    assert list(first) == ["id", "rule", "category", "confidence", "score", "model"]
    assert (first["id"], first["rule"], first["category"], first["model"]) == (7, "code", "code_generation", "large")
    assert (second["id"], second["rule"], second["model"]) == ("\u00e9", "rest", "small")
    assert 0 <= second["score"] <= first["confidence"] <= 1


def test_a_line_that_nothing_answers_to_has_no_rule(rules: Path) -> None:
    spoil(rules, "  - {name: rest, route: [small, large]}\n", "")
    result = run("explain", "--jsonl", "-", "--rules", str(rules), given='{"id": 1, "prompt": "hello"}')
    assert json.loads(result.stdout)["rule"] is None


@pytest.mark.parametrize(
    "line", [b"{", b'{"id": 1}', b'{"id": 1, "prompt": 5}', b"[]", b"5", b'{"id": 1, "prompt": "\xff"}', b"[" * 100_000]
)
def test_a_bad_line_is_named_by_its_number_in_the_file(line: bytes, rules: Path) -> None:
    given = b'{"id": 1, "prompt": "hello"}\n\n' + line + b"\n"
    result = run("explain", "--jsonl", "-", "--rules", str(rules), given=given)
    assert result.exit_code == 1
    assert 'line 3 is not {"id": ..., "prompt": ...}' in result.stderr


def test_thousands_of_lines_are_explained(rules: Path) -> None:
    given = "".join(json.dumps({"id": n, "prompt": f"Translate number {n} into French"}) + "\n" for n in range(2000))
    result = run("explain", "--jsonl", "-", "--rules", str(rules), given=given)
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == list(range(2000))


@pytest.mark.skipif(not LABELLED.exists(), reason=f"NOT MEASURED: the labelled prompts are not at {LABELLED}")
def test_six_of_ten_labelled_prompts_find_their_category(tmp_path: Path) -> None:
    """The shipped rules, untaught, through the command as its users pipe it."""
    with gzip.open(LABELLED, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    given = "".join(json.dumps({"id": row["id"], "prompt": row["prompt"]}) + "\n" for row in rows)
    for file in SHIPPED:
        (tmp_path / file.name).write_bytes(file.data)
    result = run("explain", "--jsonl", "-", "--rules", str(tmp_path), given=given)
    assert result.exit_code == 0, result.stderr
    named = {each["id"]: each["category"] for each in map(json.loads, result.stdout.splitlines())}
    assert len(named) == len(rows)
    assert sum(named[row["id"]] == row["label"] for row in rows) / len(rows) >= 0.60


def test_explain_asks_for_a_caller(rules: Path) -> None:
    """A rule for a caller, and the lock of its models, are explained as they hold for it."""
    spoil(rules, "when: {category: code_generation}", "when: {caller: bot}")
    spoil(rules, "expect: {rule: code}", "expect: {rule: rest}")
    (rules / "bot.yaml").write_text(run("keys", "add", "bot", "--models", "small").stdout)
    (rules / "out.yaml").write_text(run("keys", "add", "out", "--models", "large").stdout)
    told = json.loads(run("explain", "--json", "hello", "--caller", "bot", "--rules", str(rules)).stdout)
    assert (told["rule"], told["chain"]) == ("code", ["small"])
    assert json.loads(run("explain", "--json", "hello", "--rules", str(rules)).stdout)["rule"] == "rest"
    spoil(rules, "route: [small, large]", "route: [small]")
    locked = run("explain", "hello", "--caller", "out", "--rules", str(rules))
    assert locked.stdout.startswith("refused     rule rest has no model for caller out, who may use large\n")
    nobody = run("explain", "hello", "--caller", "boot", "--rules", str(rules))
    assert (nobody.exit_code, "there is no caller 'boot'; there is bot, out" in nobody.stderr) == (1, True)


# keys


def test_a_key_is_shown_with_its_hash_and_is_new_each_time() -> None:
    made = [json.loads(run("keys", "add", "bot", "--json").stdout) for _ in range(2)]
    for each in made:
        assert each["key"].startswith("rg-")
        assert len(each["key"]) >= 32
        digest = subprocess.run(["sha256sum"], input=each["key"].encode(), capture_output=True, check=True).stdout
        assert digest.decode().split()[0] == each["key_sha256"]
    assert made[0]["key"] != made[1]["key"]


def test_the_entry_of_a_key_is_a_file_that_loads_and_holds_no_key(rules: Path) -> None:
    """U-109 U-114: what goes to standard output is the file, what goes to standard error the key, this once."""
    plain = run("keys", "add", "bot")
    key = plain.stderr.removeprefix("key for bot, shown this once: ").strip()
    assert key.startswith("rg-")
    assert key not in plain.stdout
    more = ("--team", "growth", "--tag", "a", "--tag", "b", "--models", "small, large", "--expires", "2099-12-31")
    (rules / "bot.yaml").write_text(plain.stdout)
    (rules / "all.yaml").write_text(run("keys", "add", "no", *more, "--operator").stdout)
    snapshot = compile_rules(rules)
    assert isinstance(snapshot, Snapshot), snapshot
    assert snapshot.callers.holder(key) == Caller("bot")
    assert snapshot.callers.named("no") == Caller(
        "no",
        "growth",
        frozenset({"a", "b"}),
        frozenset({"small", "large"}),
        datetime(2100, 1, 1, tzinfo=UTC),
        operator=True,
    )


def test_the_entry_of_a_key_as_json() -> None:
    told = json.loads(run("keys", "add", "bot", "--json", "--team", "growth", "--operator").stdout)
    assert (list(told), told["team"], told["operator"]) == (
        ["name", "key", "key_sha256", "team", "operator"],
        "growth",
        True,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("b o t",), "'b o t' is not a name"),
        (("bot", "--team", ": x"), "': x' is not a name"),
        (("bot", "--models", 'a", b'), "is not a name"),
        (("bot", "--expires", "soon"), "'soon' is not a date such as 2026-12-31"),
        (("bot", "--expires", "2026-13-01"), "'2026-13-01' is no date: month must be in 1..12"),
        ((), "Missing argument 'NAME'"),
    ],
)
def test_an_entry_that_would_not_load_is_not_made(arguments: tuple[str, ...], message: str) -> None:
    result = run("keys", "add", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in " ".join(result.stderr.split())


def test_check_warns_of_keys_that_end_within_fourteen_days(rules: Path) -> None:
    now = datetime.now(UTC)  # noqa: TID251 - the command has no other clock
    for name, days in (("gone", -3), ("soon", 5), ("later", 30)):
        expires = (now + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        (rules / f"{name}.yaml").write_text(run("keys", "add", name, "--expires", expires).stdout)
    result = run("check", "--rules", str(rules))
    assert result.exit_code == 0
    told = [line for line in result.stdout.splitlines() if "key of caller" in line]
    assert [line.partition(" at ")[0] for line in told] == [
        f"warning: {rules}/gone.yaml:2:3: the key of caller 'gone' expired",
        f"warning: {rules}/soon.yaml:2:3: the key of caller 'soon' expires",
    ]
    warned = json.loads(run("check", "--json", "--rules", str(rules)).stdout)["warnings"]
    assert sum("key of caller" in each["message"] for each in warned) == 2


# serve and simulate


@pytest.mark.parametrize("name", NOT_BUILT)
def test_an_option_that_is_not_built_is_refused_by_name(name: str) -> None:
    variable = f"RULEGATE_{name.upper().replace('-', '_')}"
    for result in (run("serve", f"--{name}", "x"), run("serve", **{variable: "x"})):
        assert result.exit_code == 2
        assert f"--{name} is not built yet" in result.stderr


def test_every_option_of_serve_is_also_a_variable() -> None:
    for option in serve.params:
        name = option.opts[0].removeprefix("--")
        assert option.envvar == f"RULEGATE_{name.upper().replace('-', '_')}"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RULEGATE_LISTEN": "nowhere"}, "'nowhere' is not an address: write HOST:PORT, such as 127.0.0.1:8080"),
        ({"RULEGATE_OPS": "9090", "RULEGATE_SIMULATE": "1"}, "'9090' is not an address: write HOST:PORT"),
        ({"RULEGATE_OPS": ":8080", "RULEGATE_SIMULATE": "1"}, "it is the address of --listen, which has all of it"),
        ({"RULEGATE_RULES": "nowhere"}, "nowhere is not there: write rules to begin with: rulegate init DIR"),
        ({"RULEGATE_LOG_LEVEL": "loud"}, "'loud' is not one of"),
        ({"RULEGATE_LOG_FORMAT": "xml"}, "'xml' is not one of"),
        ({"RULEGATE_SIMULATE": "perhaps"}, "'perhaps' is not a valid boolean"),
        ({}, "there is no ./rules.d here: write rules to begin with: rulegate init; or give the directory"),
    ],
)
def test_serve_refuses_what_it_cannot_do(
    variables: dict[str, str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-109, U-126: before anything is opened, with the remedy."""
    monkeypatch.chdir(tmp_path)
    result = run("serve", **variables)
    assert result.exit_code != 0
    assert message in " ".join(result.stderr.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--fault", "gpt-5"), "'gpt-5' is not MODEL=FAULT, with a fault of rate_limited"),
        (("--fault", "gpt-5=tired"), "'gpt-5=tired' is not MODEL=FAULT"),
        (("--listen", "0.0.0.0:1"), "0.0.0.0 can be reached from other machines: listen on 127.0.0.1"),
        (("--speed", "-1"), "-1.0 is not in the range"),
    ],
)
def test_simulate_refuses_what_it_cannot_do(arguments: tuple[str, ...], message: str) -> None:
    result = run("simulate", *arguments)
    assert result.exit_code != 0
    assert message in " ".join(result.stderr.split())


# Colours


def in_a_terminal(*arguments: str, **environment: str) -> bytes:
    ours, theirs = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", *arguments], stdout=theirs, stderr=theirs, env={**kept, **environment}
    ) as process:
        process.wait()
        os.close(theirs)
        told = os.read(ours, 100_000)
        os.close(ours)
    return told


def test_a_terminal_gets_colours_unless_no_color_is_set(rules: Path) -> None:
    assert b"\x1b[32mok" in in_a_terminal("check", "--rules", str(rules))
    assert b"\x1b" not in in_a_terminal("check", "--rules", str(rules), NO_COLOR="1")


def test_a_pipe_gets_no_colours_and_the_module_does_what_the_command_does(rules: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "gateway", "check", "--rules", str(rules)], capture_output=True, check=True
    )
    assert told.stdout.decode() == run("check", "--rules", str(rules)).stdout
    assert b"\x1b" not in told.stdout
