"""What connections trust: a context for each set of files, made once, made anew when they change."""

import ssl
from pathlib import Path

import pytest

from gateway.adapters.tls import REMEMBERED, Contexts, TrustError, context_of, stamped
from gateway.domain.upstream import SYSTEM, Trust
from tests.fakes.certificates import certified, client_of


def test_a_context_is_made_once_for_the_same_files_and_anew_when_they_change(tmp_path: Path) -> None:
    contexts = Contexts()
    file = tmp_path / "trusted.pem"
    file.write_bytes(certified(tmp_path, "llm.example.test").authority.read_bytes())
    before = stamped(Trust(str(file)))
    assert contexts.of(before) is contexts.of(stamped(Trust(str(file))))
    file.write_bytes(file.read_bytes() + b"\n")
    after = stamped(Trust(str(file)))
    assert after != before
    assert contexts.of(after) is not contexts.of(before)
    assert contexts.of.cache_info().maxsize == REMEMBERED


def test_each_context_checks_names_and_certificates(tmp_path: Path) -> None:
    ca = certified(tmp_path, "llm.example.test").authority
    for trust in (SYSTEM, Trust(str(ca))):
        context = context_of(trust)
        assert context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED


def test_with_a_file_of_its_own_nothing_of_the_system_is_trusted(tmp_path: Path) -> None:
    ca = certified(tmp_path, "llm.example.test").authority
    trusted = context_of(Trust(str(ca))).get_ca_certs()
    assert [each["subject"] for each in trusted] == [((("commonName", "authority"),),)]


def test_the_system_needs_no_stamp() -> None:
    assert stamped(SYSTEM) is SYSTEM


def test_files_that_cannot_be_used_are_named_with_the_reason(tmp_path: Path) -> None:
    ca = certified(tmp_path, "llm.example.test").authority
    client = client_of(tmp_path, "gateway")
    with pytest.raises(TrustError, match=r"gone\.pem cannot be read"):
        stamped(Trust(str(tmp_path / "gone.pem")))
    with pytest.raises(TrustError, match=r"client\.key holds no certificates to trust"):
        context_of(Trust(str(client.key)))
    for key in (tmp_path / "server.key", client.encrypted, tmp_path / "gone.key"):
        with pytest.raises(TrustError, match="are no certificate and its key"):
            context_of(Trust(str(ca), str(client.cert), str(key)))
