"""Streams that providers sent, byte by byte: tests/cases/streams."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.dialects.base import Block
from gateway.domain.message import CallPiece
from tests.dialects.streams import text_in

FOLDER = Path(__file__).resolve().parents[1] / "cases" / "streams"


@dataclass(frozen=True)
class Recorded:
    """A stream, in which dialect it is, and what it says: calls of tools are (id, name, arguments)."""

    name: str
    dialect: str
    data: bytes
    text: str
    calls: Sequence[tuple[str, str, Any]]
    output_tokens: int


def _read(path: Path) -> Recorded:
    case = json.loads(path.read_text(encoding="utf-8"))
    calls = [(call["id"], call["name"], call["args"]) for call in case["tools"]]
    return Recorded(path.stem, case["dialect"], case["stream"].encode(), case["text"], calls, case["output_tokens"])


RECORDED = [_read(path) for path in sorted(FOLDER.glob("*.json"))]


def said_in(blocks: Sequence[Block]) -> tuple[str, list[tuple[str, str, Any]]]:
    """Give the text of a stream and its calls of tools, as `Recorded` has them."""
    calls: dict[int, list[str]] = {}
    for piece in (piece for block in blocks for piece in block.pieces):
        if isinstance(piece, CallPiece):
            parts = calls.setdefault(piece.place, ["", "", ""])
            calls[piece.place] = [parts[0] or piece.id, parts[1] or piece.name, parts[2] + piece.arguments]
    return text_in(blocks), [(call_id, name, json.loads(written or "{}")) for call_id, name, written in calls.values()]
