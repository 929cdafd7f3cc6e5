"""Rule files to begin with: the models that there are keys for, the others in comments, and a few rules to learn on.

It decides what stands in them and writes nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass

SCHEMA = "rules.schema.json"
"""The schema of rule files, beside which they stand: their first line leads editors there."""
SCHEMA_LINE = f"# yaml-language-server: $schema={SCHEMA}\n"


@dataclass(frozen=True, slots=True)
class Account:
    """A provider as the starter names it: its key's variable, empty where it needs none, and its lines of YAML."""

    title: str
    variable: str
    provider: str
    models: tuple[str, ...]


OPENAI = Account(
    "OpenAI",
    "OPENAI_API_KEY",
    "openai: {kind: openai, api_key: {env: OPENAI_API_KEY}}",
    (
        "nano: {provider: openai, model: gpt-5-nano, strength: speed}",
        "mini: {provider: openai, model: gpt-5-mini, strength: balanced}",
        "gpt: {provider: openai, model: gpt-5, strength: quality}",
    ),
)
ANTHROPIC = Account(
    "Anthropic",
    "ANTHROPIC_API_KEY",
    "anthropic: {kind: anthropic, api_key: {env: ANTHROPIC_API_KEY}}",
    (
        "haiku: {provider: anthropic, model: claude-haiku-4-5, strength: speed}",
        "sonnet: {provider: anthropic, model: claude-sonnet-4-5, strength: balanced}",
        "opus: {provider: anthropic, model: claude-opus-4-5, strength: quality}",
    ),
)
LOCAL = Account(
    "a server on this machine",
    "",
    'local: {kind: openai, base_url: "http://127.0.0.1:11434/v1", api_key: none} # Ollama; vLLM and others do as well',
    (
        'small: {provider: local, model: "llama3.2:3b", price: free, strength: speed}',
        'large: {provider: local, model: "llama3.1:8b", price: free, strength: quality}',
    ),
)
ACCOUNTS = (OPENAI, ANTHROPIC, LOCAL)
_CHAINS = {
    (OPENAI, ANTHROPIC): ("[nano, haiku]", "[sonnet, gpt]"),
    (OPENAI,): ("[nano, mini]", "[gpt, mini]"),
    (ANTHROPIC,): ("[haiku, sonnet]", "[sonnet, opus]"),
    (LOCAL,): ("[small, large]", "[large, small]"),
}
"""The models of the chains `cheap` and `strong`."""


def accounts_for(variables: Collection[str]) -> tuple[Account, ...]:
    """Give the accounts whose keys stand in these variables; the one that needs no key where there is none."""
    found = tuple(account for account in ACCOUNTS if account.variable in variables)
    return found or (LOCAL,)


def starter(accounts: tuple[Account, ...]) -> dict[str, str]:
    """Give the rule files for these accounts, by name."""
    return {"models.yaml": _models(accounts), "rules.yaml": RULES}


def _models(accounts: tuple[Account, ...]) -> str:
    providers = [_line(account.provider, used=account in accounts) for account in ACCOUNTS]
    models = [_line(model, used=account in accounts) for account in ACCOUNTS for model in account.models]
    cheap, strong = _CHAINS[accounts]
    return MODELS.format(providers="\n".join(providers), models="\n".join(models), cheap=cheap, strong=strong)


def _line(yaml: str, *, used: bool) -> str:
    return f"  {yaml}" if used else f"  # {yaml}"


MODELS = f"""{SCHEMA_LINE}#
# Who answers: the accounts, the models under the names that rules use, and the chains of models.
# Take "# " away in front of a line to use it. `rulegate check` says what is wrong, and what `serve` will need.

providers: # a key stands in the environment, or in a file: {{{{file: PATH}}}}; never here
{{providers}}

models: # a name of your own for a provider's model; prices come from a catalogue, or stand here
{{models}}

chains: # tried in order: when a model fails before it has said anything, the next one answers
  cheap: {{cheap}}
  strong: {{strong}}
"""

RULES = f"""{SCHEMA_LINE}#
# Which model answers what, for requests that ask for the model `auto`.
# The rule with the largest priority whose `when` holds takes the request. Ask what would happen to one:
#   rulegate explain "Write a Python function that parses a CSV file"
# A saved change is live within a second. One with a mistake, or with a test that fails, changes nothing.

rules:
  - name: code
    priority: 100
    when:
      category: code_generation # what the text is about, told by its words
    route: strong

  - name: simple
    priority: 50
    when: # everything that stands here must hold
      category: [classification, summarization, translation] # one of them
      estimated_tokens: {{lt: 20000}} # the whole input
      not: {{has: [images, documents, audio]}}
    route: cheap

  - name: would-do-for-questions
    priority: 40
    mode: shadow # matched and logged, never followed: see what it would take, then write `live`
    when:
      category: question_answering
      not: {{complexity: high}}
    route: cheap

  - name: everything-else # without `when` it takes what no other rule took: keep one like it
    priority: -100
    route: strong

defaults:
  timeout: {{first_content: 30s, total: 600s}} # of one attempt; then the next model of the chain is tried

tests: # `rulegate test` runs them; so does every reload, before it counts. No model is asked
  - name: code goes where it is done well
    request: {{prompt: "Write a Python function that parses a CSV file with quoted fields, and unit tests for it."}}
    expect: {{rule: code}}
  - name: a translation is cheap
    request: {{prompt: "Translate into French: good morning"}}
    expect: {{rule: simple}}
  - name: a question is nobody's in particular, as long as the rule for it is a shadow
    request: {{prompt: "What is the capital of Australia?"}}
    expect: {{rule: everything-else}}
"""
