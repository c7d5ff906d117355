"""What the listeners need before they can be made, from the settings: who may log in, and certificates.

A part of the composition root, of `Mta` and of a null client alike. Never: a decision, a socket.

contract.md section 3.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from asyncmta.config import Settings
from asyncmta.inbound.access import Access, AccessSettings, Authenticator
from asyncmta.inbound.certificates import Certificates
from asyncmta.inbound.limits import Limits
from asyncmta.inbound.listener import Listener
from asyncmta.inbound.sessions import Reception
from asyncmta.maillog import MailLog
from asyncmta.system.addresses import binding
from asyncmta.system.clock import Clock


def given(kind: type[Struct], table: Struct) -> dict[str, Any]:
    """The values of a table of config.toml that a room has settings for; both call them by the same names."""
    return {name: getattr(table, name) for name in kind.__struct_fields__ if hasattr(table, name)}


async def listen(listeners: Iterable[Listener]) -> None:
    """From now on clients are served. Raises AddressUnavailable."""
    for listener in listeners:
        with binding():
            await listener.start()


def build_access(
    settings: Settings, *, clock: Clock, maillog: MailLog, authenticator: Authenticator | None, secret: bytes
) -> Access:
    """`secret` is what invented salts follow from: the same for as long as they shall stay the same."""
    return Access(
        settings=AccessSettings(**given(AccessSettings, settings.auth)),
        limits=Limits(**given(Limits, settings.limits)),
        clock=clock,
        maillog=maillog,
        authenticator=authenticator,
        secret=secret,
        domains=(settings.hostname, *settings.local.domains),
    )


def build_certificates(settings: Settings, *, clock: Clock, maillog: MailLog) -> Certificates | None:
    """None: no listener speaks TLS."""
    files = settings.tls_files()
    return Certificates(files, monotonic=clock.monotonic, maillog=maillog) if files is not None else None


def limits_of(settings: Settings) -> Limits:
    return Limits(**given(Limits, settings.limits), soft=settings.bounce.soft)


def is_same_access(old: Settings, new: Settings) -> bool:
    """May whoever decides about logins go on as he is, with all that he has counted?"""
    return (old.auth, old.limits, old.local.domains) == (new.auth, new.limits, new.local.domains)


def shared(reception: Reception) -> dict[str, Any]:
    """What of a reception goes on under new settings: who is here, and how the loop does."""
    return {name: getattr(reception, name) for name in ("clients", "holding", "watch")}
