"""Which surfaces a model can serve, as far as that is known before it is asked."""

from gateway.domain.registry import Model
from gateway.domain.words import Dialect, Surface

_EMBEDDINGS_ALONE = frozenset({Surface.EMBEDDINGS.value})


def unfit(model: Model, kind: Dialect, surface: Surface) -> str | None:
    """Say why a model at a provider of a kind cannot serve a surface; None where nothing is known against it.

    Of a model that the catalogue does not list, or lists without what it can do, nothing is known.
    """
    known = model.known.capabilities if model.known else frozenset()
    if surface is not Surface.EMBEDDINGS:
        alone = known == _EMBEDDINGS_ALONE
        return f"model '{model.name}' makes embeddings alone, at /v1/embeddings" if alone else None
    if kind is Dialect.ANTHROPIC or (known and Surface.EMBEDDINGS not in known):
        return f"model '{model.name}' makes no embeddings"
    return None
