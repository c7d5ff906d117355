"""What a log line says: the facts of an event as an ordered mapping of safe values. `maillog` decides when, and writes.

Promises: keys are ours alone; every text is one printable line of at most 500 characters; whatever is not printable
(line ends, escape sequences, line separators, bidirectional marks, lone surrogates) is spelled out. With addresses
hashed, no local-part is in a value, neither in a fact of its own nor in a reply that quotes one. Never: the time, the
stream, a level.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping

from msgspec import Struct

from asyncmta.mail.address import Address, unquote
from asyncmta.mail.envelope import Envelope, QueueId, format_queue_id
from asyncmta.mail.outcome import Deferred, Delivered, Outcome, Place
from asyncmta.mail.reply import Reply

MAX_VALUE = 500
MAX_ITEMS = 20

_REMEMBERED = 1000
_SCANNED = 2048  # of a text in which addresses are looked for
_ADDRESS = re.compile(r"[^\s<>(),;:\"'@]{1,64}@(?=[^\s@])|\"[^\"@]{1,64}\"@(?=[^\s@])")

Value = str | int | float | bool | None | list["Value"] | dict[str, "Value"]
Facts = dict[str, Value]


def clean(text: str) -> str:
    """One printable line of at most MAX_VALUE characters; what cannot be printed is spelled out as `\\x1b`."""
    if len(text) > MAX_VALUE:
        text = text[: MAX_VALUE - 1] + "…"
    if text.isprintable():
        return text
    spelled = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )
    return spelled if len(spelled) <= MAX_VALUE else spelled[: MAX_VALUE - 1] + "…"


def hashed(address: Address) -> str:
    """A pseudonym that stays the same for a mailbox: the domain is kept, the local-part is not."""
    return f"{pseudonym(f'{unquote(address.local_part)}@{address.domain_key}')}@{address.domain_key}"


def pseudonym(name: str) -> str:
    """What stands for a name, also in another line; upper and lower case are the same."""
    return hashlib.blake2b(name.casefold().encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


class Wording:
    """How values are put: addresses plain or hashed. For one thread: it remembers what it formatted last."""

    def __init__(self, *, hash_addresses: bool = False) -> None:
        self._hash = hash_addresses
        self._ids: dict[QueueId, str] = {}  # the lines of one message come close together
        self._reply: Reply | None = None
        self._said: Facts = {"reply": "", "enhanced": ""}

    def queue_id(self, queue_id: QueueId) -> str:
        known = self._ids.get(queue_id)
        if known is None:
            if len(self._ids) >= _REMEMBERED:
                self._ids.clear()
            known = self._ids[queue_id] = format_queue_id(queue_id)
        return known

    def text(self, text: str) -> str:
        if self._hash and "@" in text:
            text = _ADDRESS.sub("***@", text[:_SCANNED])
        return clean(text)

    def address(self, address: Address | str | None) -> str:
        """`<>` for the null reverse-path; a text (what a peer said and nobody could parse) like any other text."""
        if address is None:
            return "<>"
        if isinstance(address, Address):
            return clean(hashed(address) if self._hash else str(address))
        return self.text(address)

    def reply(self, reply: Reply | None) -> Facts:
        """What was said, and its enhanced code. A transaction and what it came to follow each other with one reply."""
        if reply is not self._reply:
            text, enhanced = ("", "") if reply is None else (self.text(str(reply)), str(reply.enhanced or ""))
            self._reply, self._said = reply, {"reply": text, "enhanced": enhanced}
        return self._said

    def login(self, login: str) -> str:
        """Hashed like an address, as most logins are one; a name without a domain has none to keep."""
        if not self._hash:
            return clean(login)
        name, at, domain = login.rpartition("@")
        return clean(f"{pseudonym(login)}@{domain}" if at and name else pseudonym(login))

    def value(self, key: str, value: object) -> Value:
        """Any fact of a process event."""
        match value:
            case None | bool() | float():
                return value
            case int():
                return self.queue_id(QueueId(value)) if key == "queue_id" else value
            case Address():
                return self.address(value)
            case bytes():
                return self.text(value[:_SCANNED].decode("utf-8", "backslashreplace"))
            case list() | tuple() | set() | frozenset():
                return [self.value("", item) for item in list(value)[:MAX_ITEMS]]
            case Mapping():
                return {clean(str(name)): self.value("", item) for name, item in list(value.items())[:MAX_ITEMS]}
        return self.text(str(value))


def thousandths(seconds: float) -> float:
    """With three digits; `round` takes four times as long."""
    return (seconds * 1000.0 + 0.5) // 1.0 / 1000.0


Build = Callable[..., Facts]
"""A builder: the wording, then the facts of one event in the order of its method in `maillog`."""


class Source(Struct, frozen=True, gc=False):
    """Whom a message came from: the peer's address as text, what it called itself, the login (None: none), and version
    and cipher of TLS ("": none). `at`: when its last octet came, in Unix seconds; it is no part of the line."""

    client: str
    helo: str = ""
    login: str | None = None
    tls: str = ""
    at: float = 0.0


def accepted(wording: Wording, queue_id: QueueId, envelope: Envelope, size: int, source: Source) -> Facts:
    facts: Facts = {
        "queue_id": wording.queue_id(queue_id),
        "reverse_path": wording.address(envelope.reverse_path),
        "recipients": len(envelope.recipients),
        "recipient": wording.address(envelope.recipients[0].address) if envelope.recipients else "",
        "size": size,
        "client": wording.text(source.client),
        "helo": wording.text(source.helo),
    }
    if source.login is not None:
        facts["login"] = wording.login(source.login)
    if source.tls:
        facts["tls"] = wording.text(source.tls)
    return facts


def refused(
    wording: Wording,
    client: str,
    stage: str,
    reply: Reply,
    said: tuple[str, str],
    paths: tuple[Address | str | None, Address | str | None],
) -> Facts:
    helo, by = said
    facts: Facts = {
        "client": wording.text(client),
        "helo": wording.text(helo),
        "stage": wording.text(stage),
        "reply": wording.text(str(reply)),
        "enhanced": str(reply.enhanced or ""),
    }
    if by:
        facts["by"] = wording.text(by)
    for key, path in zip(("reverse_path", "recipient"), paths, strict=True):
        if path is not None:
            facts[key] = wording.address(path)
    return facts


def login_refused(wording: Wording, client: str, reply: Reply, helo: str, login: str) -> Facts:
    return {**refused(wording, client, "AUTH", reply, (helo, ""), (None, None)), "login": wording.login(login)}


def attempt(
    wording: Wording,
    queue_id: QueueId,
    destination: str,
    place: Place,
    result: tuple[int, float, Reply | None],
) -> Facts:
    recipients, seconds, reply = result
    return {
        "queue_id": wording.queue_id(queue_id),
        "destination": wording.text(destination),
        "recipients": recipients,
        "seconds": thousandths(seconds),
        **_said(wording, reply, place),
    }


def settled(
    wording: Wording, queue_id: QueueId, recipient: Address, outcome: Outcome, delay: float, next_due: float | None
) -> Facts:
    facts: Facts = {
        "queue_id": wording.queue_id(queue_id),
        "recipient": wording.address(recipient),
        **_said(wording, outcome.reply, outcome.place),
        "delay": thousandths(delay),
    }
    if isinstance(outcome, Delivered):
        if outcome.discarded:
            facts["discarded"] = True
    else:
        facts |= {"cause": outcome.cause.name.lower(), "scope": outcome.scope.name.lower()}
    if isinstance(outcome, Deferred) and next_due is not None:
        facts["next_due"] = thousandths(next_due)
    return facts


def _said(wording: Wording, reply: Reply | None, place: Place) -> Facts:
    return {
        **wording.reply(reply),
        "remote_host": wording.text(place.host),
        "remote_ip": wording.text(place.ip),
        "tls": wording.text(place.tls),
    }


def bounced(
    wording: Wording,
    queue_id: QueueId,
    dsn: QueueId | None,
    reverse_path: Address | None,
    recipients: int,
    told: tuple[str, str],
) -> Facts:
    actions, reason = told
    facts: Facts = {
        "queue_id": wording.queue_id(queue_id),
        "dsn": "" if dsn is None else wording.queue_id(dsn),
        "reverse_path": wording.address(reverse_path),
        "recipients": recipients,
        "action": actions,
        "discarded": dsn is None,
    }
    return facts | {"reason": reason} if reason else facts


def retired(wording: Wording, queue_id: QueueId, delay: float) -> Facts:
    return {"queue_id": wording.queue_id(queue_id), "delay": thousandths(delay)}


def noted(wording: Wording, facts: Mapping[str, object]) -> Facts:
    return {clean(key): wording.value(key, value) for key, value in facts.items()}
