"""Subscriptions to the lists of others on behalf of our users: asked for, confirmed, remembered, and handed on.

Promises: what was asked is durable before an answer to it can matter, and is asked again rather than forgotten; one
copy comes in for a list, however many read it; who reads it is our business alone: the list knows one address. What is
kept can be read, or nothing changes. Never: who is subscribed by hand; the queue (`Answer`, and a callable).

Rows F-13, F-14; RFC 3834. docs/lists.md.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from base64 import b32encode
from collections.abc import Awaitable, Callable
from hashlib import sha256

import msgspec

from asyncmta.lists.letters import Letter
from asyncmta.lists.lists import UNSURE, Answer, Asked, Note
from asyncmta.lists.request_files import RequestFiles
from asyncmta.lists.secret import Secret
from asyncmta.lists.sublists import Plan, Question, Sublist, Verdict, answered, arrival, delivered, plan, unasked
from asyncmta.mail.address import Address, parse_address, quote
from asyncmta.mail.headers import printed, rfc5322_date
from asyncmta.mail.outcome import Cause, Delivered, Failed
from asyncmta.mail.reply import reply
from asyncmta.system.clock import Clock
from asyncmta.system.disk import Disk
from asyncmta.system.replacing import replace

PREFIX = "sub-"
LARGEST = 64 << 20
HANDED_ON = Delivered(reply(250, "2.1.5", "for the readers of the list"))
CONFIRMED = Delivered(reply(250, "2.1.5", "a subscription is confirmed"))
NOT_ITS = Failed(Cause.POLICY, reply(554, "5.7.1", "this address is for one mailing list alone"))

_OURS = re.compile(r"sub-[a-z2-7]{12}\Z")

Send = Callable[[Address, Address, bytes], Awaitable[bool]]
"""Queue a message from and to somebody; False: not now."""


class Subscriptions:
    """One for an Mta. `owner`: who hears that mail to a reader failed."""

    def __init__(
        self,
        *,
        files: RequestFiles,
        disk: Disk,
        directory: str,
        domain: str,
        owner: Address,
        secret: Secret,
        clock: Clock,
        every: float,
        note: Note,
    ) -> None:
        self._files = files
        self._disk = disk
        self._path = f"{directory}/subscriptions"
        self._domain = domain
        self._owner = owner
        self._secret = secret
        self._clock = clock
        self._every = every
        self._note = note
        self._sublists: dict[str, Sublist] | None = None  # None: it cannot be read
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    # -- life --------------------------------------------------------------------------------------------------------

    async def open(self, send: Send) -> None:
        """Read what is known, before mail comes; then look after the files of the users."""
        await self._load()
        self._task = asyncio.ensure_future(self._run(send))

    async def close(self) -> None:
        """Not between what is known and the question that is to be asked about it."""
        if self._task is not None:
            async with self._turn:
                self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, send: Send) -> None:
        while True:
            try:
                await self.look(send)
            except Exception as error:
                self._note("error", "subscriptions_failed", error=error)
            await self._clock.sleep_until(self._clock.monotonic() + self._every)

    async def _load(self) -> None:
        try:
            self._sublists = await asyncio.to_thread(self._read)
        except (OSError, msgspec.MsgspecError) as error:
            self._sublists = None
            self._note("error", "subscriptions_failed", error=error)

    # -- what users want ---------------------------------------------------------------------------------------------

    async def look(self, send: Send) -> None:
        """What do they want now? Ask for it."""
        async with self._turn:
            if self._sublists is None:
                await self._load()
            known = self._sublists
            if known is None:
                return
            before = {reader for one in known.values() for reader in one.readers}
            said, unsure = await asyncio.to_thread(self._files.read, before)
            wishes: dict[str, set[str]] = {}
            for user, names in said.items():
                for name in names:
                    wishes.setdefault(name, set()).add(user)
            for one in known.values():
                for reader in set(one.readers) & unsure:
                    wishes.setdefault(one.list, set()).add(reader)
            wishes = {name: users for name, users in wishes.items() if not name.endswith(f"@{self._domain}")}
            own = {name: await self._own(name) for name in wishes}
            found = plan(known, wishes, own, self._clock.now())
            await self._carry_out(known, found, send)

    async def _carry_out(self, known: dict[str, Sublist], found: Plan, send: Send) -> None:
        after = dict(found.sublists)
        if after == known:
            return
        # Known before it is asked: the answer must find somebody.
        await self._keep(after)
        for question in found.questions:
            if await send(question.sender, question.to, self._letter(question)):
                self._note("info", "subscription_asked", to=str(question.to), action=question.action.value)
            else:
                after |= {one.list: unasked(one) for one in after.values() if one.address == str(question.sender)}
                await self._keep(dict(after))

    async def _own(self, name: str) -> str:
        """Our address for a list; nobody can guess it."""
        digest = hmac.new(await self._secret.get(), name.encode(), sha256).digest()
        return f"{PREFIX}{b32encode(digest).decode().lower()[:12]}@{self._domain}"

    def _letter(self, question: Question) -> bytes:
        lines = [
            f"From: <{question.sender}>",
            f"To: <{question.to}>",
            f"Subject: {question.action.value}",
            f"Date: {rfc5322_date(self._clock.now())}",
            "",
            question.action.value,
        ]
        return "".join(f"{line}\r\n" for line in lines).encode()

    # -- what comes --------------------------------------------------------------------------------------------------

    def claims(self, address: Address) -> bool:
        """Is it one of our addresses at lists?"""
        if address.domain_key != self._domain or _OURS.match(address.local_part.lower()) is None:
            return False
        return self._sublists is None or self._of(address) is not None

    async def take(self, asked: Asked) -> Answer:
        """A message to one of them."""
        async with self._turn:
            one = self._of(asked.address)
            if self._sublists is None or one is None:
                return Answer(UNSURE)
            verdict, to = arrival(one, asked.sender, asked.section, asked.id, asked.at)
            try:
                if verdict is Verdict.CONFIRM and to is not None:
                    await self._keep(self._sublists | {one.list: answered(one, asked.id)})
                    self._note("info", "subscription_confirmed", list=one.list, to=str(to))
                    return Answer(CONFIRMED, (self._answer(one, to, asked),))
                if verdict is Verdict.REFUSE:
                    return Answer(NOT_ITS)
                if (now := delivered(one)) != one:
                    await self._keep(self._sublists | {one.list: now})
            except OSError as error:
                self._note("error", "subscriptions_failed", error=error)
                return Answer(UNSURE)
            return Answer(HANDED_ON, onward=tuple(map(_mailbox, one.readers)), owner=self._owner)

    def _of(self, address: Address) -> Sublist | None:
        wanted = f"{address.local_part.lower()}@{address.domain_key}"
        return next((one for one in (self._sublists or {}).values() if one.address == wanted), None)

    def _answer(self, one: Sublist, to: Address, asked: Asked) -> Letter:
        """No Auto-Submitted: it is the user's own word, given beforehand, and would be worth nothing with that mark."""
        sender = parse_address(one.address)
        lines = [
            f"From: <{sender}>",
            f"To: <{printed(to)}>",
            "Subject: Re: confirm",
            f"Date: {rfc5322_date(asked.at)}",
            f"Message-ID: <list.{asked.id}@{self._domain}>",
            "",
            "Yes.",
        ]
        return Letter(to, "".join(f"{line}\r\n" for line in lines).encode(), sender)

    # -- what is kept ------------------------------------------------------------------------------------------------

    def _read(self) -> dict[str, Sublist]:
        try:
            file = self._disk.open(self._path)
        except FileNotFoundError:
            return {}
        try:
            found = msgspec.json.decode(self._disk.read_at(file, LARGEST, 0), type=list[Sublist])
        finally:
            self._disk.close(file)
        return {one.list: one for one in found}

    async def _keep(self, sublists: dict[str, Sublist]) -> None:
        await asyncio.to_thread(replace, self._disk, self._path, msgspec.json.encode(list(sublists.values())))
        self._sublists = sublists


def _mailbox(user: str) -> Address:
    name, _, domain = user.rpartition("@")
    return parse_address(f"{quote(name)}@{domain}", smtputf8=True)
