"""What is known against a model before it is asked, by surface, kind of provider and catalogue."""

from datetime import date

import pytest

from gateway.config import catalogue
from gateway.domain.price import FREE, CatalogueModel, always
from gateway.domain.registry import Model
from gateway.domain.words import Dialect, Prefer, Surface
from gateway.engine.fitness import unfit

CHATTING = (Surface.CHAT, Surface.MESSAGES, Surface.RESPONSES, Surface.EXECUTE)


def model(*capabilities: str, listed: bool = True) -> Model:
    known = CatalogueModel("openai", "m-1", always(FREE), capabilities=frozenset(capabilities)) if listed else None
    return Model("m", "p", "m-1", Prefer.BALANCED, always(FREE), str(date.min), known=known)


@pytest.mark.parametrize(
    ("capabilities", "chats", "embeds"),
    [(("embeddings",), False, True), (("chat", "tools"), True, False), (("chat", "embeddings"), True, True)],
)
def test_a_model_serves_what_the_catalogue_says(capabilities: tuple[str, ...], chats: bool, embeds: bool) -> None:  # noqa: FBT001 - columns
    """U-15: what it says nothing of may be asked."""
    for surface in CHATTING:
        assert (unfit(model(*capabilities), Dialect.OPENAI, surface) is None) is chats
    assert (unfit(model(*capabilities), Dialect.OPENAI, Surface.EMBEDDINGS) is None) is embeds


@pytest.mark.parametrize("unknown", [model(), model(listed=False)], ids=["no-word-of-it", "not-listed"])
def test_of_what_nothing_is_known_nothing_is_held_against_it(unknown: Model) -> None:
    for surface in Surface:
        assert unfit(unknown, Dialect.OPENAI, surface) is None


def test_a_provider_of_anthropics_kind_has_no_embeddings() -> None:
    """Whatever model it is said to have."""
    assert unfit(model(listed=False), Dialect.ANTHROPIC, Surface.EMBEDDINGS) == "model 'm' makes no embeddings"
    assert unfit(model(listed=False), Dialect.ANTHROPIC, Surface.MESSAGES) is None


@pytest.mark.parametrize("name", ["text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002"])
def test_the_catalogue_knows_openais_embedding_models(name: str) -> None:
    """U-66: with a price."""
    known = catalogue.load().lookup("openai", name)
    assert known is not None
    assert known.capabilities == {"embeddings"}
