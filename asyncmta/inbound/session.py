"""One session as the conversation knows it: the client, what it said of itself, its open transaction, its counts.

Promises: `forget_transaction` and `forget_everything` (STARTTLS, RFC 3207 4.2) leave nothing behind of what they
forget; `facts` is made once for all messages between two changes of it. Never: a decision, a reply, sockets.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from msgspec import Struct, structs

from asyncmta.inbound.acceptance import Acceptance, remember
from asyncmta.inbound.chunks import ChunkReader, RefusedChunk
from asyncmta.inbound.content import Rules
from asyncmta.inbound.data import ContentReader
from asyncmta.mail import replies
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Envelope, Recipient
from asyncmta.mail.headers import Arrival, protocol_name
from asyncmta.mail.reply import Reply
from asyncmta.policy.rules import UNDECIDED
from asyncmta.policy.verdict import NOTHING_FOUND, Findings, Handling, Peer
from asyncmta.spool.records import INLINE_LIMIT

ROOM_FOR_RECEIVED = 4096  # what we put in front must fit inline too


class Client(Struct, frozen=True):
    """Who connected: its address as text ("" when a proxy could not say), its port, and whether it may relay; its host
    name, where a proxy has said it. `speaks_for_others`: it may tell us of another client (`xclient`); `may_turn`: it
    may have a queue run (`etrn`)."""

    ip: str
    port: int = 0
    trusted: bool = False
    name: str = ""
    speaks_for_others: bool = False
    may_turn: bool = False


def client_at(acceptance: Acceptance, ip: str, port: int, *, name: str = "", is_known: bool = True) -> Client:
    """The client at this address, with what it may do; nothing where its address `is_known` not to be its own."""
    if not is_known:
        return Client(ip, port, name=name)
    standing = acceptance.standing(ip)
    return Client(ip, port, standing.trusted, name, standing.speaks_for_others, standing.may_turn)


class Forwarded(Struct, frozen=True):
    """What XFORWARD said of the client of the next transaction: for log and `Received` and nothing else."""

    ip: str = ""
    name: str = ""
    helo: str = ""
    protocol: str = ""


class ClientFacts(Struct, frozen=True):
    """What intake has to know of a session. `opening` is the part of `Received` that its messages share. `is_author`:
    it is a submission, and what a message has to have and lacks is added (RFC 6409 8). `tls` is for the log."""

    ip: str
    helo: str
    login: str | None
    opening: str
    is_author: bool = False
    handling: Handling | None = None  # what the rules said of the transaction
    tls: str = ""


class SessionState:
    """What is known between two commands. Plain attributes: the command groups read and set them."""

    __slots__ = (
        "_facts",
        "_peer",
        "acceptance",
        "auth_failures",
        "client",
        "content",
        "content_refusal",
        "decision",
        "declared_size",
        "envelope",
        "errors",
        "extended",
        "findings",
        "forwarded",
        "handling",
        "helo",
        "is_large",
        "is_lmtp",
        "is_locked",
        "junk",
        "keys",
        "login",
        "may_relay",
        "offered_recipients",
        "reader",
        "recipients",
        "tls",
        "to_answer",
        "told",
        "transactions",
    )

    def __init__(self, acceptance: Acceptance, client: Client, tls: str = "") -> None:
        self.acceptance = acceptance
        self.client = client
        self.is_lmtp = acceptance.terms.role == "lmtp"
        self.errors = 0
        self.junk = 0
        self.auth_failures = 0
        self.findings: Findings | Awaitable[object] = NOTHING_FOUND  # or who finds out
        self.transactions = 0
        self.secure(tls)

    def secure(self, tls: str) -> None:
        """TLS runs ("" for not): `tls` names version and cipher. Nothing that was said before it counts."""
        self.tls = tls
        self.told: Mapping[str, str] = {}  # by XCLIENT, so far
        self.is_locked = not tls and self.acceptance.terms.tls == "required"  # TLS is demanded and does not run yet
        self.forget_everything()

    def forget_everything(self) -> None:
        """As after the greeting; but the counts, and TLS where it runs, stay."""
        self.helo = ""
        self.extended = False
        self.login: str | None = None
        self.may_relay = self.client.trusted
        self.forget_transaction()
        self.forget_facts()

    def forget_transaction(self) -> None:
        self.envelope: Envelope | None = None
        self.recipients: list[Recipient] = []
        self.keys: set[str] | None = None
        self.offered_recipients = 0
        self.content: ContentReader | ChunkReader | None = None  # of the transaction; between chunks, too
        self.reader: ContentReader | ChunkReader | RefusedChunk | None = None  # takes what comes now
        self.to_answer: list[str] = []  # LMTP: every RCPT that we consented to
        self.is_large = False
        self.content_refusal: Reply | None = None
        self.decision = UNDECIDED
        self.declared_size = 0
        self.handling: Handling | None = None
        self.forwarded: Forwarded | None = None

    def forget_facts(self) -> None:
        self._facts: ClientFacts | None = None
        self._peer: Peer | None = None

    def learn(self, findings: Findings) -> None:
        """What DNS says of the client."""
        self.findings = findings
        self.forget_facts()

    def log_in(self, login: str) -> None:
        self.login = login
        self.may_relay = True
        self.forget_facts()

    def charge(self, code: int, counts: bool | None = None) -> bool:
        """Count a refusal with this code against the client, or (with a 2yz) a command that leads nowhere. Is it
        enough? `counts`: it is an error of the client's or none; None: a 5yz is, anything else only when it piles up.
        """
        limits = self.acceptance.limits
        if counts is None:
            counts = code >= 500
            if not counts:
                self.junk += 1
                counts = self.junk > limits.junk_commands
        self.errors += counts
        return self.errors >= limits.errors

    def forgive(self) -> None:
        """A message was taken: the counts begin again."""
        self.errors = self.junk = 0

    @property
    def replies_due(self) -> int:
        """To the end of the content: one; in LMTP one for each consent to RCPT, also for a mailbox that came twice."""
        return len(self.to_answer) if self.is_lmtp else 1

    @property
    def nobody(self) -> Reply:
        """What is said to content that has no recipient. RFC 2033 4.2 leaves LMTP no choice."""
        if self.offered_recipients and not self.is_lmtp:
            return replies.NO_VALID_RECIPIENTS
        return replies.NEED_RECIPIENT

    def begin_content(self) -> Rules:
        """The envelope is complete; what holds for the content that follows."""
        envelope = self.envelope
        assert envelope is not None
        self.envelope = structs.replace(envelope, recipients=tuple(self.recipients))
        terms = self.acceptance.terms
        return Rules(
            size_limit=terms.limits.message_size,
            inline_limit=INLINE_LIMIT - ROOM_FOR_RECEIVED,
            accept_long_lines=terms.limits.accept_long_lines,
            normalises=self.client.trusted and terms.line_endings == "normalise",
            binary=envelope.body == "BINARYMIME",
        )

    def add(self, recipient: Recipient) -> None:
        """One recipient more, unless the mailbox is in the transaction already; the first one's parameters count."""
        if self.is_lmtp:
            self.to_answer.append(str(recipient.address))
        if self.recipients:
            if self.keys is None:
                self.keys = {self.recipients[0].address.mailbox_key}
            key = recipient.address.mailbox_key
            if key in self.keys:
                return
            self.keys.add(key)
        self.recipients.append(recipient)

    def peer(self) -> Peer:
        """The client as rules, hooks and services see it."""
        if self._peer is None:
            client = self.client
            findings = self._found()
            if client.name and not findings.name:  # looked up by a proxy whom we trust
                findings = structs.replace(findings, name=client.name, is_name_unsure=False)
            self._peer = Peer(
                ip=client.ip,
                address=self.acceptance.standing(client.ip).address,
                port=client.port,
                helo=self.helo,
                extended=self.extended,
                login=self.login,
                tls=self.tls,
                may_relay=self.may_relay,
                findings=findings,
            )
        return self._peer

    def _found(self) -> Findings:
        """By DNS, so far."""
        return self.findings if isinstance(self.findings, Findings) else NOTHING_FOUND

    @property
    def reverse_path(self) -> Address | None:
        return None if self.envelope is None else self.envelope.reverse_path

    def facts(self, *, smtputf8: bool) -> ClientFacts:
        """Also remembered, but for the rare message with SMTPUTF8, whose `Received` says so."""
        if self.forwarded is not None:
            facts = self._forwarded_facts(self.forwarded)
        else:
            facts = self._facts if self._facts is not None and not smtputf8 else self._new_facts(smtputf8)
        return facts if self.handling is None else structs.replace(facts, handling=self.handling)

    def _new_facts(self, smtputf8: bool) -> ClientFacts:
        """Who has been here before mostly says the same of himself."""
        name = self._found().name or self.client.name
        key = self.client.ip, self.helo, name, self.extended, self.tls, self.login, smtputf8
        facts: ClientFacts | None = self.acceptance.known_facts.get(key)
        if facts is None:
            facts = self._facts_of(name, smtputf8)
            remember(self.acceptance.known_facts, key, facts)
        if not smtputf8:
            self._facts = facts
        return facts

    def _facts_of(self, name: str, smtputf8: bool) -> ClientFacts:
        arrival = Arrival(
            by=self.acceptance.terms.hostname,
            helo=self.helo,
            ip=self.client.ip,
            name=name,
            protocol=protocol_name(
                extended=self.extended,
                tls=bool(self.tls),
                authenticated=self.login is not None,
                smtputf8=smtputf8,
                lmtp=self.is_lmtp,
                qmtp=self.acceptance.terms.role == "qmtp",
            ),
            tls=self.tls,
        )
        is_author = self.acceptance.terms.role == "submission"
        opening = self.acceptance.opening(arrival)
        return ClientFacts(self.client.ip, self.helo, self.login, opening, is_author, tls=self.tls)

    def _forwarded_facts(self, forwarded: Forwarded) -> ClientFacts:
        """Of the client that XFORWARD spoke of, and nothing of this session's but the login. Without an address the
        message came from the other host itself."""
        arrival = Arrival(by=self.acceptance.terms.hostname)
        if forwarded.ip:
            arrival = Arrival(
                by=arrival.by,
                helo=forwarded.helo or forwarded.name or "unknown",
                ip=forwarded.ip,
                name=forwarded.name,
                protocol=forwarded.protocol,
            )
        return ClientFacts(forwarded.ip, forwarded.helo, self.login, self.acceptance.opening(arrival), tls=self.tls)
