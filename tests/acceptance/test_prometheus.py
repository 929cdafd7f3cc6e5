"""A real Prometheus scrapes the daemon, and its answers to queries are what the rows say."""

import asyncio
import itertools
from collections import Counter
from pathlib import Path

from tests.adapters.test_metrics import SUFFIXES, names_in, table
from tests.fakes.daemon import Daemon
from tests.fakes.prometheus import prometheus
from tests.fakes.rule_files import PAIRS, UPSTREAM

FAULTS = (None, "server_error", "cut", "usage_missing", "usage_cached", "content_filter")
ALERT = "rulegate_config_last_reload_successful == 0"
"""The alert that docs/operate.md tells people to have."""


async def test_prometheus_knows_what_the_rows_know(paired: Daemon, tmp_path: Path) -> None:
    """U-104 U-105 U-106: requests by outcome, attempts, tokens and money as queried are the sums of the rows, the types
    are those that are documented, and the documented alert fires when rules are rejected and stops when they are
    mended."""
    async with prometheus(tmp_path, paired.url.removeprefix("http://")) as watcher:
        sent = await traffic(paired)
        rows = await paired.rows(sent)
        at_s = await watcher.until_equal("sum(rulegate_requests_total)", sent)

        requests = await watcher.vector("rulegate_requests_total > 0", at_s)
        assert requests == Counter((row["outcome"], row["rule"] or "other", row["surface"]) for row in rows)
        assert len(requests) > len(PAIRS)
        attempts = Counter(
            (each["failure"] or "none", each["model"]) for row in rows for each in row["attempts"] if "skip" not in each
        )
        assert await watcher.vector("rulegate_attempts_total > 0", at_s) == attempts
        for kind, column in (
            ("input", "fresh_input_tokens"),
            ("cache_read", "cache_read_tokens"),
            ("output", "output_tokens"),
        ):
            tokens = await watcher.vector(f'sum(rulegate_tokens_total{{type="{kind}"}})', at_s)
            assert tokens == {(): sum(row[column] for row in rows)}
        money = await watcher.vector("sum by (rule) (rulegate_cost_usd_total)", at_s)
        paid: Counter[tuple[str]] = Counter()
        for row in rows:
            paid[row["rule"] or "other",] += row["cost_nano_usd"]
        assert {key: round(usd * 10**9) for key, usd in money.items()} == +paid
        timed = await watcher.vector("rulegate_request_duration_seconds_count > 0", at_s)
        assert timed == Counter((row["surface"],) for row in rows)
        info = await watcher.vector("rulegate_config_info", at_s)
        assert info == {(rows[0]["fingerprint"][:7], str(rows[0]["generation"]), "true"): 1}
        assert await watcher.vector("up", at_s) == {(): 1}

        documented = {names_in(name)[0]: kind for name, kind, *_ in table("name")}
        told = await watcher.types()
        exported = {name.removesuffix("_total") + SUFFIXES.get(kind, ""): kind for name, kind in told.items()}
        assert {name: kind for name, kind in exported.items() if name.startswith("rulegate_")} == documented
        assert await watcher.vector('{__name__=~"rulegate_.*_created"}', at_s) == {}

        assert await watcher.vector(ALERT, at_s) == {}
        good = (paired.rules / "pairs.yaml").read_text()
        paired.write("pairs.yaml", "rules: [")
        await watcher.until_equal(ALERT, 0)
        paired.write("pairs.yaml", good)
        await watcher.until_equal("rulegate_config_last_reload_successful", 1)


async def traffic(paired: Daemon) -> int:
    """Send requests of every kind and give their number."""
    sent = 0
    for fault in FAULTS:
        for name in ("nano", "haiku") if fault else ():
            await paired.fault(UPSTREAM[name], str(fault))
        bag = list(itertools.product(("chat", "responses", "messages", "execute"), PAIRS, (False, True)))
        await asyncio.gather(*(one(paired, surface, pair, stream=stream) for surface, pair, stream in bag))
        sent += len(bag)
    async with paired.ask("chat", model="nobody-knows-it") as response:
        assert response.status == 404
    return sent + 1


async def one(paired: Daemon, surface: str, pair: tuple[str, str], *, stream: bool) -> None:
    async with paired.ask(surface, headers={"x-pair": "-".join(pair)}, stream=stream) as response:
        await response.read()
