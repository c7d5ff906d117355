"""Which messages an expanded recipient becomes: envelopes, one for each reverse-path, and the field that goes on top.

A list with an owner sends in its owner's name; what leaves for strangers without one keeps its sender, or gets a
rewritten one of ours where that is configured; the null reverse-path stays as it is, so that nobody answers a report.
`Delivered-To` marks each copy with the address it was expanded from, which is how a loop over other systems is seen.
Never: content, the time (an argument), the journal.

RFC 3461 5.2.7 (aliases and lists), RFC 5321 3.9, 4.5.5; seeds L02, W-041, W-042, W-307.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct, structs

from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Envelope, Recipient
from asyncmta.mail.headers import delivered_to
from asyncmta.mailboxes.expansion import Ending, Reached

MOST_RECIPIENTS = 1000  # of one copy: a message with more would be one task, one record and one report for all of them

Rewrite = Callable[[Address], Address | None]
"""A reverse-path to one of ours that leads back to it (`mailboxes/srs`); None: it cannot be."""


class Copy(Struct, frozen=True):
    """One message to be. `is_leaving`: it is for strangers, so that it bears the mark by which a loop is seen."""

    envelope: Envelope
    is_leaving: bool


def copies_for(
    envelope: Envelope, original: Recipient, reached: Sequence[Reached], rewrite: Rewrite | None
) -> list[Copy]:
    """The copies for whom a recipient of this envelope stands for."""
    groups: dict[tuple[str, bool, bool], list[Reached]] = {}
    senders: dict[str, Address | None] = {}
    for one in reached:
        sender = _sender(envelope.reverse_path, one, rewrite)
        senders[str(sender)] = sender
        is_list = one.owner is not None and sender is not None
        groups.setdefault((str(sender), is_list, one.ending is Ending.ELSEWHERE), []).append(one)
    copies = []
    for (sender_text, is_list, is_leaving), people in groups.items():
        for at in range(0, len(people), MOST_RECIPIENTS):
            part = people[at : at + MOST_RECIPIENTS]
            own = _envelope(envelope, original, senders[sender_text], part, is_list=is_list)
            copies.append(Copy(own, is_leaving))
    return copies


def _sender(sender: Address | None, one: Reached, rewrite: Rewrite | None) -> Address | None:
    if sender is None:
        return None
    if one.owner is not None:
        return one.owner
    if one.ending is Ending.ELSEWHERE and rewrite is not None:
        return rewrite(sender) or sender
    return sender


def _envelope(
    envelope: Envelope, original: Recipient, sender: Address | None, people: Sequence[Reached], *, is_list: bool
) -> Envelope:
    recipients = tuple([_recipient(original, one, is_list=is_list) for one in people])
    changed = structs.replace(envelope, reverse_path=sender, recipients=recipients)
    # RFC 3461 5.2.7.1: what the author wished to hear is no matter between a list and its members.
    return structs.replace(changed, ret=None, envid=None) if is_list else changed


def _recipient(original: Recipient, one: Reached, *, is_list: bool) -> Recipient:
    is_final = one.ending is not Ending.ELSEWHERE
    if is_list:
        return Recipient(one.address, is_final=is_final)
    return Recipient(one.address, original.notify, original.orcpt, is_final)


def has_passed(section: bytes, address: Address) -> bool:
    """Does the header section say that the message was here for this address before?"""
    mark = delivered_to(address).strip().lower()
    return any(line.strip().lower() == mark for line in section.split(b"\n"))
