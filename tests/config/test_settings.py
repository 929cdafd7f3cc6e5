"""Addresses to listen on: read as people write them, or refused with the remedy."""

import pytest

from gateway.config.settings import Address, address_of


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback", "url"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080, True, "http://127.0.0.1:8080"),
        (":9000", "127.0.0.1", 9000, True, "http://127.0.0.1:9000"),
        ("localhost:1", "localhost", 1, True, "http://localhost:1"),
        ("[::1]:8080", "::1", 8080, True, "http://[::1]:8080"),
        ("0.0.0.0:0", "0.0.0.0", 0, False, "http://0.0.0.0:0"),
        ("[::]:65535", "::", 65535, False, "http://[::]:65535"),
        ("gateway.example.com:80", "gateway.example.com", 80, False, "http://gateway.example.com:80"),
    ],
)
def test_an_address_is_read(text: str, host: str, port: int, loopback: bool, url: str) -> None:  # noqa: FBT001 - a column
    """U-109: what other machines can reach is known as such."""
    address = address_of(text)
    assert (address.host, address.port, address.loopback, address.url()) == (host, port, loopback, url)


@pytest.mark.parametrize(
    "text", ["", "8080", "host", "host:", "host:port", "host:65536", "host:-1", "host:1.5", "host:\u00b2"]
)
def test_what_is_no_address_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address: write HOST:PORT, such as"):
        address_of(text)


def test_the_port_that_the_system_chose_stands_in_the_address() -> None:
    assert Address("127.0.0.1", 0).url(4321) == "http://127.0.0.1:4321"
