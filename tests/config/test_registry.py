"""Providers and models: addresses, prices and windows, from the rule file over the catalogue."""

import pytest

from gateway.config import catalogue
from gateway.config.compile import Compiler
from gateway.domain.registry import FileSecret, Model
from gateway.domain.snapshot import Rejected, RuleFile, Snapshot
from gateway.engine.pricing import is_priced

CATALOGUE = catalogue.load()
COMPILER = Compiler(CATALOGUE)


def compiled(text: str) -> Snapshot:
    result = COMPILER.compile((RuleFile("r.yaml", text.encode()),))
    assert not isinstance(result, Rejected), "\n".join(map(str, result.problems))
    return result


def model(written: str, provider: str = "{kind: openai, api_key: none}") -> Model:
    return compiled(f"providers: {{p: {provider}}}\nmodels: {{m: {{provider: p, {written}}}}}").models["m"]


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("kind: openai", "https://api.openai.com/v1"),
        ("kind: anthropic", "https://api.anthropic.com/v1"),
        ('kind: openai, base_url: "http://h:1/v1/"', "http://h:1/v1"),
        ('kind: anthropic, base_url: "http://h:1"', "http://h:1/v1"),
        ('kind: anthropic, base_url: "http://[::1]:1/v1"', "http://[::1]:1/v1"),
    ],
)
def test_the_address_of_a_provider(written: str, address: str) -> None:
    provider = compiled(f"providers: {{p: {{{written}, api_key: {{file: /k}}}}}}").providers["p"]
    assert (provider.base_url, provider.api_key, provider.file, provider.mark.line) == (
        address,
        FileSecret("/k"),
        "r.yaml",
        1,
    )


def test_what_a_rule_file_leaves_out_comes_from_the_catalogue() -> None:
    made = model("model: gpt-5")
    assert made.known is not None
    assert (made.price, made.price_version) == (made.known.prices, CATALOGUE.date.isoformat())
    assert made.window_tokens == made.known.context_window_tokens
    assert made.max_output_tokens == made.known.max_output_tokens


def test_what_a_rule_file_says_holds() -> None:
    """U-119."""
    made = model("model: gpt-5, price: {input: 1, output: 2.5}, context_window: 5, max_output: 4")
    assert made.price_version == "rules"
    assert made.price != model("model: gpt-5").price
    assert (made.window_tokens, made.max_output_tokens) == (5, 4)


def test_what_a_model_takes_and_refuses_is_the_catalogues_or_what_the_rule_file_says() -> None:
    """U-15, U-57: an empty list says that it takes text alone; a model of which nothing is known has none."""
    known = model("model: gpt-5")
    assert known.known is not None
    assert (known.takes, known.refuses) == (known.known.capabilities, known.known.refused_parameters)
    assert known.lacks == {"audio"}
    own = model("model: gpt-5, takes: [images, thinking], refuses: [seed]")
    assert own.lacks == {"audio", "documents", "json_schema", "tools"}
    assert own.refuses == {"seed"}
    unknown = model("model: m, price: free", '{kind: openai, api_key: none, base_url: "http://h/v1"}')
    assert (unknown.takes, unknown.lacks, unknown.refuses, unknown.thinks) == (None, frozenset(), frozenset(), None)
    text_alone = model("model: m, price: free, takes: []", '{kind: openai, api_key: none, base_url: "http://h/v1"}')
    assert len(text_alone.lacks) == 5


@pytest.mark.parametrize(("kind", "field"), [("openai", "reasoning_effort"), ("anthropic", "thinking")])
def test_a_model_that_does_not_think_refuses_the_field_that_asks_it_to(kind: str, field: str) -> None:
    for takes, refuses in (("[]", {"seed", field}), ("[thinking]", {"seed"})):
        written = f"model: m, price: free, takes: {takes}, refuses: [seed]"
        made = model(written, f'{{kind: {kind}, api_key: none, base_url: "http://h/v1"}}')
        assert made.refuses == refuses
        assert made.thinks is (takes != "[]")


@pytest.mark.parametrize(
    ("provider", "upstream", "takes"),
    [
        ("kind: openai", "gpt-5", True),
        ("kind: openai, responses: false", "gpt-5", False),
        ("kind: openai", "gpt-99", False),
        ('kind: openai, base_url: "http://h/v1"', "gpt-5", False),
        ('kind: openai, base_url: "http://h/v1", responses: true', "gpt-99", True),
        ('kind: openai, base_url: "https://api.groq.com/openai/v1"', "openai/gpt-oss-20b", False),
        ("kind: anthropic", "claude-haiku-4-5", False),
        ("kind: anthropic, responses: false", "claude-haiku-4-5", False),
    ],
)
def test_who_takes_responses_is_known_of_openais_own_models_or_said_of_a_provider(
    provider: str, upstream: str, *, takes: bool
) -> None:
    """U-42: all others are asked by chat completions or messages."""
    made = model(f"model: {upstream}, price: free", f"{{{provider}, api_key: none}}")
    assert made.responses is takes


def test_free_and_unknown_are_different() -> None:
    """U-66."""
    own = '{kind: openai, api_key: none, base_url: "http://127.0.0.1:1/v1"}'
    assert model("model: gpt-5, price: free", own).known is None
    text = f"providers: {{p: {own}}}\nmodels: {{m: {{provider: p, model: gpt-5}}}}"
    assert isinstance(COMPILER.compile((RuleFile("r.yaml", text.encode()),)), Rejected)


def test_a_model_knows_its_dated_states_that_are_sold_at_a_price_of_their_own() -> None:
    """U-67: by the catalogue that ships; one that it has under the same entry is no other model."""
    today, old = model("model: gpt-4o"), model("model: gpt-4o-2024-05-13")
    assert set(today.states) == {"gpt-4o-2024-05-13"}
    assert not is_priced(today, "gpt-4o-2024-05-13", CATALOGUE.date)
    assert is_priced(today, "gpt-4o-2024-08-06", CATALOGUE.date)
    assert is_priced(old, "gpt-4o-2024-05-13", CATALOGUE.date)
    assert not model("model: gpt-4o, price: free", '{kind: openai, api_key: none, base_url: "http://h:1/v1"}').states
