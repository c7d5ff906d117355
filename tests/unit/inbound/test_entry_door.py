"""The door at the entrance: the sandbox and the suppression list, behind what rewrites addresses."""

from __future__ import annotations

from typing import Any

from asyncmta.inbound.entry_door import EntryDoor
from asyncmta.inbound.readdressing import Entered
from asyncmta.mail import replies
from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.envelope import Envelope, Recipient
from asyncmta.mail.reply import Reply
from asyncmta.mail.rewrite import Rewriting, parse_rule
from asyncmta.policy.sandbox import Sandbox
from asyncmta.routing import parse_pattern

DEV = parse_address("dev@example.org")
SOME = (parse_pattern("example.com"),)


def door(sandbox: Sandbox | None, told: list[str], refused: str = "") -> EntryDoor:
    def returned(address: Address) -> Reply | None:
        return replies.RETURN_EXPIRED if address.local_part == "SRS0" else None

    words: dict[str, Any] = {"refuses": lambda address: str(address) in refused} if refused else {}
    return EntryDoor(
        sandbox=sandbox,
        senders=Rewriting([]),
        recipients=Rewriting([parse_rule("@old.example", "@example.com")]),
        returned=returned,
        serves=lambda address: address.domain_key in ("example.net", "old.example"),
        tell=lambda of, given, now, by: told.append(f"{given} {now} {by}"),
        **words,
    )


def entering(sandbox: Sandbox, text: str, told: list[str], orcpt: str | None = None) -> Entered | Reply:
    return door(sandbox, told).recipient(Recipient(parse_address(text), orcpt=orcpt))


def test_who_is_allowed_stays_and_the_tables_come_first() -> None:
    told: list[str] = []
    assert entering(Sandbox(DEV, SOME), "x@example.com", told) == Entered(Recipient(parse_address("x@example.com")))
    assert told == []
    found = entering(Sandbox(DEV, SOME), "x@old.example", told)
    assert isinstance(found, Entered)
    assert (str(found.recipient.address), found.granted) == ("x@example.com", True)


def test_others_are_redirected_and_what_they_were_is_kept() -> None:
    told: list[str] = []
    found = entering(Sandbox(DEV, SOME), "x@example.net", told)
    assert found == Entered(Recipient(DEV, orcpt="rfc822;x@example.net"), granted=True)
    assert told == ["x@example.net dev@example.org sandbox"]
    found = entering(Sandbox(DEV, SOME), "x@strange.example", told, orcpt="rfc822;y@example.net")
    assert found == Entered(Recipient(DEV, orcpt="rfc822;y@example.net"), granted=False)


def test_or_refused_or_taken_to_be_discarded_later() -> None:
    told: list[str] = []
    assert entering(Sandbox(None, SOME, refuses=True), "x@example.net", told) is replies.NOT_IN_SANDBOX
    address = parse_address("x@example.net")
    assert entering(Sandbox(None, SOME), "x@example.net", told) == Entered(Recipient(address))
    assert entering(Sandbox(DEV), "SRS0@example.net", told) is replies.RETURN_EXPIRED
    assert told == []


def envelope(*texts: str) -> Envelope:
    return Envelope(None, tuple(Recipient(parse_address(each)) for each in texts))


def test_who_is_on_the_list_is_refused_behind_the_tables() -> None:
    one = door(None, [], "x@example.com")
    assert one.recipient(Recipient(parse_address("x@example.com"))) is replies.SUPPRESSED
    assert one.recipient(Recipient(parse_address("x@old.example"))) is replies.SUPPRESSED
    assert one.recipient(Recipient(parse_address("SRS0@example.net"))) is replies.RETURN_EXPIRED
    assert isinstance(one.recipient(Recipient(parse_address("y@example.com"))), Entered)


def test_of_a_whole_message_one_on_the_list_costs_the_others_nothing() -> None:
    one = door(None, [], "x@example.com")
    assert one.whole(envelope("x@example.com", "x@old.example")) is replies.SUPPRESSED
    found = one.whole(envelope("x@example.com", "y@example.com", "y@old.example"))
    assert isinstance(found, Envelope)
    assert [str(each.address) for each in found.recipients] == ["x@example.com", "y@example.com"]
    assert one.whole(envelope("y@example.com", "SRS0@example.net")) is replies.RETURN_EXPIRED
    assert one.whole(Envelope(None, ())) == Envelope(None, ())
