"""A message from this machine to the MTA: over the control socket where we may, else by the drop directory.

Promises: when `hand_over` returns the message is durable, in the journal or in the drop directory; whatever the MTA
would refuse for good is refused here already, since later nobody waits for the answer (row D-34). Never: where a
message comes from.

docs/sendmail.md.
"""

from __future__ import annotations

import errno

from asyncmta.admin.client import ControlClient, NotRunning, Refused
from asyncmta.cli.drop import leave
from asyncmta.cli.exits import Exit, Stop
from asyncmta.config_posting import Posting
from asyncmta.inbound.drop_file import Dropped, write
from asyncmta.inbound.injection import envelope_of, prepare
from asyncmta.mail import replies
from asyncmta.mail.address import InvalidAddress
from asyncmta.mail.reply import Reply

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOENT})


def hand_over(posting: Posting, message: Dropped) -> str:
    """Its queue id, or "" when it waits in the drop directory; raises Stop."""
    check(posting, message)
    octets = write(message)
    try:
        return ControlClient(posting.socket).hand_over(octets)
    except NotRunning as error:
        absent = str(error)
    except Refused as error:
        if error.status >= 500:
            raise Stop(Exit.TEMP_FAIL, str(error)) from None
        raise Stop(Exit.UNAVAILABLE if error.code == "refused" else Exit.DATA, str(error)) from None
    if not posting.drop:
        raise Stop(Exit.TEMP_FAIL, f"not running: {absent}; and there is no drop directory")
    try:
        leave(posting.drop, octets)
    except OSError as error:
        code = Exit.TEMP_FAIL if error.errno in _FULL else Exit.CANT_CREATE
        raise Stop(code, f"{absent}; and {posting.drop}: {error.strerror}") from None
    return ""


def check(posting: Posting, message: Dropped) -> None:
    """What the MTA will say to it, as far as that is known here; raises Stop."""
    directions = message.directions
    for address in (directions.sender or None, *directions.recipients):
        try:
            found = envelope_of(address, ())
        except InvalidAddress as error:
            raise Stop(Exit.DATA, f"{address}: {error}") from None
    if len(directions.recipients) > posting.recipients:
        raise Stop(Exit.DATA, f"{replies.TOO_MANY_RECIPIENTS}: at most {posting.recipients} (limits.recipients)")
    found = envelope_of(None, (), directions.reports)
    if not isinstance(found, Reply):
        size = posting.message_size
        made = prepare(message.content, at=0.0, message_id="<check@localhost>", size_limit=size, completes=True)
        if not isinstance(made, Reply):
            return
        found = made
    raise Stop(Exit.DATA, str(found))
