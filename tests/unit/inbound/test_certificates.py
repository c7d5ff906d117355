"""inbound/certificates: what the listeners speak TLS with."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme

from asyncmta.inbound.certificates import server_context


def test_without_a_certificate_there_is_no_tls() -> None:
    assert server_context("", "") is None


def test_a_certificate_with_its_key_in_one_file_or_in_two(tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("mx.example.org")
    both, certificate, key = tmp_path / "both.pem", tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(str(both))
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    issued.private_key_pem.write_to_path(str(key))
    for context in (server_context(str(both), ""), server_context(str(certificate), str(key))):
        assert context is not None
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.verify_mode == ssl.CERT_NONE
