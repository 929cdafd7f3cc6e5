"""What means something stored is refused by name; what means nothing of it passes."""

import pytest

from gateway.dialects.responses.state import stateful

MESSAGE = {"role": "user", "content": "x"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"store": True}, "store"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"input": [MESSAGE, {"type": "item_reference", "id": "rs_1"}]}, "input[1]"),
        ({"input": [{"id": "rs_1"}]}, "input[0]"),
        ({"input": [{"id": "rs_1", "type": None}]}, "input[0]"),
    ],
)
def test_what_means_something_stored_is_refused_by_name(fields: dict[str, object], param: str) -> None:
    refusal = stateful(fields)
    assert refusal is not None
    assert (refusal.status, refusal.param) == (400, param)
    assert "keeps no state" in refusal.message


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"store": False, "previous_response_id": None, "conversation": None, "background": False, "prompt": None},
        {"input": [MESSAGE, {"id": "msg_1", **MESSAGE}, {"id": "rs_1", "type": "reasoning"}, "odd", 5]},
        {"input": "text"},
    ],
)
def test_what_means_nothing_stored_passes(fields: dict[str, object]) -> None:
    """The clients leave `store` out, or send null."""
    assert stateful(fields) is None
