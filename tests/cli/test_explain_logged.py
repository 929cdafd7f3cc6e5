"""`rulegate explain --id`: a logged request is decided again under the rules of its time."""

import json
from pathlib import Path

import aiohttp
from click.testing import CliRunner

from gateway.app import running
from gateway.cli import main
from gateway.config.settings import Address, Settings

REGISTRY = """\
providers: {openai: {kind: openai, api_key: none}}
models: {mini: {provider: openai, model: gpt-5-mini}, gpt: {provider: openai, model: gpt-5}}
rules:
  - {name: secret, priority: 1, when: {contains: hush}, route: [gpt, mini]}
  - {name: rest, route: [mini, gpt]}
"""


async def test_a_logged_request_is_explained_without_its_prompt(tmp_path: Path) -> None:
    """The same rule, reasons and cost as when it was answered, although the log holds no text."""
    rules, data = tmp_path / "rules", tmp_path / "data"
    rules.mkdir()
    (rules / "a.yaml").write_text(REGISTRY)
    settings = Settings(rules=rules, data=data, listen=Address("127.0.0.1", 0), simulate=True)
    async with (
        running(settings) as daemon,
        aiohttp.ClientSession() as http,
        http.post(f"{daemon.address}/v1/execute", json={"prompt": "hush now"}) as answer,
    ):
        assert answer.status == 200
        row_id = answer.headers["x-rulegate-request-id"]
    (rules / "a.yaml").write_text(REGISTRY.replace("contains: hush", "contains: other"))
    result = CliRunner().invoke(main, ["explain", "--id", row_id, "--data", str(data), "--json"])
    assert result.exit_code == 0, result.output
    account = json.loads(result.stdout)
    assert (account["rule"], account["row"]["id"], account["row"]["outcome"]) == ("secret", row_id, "answered")
    assert "hush now" not in result.stdout
    told = CliRunner().invoke(main, ["explain", "--id", row_id, "--data", str(data)]).stdout
    assert told.startswith("rule        secret (a.yaml:4, priority 1)")
    assert "happened    answered: gpt ok; 0.0" in told
