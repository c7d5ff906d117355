"""The four lines that every message has, as JSON: written at once, and not by way of a mapping.

Promises: the very octets that `logline`'s mapping of the same facts comes to, or an exception (facts of a wrong type, a
time that is none), and then it is the mapping's turn. What is said, and how a text is made safe, is decided there; a
property test holds this to it. Never: the other events, which are rare. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from asyncmta.logline import Facts, Source, Wording
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Envelope, QueueId
from asyncmta.mail.outcome import Delivered, Place
from asyncmta.mail.reply import EnhancedStatus, Reply

Write = Callable[..., bytes]
"""Like a builder, but with the "ts" in the place of the wording. The level of these events is "info"."""

MAX_SECONDS = 1e9
"""A time above is written in another way by Python than by msgspec."""
_REMEMBERED = 1000
_THOUSANDTHS = tuple(repr(number / 1000.0) for number in range(1000))

_Key = TypeVar("_Key")
_Written = TypeVar("_Written")

_encode = msgspec.json.Encoder().encode


def render(facts: Facts) -> bytes:
    """Any line."""
    return _encode(facts) + b"\n"


class JsonLines:
    """With one wording, and for its thread: values that come again and again are kept as they are written."""

    def __init__(self, wording: Wording) -> None:
        self._wording = wording
        self._texts: dict[str, str] = {}
        self._addresses: dict[Address | str | None, str] = {}
        self._places: dict[Place, str] = {}
        self._codes: dict[EnhancedStatus | None, str] = {}
        self._said: dict[int, tuple[Reply | None, Place, str]] = {}  # by the reply's own number in memory
        self.writers: Mapping[str, Write] = {
            "accepted": self.accepted,
            "attempt": self.attempt,
            "delivered": self.delivered,
            "retired": self.retired,
        }

    def accepted(self, stamp: str, queue_id: QueueId, envelope: Envelope, size: int, source: Source) -> bytes:
        recipients = envelope.recipients
        first = self._address(recipients[0].address) if recipients else '""'
        more = ""
        if source.login is not None:
            more = f',"login":{_quoted(self._wording.login(source.login))}'
        if source.tls:
            more += f',"tls":{self._text(source.tls)}'
        return (
            f'{{"ts":"{stamp}","level":"info","event":"accepted","queue_id":"{self._wording.queue_id(queue_id)}",'
            f'"reverse_path":{self._address(envelope.reverse_path)},"recipients":{len(recipients)},"recipient":{first},'
            f'"size":{size:d},"client":{self._text(source.client)},"helo":{self._text(source.helo)}{more}}}\n'
        ).encode()

    def attempt(
        self, stamp: str, queue_id: QueueId, destination: str, place: Place, result: tuple[int, float, Reply | None]
    ) -> bytes:
        recipients, seconds, reply = result
        return (
            f'{{"ts":"{stamp}","level":"info","event":"attempt","queue_id":"{self._wording.queue_id(queue_id)}",'
            f'"destination":{self._text(destination)},"recipients":{recipients:d},"seconds":{_thousandths(seconds)},'
            f"{self._heard(reply, place)}}}\n"
        ).encode()

    def delivered(
        self, stamp: str, queue_id: QueueId, recipient: Address, outcome: Delivered, delay: float, _: None
    ) -> bytes:
        more = ',"discarded":true' if outcome.discarded else ""
        return (
            f'{{"ts":"{stamp}","level":"info","event":"delivered","queue_id":"{self._wording.queue_id(queue_id)}",'
            f'"recipient":{self._address(recipient)},{self._heard(outcome.reply, outcome.place)},'
            f'"delay":{_thousandths(delay)}{more}}}\n'
        ).encode()

    def retired(self, stamp: str, queue_id: QueueId, delay: float) -> bytes:
        return (
            f'{{"ts":"{stamp}","level":"info","event":"retired","queue_id":"{self._wording.queue_id(queue_id)}","delay":{_thousandths(delay)}}}\n'
        ).encode()

    def _text(self, text: str) -> str:
        known = self._texts.get(text)
        return known if known is not None else _kept(self._texts, text, _quoted(self._wording.text(text)))

    def _address(self, address: Address | str | None) -> str:
        known = self._addresses.get(address)
        return known if known is not None else _kept(self._addresses, address, _quoted(self._wording.address(address)))

    def _heard(self, reply: Reply | None, place: Place) -> str:
        """What was said, and where. A transaction and what it came to have one reply, and a session that hears the same
        words again and again makes one of them."""
        known = self._said.get(id(reply))
        if known is not None and known[0] is reply and known[1] is place:
            return known[2]
        text, enhanced = ("", None) if reply is None else (self._wording.text(str(reply)), reply.enhanced)
        code = self._codes.get(enhanced) or _kept(self._codes, enhanced, _quoted(str(enhanced or "")))
        at = self._places.get(place) or _kept(self._places, place, self._at(place))
        said = f'"reply":{_quoted(text)},"enhanced":{code},{at}'
        return _kept(self._said, id(reply), (reply, place, said))[2]

    def _at(self, place: Place) -> str:
        host, ip, tls = self._text(place.host), self._text(place.ip), self._text(place.tls)
        return f'"remote_host":{host},"remote_ip":{ip},"tls":{tls}'


def _thousandths(seconds: float) -> str:
    """As `logline.thousandths`, within a second from a table."""
    if not 0.0 <= seconds < MAX_SECONDS:
        raise ValueError("not a time that Python and msgspec write alike")
    number = int(seconds * 1000.0 + 0.5)
    return _THOUSANDTHS[number] if number < 1000 else repr(number / 1000.0)


def _quoted(text: str) -> str:
    return _encode(text).decode()


def _kept(memory: dict[_Key, _Written], key: _Key, written: _Written) -> _Written:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[key] = written
    return written
