"""forwarding/stores: whose mailboxes a mail store keeps goes there, and is answered as if it had gone nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from asyncmta.forwarding.stores import Stores
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Consignment, Content, Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Delivered, Handover, Postponed, Result
from asyncmta.mail.reply import reply
from asyncmta.mail.transport import Done

OK = Delivered(reply(250, "2.0.0", "done"))


class Transport:
    """Remembers what it was given, and answers when it is told to."""

    def __init__(self) -> None:
        self.given: list[Consignment] = []
        self._dones: list[Done] = []

    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None:
        self.given += consignments
        self._dones += [done] * len(consignments)

    def answer(self, result: Result) -> None:
        for consignment, done in zip(self.given, self._dones, strict=True):
            done(consignment, result)


def consignment(*addresses: str) -> Consignment:
    recipients = tuple(Recipient(parse_address(text)) for text in addresses)
    envelope = Envelope(None, recipients)
    content = Content(4, b"", dotted=False, wire_size=4)
    destination = f"local:{recipients[0].address.domain_key}"
    return Consignment(QueueId(1), destination, envelope, tuple(range(len(recipients))), content, 0.0)


def test_each_domain_goes_its_way_and_is_answered_under_its_own_name() -> None:
    maildirs, stores = Transport(), Transport()
    answers: list[tuple[Consignment, Result]] = []
    here, there = consignment("a@here.example"), consignment("b@There.example", "c@there.example")
    transport = Stores(domains=["there.example"], maildirs=maildirs, stores=stores)
    transport.deliver([here, there], lambda one, result: answers.append((one, result)))
    assert maildirs.given == [here]
    assert [(one.destination, one.ordinals) for one in stores.given] == [("store:there.example", (0, 1))]
    assert answers == []
    postponed = Postponed(60.0, "suspended")
    stores.answer(postponed)
    maildirs.answer({0: OK})
    assert answers == [(there, postponed), (here, {0: OK})]


def test_without_a_store_on_the_way_maildirs_alone_are_asked() -> None:
    maildirs, stores = Transport(), Transport()
    transport = Stores(domains=["there.example"], maildirs=maildirs, stores=stores)
    transport.deliver([consignment("b@there.example")], lambda one, result: None)
    assert maildirs.given == []
    transport.deliver([consignment("a@here.example")], lambda one, result: None)
    assert len(maildirs.given) == len(stores.given) == 1


def test_what_a_store_took_is_in_its_mailbox() -> None:
    stores = Transport()
    answers: list[Result] = []
    transport = Stores(domains=["there.example"], maildirs=Transport(), stores=stores)
    transport.deliver([consignment("b@there.example", "c@there.example")], lambda one, result: answers.append(result))
    passed_on = structs.replace(OK, handover=Handover.PASSED_ON)  # the store will tell itself
    stores.answer({0: structs.replace(OK, handover=Handover.RELAYED), 1: passed_on})
    assert answers == [{0: OK, 1: passed_on}]
