"""Deadlines by stage."""

from __future__ import annotations

import pytest

from asyncmta.delivery.patience import BLOCK_TIME, before_the_dot, until_reply
from asyncmta.delivery.verdict import Stage


@pytest.mark.parametrize(
    ("stage", "seconds"), [(Stage.MAIL, 300), (Stage.RCPT, 300), (Stage.DATA, 120), (Stage.DOT, 600)]
)
def test_the_minima_of_rfc_5321(stage: Stage, seconds: int) -> None:
    assert until_reply(stage, is_out=False, now=1000.0, began=900.0) == 1000 + seconds
    assert before_the_dot(BLOCK_TIME, now=1000.0, began=900.0) == 1180


def test_a_transaction_has_a_bound_up_to_the_end_of_its_content() -> None:
    assert until_reply(Stage.RCPT, is_out=False, now=8000.0, began=1000.0) == 8200
    assert until_reply(Stage.RCPT, is_out=True, now=8000.0, began=1000.0) == 8200
    assert before_the_dot(BLOCK_TIME, now=8190.0, began=1000.0) == 8200
    assert until_reply(Stage.DOT, is_out=True, now=8190.0, began=1000.0) == 8790


def test_content_that_went_with_the_commands_gives_ten_minutes_to_each_reply() -> None:
    assert until_reply(Stage.MAIL, is_out=True, now=1000.0, began=1000.0) == 1600
