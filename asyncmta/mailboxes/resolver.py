"""Which local addresses have a mailbox: one answer, asked at RCPT and again at delivery.

Promises: yes, no and unknown are told apart: `NoMailbox` only when it is certain that there is none (550), trouble of
ours (permissions, I/O, a symbolic link below the mail root, a disk that does not answer in time) is `MailboxUnknown`
(451). The disk is looked at in threads of its own, once per name at a time; answers are kept for a few seconds, and
not more than a fixed number of them. Never: writing. Every component below the root is opened by itself and never
through a link, so that a path cannot lead out of the mail root.

RFC 5321 4.5.1 (postmaster).
"""

from __future__ import annotations

import asyncio
import errno
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct, structs

from asyncmta.mail.address import Address, domain_key, parse_address, quote, unquote
from asyncmta.mailboxes.path import POSTMASTER, details, entry_name, mailbox_name, parse_pattern
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


class LocalSettings(Struct, frozen=True, kw_only=True):
    """[local], and the postmaster. mailboxes: "existing", "any", "file:PATH" (`list_file`), or those there are: "alice"
    (in each local domain), "bob@example.org". postmaster: an address, or a local-part at the host name. delimiters:
    letters that part a name from its detail, as in "alice+lists"."""

    domains: tuple[str, ...] = ()
    maildir: str = "var/mail/{domain}/{local_part}"
    mailboxes: str | tuple[str, ...] = "existing"
    postmaster: str = POSTMASTER
    delimiters: str = ""

    @property
    def list_file(self) -> str:
        """The path behind "file:", or nothing."""
        text = self.mailboxes
        return text.removeprefix(LIST_FILE) if isinstance(text, str) and text.startswith(LIST_FILE) else ""

    def __post_init__(self) -> None:
        parse_pattern(self.maildir)
        for domain in self.domains:
            domain_key(domain)
        entries = () if isinstance(self.mailboxes, str) else self.mailboxes
        if isinstance(self.mailboxes, str) and self.mailboxes not in {"existing", "any"} and not self.list_file:
            raise ValueError('mailboxes is "existing", "any", "file:PATH", or a list of local-parts and addresses')
        for entry in (*entries, self.postmaster):
            address = parse_address(entry if "@" in entry else f"{entry}@localhost", smtputf8=True)
            if mailbox_name(address.local_part) is None:
                raise ValueError(f"cannot be the name of a mailbox: {entry!r}")


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

Recipients = Callable[[Address], Awaitable[bool | None]]
"""Somebody else who knows: a file, a program around us. None: it cannot be told now. Never raises."""

_NONE = NoMailbox()


class Mailboxes:
    """The mailboxes of the local domains. `recipients` says who there is, in place of the settings."""

    def __init__(
        self,
        *,
        settings: LocalSettings,
        hostname: str,
        clock: Clock,
        disk: Disk,
        recipients: Recipients | None = None,
        quota: Quota | None = None,
    ) -> None:
        self.quota = quota
        self._pattern = parse_pattern(settings.maildir)
        self._domains = frozenset(map(domain_key, settings.domains))
        self._any = settings.mailboxes == "any"
        self._delimiters = settings.delimiters
        self._listed = _listed_names(settings)
        self._recipients = recipients
        self._hostname = hostname.lower()
        self._postmaster = _postmaster_key(settings.postmaster, self._hostname)
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
        return None if self._places(address) else _NONE

    async def lookup(self, address: Address) -> Answer:
        """The answer, from the disk if need be."""
        known = self.cached(address)
        if known is not None:
            return known
        answer: Answer = _NONE
        for one, place in self._places(address):
            said = await self._asked(one)
            answer = said if said is not None else await asyncio.shield(self._look_shared(place))
            if isinstance(answer, Mailbox):
                answer = structs.replace(answer, detail=_detail(address, one))
            if not isinstance(answer, NoMailbox):
                break
        self._keep((address.local_part, address.domain_key), answer)
        return answer

    async def _asked(self, address: Address) -> Answer | None:
        """What somebody else says of it; None: it is there, as far as that goes."""
        if self._recipients is None or self._is_postmaster(mailbox_name(address.local_part), address.domain_key):
            return None
        found = await self._recipients(address)
        if found is None:
            return MailboxUnknown("who lives here cannot be told now")
        return None if found else _NONE

    def _is_postmaster(self, name: str | None, domain: str) -> bool:
        return name == POSTMASTER or (domain, name) == self._postmaster

    def _places(self, address: Address) -> list[tuple[Address, Mailbox]]:
        """Where it may be, best first: under the whole name, and under that without its detail."""
        names = details(address.local_part, self._delimiters)
        if self._any:
            names = names[-1:]  # a mailbox for each detail that somebody thinks of is what nobody wants
        found = []
        for name in names:
            one = Address(quote(name), address.domain, address.domain_key) if len(names) > 1 or self._any else address
            place = self._place(one)
            if isinstance(place, Mailbox):
                found.append((one, place))
        return found

    def _place(self, address: Address) -> Mailbox | NoMailbox:
        """Where the mailbox would be, and whether it may be made: what the settings alone can say."""
        name, domain = mailbox_name(address.local_part), address.domain_key
        is_local = domain in self._domains
        if name is None or not (is_local or domain == self._hostname):
            return _NONE
        may_make = self._is_postmaster(name, domain)
        if not may_make:
            if not is_local:
                return _NONE
            if self._recipients is not None:
                may_make = True
            elif self._listed is not None and name not in self._listed and f"{name}@{domain}" not in self._listed:
                return _NONE
            else:
                may_make = self._any or self._listed is not None
        path = self._pattern.expand(domain, name)
        return _NONE if path is None else Mailbox(path, may_make)

    def _look_shared(self, place: Mailbox) -> asyncio.Future[Answer]:
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

    def _look(self, place: Mailbox) -> Answer:
        """In a thread. Each component is opened without following a link; the root itself may be one."""
        at = self._pattern.root
        try:
            for component in place.path[len(at) + 1 :].split("/"):
                at = f"{at}/{component}"
                self._disk.close(self._disk.open(at))
            if self._disk.is_dir(at):
                is_full = self.quota is not None and self.quota.is_full(at)
                return structs.replace(place, is_full=True) if is_full else place
        except FileNotFoundError:
            return place if place.may_make else _NONE
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


def _listed_names(settings: LocalSettings) -> frozenset[str] | None:
    """The entries of `mailboxes` in normal form, "name" or "name@domain"; None when it is not a list."""
    if isinstance(settings.mailboxes, str):
        return None
    return frozenset(map(entry_name, settings.mailboxes))


def _detail(address: Address, found: Address) -> str:
    """What stands behind the name that was found, and the delimiter."""
    return unquote(address.local_part)[len(unquote(found.local_part)) + 1 :].lower()


def _postmaster_key(text: str, hostname: str) -> tuple[str, str | None]:
    local_part, at, domain = text.rpartition("@")
    return (domain_key(domain), mailbox_name(local_part)) if at else (hostname, mailbox_name(text))
