"""inbound/security: credentials as text. STARTTLS and AUTH themselves are in dialogs/ and test_conversation."""

from __future__ import annotations

from asyncmta.inbound.security import MAX_CREDENTIAL, credential


def test_a_credential_is_some_utf8_of_bounded_length() -> None:
    assert credential("grün".encode()) == "grün"
    assert credential(b"x" * MAX_CREDENTIAL) == "x" * MAX_CREDENTIAL
    assert credential(b"x" * (MAX_CREDENTIAL + 1)) is None
    assert credential(b"") is None
    assert credential(b"\xff") is None
