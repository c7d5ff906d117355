"""TLS as a client: the contexts that sessions begin with, our own certificate in them, and sessions to resume.

Promises: nothing is judged at the levels below "verify" (RFC 7435), all is at "verify"; TLS 1.2 or newer; a key that
is encrypted never asks for its passphrase. What a server gave to resume a session with is kept for an hour, for as
many servers as `MOST_SERVERS`, apart for each context: what was not verified is never resumed as if it had been.
Never: sockets, when files are read (`identities`), a choice of the level.

RFC 3207, RFC 5077 and RFC 8446 2.2 (resumption), RFC 7435, RFC 8314.
"""

from __future__ import annotations

import ssl
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from msgspec import Struct

from asyncmta.credentials import Identity

MOST_SERVERS = 1000
KEPT_FOR = 3600.0


class Offer:
    """What the handshake on one connection may resume."""

    __slots__ = ("session",)

    def __init__(self) -> None:
        self.session: ssl.SSLSession | None = None


# Neither asyncio nor uvloop lets `start_tls` pass a session on. Both begin a handshake by `wrap_bio`, asyncio in a copy
# of the context of whoever starts TLS, uvloop in one of whoever made the connection: so the offer is there before the
# connection, and what is in it changes.
_OFFER: ContextVar[Offer | None] = ContextVar("offer", default=None)


class IdentityRefused(ValueError):
    """These files are no client certificate. `key`: the name in `Identity` of the one at fault."""

    def __init__(self, text: str, key: str) -> None:
        super().__init__(text)
        self.key = key


class ResumingContext(ssl.SSLContext):
    """A context for clients that remembers sessions by server, host and port."""

    kept: OrderedDict[tuple[str, int], tuple[ssl.SSLSession, float]]

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        offer = _OFFER.get()
        if session is None and offer is not None:
            session = offer.session
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)


class TlsContexts(Struct, frozen=True):
    """How we do TLS as a client: without and with a look at the certificate."""

    opportunistic: ssl.SSLContext
    verifying: ssl.SSLContext

    def of(self, level: str) -> ssl.SSLContext:
        return self.verifying if level == "verify" else self.opportunistic


def default_tls_contexts(identity: Identity | None = None) -> TlsContexts:
    """The system's certificates for "verify"; nothing judged otherwise. Takes some milliseconds, and reads files.

    Raises IdentityRefused.
    """
    opportunistic, verifying = _context(identity), _context(identity)
    opportunistic.check_hostname = False
    opportunistic.verify_mode = ssl.CERT_NONE
    # They take 20 ms and 1 MiB. With a certificate of ours, OpenSSL fills its chain up from them on either level.
    for context in (verifying,) if identity is None else (verifying, opportunistic):
        context.load_default_certs()
    return TlsContexts(opportunistic, verifying)


def check_identity(identity: Identity) -> None:
    """Raises IdentityRefused."""
    _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), identity)


@contextmanager
def offering() -> Iterator[Offer]:
    """The connection that is made in here may resume what is in the offer when its handshake begins."""
    offer = Offer()
    before = _OFFER.set(offer)
    try:
        yield offer
    finally:
        _OFFER.reset(before)


@contextmanager
def resuming(offer: Offer, context: ssl.SSLContext, server: tuple[str, int], now: float) -> Iterator[None]:
    """A handshake that begins in here resumes the last session with this server, where there is one. One that fails
    forgets it, so that a server whom it confuses is met afresh."""
    kept = context.kept if isinstance(context, ResumingContext) else {}
    session, until = kept.get(server, (None, 0.0))
    offer.session = session if until > now else None
    try:
        yield
    except BaseException:
        kept.pop(server, None)
        raise
    finally:
        offer.session = None


def remember(context: ssl.SSLContext, server: tuple[str, int], tunnel: Any, now: float) -> None:
    """Keep what a session can be resumed with. TLS 1.3 sends that after the handshake, with the first octets of the
    server as a rule: so this is to be called after a reply."""
    if not isinstance(context, ResumingContext):
        return
    session = tunnel.session
    if session is None or not (session.has_ticket or tunnel.version() == "TLSv1.2"):
        return
    context.kept[server] = session, now + KEPT_FOR
    context.kept.move_to_end(server)
    while len(context.kept) > MOST_SERVERS:
        context.kept.popitem(last=False)


def _context(identity: Identity | None) -> ResumingContext:
    context = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    context.kept = OrderedDict()
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.hostname_checks_common_name = False  # RFC 9525 4.1: only names that are said to be such
    if identity is not None:
        _load(context, identity)
    return context


def _load(context: ssl.SSLContext, identity: Identity) -> None:
    for key in ("certificate", "key"):
        path = getattr(identity, key)
        try:
            if path:
                with open(path, "rb") as file:
                    file.read(1)
        except OSError as error:
            raise IdentityRefused(f"{path}: cannot be read: {error.strerror}", key) from None
    no_passphrase: Callable[[], bytes] = lambda: b""  # noqa: E731 - without it the terminal would be asked for one
    try:
        context.load_cert_chain(identity.certificate, identity.key or None, password=no_passphrase)
    except (ssl.SSLError, OSError, ValueError):
        where = f" ({identity.key})" if identity.key else " (in the same file, as key is empty)"
        said = f"{identity.certificate}: not a certificate chain in PEM with the unencrypted key that belongs to it"
        raise IdentityRefused(said + where, "certificate") from None
