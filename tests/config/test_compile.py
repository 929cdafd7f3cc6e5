"""Sets of rule files: a Snapshot or all Problems, whatever the bytes, and never depending on the order of the files."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config import catalogue, packaged
from gateway.config.categories import all_at_once
from gateway.config.compile import Compiler
from gateway.domain.budget import OnStoreFailure
from gateway.domain.registry import EnvSecret
from gateway.domain.rule import RetryBudget
from gateway.domain.snapshot import Rejected, RuleFile, Snapshot
from gateway.domain.words import DEFAULT_FALL_BACK_ON, Affinity, Failure, Mode, Prefer
from gateway.engine.classify import one_by_one
from gateway.engine.features import Features
from gateway.engine.match import first_miss

CATALOGUE = catalogue.load()
COMPILER = Compiler(CATALOGUE)
BROKEN = sorted((Path(__file__).parent.parent / "cases" / "broken").glob("*.yaml"))
SHIPPED = tuple(
    RuleFile(name, packaged.read(f"rules.d/{name}")) for name in packaged.names("rules.d") if name.endswith(".yaml")
)
REGISTRY = """\
providers: {openai: {kind: openai, api_key: {env: OPENAI_API_KEY}}}
models:
  mini: {provider: openai, model: gpt-5-mini}
  gpt: {provider: openai, model: gpt-5}
"""


def files(*texts: str) -> tuple[RuleFile, ...]:
    return tuple(RuleFile(f"{place}.yaml", text.encode()) for place, text in enumerate(texts))


def compiled(*texts: str) -> Snapshot:
    result = COMPILER.compile(files(*texts))
    assert not isinstance(result, Rejected), "\n".join(map(str, result.problems))
    return result


def told(*texts: str) -> list[str]:
    result = COMPILER.compile(files(*texts))
    return [str(problem) for problem in result.problems] if isinstance(result, Rejected) else []


# Bytes


PIECES = st.sampled_from(
    [
        *(b"rules:\n", b"- ", b"  ", b"name: a\n", b"route: [m]\n", b"models: ", b"{", b"}", b"[", b"]", b": ", b"\n"),
        *(b"when: {", b"matches: '('", b"\xff", b"\x00", b"&a ", b"*a", b"!!python/none", b"---\n", b"#", b"'", b'"'),
        *(b"chains: {c: [m, c]}\n", b"tests: [", b"categories: {x: {keywords: {a: .inf}}}\n", b"<<: ", b"\xef\xbb\xbf"),
        *(b"defaults: {prefer: cost}\n", b"providers: {p: {kind: openai, api_key: none, base_url: 'http://['}}\n"),
    ]
)
GARBAGE = st.binary(max_size=60) | st.lists(PIECES, max_size=14).map(b"".join)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Give a shipped file with a piece cut out, put in or doubled."""
    data = draw(st.sampled_from(SHIPPED)).data
    at, length = draw(st.integers(0, len(data))), draw(st.integers(0, 12))
    return data[:at] + draw(PIECES | st.just(b"")) + data[at + length :]


@settings(deadline=None, max_examples=60)
@given(GARBAGE | damaged())
def test_any_bytes_compile_to_a_snapshot_or_to_problems(data: bytes) -> None:
    for beside in ((), SHIPPED[-1:]):
        result = COMPILER.compile((RuleFile("any.yaml", data), *beside))
        if isinstance(result, Rejected):
            assert result.problems
            assert list(result.problems) == sorted(set(result.problems))
        assert result.fingerprint == COMPILER.fingerprint((RuleFile("any.yaml", data), *beside))


@pytest.mark.parametrize("name", ["caf\u00e9.yaml", "a b.yaml", "\udcff.yaml"])
def test_any_name_of_a_file_compiles(name: str) -> None:
    assert isinstance(COMPILER.compile((RuleFile(name, REGISTRY.encode()),)), Snapshot)


# Order


def shape(result: Snapshot | Rejected) -> object:
    if isinstance(result, Rejected):
        return result
    rules = [(rule.name, rule.priority, rule.file, rule.mark, rule.mode) for rule in result.rules]
    tests = [(test.name, test.file) for test in result.tests]
    return result.fingerprint, rules, tests, dict(result.models), dict(result.providers), result.warnings, result.files


@settings(deadline=None, max_examples=15)
@given(st.permutations(SHIPPED), st.sampled_from([None, *BROKEN]))
def test_the_order_in_which_files_are_given_never_matters(order: list[RuleFile], broken: Path | None) -> None:
    more = [RuleFile(broken.name, broken.read_bytes())] if broken else []
    assert shape(COMPILER.compile((*more, *order))) == shape(COMPILER.compile((*SHIPPED, *more)))


RULE = st.tuples(st.sampled_from([-1, 0, 0, 7]), st.sampled_from(["{}", "{words: {lt: 3}}", "{stream: true}"]))


@settings(deadline=None, max_examples=15)
@given(st.lists(st.lists(RULE, min_size=1, max_size=3), min_size=2, max_size=4))
def test_the_order_of_files_never_changes_a_decision(drawn: list[list[tuple[int, str]]]) -> None:
    texts = [
        "rules:\n"
        + "".join(
            f"  - {{name: r{file}-{place}, priority: {priority}, when: {when}, route: [mini, gpt]}}\n"
            for place, (priority, when) in enumerate(rules)
        )
        for file, rules in enumerate(drawn)
    ]
    given_files = files(*texts, REGISTRY)
    worlds: list[dict[str, object]] = [
        {"model": "auto", "words@user": words, "stream": stream} for words in (1, 5) for stream in (True, False)
    ]
    decisions = {
        tuple(taker(COMPILER.compile(order), world) for world in worlds)
        for order in itertools.islice(itertools.permutations(given_files), 6)
    }
    assert len(decisions) == 1
    expected = sorted(
        ((-priority, file, place) for file, rules in enumerate(drawn) for place, (priority, _) in enumerate(rules))
    )
    snapshot = COMPILER.compile(given_files[::-1])
    assert isinstance(snapshot, Snapshot)
    assert [rule.name for rule in snapshot.rules] == [f"r{file}-{place}" for _, file, place in expected]


def taker(result: Snapshot | Rejected, world: dict[str, object]) -> str | None:
    assert isinstance(result, Snapshot)
    features = Features.recorded(world)
    return next((rule.name for rule in result.rules if first_miss(rule.when, features) is None), None)


# Twice, and anew


@settings(deadline=None, max_examples=4)
@given(
    st.lists(
        st.lists(st.sampled_from([*SHIPPED, *files(REGISTRY, "rules: [", "rules: []")]), max_size=4, unique=True),
        min_size=1,
        max_size=4,
    )
)
def test_a_compiler_that_is_used_again_gives_what_a_fresh_one_gives(sets: list[list[RuleFile]]) -> None:
    used = Compiler(CATALOGUE)
    for each in [*sets, *sets]:
        assert shape(used.compile(tuple(each))) == shape(Compiler(CATALOGUE).compile(tuple(each)))


def test_the_fingerprint_is_that_of_names_and_bytes() -> None:
    one = files(REGISTRY)
    fingerprints = {
        COMPILER.compile(each).fingerprint
        for each in (one, (*one, RuleFile("z.yaml", b"")), files(f"{REGISTRY} "), (RuleFile("z.yaml", one[0].data),))
    }
    assert len(fingerprints) == 4
    assert COMPILER.compile(one).fingerprint == Compiler(CATALOGUE).compile(one).fingerprint
    moved = (RuleFile("a", b"bc"),), (RuleFile("ab", b"c"),), (RuleFile("a", b"b"), RuleFile("c", b""))
    assert len({COMPILER.fingerprint(each) for each in moved}) == 3


# Over several files


TWICE = {
    "models": ("models: {mini: {provider: openai, model: gpt-5}}", "1:10: models: 'mini'", "0.yaml:3"),
    "providers": ("providers: {openai: {kind: openai, api_key: none}}", "1:13: providers: 'openai'", "0.yaml:1"),
    "chains": ("chains: {c: [mini]}", "1:10: chains: 'c'", "0.yaml:5"),
    "categories": ("categories: {k: {}}", "1:14: categories: 'k'", "0.yaml:6"),
    "rules": ("rules: [{name: r, route: [mini]}]", "1:16: rule 'r'", "0.yaml:7"),
    "tests": (
        "tests: [{name: t, request: {prompt: x}, expect: {refused: true}}]",
        "1:16: test 't'",
        "0.yaml:8",
    ),
    "defaults": ("defaults: {prefer: cost}", "1:12: defaults: 'prefer'", "0.yaml:9"),
}
ALL_SECTIONS = f"""{REGISTRY}chains: {{c: [gpt]}}
categories: {{k: {{}}}}
rules: [{{name: r, route: [gpt]}}]
tests: [{{name: t, request: {{prompt: y}}, expect: {{rule: r}}}}]
defaults: {{prefer: speed}}
"""


@pytest.mark.parametrize("section", TWICE)
def test_a_name_that_two_files_define_is_told_with_both_places(section: str) -> None:
    text, what, first = TWICE[section]
    hint = f"it stands at {first} too; a name may be defined once over all files"
    assert told(ALL_SECTIONS, text) == [f"1.yaml:{what} is defined twice ({hint})"]


@pytest.mark.parametrize("section", sorted(TWICE.keys() - {"rules", "tests"}))
def test_a_key_that_one_file_has_twice_is_told(section: str) -> None:
    entry = TWICE[section][0].partition("{")[2].removesuffix("}")
    (problem,) = told(REGISTRY.replace("models:", "x:") if section == "x" else f"{section}: {{{entry}, {entry}}}")
    assert "duplicate key" in problem


def test_sections_of_several_files_are_one() -> None:
    snapshot = compiled(
        "rules: [{name: a, route: c}]\ndefaults: {prefer: cost}",
        "chains: {c: [mini, gpt]}\ndefaults: {deadline: 9s}",
        "models: {mini: {provider: openai, model: gpt-5-mini}, gpt: {provider: openai, model: gpt-5}}",
        "providers: {openai: {kind: openai, api_key: {env: K}}}",
    )
    assert [rule.name for rule in snapshot.rules] == ["a"]
    assert (snapshot.defaults.prefer, snapshot.defaults.deadline_s) == (Prefer.COST, 9.0)
    assert snapshot.providers["openai"].api_key == EnvSecret("K")


def test_the_problems_of_all_files_are_given_at_once() -> None:
    problems = told(f"{REGISTRY}x: 1", "rules: [{name: a, route: [mini], when: {time: {timezone: X}}}]", "rules: [")
    assert [problem.partition(": ")[0] for problem in problems] == ["0.yaml:5:1", "1.yaml:1:58", "2.yaml:1:9"]


@pytest.mark.parametrize("trouble", ["[", "x: 1", "models: {a: 5}"])
def test_a_file_that_cannot_be_read_makes_nothing_missing_in_others(trouble: str) -> None:
    """What a rule refers to may stand in the file that does not parse; only that file is told."""
    others = (
        "rules: [{name: a, route: [mini]}, {name: b, route: strong}, {name: c, when: {category: law}, route: gpt}]",
        "models: {mini: {provider: elsewhere, model: x}, gpt: {provider: elsewhere, model: y}}",
        "chains: {c: [a, far, {split: {far: 1}}], a: [mini]}",
        "tests: [{name: t, request: {prompt: x}, expect: {rule: z, model: z, category: z, chain: z}}]",
    )
    problems = told(trouble, *others)
    assert problems
    assert all(problem.startswith("0.yaml:") for problem in problems)
    assert {problem.partition(":")[0] for problem in told("{}", *others)} == {f"{n}.yaml" for n in (1, 2, 3, 4)}


def test_what_is_wrong_in_itself_is_told_beside_a_file_that_cannot_be_read() -> None:
    problems = told(
        "[", "categories: {a: {patterns: ['(']}}", "models: {a: {provider: p, model: x}, auto: {provider: p, model: y}}"
    )
    assert [problem.partition(":")[0] for problem in problems] == ["0.yaml", "1.yaml", "2.yaml"]


# What comes out


def test_rules_that_are_off_are_left_out_and_checked() -> None:
    snapshot = compiled(
        f'{REGISTRY}rules: [{{name: a, mode: "off", route: [mini]}}, {{name: b, mode: shadow, route: [mini]}}]'
    )
    assert [(rule.name, rule.mode) for rule in snapshot.rules] == [("b", Mode.SHADOW)]
    assert told(f'{REGISTRY}rules: [{{name: a, mode: "off", route: [mni]}}]')


def test_an_upstream_id_of_two_models_names_neither() -> None:
    snapshot = compiled(f"{REGISTRY}  twin: {{provider: openai, model: gpt-5}}")
    assert dict(snapshot.by_upstream) == {"gpt-5-mini": "mini"}


def test_the_defaults_are_those_of_the_design() -> None:
    defaults = compiled("").defaults
    assert (defaults.prefer, defaults.deadline_s, defaults.max_body_bytes) == (Prefer.BALANCED, 600.0, 32_000_000)
    assert (defaults.retention_days, defaults.retention_bytes, defaults.allow_empty) == (30, 5_000_000_000, False)
    assert defaults.fall_back_on == DEFAULT_FALL_BACK_ON
    assert defaults.timeouts == compiled("defaults: {timeout: {}}").defaults.timeouts


DEFAULTS = {
    "prefer": ("speed", "prefer", Prefer.SPEED),
    "timeout": ("{idle: 7s}", "timeouts.idle_s", 7.0),
    "deadline": ("90s", "deadline_s", 90.0),
    "fall_back_on": ("[timeout]", "fall_back_on", frozenset({Failure.TIMEOUT})),
    "max_body": ("1MiB", "max_body_bytes", 1_048_576),
    "retention": ("{days: 7}", "retention_days", 7),
    "allow_empty": ("true", "allow_empty", True),
    "affinity": ("none", "affinity", Affinity.NONE),
    "drain_timeout": ("90s", "drain_timeout_s", 90.0),
    "strict_params": ("true", "strict_params", True),
    "keepalive": ("5s", "courtesy.keepalive_s", 5.0),
    "commit_after": ("45s", "courtesy.commit_after_s", 45.0),
    "on_disconnect": ("drain", "courtesy.drains", True),
    "retry_budget": ("{share: 12.5%, at_least: 7/min}", "retry_budget", RetryBudget(0.125, 7)),
    "max_in_flight": ("50", "capacity.in_flight", 50),
    "max_connections": ("70", "capacity.connections", 70),
    "max_bodies": ("100MB", "capacity.bodies_bytes", 100_000_000),
    "max_lag": ("250ms", "capacity.lag_s", 0.25),
    "caller_timeout": ("{idle: 1m}", "patience.idle_s", 60.0),
}


def test_the_log_is_kept_by_days_and_by_size() -> None:
    """U-101: each with its own default where only the other is written."""
    for written, days, size in (
        ("days: 7", 7, 5 * 10**9),
        ("size: 1GiB", 30, 2**30),
        ("size: 2MB, days: 1", 1, 2 * 10**6),
    ):
        defaults = compiled(f"defaults: {{retention: {{{written}}}}}").defaults
        assert (defaults.retention_days, defaults.retention_bytes) == (days, size)


@pytest.mark.parametrize("key", DEFAULTS)
def test_a_default_that_is_written_holds(key: str) -> None:
    written, place, expected = DEFAULTS[key]
    value: object = compiled(f"defaults: {{{key}: {written}}}").defaults
    for name in place.split("."):
        value = getattr(value, name)
    assert value == expected


def test_every_default_that_is_built_is_compiled() -> None:
    """U-93: what the schema takes is used; `shipped_categories` is a golden case."""
    properties = packaged.rules_schema()["$defs"]["defaults"]["properties"]
    built = {name for name, each in properties.items() if not each.get("x-not-built")}
    assert built == {*DEFAULTS, "shipped_categories"}


def test_a_category_that_is_edited_is_compiled_anew() -> None:
    for word in ("clause", "lease"):
        law = compiled(f"categories: {{law: {{keywords: [{word}]}}}}").table.named("law")
        assert law is not None
        assert dict(law.keywords) == {word: 1.0}


def test_own_categories_are_added_and_replace() -> None:
    shipped = {category.name for category in compiled("").table.categories}
    assert len(shipped) == 9
    own = compiled("categories: {law: {keywords: [clause]}, translation: {keywords: [traduire]}}").table
    assert {category.name for category in own.categories} == shipped | {"law"}
    replaced = own.named("translation")
    assert replaced is not None
    assert dict(replaced.keywords) == {"traduire": 1.0}
    alone = compiled("categories: {law: {}}\ndefaults: {shipped_categories: false}").table
    assert [category.name for category in alone.categories] == ["law"]


@pytest.mark.parametrize(
    "text", ["", "zzz", "write a python function:\n```\ndef f(x):\n```", "1) a. 2\nb. 3\nhow many are 3 * 4?"]
)
def test_patterns_in_one_pass_are_those_that_hold_one_by_one(text: str) -> None:
    """The shipped patterns, scanned together and each alone."""
    patterns = [pattern for category in compiled("{}").table.categories for _, pattern, _ in category.patterns]
    assert patterns
    assert list(all_at_once(patterns)(text)) == list(one_by_one(patterns)(text))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", OnStoreFailure.LOCAL),
        (", hard: true", OnStoreFailure.CLOSED),
        (", hard: true, on_store_failure: local", OnStoreFailure.LOCAL),
        (", on_store_failure: closed", OnStoreFailure.CLOSED),
        (", hard: true, on_store_failure: open", OnStoreFailure.OPEN),
    ],
)
def test_what_holds_while_spend_is_not_known_is_what_is_written_else_a_hard_budget_is_closed(
    written: str, expected: OnStoreFailure
) -> None:
    """U-72."""
    budgets = compiled(f"budgets: {{b: {{limit: 1 USD, per: day{written}}}}}").budgets
    assert budgets["b"].on_store_failure is expected
