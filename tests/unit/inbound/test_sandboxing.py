"""The sandbox at the entrance, behind what rewrites addresses."""

from __future__ import annotations

from asyncmta.inbound.readdressing import Entered
from asyncmta.inbound.sandboxing import SandboxedReaddressing
from asyncmta.mail import replies
from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.envelope import Recipient
from asyncmta.mail.reply import Reply
from asyncmta.mail.rewrite import Rewriting, parse_rule
from asyncmta.policy.sandbox import Sandbox
from asyncmta.routing import parse_pattern

DEV = parse_address("dev@example.org")
SOME = (parse_pattern("example.com"),)


def entering(sandbox: Sandbox, text: str, told: list[str], orcpt: str | None = None) -> Entered | Reply:
    def returned(address: Address) -> Reply | None:
        return replies.RETURN_EXPIRED if address.local_part == "SRS0" else None

    readdressing = SandboxedReaddressing(
        sandbox=sandbox,
        senders=Rewriting([]),
        recipients=Rewriting([parse_rule("@old.example", "@example.com")]),
        returned=returned,
        serves=lambda address: address.domain_key in ("example.net", "old.example"),
        tell=lambda of, given, now, by: told.append(f"{given} {now} {by}"),
    )
    return readdressing.recipient(Recipient(parse_address(text), orcpt=orcpt))


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
