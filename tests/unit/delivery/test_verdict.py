"""The verdict on replies and faults, by stage."""

from __future__ import annotations

import pytest

from asyncmta.delivery.verdict import Fault, Stage, blame, judge, of_all_hosts, spoken
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Handover, Place, Scope
from asyncmta.mail.reply import EnhancedStatus, Reply, parse_reply, reply

HERE = Place("mx.example.net", "192.0.2.1", "TLSv1.3")


@pytest.mark.parametrize(
    ("stage", "line", "kind", "scope"),
    [
        (Stage.GREETING, "450 4.3.2 busy", Deferred, Scope.SITE),
        (Stage.MAIL, "452 4.3.1 full", Deferred, Scope.MESSAGE),
        (Stage.MAIL, "550 5.7.1 not you", Failed, Scope.MESSAGE),
        (Stage.RCPT, "450 4.2.0 greylisted", Deferred, Scope.RECIPIENT),
        (Stage.RCPT, "550 5.1.1 nobody", Failed, Scope.RECIPIENT),
        (Stage.DATA, "451 4.3.0 later", Deferred, Scope.MESSAGE),
        (Stage.DATA, "554 5.5.1 no", Failed, Scope.MESSAGE),
        (Stage.DOT, "451 4.3.0 later", Deferred, Scope.MESSAGE),
        (Stage.DOT, "554 5.6.0 spam", Failed, Scope.MESSAGE),
    ],
)
def test_refusals(stage: Stage, line: str, kind: type, scope: Scope) -> None:
    heard = parse_reply(line.encode() + b"\r\n")
    assert judge(stage, heard, HERE) == kind(Cause.REFUSED, heard, scope, HERE)


@pytest.mark.parametrize("stage", list(Stage))
def test_421_is_about_the_site_wherever_it_comes(stage: Stage) -> None:
    heard = reply(421, "4.3.2", "closing")
    assert judge(stage, heard) == Deferred(Cause.REFUSED, heard, Scope.SITE)


def test_only_2yz_after_the_dot_delivers() -> None:
    taken = reply(250, "2.0.0", "queued")
    assert judge(Stage.DOT, taken, HERE) == Delivered(taken, HERE, handover=Handover.RELAYED)
    passed_on = judge(Stage.DOT, taken, HERE, Handover.PASSED_ON)
    assert passed_on == Delivered(taken, HERE, handover=Handover.PASSED_ON)
    odd = judge(Stage.DOT, reply(354, None, "go on"), HERE)
    assert isinstance(odd, Deferred)
    assert odd.scope is Scope.RECIPIENT


@pytest.mark.parametrize(
    ("stage", "code"), [(Stage.RCPT, 354), (Stage.DATA, 250), (Stage.MAIL, 334), (Stage.GREETING, 334)]
)
def test_consent_out_of_order_is_transient(stage: Stage, code: int) -> None:
    outcome = judge(stage, reply(code, None, "what?"), HERE)
    assert isinstance(outcome, Deferred)
    assert outcome.reply.enhanced == EnhancedStatus(4, 5, 0)


def test_too_many_recipients_by_552_is_transient() -> None:
    plain = judge(Stage.RCPT, Reply(552, None, ("too many recipients",)))
    assert plain == Deferred(Cause.REFUSED, Reply(452, None, ("too many recipients",)))
    enhanced = judge(Stage.RCPT, reply(552, "5.5.3", "too many"))
    assert enhanced == Deferred(Cause.REFUSED, reply(452, "4.5.3", "too many"))
    assert isinstance(judge(Stage.DOT, reply(552, "5.3.4", "too big")), Failed)


@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.GREETING, Stage.EHLO])
@pytest.mark.parametrize("line", ["554 5.7.1 go away", "521 5.3.2 no mail is taken here", "550 no"])
def test_a_host_that_does_not_talk_to_us_bounces_nothing(stage: Stage, line: str) -> None:
    heard = parse_reply(line.encode() + b"\r\n")
    outcome = judge(stage, heard, HERE)
    assert isinstance(outcome, Deferred)
    assert (outcome.cause, outcome.scope, outcome.place) == (Cause.REFUSED, Scope.SITE, HERE)
    assert outcome.reply.code == 450
    assert (outcome.reply.enhanced is None) is (heard.enhanced is None)
    assert line in outcome.reply.text


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT])
def test_a_server_that_wants_tls_or_a_login_bounces_nothing(stage: Stage) -> None:
    outcome = judge(stage, reply(530, "5.7.0", "Must issue STARTTLS first"), HERE)
    assert isinstance(outcome, Deferred)
    assert f"{outcome.reply.code} {outcome.reply.enhanced}" == "450 4.7.0"
    assert "530 5.7.0 Must issue STARTTLS first" in outcome.reply.text


@pytest.mark.parametrize(("stage", "cause"), [(Stage.AUTH, Cause.REFUSED), (Stage.STARTTLS, Cause.TLS)])
def test_a_refused_password_or_handshake_bounces_nothing(stage: Stage, cause: Cause) -> None:
    outcome = judge(stage, reply(535, "5.7.8", "wrong"))
    assert isinstance(outcome, Deferred)
    assert (outcome.cause, outcome.scope, outcome.reply.code) == (cause, Scope.SITE, 454)
    assert "535 5.7.8 wrong" in outcome.reply.text


@pytest.mark.parametrize(
    ("stage", "fault", "cause", "status", "scope"),
    [
        (Stage.CONNECT, Fault.CONNECT, Cause.CONNECT, "4.4.1", Scope.SITE),
        (Stage.CONNECT, Fault.TIMEOUT, Cause.TIMEOUT, "4.4.1", Scope.SITE),
        (Stage.RCPT, Fault.TIMEOUT, Cause.TIMEOUT, "4.4.2", Scope.SITE),
        (Stage.STARTTLS, Fault.TLS, Cause.TLS, "4.7.5", Scope.SITE),
        (Stage.DATA, Fault.LOST, Cause.CONNECT, "4.4.2", Scope.SITE),
        (Stage.DATA, Fault.CONTENT, Cause.STORAGE, "4.3.0", Scope.MESSAGE),
        (Stage.MAIL, Fault.INTERNAL, Cause.INTERNAL, "4.3.0", Scope.MESSAGE),
        (Stage.DOT, Fault.LOST, Cause.CONNECT, "4.4.2", Scope.RECIPIENT),
        (Stage.DOT, Fault.TIMEOUT, Cause.TIMEOUT, "4.4.2", Scope.RECIPIENT),
        (Stage.MAIL, Fault.GARBAGE, Cause.CONNECT, "4.5.0", Scope.SITE),
    ],
)
def test_faults(stage: Stage, fault: Fault, cause: Cause, status: str, scope: Scope) -> None:
    outcome = blame(stage, fault, place=HERE)
    assert (outcome.cause, str(outcome.reply.enhanced), outcome.scope, outcome.place) == (cause, status, scope, HERE)


def test_a_detail_is_told() -> None:
    assert blame(Stage.CONNECT, Fault.CONNECT, "Connection refused").reply.text.endswith("Connection refused")


def test_a_site_fails_only_if_every_host_says_so() -> None:
    no = Failed(Cause.REFUSED, reply(554, None, "no"), Scope.SITE)
    no_either = Failed(Cause.REFUSED, reply(554, None, "not here"), Scope.SITE)
    down = blame(Stage.CONNECT, Fault.CONNECT, "refused")
    down_too = blame(Stage.CONNECT, Fault.TIMEOUT)
    assert of_all_hosts([no, no_either]) == no_either
    assert of_all_hosts([down, no]) == down
    assert of_all_hosts([down, down_too, no]) == down_too
    assert of_all_hosts([down, no], ours=True) == down


def test_hosts_that_an_operator_named_bounce_nothing() -> None:
    no = Failed(Cause.REFUSED, reply(554, "5.7.1", "no"), Scope.SITE, HERE)
    assert of_all_hosts([no], ours=True) == Deferred(Cause.REFUSED, reply(454, "4.7.1", "no"), Scope.SITE, HERE)


def test_a_reply_in_pieces_is_put_together() -> None:
    assert spoken(554, "5.7.1 no\nand no") == reply(554, "5.7.1", "no", "and no")
    assert spoken(-1, "garbage") is None
    assert spoken(654, "what") is None
