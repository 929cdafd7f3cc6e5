"""docs/streams.md says what holds: the bounds it names are those of the code."""

from pathlib import Path

from gateway.runtime import leftovers
from gateway.wiring.surfaces import ANTHROPIC, OPENAI

PAGE = " ".join((Path(__file__).resolve().parent.parent / "docs" / "streams.md").read_text(encoding="utf-8").split())


def test_the_bounds_of_what_is_read_for_nobody_are_told() -> None:
    """U-37: in time and in number."""
    assert f"{leftovers.LONGEST_S:.0f} seconds for each, and {leftovers.MOST} at once" in PAGE


def test_the_signs_of_life_are_told() -> None:
    """U-39: as they are on the wire."""
    assert f"`{OPENAI.keepalive.decode().strip()}`" in PAGE
    assert ANTHROPIC.keepalive.startswith(b"event: ping\n")
    assert "an event `ping`" in PAGE
