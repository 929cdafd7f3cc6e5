"""The how-to page of alerts as somebody follows it: its script, as it stands there."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.test_first_run import LONGEST_S, MISSING, ROOT, checkout, free_port, started

__all__ = ["checkout"]
PAGE = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"THE PAGE IS NOT TESTED: there is no {', '.join(MISSING)} here")


def test_the_script_of_the_page_ends_with_a_message_an_incident_and_a_silence(checkout: Path) -> None:
    """U-125: verbatim, with no key; only the port is another one."""
    script = re.search(r"<!-- alerts-run -->\n```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert script is not None
    with started(["sh", "-eu", "-c", script[1]], checkout, PORT=str(free_port())) as process:
        try:
            said, _ = process.communicate(timeout=LONGEST_S)
        except subprocess.TimeoutExpired as late:
            pytest.fail(f"the script does not come to its end; so far it said: {late.output!r}")
    assert process.returncode == 0, said
    for wanted in (
        r"serve needs: rules\.d/60-alerts\.yaml:4:3: receiver 'ops' needs environment variable SLACK_WEBHOOK_URL",
        r"receiver 'ops' \(slack\) would be sent: .*Budget trial has spent \d",
        r'\{"open":\[\{"id":.*"alert":"money".*"scope":\{"budget":"trial"\}.*"silenced":false',
        r'"by":\["rule","model"\].*"total":\{"attempts":[1-9].*"complete":true,"shifts":\[\]',
        r"silenced until 20.*: alert=money budget=trial\nend it with --end",
        r"  alert=money budget=trial  # trying it\n",
    ):
        assert re.search(wanted, said), f"{wanted}\n{said}"
    assert not (checkout / "rules.d" / "60-alerts.yaml").exists()
