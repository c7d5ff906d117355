"""Addresses at the entrance: rewritten, led back, refused; and what that grants."""

from __future__ import annotations

from asyncmta.inbound.readdressing import Entered, Readdressing, is_plain
from asyncmta.mail import replies
from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.envelope import Envelope, Recipient
from asyncmta.mail.reply import Reply
from asyncmta.mail.rewrite import Rewriting, parse_rule

RULES = [("@old.example", "@new.example"), ("@new.example", "@far.example")]


class Desk:
    def __init__(self) -> None:
        self.told: list[tuple[str, str, str, str]] = []
        table = Rewriting([parse_rule(match, to) for match, to in RULES])
        self.readdressing = Readdressing(
            senders=table,
            recipients=table,
            returned=self._returned,
            serves=lambda address: address.domain_key == "old.example" and is_plain(address),
            tell=lambda of, given, now, by: self.told.append((of, str(given), str(now), by)),
        )

    def _returned(self, address: Address) -> Address | Reply | None:
        if address.local_part == "back":
            return parse_address("me@far.example")
        return replies.RETURN_EXPIRED if address.local_part == "late" else None

    def recipient(self, text: str, orcpt: str | None = None) -> Entered | Reply:
        return self.readdressing.recipient(Recipient(parse_address(text), 2, orcpt))


def test_a_recipient_goes_where_the_table_says_and_may_if_it_could_be_sent_to() -> None:
    desk = Desk()
    assert desk.recipient("a@old.example") == Entered(
        Recipient(parse_address("a@new.example"), 2, "rfc822;a@old.example"), True
    )
    assert desk.recipient("a@new.example", "rfc822;first@x.example") == Entered(
        Recipient(parse_address("a@far.example"), 2, "rfc822;first@x.example"), False
    )
    assert desk.told[0] == ("recipient", "a@old.example", "a@new.example", "@old.example -> @new.example")


def test_what_another_host_could_send_on_is_granted_nothing() -> None:
    for local_part in ("a%far.example", "far.example!a", '"a@far.example"'):
        entered = Desk().recipient(f"{local_part}@old.example")
        assert isinstance(entered, Entered)
        assert not entered.granted


def test_what_is_in_no_table_stays() -> None:
    desk = Desk()
    assert desk.recipient("a@x.example") == Entered(Recipient(parse_address("a@x.example"), 2), False)
    assert desk.told == []


def test_a_return_address_leads_back_before_any_table_or_is_refused() -> None:
    desk = Desk()
    assert desk.recipient("back@old.example") == Entered(
        Recipient(parse_address("me@far.example"), 2, "rfc822;back@old.example"), True
    )
    assert desk.told == [("recipient", "back@old.example", "me@far.example", "srs")]
    assert desk.recipient("late@old.example") == replies.RETURN_EXPIRED


def test_a_sender_is_rewritten_and_none_is_none() -> None:
    desk = Desk()
    envelope = Envelope(parse_address("me@old.example"), (), envid="x")
    assert desk.readdressing.envelope(envelope) == Envelope(parse_address("me@new.example"), (), envid="x")
    for stays in (Envelope(None, ()), Envelope(parse_address("me@x.example"), ())):
        assert desk.readdressing.envelope(stays) is stays
    assert [of for of, *_ in desk.told] == ["sender"]


def test_a_message_as_a_whole_has_each_mailbox_once() -> None:
    desk = Desk()
    people = ["a@old.example", "a@new.example", "A@old.example", "b@x.example", "a@old.example"]
    envelope = Envelope(parse_address("me@old.example"), tuple(Recipient(parse_address(one)) for one in people))
    found = desk.readdressing.whole(envelope)
    assert isinstance(found, Envelope)
    assert str(found.reverse_path) == "me@new.example"
    assert [str(one.address) for one in found.recipients] == [
        "a@new.example", "a@far.example", "A@new.example", "b@x.example"
    ]  # fmt: skip
    late = Envelope(None, (Recipient(parse_address("late@x.example")),))
    assert desk.readdressing.whole(late) == replies.RETURN_EXPIRED


def test_without_srs_no_address_leads_back() -> None:
    plain = Readdressing(senders=Rewriting([]), recipients=Rewriting([]), serves=lambda _: True, tell=lambda *_: None)
    back = Recipient(parse_address("back@old.example"))
    assert plain.recipient(back) == Entered(back)


def test_a_rule_that_makes_no_address_changes_nothing() -> None:
    table = Rewriting([parse_rule(r"/(.*)x@old\.example/", r"\1@new.example", is_for_senders=True)])
    desk = Readdressing(senders=table, recipients=table, serves=lambda _: True, tell=lambda *_: None)
    recipient = Recipient(parse_address("x@old.example"))
    assert desk.recipient(recipient) == Entered(recipient)
    envelope = Envelope(parse_address("x@old.example"), ())
    assert desk.envelope(envelope) is envelope
