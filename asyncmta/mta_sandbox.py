"""The sandbox of the settings: what stands before all transports where there is one, and who is told that there is.

A part of the composition root. Never: a decision.
"""

from __future__ import annotations

from asyncmta.config import Settings
from asyncmta.config_sandbox import sandbox_of
from asyncmta.delivery.sandboxed import Delivers, Sandboxed
from asyncmta.maillog import MailLog


def within_sandbox(settings: Settings, *, transport: Delivers, maillog: MailLog) -> Delivers:
    """The transport itself, where there is no sandbox."""
    sandbox = sandbox_of(settings.sandbox)
    if sandbox is None:
        return transport
    maillog.note("warning", "sandbox", advice="mail does not go where it is addressed", settings=str(sandbox))
    return Sandboxed(sandbox=sandbox, transport=transport, maillog=maillog)


def warnings_of(settings: Settings) -> list[str]:
    """What whoever asks how the MTA is should know, although nothing is wrong with it."""
    sandbox = sandbox_of(settings.sandbox)
    return [] if sandbox is None else [str(sandbox)]
