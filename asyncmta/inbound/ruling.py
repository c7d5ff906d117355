"""HELO, MAIL and RCPT where there is a gate: rules, then whether there is anybody, then whom else to ask.

Each function is one step; whatever has to be waited for is a `LookUp` that names the next one, and there is no waiting
where nobody has to be asked. Promises: permission to relay comes first and is nobody's to give here; a refusal says
who made it; holds, tags, header lines and discards are kept in `SessionState.handling`, and intake does them. Never:
what a rule says (`policy/rules`), what a hook says.

RFC 5321 4.1.1; docs/policy.md.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec import Struct, structs

from asyncmta.inbound.events import Event, LookUp, Refused
from asyncmta.inbound.gate import Gate, verdicts_of
from asyncmta.inbound.session import SessionState
from asyncmta.mail import replies
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Envelope, Recipient
from asyncmta.mail.reply import Reply
from asyncmta.policy.verdict import MAX_HEADER, About, Findings, Handling, Stage, Verdict

_CLOSING = (421, 521)  # codes that say that the connection ends


def hello(gate: Gate, state: SessionState, stage: str, consent: bytes) -> bytes | Event:
    """The name is taken; does anybody mind?"""
    if "EHLO" not in gate.stages:
        return consent
    return _ask(gate, _about(state, "EHLO"), partial(_hello_answered, state, stage, consent))


def _hello_answered(state: SessionState, stage: str, consent: bytes, found: object) -> bytes | Event:
    for verdict in verdicts_of(found):
        if verdict.refuses is not None:
            state.helo = ""
            state.forget_facts()
            return _refused(stage, verdict, None)
    return consent


# -- MAIL -----------------------------------------------------------------------------------------------------------


class Opening(Struct, frozen=True):
    """A MAIL that is right: the envelope, the size that was declared, and what is said to it when nobody minds."""

    envelope: Envelope
    size: int
    consent: bytes


def mail(gate: Gate, state: SessionState, opening: Opening) -> bytes | Event:
    """MAIL for which there is room."""
    findings = state.findings
    if not isinstance(findings, Findings):
        return LookUp("MAIL", findings, partial(_screened, gate, state, opening))
    return _judge_sender(gate, state, opening)


def _screened(gate: Gate, state: SessionState, opening: Opening, found: object) -> bytes | Event:
    state.learn(found if isinstance(found, Findings) else Findings(is_name_unsure=True))
    return _judge_sender(gate, state, opening)


def _judge_sender(gate: Gate, state: SessionState, opening: Opening) -> bytes | Event:
    peer, reverse_path = state.peer(), opening.envelope.reverse_path
    decision = gate.rules.at_mail(peer, reverse_path)
    if decision.verdict is not None and decision.verdict.refuses is not None:
        return _refused("MAIL", decision.verdict, reverse_path)
    state.decision = decision
    state.declared_size = opening.size
    state.handling = Handling(peer=peer, instance=gate.new_instance())
    for tag in decision.tags:
        _note(state, Verdict("tag", text=tag))
    if "MAIL" not in gate.stages:
        return _sender_answered(state, opening, ())
    return _ask(gate, _about(state, "MAIL", reverse_path), partial(_sender_answered, state, opening))


def _sender_answered(state: SessionState, opening: Opening, found: object) -> bytes | Event:
    for verdict in verdicts_of(found):
        if verdict.refuses is not None:
            state.handling = None
            return _refused("MAIL", verdict, opening.envelope.reverse_path)
        if verdict.action == "discard":
            state.decision = structs.replace(state.decision, verdict=verdict)
        else:
            _note(state, verdict)
    state.envelope = opening.envelope
    state.transactions += 1
    return opening.consent


# -- RCPT -----------------------------------------------------------------------------------------------------------


def rcpt(gate: Gate, state: SessionState, recipient: Recipient, *, may_relay: bool) -> bytes | Event:
    """RCPT that is right, and not one too many."""
    acceptance, address, reverse_path = state.acceptance, recipient.address, state.reverse_path
    if not acceptance.serves(address, reverse_path, may_relay=may_relay):
        return _no(state, recipient, replies.RELAY_DENIED)
    decision = gate.rules.at_rcpt(
        state.decision, state.peer(), reverse_path, address, is_postmaster=acceptance.is_postmaster(address)
    )
    handling, verdict = state.handling, decision.verdict
    assert handling is not None
    if verdict is not None and verdict.refuses is not None:
        return _refused("RCPT", verdict, reverse_path, recipient)
    if verdict is not None and verdict.action == "discard":
        return _discard(state, recipient, verdict)
    answer = acceptance.recipient(address, reverse_path, may_relay=may_relay)
    proceed = partial(_exists, gate, state, recipient, decision.tags, verdict)
    if answer is None:
        return proceed(None)
    if isinstance(answer, Reply):
        return _no(state, recipient, answer)
    return LookUp("RCPT", answer, lambda found: proceed(acceptance.existence(found)))


def _exists(
    gate: Gate,
    state: SessionState,
    recipient: Recipient,
    tags: tuple[str, ...],
    verdict: Verdict | None,
    refusal: Reply | None,
) -> bytes | Event:
    if refusal is not None:
        return _no(state, recipient, refusal)
    said = tuple(Verdict("tag", text=tag) for tag in tags) + (() if verdict is None else (verdict,))
    if "RCPT" not in gate.stages:
        return _recipient_answered(state, recipient, said, ())
    is_accepted = verdict is not None and verdict.action == "accept"
    about = _about(state, "RCPT", state.reverse_path, recipient.address, is_accepted=is_accepted)
    return _ask(gate, about, partial(_recipient_answered, state, recipient, said))


def _recipient_answered(
    state: SessionState, recipient: Recipient, said: tuple[Verdict, ...], found: object
) -> bytes | Event:
    verdicts = verdicts_of(found)
    for verdict in verdicts:
        if verdict.refuses is not None:
            return _refused("RCPT", verdict, state.reverse_path, recipient)
        if verdict.action == "discard":
            return _discard(state, recipient, verdict)
    for verdict in (*said, *verdicts):
        _note(state, verdict)
    state.add(recipient)
    return replies.RECIPIENT_OK.wire


def _discard(state: SessionState, recipient: Recipient, verdict: Verdict) -> bytes:
    """It is taken, and intake leaves it out."""
    handling = state.handling
    assert handling is not None
    state.handling = structs.replace(handling, discarded=(*handling.discarded, (recipient.address, verdict.by)))
    state.add(recipient)
    return replies.RECIPIENT_OK.wire


# -- what all of them need --------------------------------------------------------------------------------------------


def _ask(gate: Gate, about: About, proceed: Callable[[object], bytes | Event]) -> LookUp:
    assert gate.ask is not None
    return LookUp(about.stage, gate.ask(about), proceed)


def _about(
    state: SessionState,
    stage: Stage,
    reverse_path: Address | None = None,
    recipient: Address | None = None,
    *,
    is_accepted: bool = False,
) -> About:
    handling = state.handling
    return About(
        stage=stage,
        peer=state.peer(),
        reverse_path=reverse_path,
        recipient=recipient,
        recipients=len(state.recipients),
        size=state.declared_size,
        instance=handling.instance if handling is not None else "",
        is_accepted=is_accepted,
    )


def _note(state: SessionState, verdict: Verdict) -> None:
    """What is to be done with the message, beside taking it."""
    handling = state.handling
    assert handling is not None
    added = handling
    match verdict.action:
        case "hold" if not handling.held_by:
            added = structs.replace(handling, held_by=verdict.by)
        case "tag" if verdict.text not in handling.tags:
            added = structs.replace(handling, tags=(*handling.tags, verdict.text))
        case "prepend" if verdict.text not in handling.lines:
            added = structs.replace(handling, lines=(*handling.lines, verdict.text))
        case "accept":
            added = structs.replace(handling, is_accepted=True)
    if len(added.header) <= max(MAX_HEADER, len(handling.header)):  # else somebody is playing: no mail is lost for that
        state.handling = added


def _refused(stage: str, verdict: Verdict, reverse_path: Address | None, recipient: Recipient | None = None) -> Refused:
    refusal = verdict.refuses
    assert refusal is not None
    address = None if recipient is None else recipient.address
    return Refused(stage, refusal, reverse_path, address, closes=refusal.code in _CLOSING, by=verdict.by)


def _no(state: SessionState, recipient: Recipient, refusal: Reply) -> Refused:
    return Refused("RCPT", refusal, state.reverse_path, recipient.address)
