"""What spans say, and what they do not."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import semconv

from asyncmta.logline import Source
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Consignment, Content, Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Place, Postponed, Recorded
from asyncmta.mail.reply import Reply, reply
from asyncmta.telemetry.spans import (
    MOST_EVENTS,
    of_acceptance,
    of_message,
    of_place,
    of_reply,
    of_result,
    of_tls,
)

ALICE, BOB = parse_address("alice@example.org"), parse_address("bob@example.net")
OK, NO = reply(250, "2.0.0", "taken bob@example.net"), Reply(550, None, ("no",))


def consignment(*recipients: Any) -> Consignment:
    envelope = Envelope(ALICE, tuple(map(Recipient, recipients)))
    content = Content(0, b"", False, 0)
    return Consignment(QueueId(7), "mx:example.net", envelope, tuple(range(len(recipients))), content, 1.0)


def test_acceptance() -> None:
    envelope = Envelope(ALICE, (Recipient(BOB),))
    source = Source("192.0.2.1", "client", "alice", "TLSv1.3 TLS_AES_256_GCM_SHA384", 5.0)
    hidden = of_acceptance(envelope, 9, source, plain=False)
    assert hidden == {
        "messaging.message.envelope.size": 9,
        "asyncmta.recipients": 1,
        "client.address": "192.0.2.1",
        "tls.protocol.name": "tls",
        "tls.protocol.version": "1.3",
        "tls.cipher": "TLS_AES_256_GCM_SHA384",
    }
    assert of_acceptance(envelope, 9, source, plain=True) == hidden | {
        "asyncmta.sender": "alice@example.org",
        "asyncmta.recipient": "bob@example.net",
        "user.name": "alice",
    }
    assert of_acceptance(Envelope(None, ()), 9, Source(""), plain=True) == {
        "messaging.message.envelope.size": 9,
        "asyncmta.recipients": 0,
        "asyncmta.sender": "<>",
    }


def test_place_and_reply() -> None:
    assert of_place(Place()) == {}
    assert of_place(Place("mx\n.example", "192.0.2.1", "TLSv1.2")) == {
        "server.address": "mx\\n.example",
        "network.peer.address": "192.0.2.1",
        "tls.protocol.name": "tls",
        "tls.protocol.version": "1.2",
    }
    assert of_reply(None, plain=True) == {}
    assert of_reply(NO, plain=False) == {"asyncmta.reply.code": 550, "asyncmta.reply.class": "5xx"}
    assert of_reply(OK, plain=True) == {
        "asyncmta.reply.code": 250,
        "asyncmta.reply.class": "2xx",
        "asyncmta.reply.enhanced": "2.0.0",
        "asyncmta.reply.text": "taken bob@example.net",
    }


def test_results() -> None:
    outcomes = {0: Delivered(OK), 1: Deferred(Cause.DNS, NO), 2: Failed(Cause.REFUSED, NO)}
    said, events, error = of_result(consignment(ALICE, BOB, BOB), outcomes, plain=False)
    assert error == "dns"
    assert said == {
        "asyncmta.recipients.delivered": 1,
        "asyncmta.recipients.deferred": 1,
        "asyncmta.recipients.failed": 1,
        "asyncmta.outcome": "mixed",
        "error.type": "dns",
    }
    assert [event.name for event in events] == ["delivered", "deferred", "failed"]
    assert not any("asyncmta.recipient" in event.attributes for event in events)
    gone = Recorded({0: Delivered(OK, discarded=True)}, frozenset())
    said, events, error = of_result(consignment(BOB), gone, plain=True)
    assert (said["asyncmta.outcome"], error) == ("discarded", "")
    assert events[0].attributes["asyncmta.recipient"] == "bob@example.net"
    said, events, error = of_result(consignment(BOB), Postponed(5.0, "a site is suspended"), plain=True)
    assert (said, events[0].attributes, error) == (
        {"asyncmta.outcome": "postponed"},
        {"asyncmta.reason": "a site is suspended"},
        "",
    )


def test_of_many_recipients_the_first_have_events() -> None:
    many = MOST_EVENTS + 5
    said, events, _ = of_result(consignment(*[BOB] * many), dict.fromkeys(range(many), Delivered(OK)), plain=True)
    assert said["asyncmta.recipients.delivered"] == many
    assert len(events) == MOST_EVENTS


def conventions() -> set[str]:
    """Every attribute that the published conventions know."""
    import importlib
    import pkgutil

    found: set[str] = set()
    for package in ("opentelemetry.semconv.attributes", "opentelemetry.semconv._incubating.attributes"):
        room = importlib.import_module(package)
        for each in pkgutil.iter_modules(room.__path__):
            known = vars(importlib.import_module(f"{package}.{each.name}"))
            found |= {value for value in known.values() if isinstance(value, str)}
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_names_are_conventional_or_ours() -> None:
    assert semconv.__name__
    source = Source("192.0.2.1", "", "alice", "TLSv1.3 X")
    said: dict[str, Any] = {
        **of_message(QueueId(1), "accept"),
        **of_acceptance(Envelope(ALICE, (Recipient(BOB),)), 1, source, plain=True),
        **of_place(Place("mx", "192.0.2.1", "TLSv1.3")),
        **of_tls("TLSv1.3 X"),
        **of_reply(NO, plain=True),
        **of_result(consignment(BOB), {0: Failed(Cause.TLS, NO)}, plain=True)[0],
    }
    theirs = {name for name in said if not name.startswith("asyncmta.")}
    assert len(theirs) > 8
    assert theirs <= conventions()
