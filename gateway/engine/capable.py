"""Which models of a chain are known not to serve a request: what they do not take, and windows that are too small.

Only what is known counts. A model of which nothing is known is asked, and so is one whose window an estimate that errs
might fill.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.registry import Model
from gateway.domain.rule import NO_PARAMS, Chain, Step
from gateway.engine.budgets import output_limit
from gateway.engine.features import Features

Unfit = Mapping[int, tuple[str, ...]]
"""What the model at a place of a chain lacks, in order: words of `NEEDS`, and `context_window`."""
NONE_UNFIT: Unfit = {}
WINDOW: Final = "context_window"
ERRS_BY: Final = 2
"""An input is taken to be as short as this part of its estimate; long rows of digits are estimated at 1.4 times."""
_COUNTED_AT_A_FLAT_RATE: Final = frozenset({"images", "documents", "audio"})
"""What an estimate says little about: providers charge 85 to 1,600 tokens for an image."""
_WORDS: Final = {"tools": "tools", "json_schema": "a JSON schema for the answer"}


def at_model(step: Step, model: Model) -> Step:
    """Give a step at a model, with what is known of that."""
    return replace(
        step,
        model=model.name,
        window_tokens=model.window_tokens,
        max_output_tokens=model.max_output_tokens,
        lacks=model.lacks,
        gates=model.gates,
    )


def unfit_of(chain: Chain, features: Features) -> Unfit:
    """Give the places of a chain whose models are known not to serve a request; the others are not named.

    A limit on the output that is above the model's own is taken for that: it is for the provider to refuse or for the
    translation to lower.
    """
    needs: frozenset[str] = features["needs"]
    unfit: dict[int, tuple[str, ...]] = {}
    for position, step in enumerate(chain.steps):
        missing = needs and step.lacks & needs
        small = step.window_tokens is not None and _overflows(step, step.window_tokens, features)
        if missing or small:
            unfit[position] = (*sorted(missing), *((WINDOW,) if small else ()))
    return unfit or NONE_UNFIT


def _overflows(step: Step, window_tokens: int, features: Features) -> bool:
    estimated: int = features["estimated_tokens"]
    asked: int | None = features["max_tokens"]
    if step.params is not NO_PARAMS:
        asked = output_limit(asked, step.params)
    if estimated + (asked or 0) <= window_tokens:  # nearly all requests
        return False
    output = min(asked or 0, step.max_output_tokens or window_tokens)
    vague = not _COUNTED_AT_A_FLAT_RATE.isdisjoint(features["has"])
    return (0 if vague else estimated // ERRS_BY) + output > window_tokens


def can_serve(chain: Chain, unfit: Unfit) -> bool:
    """Say whether a model of the chain may serve the request, for all that is known."""
    return len(unfit) < len(chain.steps)


def refusal_of(chain: Chain, unfit: Unfit, others: Sequence[Refusal] = ()) -> Refusal:
    """Give the refusal of a request that no model of a chain can serve; `others` say it of the steps not in `unfit`."""
    lacking = [f"'{chain.steps[place].model}' {lack_in_words(chain.steps[place], unfit[place])}" for place in unfit]
    words = [*dict.fromkeys(lacking), *dict.fromkeys(other.message for other in others)]
    param = next((other.param for other in others if other.param), "")
    return Refusal(RefusalKind.INVALID_REQUEST, f"no model can serve this request: {'; '.join(words)}", param)


def strict_refusal(model: str, names: Sequence[str]) -> Refusal:
    """Give the refusal of a request of which something would be left out for a model, where nothing may be."""
    fields = " and ".join(f"'{name}'" for name in names)
    words = f"{fields} would be left out for '{model}', which strict_params forbids"
    return Refusal(RefusalKind.INVALID_REQUEST, words, names[0])


def lack_in_words(step: Step, lacks: Sequence[str]) -> str:
    """Say what the model of a step does not take, as the rest of a sentence about it."""
    taken = [_WORDS.get(each, each) for each in lacks if each != WINDOW]
    words = [f"does not take {' and '.join(taken)}"] if taken else []
    if WINDOW in lacks:
        words.append(f"holds {step.window_tokens} tokens, input and output together")
    return " and ".join(words)
