"""What the MTA itself does with mail to the addresses around a list: requests, confirmations, bounces.

Promises: nobody is put on a list or taken off it but by an answer to a letter that went to that address alone; no
letter goes to whom a program spoke for, nor to a list, nor more often than is bearable; a change and a count are
durable before the mail that caused them is called delivered, and doing them twice changes nothing. Never: how letters
are queued (`forwarding/services`), how members are reached, a look at more of a message than its beginning.

RFC 3834 (automatic answers); seeds D-139, D-140, W-225.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice

from msgspec import Struct

from asyncmta.lists.bounce_counts import Bounce, is_bounce
from asyncmta.lists.bounce_file import BounceFile
from asyncmta.lists.frequency import Allowed, Frequency
from asyncmta.lists.letters import Letter, Occasion, confirmation, done
from asyncmta.lists.members_file import MembersFile
from asyncmta.lists.members_text import is_subscribable, with_member, without_member
from asyncmta.lists.names import SERVICES, Called, MailingList, Names, Role
from asyncmta.lists.posting import Post, is_automatic, judge, values
from asyncmta.lists.secret import Secret
from asyncmta.lists.tokens import confirmed, token_for
from asyncmta.mail import replies
from asyncmta.mail.address import Address, InvalidAddress, parse_address
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Outcome
from asyncmta.mail.reply import reply

DAY, HOUR = 86400.0, 3600.0
PER_ADDRESS = Allowed(10, DAY)  # letters, of all lists
PER_ADDRESS_AND_LIST = Allowed(3, DAY)
PER_LIST = Allowed(200, HOUR)
MOST_AUTHORS = 5

ASKED = Delivered(reply(250, "2.1.5", "a letter asks for a confirmation"))
CHANGED = Delivered(reply(250, "2.1.5", "confirmed"))
IGNORED = Delivered(reply(250, "2.1.5", "ignored: sent by a program, or too often"), discarded=True)
COUNTED = Delivered(reply(250, "2.1.5", "counted"))
UNSUITABLE = Failed(Cause.POLICY, reply(554, "5.7.1", "this address cannot be on the list"))
WORTHLESS = Failed(Cause.POLICY, reply(554, "5.7.1", "not a confirmation, or too late; ask again"))
UNSURE = Deferred(Cause.STORAGE, replies.LOCAL_ERROR)

_BETWEEN = re.compile(r"[\s<>,;:\"()]+")

Note = Callable[..., None]
"""A line of the log: note(level, event, **facts)."""


class Asked(Struct, frozen=True):
    """A message to one of the addresses. `beginning`: of its octets, header section and all; `id`: what tells it from
    any other; `at`: now, in Unix seconds."""

    address: Address
    sender: Address | None
    section: bytes
    beginning: bytes
    id: str
    at: float


class Answer(Struct, frozen=True):
    """What became of it: the outcome, letters to queue with it, and who else is to have the message itself; in the name
    of `owner`, where there is one."""

    outcome: Outcome
    letters: tuple[Letter, ...] = ()
    onward: tuple[Address, ...] = ()
    owner: Address | None = None


class Lists:
    """The lists of the settings."""

    def __init__(
        self,
        *,
        lists: Sequence[MailingList],
        secret: Secret,
        bounces: Mapping[str, BounceFile],
        hostname: str,
        note: Note,
    ) -> None:
        self._names = Names(lists)
        self._members = {one.key: MembersFile(one.members) for one in lists}
        self._bounces = bounces
        self._secret = secret
        self._hostname = hostname
        self._note = note
        self._frequency = Frequency()

    def claims(self, address: Address) -> bool:
        """Is it answered here, and by nobody else?"""
        called = self._names.called(address)
        return called is not None and called.role in SERVICES

    def post(self, owner: Address, section: bytes, sender: Address | None) -> Post | Failed | None:
        """A message to the members of whom this is the owner, whatever alias it came by; None: it is no list's."""
        called = self._names.called(owner)
        return judge(called.list, section, sender) if called is not None and called.role is Role.OWNER else None

    async def take(self, asked: Asked) -> Answer:
        """A message to an address that is claimed."""
        called = self._names.called(asked.address)
        assert called is not None
        try:
            match called.role:
                case Role.BOUNCE:
                    return await self._bounce(called, asked)
                case Role.CONFIRM:
                    return await self._confirm(called, asked)
            return await self._request(called, asked)
        except OSError as error:
            self._note("error", "list_failed", error=error, list=called.list.key)
            return Answer(UNSURE)

    async def _request(self, called: Called, asked: Asked) -> Answer:
        one, sender = called.list, asked.sender
        if sender is None or is_automatic(asked.section):
            return self._ignored(called, asked, "sent by a program")
        if not is_subscribable(sender) or self._names.called(sender) is not None:
            return Answer(UNSUITABLE)
        if not self._may_write(one, sender, asked.at):
            return self._ignored(called, asked, "too often")
        token = token_for(await self._secret.get(), action=called.role, list_key=one.key, address=sender, now=asked.at)
        letter = confirmation(one, action=called.role, address=sender, token=token, occasion=self._occasion(asked))
        self._note("info", "list_asked", list=one.key, action=called.role.value, address=str(sender))
        return Answer(ASKED, (letter,))

    async def _confirm(self, called: Called, asked: Asked) -> Answer:
        one = called.list
        if asked.sender is None or is_automatic(asked.section):
            return self._ignored(called, asked, "sent by a program")
        found = confirmed(
            await self._secret.get(),
            called.rest,
            list_key=one.key,
            candidates=[asked.sender, *_authors(asked.section)],
            now=asked.at,
        )
        if found is None:
            return Answer(WORTHLESS)
        edit = with_member if found.action is Role.SUBSCRIBE else without_member
        await self._members[one.key].change(partial(_edited, edit, found.address))
        self._note("info", "list_changed", list=one.key, action=found.action.value, address=str(found.address))
        if not self._may_write(one, found.address, asked.at):
            return Answer(CHANGED)
        letter = done(one, action=found.action, address=found.address, occasion=self._occasion(asked))
        return Answer(CHANGED, (letter,))

    async def _bounce(self, called: Called, asked: Asked) -> Answer:
        one = called.list
        owner = (one.at(Role.OWNER),)
        if asked.sender is not None or not is_bounce(asked.section, asked.beginning):
            return Answer(COUNTED, onward=owner)  # a person, or a program that is not about a failure
        about = await self._members[one.key].marked(called.rest)
        if about is not None:
            await self._bounces[one.key].add(Bounce(str(about), asked.at, asked.id))
            self._note("info", "list_bounce", list=one.key, address=str(about))
        return Answer(COUNTED, onward=owner if one.bounces else ())

    def _ignored(self, called: Called, asked: Asked, reason: str) -> Answer:
        sender = "<>" if asked.sender is None else str(asked.sender)
        self._note("info", "list_ignored", list=called.list.key, action=called.role.value, sender=sender, reason=reason)
        return Answer(IGNORED)

    def _may_write(self, one: MailingList, address: Address, now: float) -> bool:
        key = address.mailbox_key.casefold()
        return self._frequency.may({key: PER_ADDRESS, f"{one.key} {key}": PER_ADDRESS_AND_LIST, one.key: PER_LIST}, now)

    def _occasion(self, asked: Asked) -> Occasion:
        return Occasion(asked.section, f"list.{asked.id}@{self._hostname}", asked.at)


def _edited(edit: Callable[[str, Address], str], address: Address, text: str) -> str:
    return edit(text, address)


def _authors(section: bytes) -> list[Address]:
    """Whom From names: an answer may leave with another reverse-path than the one that the letter went to."""
    found: list[Address] = []
    for value in islice(values(section, b"from"), MOST_AUTHORS):
        for text in _BETWEEN.split(value[:4096]):
            if "@" in text and len(found) < MOST_AUTHORS:
                with suppress(InvalidAddress):
                    found.append(parse_address(text, smtputf8=True))
    return found
