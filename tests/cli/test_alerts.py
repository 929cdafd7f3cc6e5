"""The `alerts` commands: a sample for each receiver, silences of a running gateway, and what is not built yet."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from tests.adapters.upstream import closed_port
from tests.fakes.alerts import SECRET
from tests.fakes.daemon import daemon, until
from tests.fakes.rule_files import to_model

RULES = f"""\
{to_model("mini")}
receivers:
  chat: {{kind: slack, url: {{env: CHAT}}}}
  hook: {{kind: generic, url: {{env: HOOK}}, signing_secret: {{env: SIGNING}}}}
alerts:
  rules: {{kind: config_rejected, severity: critical, notify: [chat]}}
  lost: {{kind: log_dropped, notify: [chat]}}
"""


@dataclass
class Told:
    """What receivers got, by their path, and what they answer."""

    url: str = ""
    got: dict[str, Any] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    authorization: str | None = None


@pytest.fixture
def told() -> Iterator[Told]:
    made = Told()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.got[self.path] = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(made.statuses.get(self.path, 200))
            self.end_headers()

        def do_GET(self) -> None:
            made.authorization = self.headers["authorization"]
            self.send_error(501)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the library
            """Keep still."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield made
        server.shutdown()
        thread.join()


@pytest.fixture
def rules(tmp_path: Path) -> str:
    (tmp_path / "a.yaml").write_text(RULES)
    return str(tmp_path)


def run(*arguments: str, **environment: str) -> Result:
    unset = dict.fromkeys(("RULEGATE_RULES", "RULEGATE_URL", "RULEGATE_KEY", "CHAT", "HOOK", "SIGNING", "NO_COLOR"))
    return CliRunner(env={**unset, **environment}).invoke(main, ["alerts", *arguments])


def addresses(told: Told) -> dict[str, str]:
    return {"CHAT": f"{told.url}/chat", "HOOK": f"{told.url}/hook", "SIGNING": SECRET}


def test_each_receiver_gets_a_sample_that_is_marked(told: Told, rules: str) -> None:
    """U-83: through the same format and the same way, with the secrets that the daemon would take."""
    result = run("test", "--rules", rules, **addresses(told))
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        ["ok chat (slack): status 200", "ok hook (generic): status 200"],
    )
    assert told.got["/chat"]["text"] == "TEST: Receiver chat can be told of alerts"
    assert "This is a test message. Nothing is wrong." in json.dumps(told.got["/chat"])
    data = told.got["/hook"]["data"]
    assert (data["sample"], data["scope"], data["phase"]) == (True, {"receiver": "hook"}, "firing")
    assert data["facts"] == [{"label": "Is told of", "value": "no alert yet"}]


def test_a_sample_looks_like_the_first_alert_that_the_receiver_is_told_of(told: Told, rules: str) -> None:
    assert run("test", "--rules", rules, "--receiver", "chat", **addresses(told)).exit_code == 0
    shown = json.dumps(told.got["/chat"])
    assert "*Alert*\\nrules" in shown
    assert "*Severity*\\ncritical" in shown
    assert "*Is told of*\\nrules, lost" in shown
    assert "/hook" not in told.got


def test_what_a_receiver_did_not_take_is_said_and_fails(told: Told, rules: str) -> None:
    """U-83: status per receiver, exit code 1."""
    told.statuses = {"/chat": 404, "/hook": 500}
    result = run("test", "--rules", rules, "--json", **addresses(told))
    assert (result.exit_code, json.loads(result.stdout)) == (
        1,
        {
            "ok": False,
            "receivers": [
                {"receiver": "chat", "kind": "slack", "status": 404, "words": "refused, status 404", "ok": False},
                {
                    "receiver": "hook",
                    "kind": "generic",
                    "status": 500,
                    "words": "server_error, status 500",
                    "ok": False,
                },
            ],
        },
    )


def test_a_secret_that_is_missing_fails_its_receiver_and_no_other(told: Told, rules: str) -> None:
    """U-92, U-114: named, and not shown."""
    canary = {"CHAT": f"http://127.0.0.1:{closed_port()}/canary", "HOOK": told.url, "SIGNING": "canary"}
    result = run("test", "--rules", rules, **canary)
    assert (result.exit_code, result.stdout.splitlines()) == (
        1,
        [
            "FAILED chat (slack): it cannot be reached: connection refused",
            "FAILED hook (generic): its signing_secret is none: a signing secret begins with 'whsec_'",
        ],
    )
    result = run("test", "--rules", rules, "--receiver", "hook", HOOK=told.url)
    assert result.stdout == "FAILED hook (generic): needs environment variable SIGNING\n"


def test_a_receiver_that_there_is_not_is_said_with_those_there_are(rules: str, tmp_path: Path) -> None:
    result = run("test", "--rules", rules, "--receiver", "nobody")
    assert (result.exit_code, result.stderr) == (1, "Error: there is no receiver 'nobody'; there is chat, hook\n")
    (tmp_path / "a.yaml").write_text(to_model("mini"))
    result = run("test", "--rules", rules)
    assert (result.exit_code, result.stderr) == (1, "Error: the rules have no receiver: add one under receivers:\n")


def test_the_key_of_an_operator_is_sent_along(told: Told) -> None:
    """A gateway on another machine wants one."""
    result = run("silence", "--url", told.url, RULEGATE_KEY="key-of-an-operator")
    assert result.exit_code == 1
    assert told.authorization == "Bearer key-of-an-operator"
    run("silence", "--url", told.url)
    assert told.authorization is None


async def test_silences_of_a_running_gateway_are_made_listed_and_ended(tmp_path: Path) -> None:
    """As with amtool: labels and how long, then the id by which it is ended."""
    async with daemon(tmp_path, {"rules.yaml": to_model("mini")}) as running:

        async def silence(*arguments: str) -> Result:
            return await asyncio.to_thread(run, "silence", *arguments, RULEGATE_URL=running.url)

        assert (await silence()).stdout == "nothing is silenced\n"
        made = await silence("alert=money", 'budget="growth"', "--for", "2h", "--comment", "month end")
        assert made.exit_code == 0, made.stderr
        first, second = made.stdout.splitlines()
        assert first.startswith("silenced until 20")
        assert first.endswith(": alert=money budget=growth")
        id_ = second.removeprefix("end it with --end ")
        listed = (await silence()).stdout
        assert listed.startswith(f"{id_}  until ")
        assert listed.endswith("  alert=money budget=growth  # month end\n")
        (shown,) = json.loads((await silence("--json")).stdout)
        assert (shown["id"], shown["matchers"]) == (id_, {"alert": "money", "budget": "growth"})
        assert (await silence("--end", id_)).stdout == f"ended {id_}\n"
        assert (await silence("--json")).stdout == "[]\n"
        again = await silence("--end", id_)
        assert (again.exit_code, again.stderr) == (
            1,
            f"Error: there is no silence '{id_}'; GET /api/alerts lists what there is\n",
        )
        past = await silence("alert=money", "--until", "2020-01-01T00:00:00Z")
        assert (past.exit_code, past.stderr.partition(":")[2]) == (
            1,
            ' a silence ends at a moment to come: "for": "2h" or "until": "2026-12-01T00:00:00Z"\n',
        )


async def test_an_incident_of_a_running_gateway_is_listed_and_accepted(tmp_path: Path) -> None:
    """Its id comes from a message or from the list; it ends, and another time there is nothing to accept."""
    alert = "alerts: {rules: {kind: config_rejected, severity: critical, notify: [hook]}}\n"
    receiver = "receivers: {hook: {kind: generic, url: {env: HOOK}}}\n"
    async with daemon(tmp_path, {"rules.yaml": to_model("mini"), "alerts.yaml": receiver + alert}) as running:

        async def accept(*arguments: str) -> Result:
            return await asyncio.to_thread(run, "accept", *arguments, RULEGATE_URL=running.url)

        async def listed() -> list[dict[str, Any]] | None:
            found: list[dict[str, Any]] = json.loads((await accept("--json")).stdout)
            return found or None

        assert (await accept()).stdout == "no incident goes on\n"
        running.write("broken.yaml", "rules: [{name: broken, route: nowhere}]\n")
        (incident,) = await until(listed, "incident")
        line = (await accept()).stdout
        assert line.startswith(f"{incident['id']}  critical  rules: The rules on disk are rejected")
        accepted = await accept(incident["id"])
        assert (accepted.exit_code, accepted.stdout.split(":")[0]) == (0, f"accepted {incident['id']}")

        async def over() -> bool | None:
            return (await accept()).stdout == "no incident goes on\n" or None

        await until(over, "end of the incident")
        again = await accept(incident["id"])
        assert (again.exit_code, again.stderr) == (
            1,
            f"Error: there is no open incident '{incident['id']}'; GET /api/alerts lists what there is\n",
        )


WRONG = {
    "no end": (("alert=money",), "say how long: --for 2h or --until"),
    "two ends": (("alert=money", "--for", "2h", "--until", "2030-01-01T00:00:00Z"), "say how long"),
    "no value": (("alert",), "'alert' is no label: write LABEL=VALUE"),
    "no label": (("=x",), "'=x' is no label"),
    "nothing but an end": (("--for", "2h"), "--for and --until are for labels"),
    "labels and an id": (("alert=money", "--end", "x"), "--for and --until are for labels"),
    "another scheme": (("--url", "ftp://127.0.0.1"), "'ftp://127.0.0.1' is no address"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG)
def test_a_command_line_that_is_wrong_is_said_so(arguments: tuple[str, ...], said: str) -> None:
    result = run("silence", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_without_a_gateway_there_is_nobody_to_ask() -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    result = run("silence", "--url", url)
    said = f"Error: no gateway answers at {url}: start it, or say where it is with --url\n"
    assert (result.exit_code, result.stderr) == (1, said)


def test_something_else_that_answers_is_no_gateway(told: Told) -> None:
    result = run("silence", "--url", told.url)
    assert (result.exit_code, result.stderr) == (1, "Error: the gateway answers with status 501\n")
