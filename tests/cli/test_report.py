"""`rulegate report` over data directories that the journal wrote: exact sums, honest savings, remedies."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from gateway.adapters.ledger_sqlite import LedgerReader
from gateway.adapters.log_sqlite import file_name
from gateway.cli import main
from gateway.cli.report.shown import usd
from gateway.domain.attempt import Attempt, Event
from gateway.domain.entry import Entry
from gateway.domain.usage import Usage, total_of
from gateway.domain.words import Failure, Outcome
from tests.adapters.entries import ENTRY, id_at
from tests.adapters.journals import ledger_of, made, write

RULES = """\
providers: {local: {kind: openai, api_key: none, base_url: "http://127.0.0.1:8000/v1"}}
models:
  small: {provider: local, model: small-1, price: {input: 1, output: 4}}
  large: {provider: local, model: large-1, price: {input: 10, output: 40}}
rules: [{name: all, route: [small, large]}]
"""
NOVEMBER = ("--from", "2026-11-01", "--to", "2026-11-30")
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
MILLION = Usage(fresh_input_tokens=1_000_000)
USD = 10**9


def answer(model: str, cost: int, usage: Usage | None = MILLION, **changes: Any) -> Attempt:  # noqa: ANN401 - any field
    return replace(Attempt(0, model, "local", None, status=200, usage=usage, cost_nano_usd=cost), **changes)


def asked(number: int, *events: Event, at: datetime = AT, **changes: Any) -> Entry:  # noqa: ANN401 - any field
    """Give the entry of a request whose last attempt answered."""
    attempts = [event for event in events if isinstance(event, Attempt)]
    at += timedelta(milliseconds=number)
    return replace(
        ENTRY,
        id=id_at(at, number),
        at=at,
        model=attempts[-1].model,
        provider="local",
        events=events,
        usage=total_of(each.usage for each in attempts if each.usage is not None),
        cost_nano_usd=sum(each.cost_nano_usd for each in attempts),
        outcome=Outcome.ANSWERED,
        **changes,
    )


FAILED = answer("small", 1 * USD, failure=Failure.EMPTY)
DAY = (
    asked(1, answer("small", 1 * USD), team="growth", tags=("a", "b")),
    asked(2, answer("small", 1 * USD), team="growth", tags=("a",)),
    asked(3, FAILED, answer("large", 10 * USD + 1), team="shop", tags=()),
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d" / "a.yaml").write_text(RULES)
    write(tmp_path / "data", *DAY)
    return tmp_path / "data"


def run(data: Path, *arguments: str) -> Result:
    rules = data.parent / "rules.d"
    where = ["--rules", str(rules)] if rules.exists() else []
    return CliRunner(env={"RULEGATE_RULES": None, "RULEGATE_DATA": None, "NO_COLOR": "1"}).invoke(
        main, ["report", "--data", str(data), *where, *arguments]
    )


def told(data: Path, *arguments: str) -> dict[str, Any]:
    result = run(data, "--json", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def lines_of(found: dict[str, Any], money: str = "cost_nano_usd") -> list[tuple[object, ...]]:
    return [(*(line[name] for name in found["by"]), line["attempts"], line[money]) for line in found["lines"]]


# sums


def test_a_table_has_the_dearest_first_and_a_total_that_is_exact(data: Path) -> None:
    """U-75: tokens, money to the nano-dollar and attempts, failed ones among them."""
    result = run(data, *NOVEMBER)
    assert (result.exit_code, result.stderr) == (0, "")
    title, head, *rows = result.stdout.splitlines()
    assert title == f"spend by model, 2026-11-01 to 2026-11-30 (UTC), {data}"
    assert " ".join(head.split()) == "model attempts fresh in cache read cache write out USD of it estimated"
    assert [row.split() for row in rows] == [
        ["large", "1", "1,000,000", "0", "0", "0", "10.000000001", "0.000000000"],
        ["small", "3", "3,000,000", "0", "0", "0", "3.000000000", "0.000000000"],
        ["total", "4", "4,000,000", "0", "0", "0", "13.000000001", "0.000000000"],
    ]


@pytest.mark.parametrize("by", ["model", "team,kind", "rule,caller,category,provider", "day", "month,model", "week"])
def test_lines_of_any_dimensions_add_up_to_the_ledger(data: Path, by: str) -> None:
    """U-75: whatever it is split by."""
    found = told(data, "--by", by, *NOVEMBER)
    ledger = ledger_of(data).values()
    for name in ("attempts", "fresh_input_tokens"):
        assert (
            sum(line[name] for line in found["lines"]) == found["total"][name] == sum(getattr(a, name) for a in ledger)
        )
    money = sum(amounts.nano_usd for amounts in ledger)
    assert sum(line["cost_nano_usd"] for line in found["lines"]) == found["total"]["cost_nano_usd"] == money
    assert found["total"]["cost_usd"] == "13.000000001"


def test_what_has_several_tags_is_in_the_line_of_each_and_once_in_the_total(data: Path) -> None:
    found = told(data, "--by", "tag", *NOVEMBER)
    assert lines_of(found) == [("", 2, 11 * USD + 1), ("a", 2, 2 * USD), ("b", 1, 1 * USD)]
    assert found["total"]["cost_nano_usd"] == 13 * USD + 1
    last = run(data, "--by", "tag", *NOVEMBER).stdout.splitlines()[-1]
    assert last == "what has several tags is in the line of each: the lines may add up to more than the total"


def test_dimensions_are_in_the_order_that_they_are_asked_in_and_ties_are_by_name(data: Path) -> None:
    found = told(data, "--by", "kind,team,kind,model", *NOVEMBER)
    assert found["by"] == ["kind", "team", "model"]
    assert lines_of(found) == [
        ("answer", "shop", "large", 1, 10 * USD + 1),
        ("answer", "growth", "small", 2, 2 * USD),
        ("failed", "shop", "small", 1, 1 * USD),
    ]


def test_the_part_that_was_guessed_is_told_apart(tmp_path: Path) -> None:
    """U-34: an estimate never passes for what a provider reported."""
    guess = answer("small", 7, replace(MILLION, estimated=True))
    write(tmp_path / "data", asked(1, guess), asked(2, answer("small", 5)))
    (line,) = told(tmp_path / "data", *NOVEMBER)["lines"]
    assert (line["cost_nano_usd"], line["estimated_nano_usd"]) == (12, 7)


# days


def test_days_are_those_of_the_wall_clock(tmp_path: Path) -> None:
    """The day of 25 hours has what came in them, to the quarter hour, and its neighbours the rest."""
    begins, ends = datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)
    moments = (begins - timedelta(seconds=1), begins, ends - timedelta(seconds=1), ends)
    data = tmp_path / "data"
    write(data, *(asked(1, answer("small", 10**place), at=at) for place, at in enumerate(moments)))
    berlin = ("--timezone", "Europe/Berlin", "--by", "day")
    assert lines_of(told(data, *berlin, "--from", "2026-10-25", "--to", "2026-10-25")) == [("2026-10-25", 2, 110)]
    assert lines_of(told(data, *berlin, "--from", "2026-10-01", "--to", "2026-10-31")) == [
        ("2026-10-26", 1, 1000),
        ("2026-10-25", 2, 110),
        ("2026-10-24", 1, 1),
    ]
    assert lines_of(told(data, "--by", "day", "--from", "3d", "--to", "2026-10-25")) == [
        ("2026-10-25", 2, 1100),
        ("2026-10-24", 2, 11),
    ]


def test_this_month_is_what_is_reported_when_nothing_is_said(tmp_path: Path) -> None:
    now = datetime.now(UTC)  # noqa: TID251 - what the command's own clock says
    before = now.replace(day=1, hour=0, minute=0) - timedelta(hours=1)
    data = tmp_path / "data"
    write(data, asked(8, answer("then", 3), at=before), asked(9, answer("now", 5), at=now))
    found = told(data)
    assert (found["from"], found["timezone"], found["by"]) == (f"{now:%Y-%m}-01", "UTC", ["model"])
    assert lines_of(found) == [("now", 1, 5)]


def test_the_last_days_end_with_the_last_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write(data, *(asked(1, answer("small", 1), at=AT - timedelta(days=back)) for back in range(4)))
    for count in (1, 2, 3):
        found = told(data, "--from", f"{count}d", "--to", "2026-11-23", "--by", "day")
        assert [line["day"] for line in found["lines"]] == ["2026-11-21", "2026-11-22", "2026-11-23"][-count:]


# what routing saved


def test_a_saving_counts_what_was_paid_for_nothing_and_no_failure_of_the_baseline(data: Path) -> None:
    """Three answers at ten dollars against thirteen that were paid, one of them for a failure."""
    found = told(data, *NOVEMBER, "--baseline", "large")["baseline"]
    whole = found["total"]
    assert (found["name"], found["model"], found["price_version"]) == ("large", "large-1", "rules")
    assert whole["answers"] == 3
    assert whole["cost_nano_usd"] == 13 * USD + 1
    assert whole["unanswered_nano_usd"] == 1 * USD
    assert whole["baseline_usd"] == "30.000000000"
    assert whole["saved_nano_usd"] == 17 * USD - 1
    assert whole["saved_percent"] == "56.7"
    assert found["missing_days"] == {}
    assert {line["model"]: line["saved_nano_usd"] for line in found["lines"]} == {"large": -1, "small": 17 * USD}


def test_against_the_model_that_gave_every_answer_nothing_is_saved(tmp_path: Path) -> None:
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d" / "a.yaml").write_text(RULES)
    sizes = (1, 7, 333, 10**6)
    write(tmp_path / "data", *(asked(size, answer("small", size * 1000, Usage(size))) for size in sizes))
    whole = told(tmp_path / "data", *NOVEMBER, "--baseline", "small")["baseline"]["total"]
    assert (whole["answers"], whole["saved_nano_usd"], whole["saved_percent"]) == (4, 0, "0.0")


def test_a_dearer_way_is_a_saving_below_zero(data: Path) -> None:
    result = run(data, *NOVEMBER, "--baseline", "small", "--by", "team")
    *_, total, left_out = result.stdout.splitlines()
    assert total.split() == ["total", "3", "13.000000001", "1.000000000", "3.000000000", "-10.000000001", "-333.3%"]
    assert left_out.startswith("left out: how the baseline's own tokenizer would count, and what its own failures")


def test_a_day_of_the_wall_clock_is_compared_with_the_rows_that_came_in_it(tmp_path: Path) -> None:
    """A day file is of a day in UTC: what came in the evening before and after is of other days."""
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d" / "a.yaml").write_text(RULES)
    moments = [datetime(2026, 11, day, hour, 30, tzinfo=UTC) for day, hour in ((21, 22), (21, 23), (22, 22), (22, 23))]
    data = tmp_path / "data"
    write(data, *(asked(1, answer("small", 1 * USD), at=at) for at in moments))
    day = ("--from", "2026-11-22", "--to", "2026-11-22", "--timezone", "Europe/Berlin")
    found = told(data, *day, "--baseline", "large")
    assert found["total"]["attempts"] == found["baseline"]["total"]["answers"] == 2
    assert found["baseline"]["total"]["saved_nano_usd"] == 18 * USD
    assert found["baseline"]["missing_days"] == {}


def test_answers_that_have_no_sure_price_are_said(data: Path) -> None:
    """U-34: what the figure does not know is in one line of it."""
    silent, guess = answer("small", 0, None), answer("small", 1, replace(MILLION, estimated=True))
    write(data, asked(5, silent), asked(6, guess), asked(7, answer("small", 1, unpriced=True)))
    said = run(data, *NOVEMBER, "--baseline", "large").stdout.splitlines()[-1]
    assert "1 answer without a usage; the usage of 1 answer is estimated on both sides; 1 answer came from" in said


def test_days_whose_rows_are_gone_are_named_and_not_compared(data: Path) -> None:
    """Their money stays in the spend, and is on neither side of the saving."""
    write(data, *(asked(1, answer("large", 10 * USD), at=AT - timedelta(days=back)) for back in (1, 2, 5)))
    for back in (1, 2):
        (data / "log" / file_name((AT - timedelta(days=back)).date())).unlink()
    found = told(data, *NOVEMBER, "--baseline", "large")
    assert found["total"]["cost_nano_usd"] == 43 * USD + 1
    assert set(found["baseline"]["missing_days"]) == {"2026-11-21", "2026-11-22"}
    assert found["baseline"]["total"]["saved_nano_usd"] == 17 * USD - 1
    said = run(data, *NOVEMBER, "--baseline", "large").stdout.splitlines()[-1]
    assert "20.000000000 USD of days (UTC) whose rows are not all there any more: 2026-11-21 to 2026-11-22" in said


def test_a_day_that_lost_one_row_is_not_compared(data: Path) -> None:
    with closing(sqlite3.connect(data / "log" / file_name(AT.date()))) as database:
        database.execute("delete from requests where id = ?", (DAY[0].id,))
        database.commit()
    found = told(data, *NOVEMBER, "--baseline", "large")["baseline"]
    assert list(found["missing_days"]) == ["2026-11-23"]
    assert found["total"]["cost_nano_usd"] == 0
    assert found["total"]["saved_percent"] is None


def test_rows_that_are_not_booked_yet_are_not_compared_yet(data: Path) -> None:
    """Rows are written before their sums: a report in between is of what both have."""
    with closing(sqlite3.connect(data / "log" / file_name(AT.date()))) as database:
        columns = [column[1] for column in database.execute("pragma table_info(requests)")]
        others = ", ".join("'later'" if name == "id" else name for name in columns)
        database.execute(f"insert into requests select {others} from requests limit 1")
        database.commit()
    found = told(data, *NOVEMBER, "--baseline", "large")["baseline"]
    assert (found["total"]["answers"], found["missing_days"]) == (3, {})


# what is said when there is nothing to report


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--by", "modl"), "there is no dimension 'modl': did you mean 'model'?"),
        (("--by", "xyz"), "there is no dimension 'xyz': kind, team, caller, rule"),
        (("--by", ","), "name at least one of kind"),
        (("--from", "yesterday"), "'yesterday' is no day: write it as 2026-11-25, or the last days as 30d"),
        (("--to", "2026-11-31"), "'2026-11-31' is no day: write it as 2026-11-25"),
        (("--from", "99999d"), "--from goes back to before 1980: give fewer days"),
        (("--from", "2026-11-02", "--to", "2026-11-01"), "--from 2026-11-02 is after --to 2026-11-01"),
        (("--timezone", "Europe/Berln"), "did you mean 'Europe/Berlin'?"),
        (("--baseline", "lage"), "have a price for 'lage': did you mean 'large'?"),
    ],
)
def test_a_word_that_is_not_known_is_named_with_the_nearest(data: Path, arguments: tuple[str, ...], said: str) -> None:
    result = run(data, *arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_a_path_without_a_ledger_is_told_what_to_do(tmp_path: Path) -> None:
    result = run(tmp_path / "data")
    assert result.exit_code == 1
    assert f"there is no ledger in {tmp_path / 'data'}: give the gateway's directory with --data DIR" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_simulated_spend_is_found_where_it_is_and_never_passes_for_money(tmp_path: Path) -> None:
    write(tmp_path / "simulated", *DAY)
    result = run(tmp_path)
    assert result.exit_code == 1
    assert f"only one of simulated ones: rulegate report --data {tmp_path / 'simulated'}" in result.stderr
    shown = run(tmp_path / "simulated", *NOVEMBER)
    assert shown.stdout.splitlines()[0].endswith("simulated: no real money")
    assert told(tmp_path / "simulated", *NOVEMBER)["simulated"] is True


def test_days_without_spend_are_told_where_there_is_some(data: Path) -> None:
    result = run(data, "--from", "2026-10-01", "--to", "2026-10-31")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        f"nothing was spent in 2026-10-01 to 2026-10-31 (UTC), {data}; the ledger goes from 2026-11-23 to 2026-11-23: "
        "choose with --from and --to\n"
    )
    assert told(data, "--from", "2026-10-01", "--to", "2026-10-31")["lines"] == []


def test_a_ledger_that_nothing_was_spent_in_says_so(tmp_path: Path) -> None:
    made(tmp_path / "data")
    result = run(tmp_path / "data")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith("no request has used anything yet\n")


def test_a_file_that_is_no_ledger_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database" * 100)
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "cannot be read" in result.stderr
    assert "start this version there once if an older one wrote it" in result.stderr


def test_a_ledger_is_read_while_another_process_writes_it(data: Path) -> None:
    with closing(sqlite3.connect(data / "state.db")) as other:
        other.execute("begin immediate")
        other.execute("delete from ledger")
        assert told(data, *NOVEMBER)["total"]["cost_nano_usd"] == 13 * USD + 1
        other.rollback()


@pytest.mark.parametrize(
    ("amount", "text"), [(0, "0.000000000"), (-1, "-0.000000001"), (1_234 * USD + 5, "1,234.000000005")]
)
def test_money_has_every_digit(amount: int, text: str) -> None:
    assert usd(amount) == text


def test_sums_by_quarter_hour_and_by_dimension_are_of_one_moment(data: Path) -> None:
    first, last = 0, 2**40
    booked = LedgerReader(data / "state.db").booked(first, last, ("model",))
    assert sum(amounts.nano_usd for amounts in booked.spend.values()) == 13 * USD + 1
    assert sum(amounts.nano_usd for amounts in booked.quarters.values()) == 13 * USD + 1
    assert booked.numbers == {date(2026, 11, 23): 3}


SLOW = answer("small", 3 * USD, failure=Failure.CANCELLED, lost=True, duration_s=2.5)
HEDGE = answer("large", 10 * USD, hedged=True, began_s=2.0, duration_s=1.0)
REFUSED = answer("small", 0, None, failure=Failure.RATE_LIMITED, duration_s=0.25)
LEFT = answer("small", 0, None, failure=Failure.CANCELLED, duration_s=9.0)


def test_what_failures_and_hedges_cost_is_told_by_rule(data: Path) -> None:
    """U-105: money and tokens as booked, failures that used nothing too, and the time that callers waited in vain."""
    write(
        data,
        asked(4, SLOW, HEDGE),
        asked(5, REFUSED, answer("large", 10 * USD, began_s=0.25)),
        asked(6, LEFT),
        asked(7, REFUSED, at=AT + timedelta(days=10)),
    )
    (hedge, failed) = told(data, "--extra", *NOVEMBER)["extra"]
    assert hedge == {
        "rule": "code",
        "kind": "hedge",
        "attempts": 1,
        "waited_ms": 2000,
        "input_tokens": 1_000_000,
        "output_tokens": 0,
        "cost_usd": "3.000000000",
        "cost_nano_usd": 3 * USD,
    }
    assert (failed["kind"], failed["attempts"], failed["waited_ms"], failed["cost_nano_usd"]) == ("failed", 2, 250, USD)
    lines = run(data, "--extra", *NOVEMBER).output.splitlines()
    at = lines.index("what failures and hedges cost, by rule")
    assert [line.split() for line in lines[at + 2 : at + 4]] == [
        ["code", "hedge", "1", "1,000,000", "0", "3.000000000", "2.000"],
        ["code", "failed", "2", "1,000,000", "0", "1.000000000", "0.250"],
    ]
    assert told(data, *NOVEMBER)["extra"] is None


def test_where_every_first_attempt_answered_there_is_nothing_extra(tmp_path: Path) -> None:
    write(tmp_path / "data", asked(1, answer("small", 1 * USD)))
    assert "failures and hedges cost nothing" in run(tmp_path / "data", "--extra", *NOVEMBER).output
