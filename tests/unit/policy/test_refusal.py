"""policy/refusal: refusals in other people's words."""

from __future__ import annotations

import pytest

from asyncmta.mail import replies
from asyncmta.policy.refusal import InvalidRefusal, numbered, parse_refusal


@pytest.mark.parametrize(
    ("text", "permanent", "said"),
    [
        ("", True, str(replies.REJECTED_BY_RULE)),
        ("", False, str(replies.DEFERRED_BY_RULE)),
        ("Go away", True, "550 5.7.1 Go away"),
        ("5.7.27 Go away", True, "550 5.7.27 Go away"),
        ("554 Go away", True, "554 5.7.1 Go away"),
        ("554 5.7.9 Go away", True, "554 5.7.9 Go away"),
        ("451 4.3.2 Later", False, "451 4.3.2 Later"),
        ("451", False, f"451 4.7.1 {replies.DEFERRED_BY_RULE.text}"),
        ("Line\x0bbreak", True, "550 5.7.1 Line?break"),
    ],
)
def test_refusals(text: str, permanent: bool, said: str) -> None:
    assert str(parse_refusal(text, permanent=permanent)) == said


@pytest.mark.parametrize(("text", "permanent"), [("450 x", True), ("550 x", False), ("250 OK", True), ("599 x", True)])
def test_what_is_no_refusal_of_that_kind(text: str, permanent: bool) -> None:
    with pytest.raises(InvalidRefusal):
        parse_refusal(text, permanent=permanent)


def test_a_number_that_is_none() -> None:
    assert numbered("599 x") is None
    assert numbered("5501") is None
    assert numbered("hello") is None
