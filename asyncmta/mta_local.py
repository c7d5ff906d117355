"""The mailboxes of the settings: their directories, a list, a file, or whom the Python program around us has.

A part of the composition root. Promises: a callable that raises, hangs or answers neither yes nor no says "it cannot be
told now" (451), and the log says why. Never: a decision.

contract.md sections 3 and 5.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asyncmta.config import Settings
from asyncmta.mail.address import Address
from asyncmta.mailboxes.list_file import ListFile
from asyncmta.mailboxes.resolver import LocalSettings, Mailboxes
from asyncmta.maillog import MailLog
from asyncmta.mta_maildir import build_quota
from asyncmta.system.clock import Clock
from asyncmta.system.deadline import Deadline
from asyncmta.system.disk import Disk

ASK_TIMEOUT = 5.0

Exists = Callable[[str], Awaitable[bool | None]]
"""`Mta(settings, recipients=...)`: an address at a local domain -> has it a mailbox? None: it cannot be told now."""


def build_mailboxes(
    settings: Settings, *, clock: Clock, disk: Disk, maillog: MailLog, exists: Exists | None = None
) -> Mailboxes:
    """Who lives here, for RCPT and for delivery alike (row Q-03)."""
    local = settings.local
    asked = LocalSettings(
        domains=local.domains,
        maildir=local.maildir,
        mailboxes=local.mailboxes,
        postmaster=str(settings.postmaster),
    )
    recipients = None
    if exists is not None:
        recipients = asking(exists, clock=clock, maillog=maillog)
    elif asked.list_file:
        recipients = ListFile(path=asked.list_file, clock=clock).has
    return Mailboxes(
        settings=asked,
        hostname=settings.hostname,
        clock=clock,
        disk=disk,
        recipients=recipients,
        quota=build_quota(settings, clock=clock, disk=disk),
    )


def asking(exists: Exists, *, clock: Clock, maillog: MailLog) -> Callable[[Address], Awaitable[bool | None]]:
    """The program's callable, with a deadline, and without its exceptions."""

    async def recipients(address: Address) -> bool | None:
        try:
            async with Deadline(clock, ASK_TIMEOUT):
                found = await exists(str(address))
        except TimeoutError:
            maillog.note("error", "recipients_failed", reason=f"no answer within {ASK_TIMEOUT:g} s")
        except Exception as error:
            maillog.note("error", "recipients_failed", error=error)
        else:
            if found is None or isinstance(found, bool):
                return found
            maillog.note("error", "recipients_failed", reason=f"neither True, False nor None: {type(found).__name__}")
        return None

    return recipients
