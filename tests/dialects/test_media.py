"""Images and documents within requests."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.carry import CannotCarryError
from gateway.dialects.media import IMAGE_TYPES, checked_image, image_type_of, source_of, url_of
from gateway.domain.message import Inline, Link

HEADS = {
    "image/png": b"\x89PNG\r\n\x1a\n\x00",
    "image/jpeg": b"\xff\xd8\xff\xe0\x00",
    "image/gif": b"GIF89a\x00",
    "image/webp": b"RIFF\x00\x00\x00\x00WEBPVP8 ",
}
media_types = st.sampled_from([*IMAGE_TYPES, "application/pdf", "text/plain"])
sources = st.one_of(
    st.builds(Inline, media_types, st.binary(max_size=60).map(lambda data: base64.b64encode(data).decode())),
    st.builds(Link, st.sampled_from(["https://a.example/b.png?c=d,e;base64", "http://a.example/"])),
)


@given(sources)
def test_an_address_reads_as_what_it_was_written_from(source: Inline | Link) -> None:
    """U-58."""
    assert source_of(url_of(source), "url") == source


@pytest.mark.parametrize("url", ["", "x", "file:///etc/passwd", "data:", "data:image/png,x", "data:image/png;base64"])
def test_what_is_no_address_is_refused_by_its_path(url: str) -> None:
    with pytest.raises(CannotCarryError, match=r"messages\[0\]"):
        source_of(url, "messages[0]")


@pytest.mark.parametrize("said", IMAGE_TYPES)
@pytest.mark.parametrize("is_one", IMAGE_TYPES)
def test_an_image_is_what_it_says_or_is_refused(said: str, is_one: str) -> None:
    """U-58."""
    source = Inline(said, base64.b64encode(HEADS[is_one] + bytes(30)).decode())
    if said == is_one:
        assert checked_image(source, "here") == source
    else:
        with pytest.raises(CannotCarryError) as raised:
            checked_image(source, "here")
        assert (raised.value.name, said in raised.value.why, is_one in raised.value.why) == ("here", True, True)


@given(st.one_of(st.text(max_size=40), st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode())))
def test_bytes_that_say_nothing_are_left_to_the_provider(data: str) -> None:
    if image_type_of(data) is None:
        assert checked_image(Inline("image/png", data), "here") == Inline("image/png", data)


def test_the_type_that_jpegs_are_often_given_is_theirs() -> None:
    assert checked_image(Inline("image/jpg", "/9j/4AAQ"), "here") == Inline("image/jpeg", "/9j/4AAQ")
