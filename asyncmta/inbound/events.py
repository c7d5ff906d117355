"""What the conversation asks of whoever feeds it: values in the order in which they are to be followed.

After each call the feeder writes the returned octets and then follows `Conversation.events`. Those marked "pauses"
stop the conversation until the named method brings the answer; what the client sends meanwhile waits in the buffer.
Never: octets for the client (they are returned), and no behaviour.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from msgspec import Struct

from asyncmta.inbound.content import Shape
from asyncmta.inbound.session import ClientFacts
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Envelope, Recipient
from asyncmta.mail.reply import Reply


class Refused(Struct, frozen=True):
    """We said no: for the log. `stage` is the command, or "greeting" or "dot". `counts`: it is an error of the
    client's; None leaves it to the code (5yz is one). `closes`: it was the last word. `times`: how often it was said,
    for each recipient of LMTP. `login`: whom an AUTH named."""

    stage: str
    reply: Reply
    reverse_path: Address | str | None = None
    recipient: Address | str | None = None
    counts: bool | None = None
    closes: bool = False
    times: int = 1
    login: str = ""


class LookUp(Struct, frozen=True, eq=False):
    """Does this local recipient exist? `existence` gives an `acceptance.Existence`. Pauses until `looked_up`."""

    recipient: Recipient
    existence: Awaitable[object]


class MessageEnded(Struct, frozen=True, eq=False):
    """The content has come, and is clean: take responsibility. Pauses until `answered`."""

    envelope: Envelope
    facts: ClientFacts
    parts: list[bytes]
    shape: Shape


class LargeBegan(Struct, frozen=True, eq=False):
    """The content goes beyond what is kept in memory; these are its first parts. `refuse_content` says no to it."""

    envelope: Envelope
    facts: ClientFacts
    parts: list[bytes]


class LargeWent(Struct, frozen=True, eq=False):
    """More of it."""

    parts: list[bytes]


class LargeEnded(Struct, frozen=True, eq=False):
    """The large content has come, and is clean. Pauses until `answered`."""

    shape: Shape


class LargeAborted(Struct, frozen=True):
    """The large content is refused, or its session is over: forget what was written."""


class TlsWanted(Struct, frozen=True):
    """The 220 is returned; now the handshake. Pauses until `tls_started`."""


class AuthWanted(Struct, frozen=True):
    """AUTH with this mechanism, and its initial response if there is one. Pauses until `auth_ended`; the lines of
    the exchange come from `take_line`."""

    mechanism: str
    initial: str | None


class ClientTold(Struct, frozen=True, eq=False):
    """A proxy has told who its client is, "" for what it does not know. Pauses until `client_changed`, or `close`."""

    ip: str
    port: int
    name: str
    told: Mapping[str, str]


class TurnEnded(Struct, frozen=True):
    """A turn's worth of commands was answered and more are there: others come first. Pauses until `go_on`."""


class Closing(Struct, frozen=True):
    """The last word, already among the octets: close when it is written."""

    word: Reply


Event = (
    Refused
    | LookUp
    | MessageEnded
    | LargeBegan
    | LargeWent
    | LargeEnded
    | LargeAborted
    | TlsWanted
    | AuthWanted
    | ClientTold
    | TurnEnded
    | Closing
)

ENDS_A_GROUP = TlsWanted | ClientTold
"""Behind these nothing may stand in a group of commands: it was said before it was known what it would mean."""
