"""The last change of an envelope: for strangers alone, SRS last, and the queue keeps its own."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from asyncmta.forwarding.leaving import Leaving
from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.envelope import Consignment, Content, Envelope, Origin, QueueId, Recipient
from asyncmta.mail.outcome import Postponed
from asyncmta.mail.rewrite import Rewriting, parse_rule
from asyncmta.mail.transport import Done

LATER = Postponed(1.0, "later")


class Network:
    def __init__(self) -> None:
        self.sent: list[Consignment] = []

    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None:
        self.sent += consignments
        for consignment in consignments:
            done(consignment, LATER)


class Exit:
    def __init__(self, senders: Sequence[tuple[str, str]] = (), recipients: Sequence[tuple[str, str]] = ()) -> None:
        self.network = Network()
        self.leaving = Leaving(
            senders=Rewriting([parse_rule(*pair) for pair in senders]),
            recipients=Rewriting([parse_rule(*pair) for pair in recipients]),
            forward=self._forward,
            remote=self.network,
        )

    def _forward(self, sender: Address) -> Address | None:
        return None if sender.domain == "ours.example" else parse_address(f"srs={sender.local_part}@ours.example")

    def send(
        self, envelope: Envelope, destination: str = "mx:far.example", ordinals: Sequence[int] = (0, 1)
    ) -> Envelope:
        given = Consignment(QueueId(7), destination, envelope, tuple(ordinals), Content(1, b"", False, 1), 0.0)
        answered: list[Consignment] = []
        self.leaving.deliver([given], lambda consignment, result: answered.append(consignment))
        assert answered == [given], "the answer is about what was given"
        [sent] = self.network.sent
        assert (sent.queue_id, sent.destination, sent.ordinals) == (given.queue_id, destination, given.ordinals)
        return sent.envelope


def envelope(sender: str | None = "me@in.example", *, forwarded: bool = False) -> Envelope:
    people = tuple(Recipient(parse_address(one)) for one in ("a@in.example", "b@in.example"))
    origin = Origin("id", 1.0) if forwarded else None
    return Envelope(parse_address(sender) if sender else None, people, origin=origin)


def paths(found: Envelope) -> list[str]:
    return [str(found.reverse_path), *(str(one.address) for one in found.recipients)]


def test_nothing_changes_without_a_rule() -> None:
    given = envelope()
    assert Exit().send(given) is given


def test_both_tables_and_only_who_is_sent_to() -> None:
    outside = [("@in.example", "@out.example")]
    assert paths(Exit(outside, outside).send(envelope(), ordinals=[1])) == [
        "me@out.example", "a@in.example", "b@out.example"
    ]  # fmt: skip
    assert paths(Exit([], outside).send(envelope(None))) == ["None", "a@out.example", "b@out.example"]
    elsewhere = [("@elsewhere.example", "@out.example")]
    given = envelope()
    assert Exit(elsewhere, elsewhere).send(given) is given


def test_srs_comes_last_and_for_what_was_forwarded_alone() -> None:
    outside = [("me@in.example", "you@out.example")]
    assert paths(Exit(outside).send(envelope(forwarded=True)))[0] == "srs=you@ours.example"
    assert paths(Exit(outside).send(envelope()))[0] == "you@out.example"
    ours = envelope("me@ours.example", forwarded=True)
    assert Exit().send(ours) is ours
    null = envelope(None, forwarded=True)
    assert Exit().send(null) is null


def test_without_a_secret_there_is_no_srs() -> None:
    network = Network()
    leaving = Leaving(senders=Rewriting([]), recipients=Rewriting([]), remote=network)
    given = envelope(forwarded=True)
    assert leaving.envelope(given, (0, 1)) is given


@pytest.mark.parametrize("destination", ["lmtp:0", "unknown:in.example"])
def test_a_store_of_ours_gets_it_as_it_is(destination: str) -> None:
    given = envelope(forwarded=True)
    assert Exit([("@in.example", "@out.example")]).send(given, destination) is given
