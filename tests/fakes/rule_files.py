"""Rule files for tests of the whole daemon: two models of each dialect, and a chain for each pair of them."""

MODELS = """\
providers:
  openai: {kind: openai, api_key: none}
  anthropic: {kind: anthropic, api_key: none}
models:
  nano: {provider: openai, model: gpt-5-nano}
  mini: {provider: openai, model: gpt-5-mini}
  haiku: {provider: anthropic, model: claude-haiku-4-5}
  sonnet: {provider: anthropic, model: claude-sonnet-4-5}
"""
UPSTREAM = {
    "nano": "gpt-5-nano",
    "mini": "gpt-5-mini",
    "haiku": "claude-haiku-4-5",
    "sonnet": "claude-sonnet-4-5",
}
PROVIDER = {"nano": "openai", "mini": "openai", "haiku": "anthropic", "sonnet": "anthropic"}
PAIRS = (("nano", "mini"), ("nano", "sonnet"), ("haiku", "sonnet"), ("haiku", "mini"))
"""First and second model of a chain: both of one dialect, and across."""
HASTY = "timeout: {headers: 250ms, first_content: 250ms, total: 250ms}"


def chosen_by_header() -> str:
    """Give a rule for each pair, taken by `x-pair: first-second`; `x-haste: yes` makes the first impatient."""
    rules = ["rules:"]
    for first, second in PAIRS:
        for haste, step in (("yes", f"{{model: {first}, {HASTY}}}"), ("", first)):
            name = f"{first}-{second}"
            when = f"{{header.x-pair: {name}, header.x-haste: 'yes'}}" if haste else f"{{header.x-pair: {name}}}"
            rules += [
                f"  - name: {name}{'-hasty' if haste else ''}",
                f"    priority: {20 if haste else 10}",
                f"    when: {when}",
                f"    route: [{step}, {second}]",
            ]
    return "\n".join([*rules, "  - name: others", "    route: [mini]", ""])


def to_model(model: str) -> str:
    """Give a whole set in one file that sends everything to one model."""
    return f"{MODELS}rules:\n  - name: all\n    route: [{model}]\n"
