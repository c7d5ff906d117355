"""QMTP as a client: packages out, an answer for each recipient in."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmta.delivery.dialogue import Step
from asyncmta.delivery.qmtp import QmtpDialogue, outcome_of
from asyncmta.delivery.verdict import Fault, Stage
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Content, Envelope, Recipient
from asyncmta.mail.netstring import netstring
from asyncmta.mail.outcome import NOWHERE, Cause, Deferred, Delivered, Failed, Outcome
from asyncmta.mail.wire import unstuff
from asyncmta.routing import Smarthost
from tests.unit.delivery.conftest import CONTENT, Post, Scripted

SIZED = Content(10, b"", False, 10)
PLAIN_CONTENT = unstuff(b"".join(CONTENT))


def envelope(*recipients: str, sender: str = "me@example.org", **facts: Any) -> Envelope:
    origin = parse_address(sender, smtputf8=True) if sender else None
    return Envelope(origin, tuple(Recipient(parse_address(one, smtputf8=True)) for one in recipients), **facts)


def begun(*recipients: str, **facts: Any) -> QmtpDialogue:
    dialogue = QmtpDialogue()
    mail = envelope(*recipients, **facts)
    assert dialogue.begin(mail, tuple(range(len(recipients))), SIZED) is Step.CONTENT
    return dialogue


def test_a_package() -> None:
    dialogue = begun("a@x.example", '"b>c"@y.example')
    assert dialogue.opening == b"11:\r"
    recipients = netstring(b"a@x.example") + netstring(b'"b>c"@y.example')
    assert dialogue.ending == b"," + netstring(b"me@example.org") + netstring(recipients)
    assert (dialogue.stage, dialogue.is_unheard) == (Stage.DATA, True)
    assert begun("a@x.example", sender="").ending.startswith(b",0:,")


def test_an_answer_for_each() -> None:
    dialogue = begun("a@x.example", "b@x.example", "c@x.example")
    dialogue.content_sent()
    assert (dialogue.stage, dialogue.is_unheard) == (Stage.DOT, False)
    answers = netstring(b"Kok 17 qp 4") + netstring(b"Znot now (#4.2.2)") + netstring(b"Dno\nsuch user (#5.1.1)")
    assert dialogue.feed(answers) is Step.DONE
    assert dialogue.usable
    assert [str(dialogue.outcomes[at].reply) for at in range(3)] == [
        "250 2.0.0 ok 17 qp 4",
        "451 4.2.2 not now (#4.2.2)",
        "554 5.1.1 no such user (#5.1.1)",
    ]
    assert [type(dialogue.outcomes[at]) for at in range(3)] == [Delivered, Deferred, Failed]
    assert dialogue.begin(envelope("a@x.example"), (0,), SIZED) is Step.CONTENT
    assert (dialogue.outcomes, dialogue.progress, dialogue.is_unheard) == ({}, 0, True)


@given(st.lists(st.sampled_from([b"Kok", b"Zno", b"Dnever"]), min_size=1, max_size=4), st.data())
def test_split_anywhere_the_answers_are_the_same(answers: list[bytes], data: st.DataObject) -> None:
    octets = b"".join(map(netstring, answers))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(octets) - 1))))
    dialogue = begun(*(f"r{at}@x.example" for at in range(len(answers))))
    dialogue.content_sent()
    steps = [dialogue.feed(octets[a:b]) for a, b in zip([0, *cuts], [*cuts, len(octets)], strict=True)]
    assert steps == [Step.WAIT] * len(cuts) + [Step.DONE]
    assert dialogue.usable
    kinds: dict[int, type[Outcome]] = {75: Delivered, 90: Deferred, 68: Failed}
    assert [type(dialogue.outcomes[at]) for at in range(len(answers))] == [kinds[one[0]] for one in answers]


@given(st.lists(st.binary(max_size=30), max_size=5), st.integers(1, 3), st.booleans())
def test_whatever_comes_everybody_has_an_outcome(pieces: list[bytes], count: int, is_sent: bool) -> None:
    dialogue = begun(*(f"r{at}@x.example" for at in range(count)))
    if is_sent:
        dialogue.content_sent()
    step = Step.WAIT
    for piece in pieces:
        if step is Step.WAIT:
            step = dialogue.feed(piece)
    if step is Step.WAIT:
        step = dialogue.fail(Fault.LOST)
        assert dialogue.is_cut_off
        assert dialogue.is_unsure is is_sent
    assert step is Step.DONE
    assert sorted(dialogue.outcomes) == list(range(count))


@pytest.mark.parametrize("answer", [b"hello", b"1:X,", b"0:,", b"3:Kok.", b"9999:", b"x:"])
def test_nonsense_leaves_the_unanswered_unsure(answer: bytes) -> None:
    dialogue = begun("a@x.example", "b@x.example")
    dialogue.content_sent()
    assert dialogue.feed(netstring(b"Kok") + answer) is Step.DONE
    assert isinstance(dialogue.outcomes[0], Delivered)
    assert isinstance(dialogue.outcomes[1], Deferred)
    assert (dialogue.usable, dialogue.is_unsure, dialogue.is_cut_off) == (False, True, False)


def test_an_answer_too_many_ends_the_session_and_not_the_outcome() -> None:
    dialogue = begun("a@x.example")
    dialogue.content_sent()
    assert dialogue.feed(netstring(b"Kok") + b"3") is Step.DONE
    assert isinstance(dialogue.outcomes[0], Delivered)
    assert not dialogue.usable


def test_an_answer_before_the_end_is_none() -> None:
    dialogue = begun("a@x.example")
    assert dialogue.feed(netstring(b"Kok")) is Step.DONE
    assert isinstance(dialogue.outcomes[0], Deferred)
    assert (dialogue.usable, dialogue.is_unsure) == (False, False)


def test_what_a_package_cannot_say_is_refused_and_not_lost() -> None:
    dialogue = QmtpDialogue()
    for facts in ({"body": "BINARYMIME"}, {"requiretls": True}):
        assert dialogue.begin(envelope("a@x.example", **facts), (0,), SIZED) is Step.DONE
        assert isinstance(dialogue.outcomes[0], Failed)
    assert dialogue.begin(envelope("jürgen@x.example", "a@bücher.example"), (0, 1), SIZED) is Step.CONTENT
    assert str(dialogue.outcomes[0].reply).startswith("550 5.6.7")
    assert dialogue.ending.endswith(netstring(netstring(b"a@xn--bcher-kva.example")))
    dialogue.content_sent()
    dialogue.feed(netstring(b"Kok"))
    assert [type(dialogue.outcomes[at]) for at in range(2)] == [Failed, Delivered]


def test_a_status_of_another_class_is_not_believed() -> None:
    outcome = outcome_of(b"Zwhat (#5.1.1)", NOWHERE)
    assert outcome is not None
    assert str(outcome.reply).startswith("451 4.0.0")
    assert outcome_of(b"", NOWHERE) is None


# -- over sockets ------------------------------------------------------------------------------------------------------


def qmtp(post: Post, *hosts: tuple[str, int]) -> str:
    destination = f"qmtp:{len(post.routes)}"
    post.routes[destination] = Smarthost(destination, tuple(f"{h}:{p}" for h, p in hosts), "none", protocol="qmtp")
    return destination


def package(*recipients: bytes, content: bytes = PLAIN_CONTENT) -> bytes:
    said = netstring(b"".join(map(netstring, recipients)))
    return netstring(b"\r" + content) + netstring(b"sender@example.org") + said


async def test_a_message_and_the_next_one_on_the_same_connection(post: Post, scripted: type[Scripted]) -> None:
    end = netstring(netstring(b"a@x.example"))
    async with scripted([(end, netstring(b"Kok")), (end, netstring(b"Dno (#5.7.1)"))]) as server:
        to = qmtp(post, server.address)
        outcome = await post.sent("a@x.example", to=to)
        assert isinstance(outcome, Delivered)
        assert outcome.place.ip == "127.0.0.1"
        assert isinstance(await post.sent("a@x.example", to=to), Failed)
        assert server.got == [bytearray(package(b"a@x.example") * 2)]
        post.clock.advance(6.0)
        await post.until(lambda: server.closed)
        assert not server.got[0].endswith(b"QUIT\r\n")


async def test_content_that_has_to_be_read_first(post: Post, scripted: type[Scripted]) -> None:
    line = b"x" * 998 + b"\r\n"

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield line
            await asyncio.sleep(0)

    async with scripted([(netstring(netstring(b"a@x.example")), netstring(b"Kok"))]) as server:
        outcome = await post.sent("a@x.example", to=qmtp(post, server.address), content=chunks(), large=100_000)
        assert isinstance(outcome, Delivered)
        assert bytes(server.got[0]) == package(b"a@x.example", content=line * 100)


async def test_nobody_there_and_a_cut(post: Post, scripted: type[Scripted]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        outcome = await post.sent("a@x.example", to=qmtp(post, unused.getsockname()))
    assert isinstance(outcome, Deferred)
    assert outcome.cause is Cause.CONNECT
    async with scripted([(netstring(netstring(b"a@x.example")), None)]) as server, scripted() as other:
        to = qmtp(post, server.address, other.address)
        outcome = await post.sent("a@x.example", to=to)
        assert isinstance(outcome, Deferred)
        assert other.got == []  # the first may have taken it


async def test_a_connection_that_does_not_come_about_in_time(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("asyncmta.delivery.connecting.connect", connect)
    outcome = await post.sent("a@x.example", to=qmtp(post, ("192.0.2.1", 209)))
    assert isinstance(outcome, Deferred)
    assert outcome.cause is Cause.TIMEOUT
