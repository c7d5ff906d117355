"""The verdict is total, and consistent with itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncmta.delivery.verdict import Fault, Stage, blame, is_expected, judge, of_all_hosts
from asyncmta.mail.outcome import Deferred, Delivered, Failed, Scope
from asyncmta.mail.reply import EnhancedStatus, Reply

numbers = st.integers(0, 999)
replies = st.builds(
    lambda code, subject, detail, has_status, text: Reply(
        code, EnhancedStatus(code // 100, subject, detail) if has_status and code // 100 != 3 else None, (text,)
    ),
    st.integers(200, 599),
    numbers,
    numbers,
    st.booleans(),
    st.text(st.characters(min_codepoint=32, max_codepoint=126)),
)


@given(st.sampled_from(Stage), replies)
def test_every_reply_at_every_stage_has_a_verdict(stage: Stage, heard: Reply) -> None:
    outcome = judge(stage, heard)
    if outcome is None:
        assert is_expected(stage, heard.code)
        assert stage is not Stage.DOT
        return
    if isinstance(outcome, Delivered):
        assert (stage, heard.code // 100) == (Stage.DOT, 2)
        return
    assert outcome.reply.code // 100 == (5 if isinstance(outcome, Failed) else 4)
    status = outcome.reply.enhanced
    assert status is None or status.class_ == outcome.reply.code // 100
    if heard.code < 500:
        assert isinstance(outcome, Deferred)
    if stage < Stage.MAIL:
        assert outcome.scope is Scope.SITE


@given(st.sampled_from(Stage), st.sampled_from(Fault), st.text())
def test_every_fault_at_every_stage_defers(stage: Stage, fault: Fault, detail: str) -> None:
    outcome = blame(stage, fault, detail)
    assert isinstance(outcome, Deferred)
    assert outcome.reply.code == 451
    assert not any(ord(letter) < 32 for letter in outcome.reply.text)


@given(st.lists(st.tuples(st.sampled_from([s for s in Stage if s < Stage.MAIL]), replies), min_size=1))
def test_a_site_is_given_up_only_when_all_hosts_say_so(said: list[tuple[Stage, Reply]]) -> None:
    failures = [
        outcome for outcome in (judge(stage, heard) for stage, heard in said) if isinstance(outcome, Failed | Deferred)
    ]
    if failures:
        verdict = of_all_hosts(failures)
        assert verdict in failures
        assert isinstance(verdict, Failed) == all(isinstance(failure, Failed) for failure in failures)
