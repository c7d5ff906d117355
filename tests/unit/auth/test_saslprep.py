"""auth/saslprep: the examples of RFC 4013, and what cannot be a login."""

from __future__ import annotations

import pytest

from asyncmta.auth.saslprep import MAX_CREDENTIAL, login_key, saslprep


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("\u0007", None),
        ("\u06271", None),
        ("a b", "a b"),
        ("a\u00a0b", "a b"),
        ("grün", "grün"),
        ("gru\u0308n", "grün"),
        ("\u00ad", None),
        ("é\u0007", None),
        ("é\ue000", None),
        ("é\ud800", None),
        ("é\u2028", None),
        ("é\ufff9", None),
        ("\u0627\u0628", "\u0627\u0628"),
        ("\u0627a\u0628", None),
        ("a\u0627", None),
        ("\U0001f511", "\U0001f511"),
        ("", None),
        ("x" * MAX_CREDENTIAL, "x" * MAX_CREDENTIAL),
        ("x" * (MAX_CREDENTIAL + 1), None),
        ("é" * (MAX_CREDENTIAL // 2 + 1), None),
    ],
)
def test_prepared(text: str, made: str | None) -> None:
    assert saslprep(text) == made


def test_a_login_is_looked_up_without_case() -> None:
    assert login_key("Alice@Example.ORG") == "alice@example.org"
    assert login_key("GRU\u0308N") == "grün"
    assert login_key("a\0b") is None
