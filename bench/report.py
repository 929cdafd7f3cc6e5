"""The figures of a run: medians over the rounds, ratios to b taken round by round, and the aims beside them."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

Round = Mapping[str, Mapping[str, float]]
"""What one round saw of a cell, by target."""

AIMS: tuple[tuple[str, float | None, float, str], ...] = (
    ("CPU per request, 64 connections, x b", 1.6, 0.5, "cells.chat-64.cpu_ratio"),
    ("CPU per stream, 64 streams, x b", 1.6, 0.6, "cells.stream-64.cpu_ratio"),
    ("added latency, 1 connection, p50, x b", 1.5, 0.75, "cells.chat-1.added_whole_p50_us_ratio"),
    ("added latency, 1 connection, p99, x b", 1.5, 1.0, "cells.chat-1.added_whole_p99_us_ratio"),
    ("added time to first byte of a stream, x b", 1.3, 1.0, "cells.stream-1.added_first_p50_us_ratio"),
    ("decision at 100 rules, p50, x b's CPU per request", 2.0, 0.4, "decisions.p50_of_b"),
    ("decision at 100 rules, p99, x b's CPU per request", 10.0, 3.0, "decisions.p99_of_b"),
    ("decision at 1,000 rules, p50, x 100 rules", None, 2.0, "decisions.p50_1000_of_100"),
    ("start to first answer, x b", 3.5, 2.0, "processes.first_answer_ratio"),
    ("resident memory when idle, MB", 80.0, 60.0, "processes.idle_memory_mb.gateway"),
)
"""Name, aim at first, aim then, and where the value stands in the result."""

VERSIONS = ("rulegate", "aiohttp", "uvloop")


def summary(rounds: Sequence[Round]) -> dict[str, Any]:
    """Give one cell: medians by target, and ratios of the gateway to b, each the median of the rounds' ratios."""
    result: dict[str, Any] = {
        target: {name: median(seen[target][name] for seen in rounds) for name in rounds[0][target]}
        for target in rounds[0]
    }
    for target, figures in result.items():
        figures["bad"] = sum(seen[target]["bad"] for seen in rounds)
    ratios = [_ratio(seen["gateway"]["cpu_ms"], seen["b"]["cpu_ms"]) for seen in rounds]
    result["cpu_ratio"], result["cpu_ratios"] = _median(ratios), ratios
    if "direct" in result:
        for name in ("whole_p50_us", "whole_p99_us", "first_p50_us"):
            added = [{t: seen[t][name] - seen["direct"][name] for t in ("gateway", "b")} for seen in rounds]
            for target in ("gateway", "b"):
                result[target][f"added_{name}"] = median(each[target] for each in added)
            result[f"added_{name}_ratio"] = _median([_ratio(each["gateway"], each["b"]) for each in added])
    return result


def aims(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Add the ratios that need more than one part of the result, and give the aims with what was measured."""
    decisions, processes = result["decisions"], result["processes"]
    b_us = result["cells"].get("chat-64", {}).get("b", {}).get("cpu_ms", 0.0) * 1e3
    for name in ("p50", "p99"):
        decisions[f"{name}_of_b"] = _ratio(decisions["100"][f"{name}_us"], b_us)
    decisions["p50_1000_of_100"] = _ratio(decisions["1000"]["p50_us"], decisions["100"]["p50_us"])
    first_s = processes["first_answer_s"]
    processes["first_answer_ratio"] = _ratio(first_s["gateway"], first_s["b"])
    return [
        {"aim": name, "first": first, "then": then, "value": _value(result, place)} for name, first, then, place in AIMS
    ]


def text(result: Mapping[str, Any]) -> str:
    """Give the tables as a person reads them."""
    about = result["about"]
    words = f"Python {about['python']}, " + ", ".join(f"{name} {about[name]}" for name in VERSIONS)
    heads = ("cell", "cpu ms/request", "b", "x b", "by round", "requests/s", "b", "added p50/p99 us", "b")
    cells = [_cell(name, cell) for name, cell in result["cells"].items()]
    wanted = [(aim["aim"], _number(aim["value"]), _limit(aim["first"]), _limit(aim["then"])) for aim in result["aims"]]
    decided = [
        (f"{rules} rules", *(f"{result['decisions'][rules][f'{name}_us']:.0f}" for name in ("p50", "p99", "row_p50")))
        for rules in ("100", "1000")
    ]
    first_s, memory_mb = result["processes"]["first_answer_s"], result["processes"]["idle_memory_mb"]
    started = [(name, f"{first_s[name]:.2f}", f"{memory_mb[name]:.0f}") for name in ("gateway", "b")]
    return "\n".join(
        (
            f"\n{words}; {about['rounds']} rounds of {about['seconds']:g} s, {about['rules']} rules",
            f"{result['done']['answers']:.0f} answers of the gateway, each with its row and its counters\n",
            _table(heads, cells),
            "",
            _table(("decision CPU us", "p50", "p99", "row p50"), decided),
            "",
            _table(("process", "first answer s", "idle MB"), started),
            "",
            _table(("aim", "here", "first", "then"), wanted),
        )
    )


def _cell(name: str, cell: Mapping[str, Any]) -> tuple[str, ...]:
    ours, floor = cell["gateway"], cell["b"]
    latency = "first" if name.startswith("stream") else "whole"
    added = [
        "-" if f"added_{latency}_p50_us" not in each else f"{each[f'added_{latency}_p50_us']:.0f}"
        for each in (ours, floor)
    ]
    if latency == "whole" and "added_whole_p99_us" in ours:
        added = [
            f"{short} / {each['added_whole_p99_us']:.0f}" for short, each in zip(added, (ours, floor), strict=True)
        ]
    bad = f"  ({ours['bad']:.0f} bad)" if ours["bad"] or floor["bad"] else ""
    return (
        f"{name}{bad}",
        f"{ours['cpu_ms']:.3f}",
        f"{floor['cpu_ms']:.3f}",
        _number(cell["cpu_ratio"]),
        " ".join(_number(ratio) for ratio in cell["cpu_ratios"]),
        f"{ours['requests_per_s']:.0f}",
        f"{floor['requests_per_s']:.0f}",
        *added,
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    return "\n".join(
        "  ".join(
            (str.ljust if column == 0 else str.rjust)(value, width)
            for column, (value, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (heads, *rows)
    )


def _ratio(value: float, base: float) -> float | None:
    return value / base if base > 0 else None


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _value(result: Mapping[str, Any], place: str) -> float | None:
    found: Any = result
    for name in place.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, int | float) else None


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _limit(value: float | None) -> str:
    return "-" if value is None else f"<= {value:g}"
