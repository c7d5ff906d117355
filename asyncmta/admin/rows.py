"""What the operator sees of a message: its JSON shape, filters over many, and counts. Pure.

Promises: the keys here are what scripts read, over HTTP and from `--json`, and they are the same while the MTA runs
and while it is stopped. Times are Unix seconds, sizes octets, the null reverse-path is null. Never: a look at the
ledger or the agenda (rows come from the `Mta`, or from the CLI's reader of a stopped one), nor the time.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Protocol

from msgspec import Struct

from asyncmta.mail.address import domain_key

STATES = ("held", "deferred", "ready", "active", "damaged")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
LOOKS = 20_000  # messages that one page looks at: a filter that finds nothing must not keep a client for minutes
_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")

Shown = dict[str, Any]


class RecipientView(Protocol):
    """One recipient as the operator sees it."""

    @property
    def address(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def next_hop(self) -> str: ...
    @property
    def last_reply(self) -> str | None: ...
    @property
    def next_due(self) -> float | None: ...


class MessageView(Protocol):
    """One message as the operator sees it: a snapshot."""

    @property
    def queue_id(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def sender(self) -> str | None: ...
    @property
    def size(self) -> int: ...
    @property
    def accepted_at(self) -> float: ...
    @property
    def attempts(self) -> int: ...
    @property
    def recipients(self) -> Sequence[RecipientView]:
        """Those that are not done yet."""
        ...

    @property
    def total(self) -> int:
        """How many it came with."""
        ...

    @property
    def reason(self) -> str:
        """Why it waits or was set aside, where that is not an attempt's reply."""
        ...


class Selection(Struct, frozen=True):
    """Which messages: all that pass every filter that is set. `domain` is the normal form of a recipient's domain;
    `sender` "" or "<>" is the null reverse-path; accepted not before `since` and not after `until`; `reply` is a piece
    of a last reply, or its enhanced status code; `address` is the sender or a recipient."""

    domain: str | None = None
    sender: str | None = None
    state: str | None = None
    recipient: str | None = None
    since: float | None = None
    until: float | None = None
    reply: str | None = None
    address: str | None = None

    def covers(self, row: MessageView) -> bool:
        if self.state is not None and row.state != self.state:
            return False
        if self.sender is not None and (row.sender or "").lower() != self.sender.strip("<>").lower():
            return False
        if self.since is not None and row.accepted_at < self.since:
            return False
        if self.until is not None and row.accepted_at > self.until:
            return False
        people = row.recipients
        if self.domain is not None and not any(_domain(each.address) == self.domain for each in people):
            return False
        if self.recipient is not None and not any(each.address.lower() == self.recipient.lower() for each in people):
            return False
        if self.address is not None and not any(
            each.lower() == self.address.lower() for each in (row.sender or "", *(each.address for each in people))
        ):
            return False
        return self.reply is None or self._is_said(row)

    def _is_said(self, row: MessageView) -> bool:
        assert self.reply is not None
        wanted = self.reply.lower()
        said = [row.reason, *(each.last_reply for each in row.recipients)]
        if _CODE.fullmatch(wanted):
            return any(wanted in (text or "").split() for text in said)
        return any(wanted in (text or "").lower() for text in said)


def age(text: str) -> float:
    """Seconds of a duration as "90s", "20m", "4h", "5d"; ValueError for what is none."""
    if not re.fullmatch("[0-9]{1,9}[smhdw]", text):
        raise ValueError('a duration is written as "90s", "20m", "4h" or "5d"')
    return float(int(text[:-1]) * UNITS[text[-1]])


def cursor_behind(queue_id: str) -> str:
    """The cursor of the page that begins behind this message. Nobody else needs to know what is in it."""
    return base64.urlsafe_b64encode(b"1" + queue_id.encode()).decode().rstrip("=")


def behind(cursor: str) -> str:
    """The id that a cursor stands for; ValueError for what is no cursor."""
    try:
        octets = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        version, queue_id = octets[:1], octets[1:].decode("ascii")
    except (binascii.Error, ValueError):
        version, queue_id = b"", ""
    if version != b"1":
        raise ValueError("no cursor: it is the `next` of a page before")
    return queue_id


def _domain(address: str) -> str:
    domain = address.rpartition("@")[2].lower()
    return domain if domain.isascii() else domain_key(domain)


def show(row: MessageView) -> Shown:
    """The row as JSON has it."""
    return {
        "queue_id": row.queue_id,
        "state": row.state,
        "sender": row.sender or None,
        "size": row.size,
        "accepted_at": row.accepted_at,
        "attempts": row.attempts,
        "total": row.total,
        "reason": row.reason or None,
        "recipients": [
            {
                "address": recipient.address,
                "state": recipient.state,
                "next_hop": recipient.next_hop or None,
                "last_reply": recipient.last_reply or None,
                "next_due": recipient.next_due,
            }
            for recipient in row.recipients
        ],
    }


def page(
    rows: Iterable[MessageView], selection: Selection, *, limit: int, cursor: str | None = None
) -> tuple[list[Shown], str | None]:
    """Up to `limit` of them, newest first, from behind the id `cursor` on; and the next cursor, None at the end.

    Ids rise with the time of acceptance, so a page begins where the last one ended though messages came and went.
    """
    chosen = [row for row in rows if (cursor is None or row.queue_id < cursor) and selection.covers(row)]
    chosen.sort(key=lambda row: row.queue_id, reverse=True)
    following = chosen[limit - 1].queue_id if len(chosen) > limit else None
    return [show(row) for row in chosen[:limit]], following


async def newest_page(
    rows: AsyncIterator[MessageView], selection: Selection, *, limit: int, looks: int = LOOKS
) -> tuple[list[Shown], str | None]:
    """The same of rows that come newest first, from behind the cursor on; no more are asked for than it takes, and no
    more than so many are looked at: the next page goes on from there."""
    chosen: list[MessageView] = []
    last = ""
    async for row in rows:
        if looks == 0 or (len(chosen) == limit and selection.covers(row)):
            return [show(each) for each in chosen], cursor_behind(last)
        looks -= 1
        last = row.queue_id
        if selection.covers(row):
            chosen.append(row)
    return [show(each) for each in chosen], None


class Tally:
    """Counts of messages and recipients, octets, and when the oldest was accepted; by state and by next hop."""

    def __init__(self) -> None:
        self._messages = self._recipients = self._octets = 0
        self._oldest: float | None = None
        self._states: dict[str, Shown] = {}
        self._hops: dict[str, Shown] = {}

    def add(self, row: MessageView) -> None:
        self._messages += 1
        self._recipients += len(row.recipients)
        self._octets += row.size
        self._oldest = row.accepted_at if self._oldest is None else min(self._oldest, row.accepted_at)
        _count(self._states, row.state, row.accepted_at)
        for hop in {recipient.next_hop for recipient in row.recipients if recipient.next_hop}:
            _count(self._hops, hop, row.accepted_at)

    def show(self) -> Shown:
        return {
            "messages": self._messages,
            "recipients": self._recipients,
            "size": self._octets,
            "oldest_accepted_at": self._oldest,
            "states": dict(sorted(self._states.items())),
            "destinations": dict(sorted(self._hops.items(), key=lambda item: (-item[1]["messages"], item[0]))),
        }


def stats(rows: Iterable[MessageView]) -> Shown:
    """All of them as counts."""
    tally = Tally()
    for row in rows:
        tally.add(row)
    return tally.show()


def _count(groups: dict[str, Shown], name: str, accepted_at: float) -> None:
    group = groups.setdefault(name, {"messages": 0, "oldest_accepted_at": accepted_at})
    group["messages"] += 1
    group["oldest_accepted_at"] = min(group["oldest_accepted_at"], accepted_at)
