"""Which messages an expanded recipient becomes: envelopes, one for each reverse-path, and whether they leave.

A list with an owner sends in its owner's name; everything else keeps its sender, who may be one of those it is sent
to; the null reverse-path stays as it is, so that nobody answers a report. What a sender wanted to be told goes on to
one alone who stands for the recipient; to several without SUCCESS, for that they are several is what he is told; and
not to the members of an owned list. A copy that leaves bears `Delivered-To` with the address it was expanded from,
which is how a loop over other systems is seen. Never: content, the time (an argument), the journal.

RFC 3461 5.2.7 (aliases and lists), RFC 5321 3.9, 4.5.5; seeds L02, D-25, P-79, W-226, W-307.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct, structs

from asyncmta.lists.posting import Post
from asyncmta.lists.verp import verp
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import NOTIFY_NEVER, NOTIFY_SUCCESS, Envelope, Origin, Recipient
from asyncmta.mail.headers import delivered_to
from asyncmta.mail.outcome import Handover
from asyncmta.mail.xtext import encode_orcpt
from asyncmta.mailboxes.expansion import Ending, Reached

MOST_RECIPIENTS = 1000  # of one copy: a message with more would be one task, one record and one report for all of them

NO_POSTS: Mapping[str, Post] = MappingProxyType({})


class Copy(Struct, frozen=True):
    """One message to be. `is_leaving`: it is for strangers. `is_list`: it is sent in the name of an owner. `fields`: of
    that list, on top."""

    envelope: Envelope
    is_leaving: bool = False
    is_list: bool = False
    fields: bytes = b""


def copies_for(
    envelope: Envelope,
    original: Recipient,
    reached: Sequence[Reached],
    origin: Origin,
    default_owner: Address | None = None,
    *,
    posts: Mapping[str, Post] = NO_POSTS,
) -> list[Copy]:
    """The copies for whom a recipient of this envelope stands for. `origin`: that envelope's message; `default_owner`:
    the owner of several who have none; `posts`: of which owners there are mailing lists, and what these want."""
    groups: dict[tuple[str, bool, bytes], tuple[Address | None, list[Reached]]] = {}
    common = default_owner if len(reached) > 1 else None
    for one in reached:
        owner = (one.owner or common) if envelope.reverse_path is not None else None
        post = posts.get(str(owner)) if posts and owner is not None else None
        fields = b"" if post is None else post.top
        if owner is not None and post is not None and post.verp:
            owner = verp(owner, one.address)
        key = ("" if owner is None else str(owner), one.ending is Ending.ELSEWHERE, fields)
        groups.setdefault(key, (owner, []))[1].append(one)
    asked = _as_asked(original, is_alone=len(reached) == 1)
    copies = []
    for (_, is_leaving, fields), (owner, people) in groups.items():
        source = _from(envelope, owner, origin)
        for at in range(0, len(people), MOST_RECIPIENTS):
            recipients = tuple([_recipient(asked, one, owner) for one in people[at : at + MOST_RECIPIENTS]])
            copies.append(Copy(structs.replace(source, recipients=recipients), is_leaving, owner is not None, fields))
    return copies


def handover(copies: Sequence[Copy], people: int) -> Handover:
    """What it is called that a recipient has become these, for so many people."""
    if all(copy.is_list for copy in copies):
        return Handover.FINAL  # RFC 3461 5.2.7.1: a list is where a message ends
    return Handover.PASSED_ON if people == 1 else Handover.EXPANDED


def _as_asked(original: Recipient, *, is_alone: bool) -> Recipient:
    """What was asked to be told of the original, as it is asked of those he stands for."""
    asked = structs.replace(original, orcpt=original.orcpt or encode_orcpt(str(original.address)))
    if is_alone or not original.notify & NOTIFY_SUCCESS:
        return asked
    return structs.replace(asked, notify=original.notify & ~NOTIFY_SUCCESS or NOTIFY_NEVER)


def _from(envelope: Envelope, owner: Address | None, origin: Origin) -> Envelope:
    source = structs.replace(envelope, origin=envelope.origin or origin)
    if owner is None:
        return source
    # RFC 3461 5.2.7.1: what the author wished to hear is no matter between a list and its members.
    return structs.replace(source, reverse_path=owner, ret=None, envid=None)


def _recipient(asked: Recipient, one: Reached, owner: Address | None) -> Recipient:
    is_final = one.ending in (Ending.MAILBOX, Ending.NOBODY)  # the others are not for a mailbox here
    if owner is not None:
        return Recipient(one.address, is_final=is_final)
    return Recipient(one.address, asked.notify, asked.orcpt, is_final)


def has_passed(section: bytes, address: Address) -> bool:
    """Does the header section say that the message was here for this address before?"""
    mark = delivered_to(address).strip().lower()
    return any(line.strip().lower() == mark for line in section.split(b"\n"))
