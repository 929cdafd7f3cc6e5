import json

import pytest

from gateway.simulator.control import Scripted, fault_as_document, read_fault
from gateway.simulator.faults import Fault, Script


@pytest.mark.parametrize("fault", Fault)
def test_what_is_shown_can_be_posted_again(fault: Fault) -> None:
    script = Script(fault, 3, retry_after_s=1.5, per_token_s=0.25, first_content_s=0.5)
    assert read_fault(json.dumps(fault_as_document("mini", script)).encode()) == Scripted("mini", script)


def test_count_and_seconds_may_be_left_out() -> None:
    assert read_fault(b'{"model": "mini", "fault": "stall"}') == Scripted("mini", Script(Fault.STALL))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"model": "m", "fault": "stall", "times": 2}', "unknown field 'times'"),
        (b'{"model": "m", "fault": "explode"}', "unknown fault 'explode'; there are rate_limited"),
        (b'{"fault": "stall"}', "model and fault are strings"),
        (b'{"model": "", "fault": "stall"}', "model and fault are strings"),
        (b'{"model": "m", "fault": "stall", "count": -1}', "count is a whole number"),
        (b'{"model": "m", "fault": "stall", "count": "2"}', "count is a whole number"),
        (b'{"model": "m", "fault": "slow", "per_token_s": -1}', "per_token_s is a number"),
        (b'{"model": "m", "fault": "slow", "first_content_s": "1"}', "first_content_s is a number"),
        (b'{"model": "m", "fault": "slow", "retry_after": NaN}', "retry_after is a number"),
        (b'{"model": "m", "fault": "slow", "retry_after": Infinity}', "retry_after is a number"),
    ],
)
def test_a_wrong_script_is_told_what_is_wrong(body: bytes, told: str) -> None:
    read = read_fault(body)
    assert isinstance(read, str)
    assert told in read
