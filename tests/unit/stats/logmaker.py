"""A log of so many deliveries, as asyncmta writes it; the same one for the same seed.

Each message has one recipient: accepted, perhaps deferred, an attempt, then delivered, failed or expired, and retired.
Between them refusals, reports, and events of the process.
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from typing import BinaryIO

from asyncmta.logline import Source
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Place
from asyncmta.mail.reply import reply
from asyncmta.maillog import MailLog

START = 1_795_255_200.0  # 2026-11-21 10:00 UTC
CHUNK = 5_000  # messages; the log drops what is not written when more wait
SITES = 5_000


class SetClock:
    """Says what it was set to."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> float:
        return self.at


def write(stream: BinaryIO, deliveries: int, *, seed: int = 7, addresses: str = "plain") -> None:
    """Write until so many were delivered."""
    dice = random.Random(seed)
    clock = SetClock()
    for chunk in _chunks(deliveries):
        lines = io.BytesIO()
        log = MailLog(clock=clock, stream=lines, format="json", addresses=addresses)  # type: ignore[arg-type]
        for number in chunk:
            _message(log, clock, dice, number)
        log.close()
        stream.write(lines.getvalue())


def _chunks(deliveries: int) -> Iterator[range]:
    for start in range(0, deliveries, CHUNK):
        yield range(start, min(start + CHUNK, deliveries))


def _message(log: MailLog, clock: SetClock, dice: random.Random, number: int) -> None:
    """One that is delivered; and now and then another that is not, or a refusal."""
    clock.at = START + number * 0.07
    queue_id = QueueId((int(clock.at * 1000) << 20) + number)
    site = f"D{int(dice.paretovariate(0.6)) % SITES}.example"
    person = parse_address(f"user{dice.randrange(10_000)}@{site}")
    sender = (
        parse_address(f"from{int(dice.paretovariate(0.5)) % 20_000}@Sender.example") if dice.random() < 0.95 else None
    )
    place = Place(f"mx.{site}", "192.0.2.1", "TLSv1.3")
    envelope = Envelope(sender, (Recipient(person),))
    log.accepted(queue_id=queue_id, envelope=envelope, size=dice.randrange(200, 50_000), source=Source("192.0.2.9"))
    if dice.random() < 0.1:
        later = reply(451, "4.7.1", f"<{person}>: greylisted, come back in {dice.randrange(300)} seconds")
        cause = dice.choice((Cause.REFUSED, Cause.TIMEOUT, Cause.CONNECT))
        log.deferred(queue_id=queue_id, recipient=person, outcome=Deferred(cause, later, place=place), delay=0.1)
    if dice.random() < 0.05:
        _lost(log, dice, number)
    if dice.random() < 0.05:
        no = reply(554, "5.7.1", "relay access denied")
        stage = dice.choice(("RCPT", "MAIL"))
        log.refused(
            client=f"198.51.100.{dice.randrange(200)}", stage=stage, reply=no, reverse_path=sender, recipient=person
        )
    if number % 1000 == 0:
        log.note("warning", "loop_lags", seconds=0.5)
    spent = dice.expovariate(2.0)
    yes = reply(250, "2.0.0", f"Ok: queued as {number:X}")
    log.attempt(queue_id=queue_id, destination=f"mx:{site}", place=place, recipients=1, seconds=spent / 2, reply=yes)
    log.delivered(queue_id=queue_id, recipient=person, outcome=Delivered(yes, place), delay=spent)
    log.retired(queue_id=queue_id, delay=spent)


def _lost(log: MailLog, dice: random.Random, number: int) -> None:
    queue_id = QueueId(number + 1)
    person = parse_address(f"gone{number}@lost{dice.randrange(20)}.example")
    if dice.random() < 0.3:
        late = Failed(Cause.EXPIRED, reply(451, "4.4.1", f"no answer from 192.0.2.{dice.randrange(250)}"))
        log.expired(queue_id=queue_id, recipient=person, outcome=late, delay=432000.0)
    else:
        gone = Failed(Cause.REFUSED, reply(550, "5.1.1", f"<{person}> user unknown {number:08x}a1"))
        log.failed(queue_id=queue_id, recipient=person, outcome=gone, delay=1.5)
    log.bounced(queue_id=queue_id, dsn=QueueId(number + 2), reverse_path=None, recipients=1)
