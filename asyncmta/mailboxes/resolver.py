"""Which local addresses have a mailbox: one answer, asked at RCPT and again at delivery.

Promises: yes, no and unknown are told apart: `NoMailbox` only when it is certain that there is none (550), trouble of
ours (permissions, I/O, a symbolic link below the mail root, a disk that does not answer in time) is `MailboxUnknown`
(451). The disk is looked at in threads of its own, once per name at a time; answers are kept for a few seconds, and
not more than a fixed number of them. Every component below the root is opened by itself and never through a link, so
that a path cannot lead out of the mail root. Never: writing, but for the count of a mailbox with a limit (`quota`).

RFC 5321 4.5.1 (postmaster).
"""

from __future__ import annotations

import asyncio
import errno
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

from msgspec import Struct, structs

from asyncmta.mail.address import Address, domain_key, parse_address
from asyncmta.mailboxes.homes import Home, Homes, Place, Recipients, home_of
from asyncmta.mailboxes.path import POSTMASTER, mailbox_name, parse_pattern
from asyncmta.mailboxes.quota import Quota
from asyncmta.system.clock import Clock
from asyncmta.system.disk import Disk

THREADS = 2
CACHED_ANSWERS = 10_000
KEPT_FOUND = 5.0
KEPT_MISSING = 2.0  # short, since an operator who has just made a mailbox wants to see it work
KEPT_UNKNOWN = 1.0
LOOK_TIMEOUT = 5.0
LIST_FILE = "file:"
DATABASE = "sqlite:"


class LocalSettings(Struct, frozen=True, kw_only=True):
    """[local], and the postmaster. mailboxes: "existing", "any", "file:PATH" (`list_file`), "sqlite:PATH" (`database`),
    or those there are: "alice" (in each local domain), "bob@example.org". postmaster: an address, or a local-part at
    the host name. delimiters: letters that part a name from its detail, as in "alice+lists"."""

    domains: tuple[str, ...] = ()
    maildir: str = "var/mail/{domain}/{local_part}"
    mailboxes: str | tuple[str, ...] = "existing"
    postmaster: str = POSTMASTER
    delimiters: str = ""

    @property
    def list_file(self) -> str:
        """The path behind "file:", or nothing."""
        return behind(LIST_FILE, self.mailboxes)

    @property
    def database(self) -> str:
        """The path behind "sqlite:", or nothing."""
        return behind(DATABASE, self.mailboxes)

    def __post_init__(self) -> None:
        parse_pattern(self.maildir)
        for domain in self.domains:
            domain_key(domain)
        entries = () if isinstance(self.mailboxes, str) else self.mailboxes
        is_word = self.mailboxes in {"existing", "any"} or self.list_file or self.database
        if isinstance(self.mailboxes, str) and not is_word:
            raise ValueError('mailboxes is "existing", "any", "file:PATH", "sqlite:PATH", or a list')
        for entry in (*entries, self.postmaster):
            address = parse_address(entry if "@" in entry else f"{entry}@localhost", smtputf8=True)
            if mailbox_name(address.local_part) is None:
                raise ValueError(f"cannot be the name of a mailbox: {entry!r}")


def behind(kind: str, mailboxes: str | tuple[str, ...]) -> str:
    """The path behind `kind` ("file:"), or nothing."""
    return mailboxes.removeprefix(kind) if isinstance(mailboxes, str) and mailboxes.startswith(kind) else ""


class Mailbox(Struct, frozen=True):
    """There is one, and its Maildir is (or, if `may_make`, is to be made) at `path`. `detail`: what stood behind its
    name, in small letters. `is_full`: no message finds room in it now."""

    path: str
    may_make: bool = False
    detail: str = ""
    is_full: bool = False


class NoMailbox(Struct, frozen=True):
    """There is none; that is certain."""


class MailboxUnknown(Struct, frozen=True):
    """It cannot be said now."""

    reason: str


Answer = Mailbox | NoMailbox | MailboxUnknown

_NONE = NoMailbox()


class Mailboxes:
    """The mailboxes of the local domains. `recipients` says who there is, in place of the settings; `domains` are those
    that keep their mailboxes in a way of their own, by normal form."""

    def __init__(
        self,
        *,
        settings: LocalSettings,
        hostname: str,
        clock: Clock,
        disk: Disk,
        recipients: Recipients | None = None,
        domains: Mapping[str, Home] = MappingProxyType({}),
        quota: Quota | None = None,
    ) -> None:
        self.quota = quota
        home = home_of(settings.maildir, settings.mailboxes, recipients)
        homes = dict.fromkeys(map(domain_key, settings.domains), home)
        self._homes = Homes(
            domains={**homes, **domains},
            own=home,
            hostname=hostname,
            postmaster=settings.postmaster,
            delimiters=settings.delimiters,
        )
        self._clock = clock
        self._disk = disk
        self._cache: OrderedDict[tuple[str, str], tuple[float, Answer]] = OrderedDict()
        self._looking: dict[str, asyncio.Future[Answer]] = {}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="asyncmta-mailboxes")

    def cached(self, address: Address) -> Answer | None:
        """The answer, if it can be given without a look at the disk."""
        key = (address.local_part, address.domain_key)
        known = self._cache.get(key)
        if known is not None and known[0] > self._clock.monotonic():
            self._cache.move_to_end(key)
            return known[1]
        return None if self._homes.places(address) else _NONE

    async def lookup(self, address: Address) -> Answer:
        """The answer, from the disk if need be."""
        known = self.cached(address)
        if known is not None:
            return known
        answer: Answer = _NONE
        for place in self._homes.places(address):
            answer = await self._answer(place)
            if not isinstance(answer, NoMailbox):
                break
        self._keep((address.local_part, address.domain_key), answer)
        return answer

    async def _answer(self, place: Place) -> Answer:
        if place.recipients is not None:
            found = await place.recipients(place.name)
            if found is None:
                return MailboxUnknown("who lives here cannot be told now")
            if not found:
                return _NONE
        answer = await asyncio.shield(self._look_shared(place))
        return structs.replace(answer, detail=place.detail) if isinstance(answer, Mailbox) else answer

    def _look_shared(self, place: Place) -> asyncio.Future[Answer]:
        """The look at this path that is under way, or a new one."""
        shared = self._looking.get(place.path)
        if shared is not None:
            return shared
        loop = asyncio.get_running_loop()
        shared = self._looking[place.path] = loop.create_future()
        look = loop.run_in_executor(self._threads, self._look, place)

        def finish(answer: Answer) -> None:
            if not shared.done():
                del self._looking[place.path]
                shared.set_result(answer)

        def overdue() -> None:
            finish(MailboxUnknown("the disk does not answer"))
            look.cancel()  # so that it is not even begun when the threads come free

        def looked(done: asyncio.Future[Answer]) -> None:
            if not done.cancelled():
                finish(done.result())

        deadline = self._clock.call_at(self._clock.monotonic() + LOOK_TIMEOUT, overdue)
        shared.add_done_callback(lambda _: deadline.cancel())
        look.add_done_callback(looked)
        return shared

    def _look(self, place: Place) -> Answer:
        """In a thread. Each component is opened without following a link; the root itself may be one."""
        at = place.root
        there = Mailbox(place.path, place.may_make)
        try:
            for component in place.path[len(at) + 1 :].split("/"):
                at = f"{at}/{component}"
                self._disk.close(self._disk.open(at))
            if self._disk.is_dir(at):
                is_full = self.quota is not None and self.quota.is_full(at)
                return structs.replace(there, is_full=True) if is_full else there
        except FileNotFoundError:
            return there if place.may_make else _NONE
        except NotADirectoryError:
            pass
        except OSError as error:
            if error.errno == errno.ELOOP:
                return MailboxUnknown("a symbolic link below the mail root")
            return MailboxUnknown(errno.errorcode.get(error.errno or 0, "an error of the disk"))
        return MailboxUnknown("not a directory") if place.may_make else _NONE

    def _keep(self, key: tuple[str, str], answer: Answer) -> None:
        match answer:
            case Mailbox():
                seconds = KEPT_FOUND
            case NoMailbox():
                seconds = KEPT_MISSING
            case MailboxUnknown():
                seconds = KEPT_UNKNOWN
        self._cache[key] = (self._clock.monotonic() + seconds, answer)
        self._cache.move_to_end(key)
        if len(self._cache) > CACHED_ANSWERS:
            self._cache.popitem(last=False)
