"""`sendmail`, `mailq` and `newaliases`: one program that acts by its name, with the flags that other programs pass.

Ends with 0 only when the message is durable (row D-34); 64 for arguments that cannot be meant, or no recipient; 65 for
a message or an address that nobody would take; 69 when the MTA refused it; 73 when the drop directory cannot be
written; 75 when it should be tried again; 77 where we may not look; 78 for a bad configuration. Never: a decision
about mail.

contract.md section 2; docs/sendmail.md.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from asyncmta.cli.exits import Exit, Stop, unplanned
from asyncmta.cli.sendmail_flags import Call, Misused, parse_flags
from asyncmta.cli.words import printable
from asyncmta.config import InvalidConfig
from asyncmta.config_posting import Posting, read_posting

if TYPE_CHECKING:
    from asyncmta.inbound.drop_file import Dropped

USUAL_FILE = "/etc/asyncmta/config.toml"
NAMES = {"mailq": "list", "newaliases": "aliases"}


def main(arguments: Sequence[str] | None = None, name: str | None = None) -> None:
    """Run and exit with a code of sysexits.h. `name`: under which we were called."""
    name = os.path.basename(sys.argv[0]) if name is None else name
    try:
        act(name, sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
        code: int = Exit.OK
    except Misused as error:
        code = _told(name, Exit.USAGE, str(error))
    except InvalidConfig as error:
        code = _told(name, Exit.CONFIG, str(error))
    except Stop as error:
        code = _told(name, error.code, error.message)
    except (KeyboardInterrupt, Exception) as error:
        code = unplanned(error)
    raise SystemExit(int(code))


def _told(name: str, code: int, text: str) -> int:
    for line in text.splitlines():
        print(printable(f"{name}: {line}"), file=sys.stderr)
    return code


def act(name: str, arguments: Sequence[str]) -> None:
    """What the name and the flags say."""
    call = parse_flags(arguments)
    file = config_file(call)
    posting = read_posting(file)
    match NAMES.get(name, call.mode) if call.mode == "deliver" else call.mode:
        case "deliver":
            deliver(call, posting)
        case "smtp":
            from asyncmta.cli.smtp_stdio import speak  # noqa: PLC0415 - brings the server's side of SMTP

            speak(posting, author()[0])
        case "list":
            from asyncmta.cli.mailq import show  # noqa: PLC0415 - each of these for its own run only

            show(file, posting)
        case "flush":
            from asyncmta.cli.mailq import flush  # noqa: PLC0415

            flush(call, posting)
        case "aliases":
            from asyncmta.cli.newaliases import check  # noqa: PLC0415

            check(posting)


def config_file(call: Call) -> str | None:
    """-C, else $ASYNCMTA_CONFIG, else the usual file; never one of the folder that some job happens to run in."""
    named = call.config or os.environ.get("ASYNCMTA_CONFIG")
    return named or (USUAL_FILE if os.path.exists(USUAL_FILE) else None)


def deliver(call: Call, posting: Posting) -> None:
    """The message on standard input, to those of the arguments and, with -t, of its header section."""
    if not call.recipients and not call.from_header:
        raise Misused("name a recipient, or use -t")
    from asyncmta.cli.handing_over import hand_over  # noqa: PLC0415

    message = compose(call, posting, read_content(posting.message_size))
    queue_id = hand_over(posting, message)
    if call.is_verbose:
        print(f"queued as {queue_id}" if queue_id else f"left in {posting.drop}")


def read_content(most: int) -> bytes:
    """Standard input; no more of it than could be sent."""
    content = sys.stdin.buffer.read(most + 1)
    if len(content) > most:
        raise Stop(Exit.DATA, f"the message is larger than {most} octets (limits.message_size)")
    return content


def compose(call: Call, posting: Posting, raw: bytes) -> Dropped:
    """The message with its envelope; raises Stop and Misused."""
    from asyncmta.cli import message_text, recipients  # noqa: PLC0415 - with email.utils
    from asyncmta.inbound.drop_file import Directions, Dropped  # noqa: PLC0415
    from asyncmta.system.clock import SystemClock  # noqa: PLC0415

    login, name = author()
    content = message_text.ended(raw, keeps_dot=call.keeps_dot)
    try:
        wanted = [address for argument in call.recipients for address in message_text.people(argument)]
        if call.from_header:
            named, content = recipients.take(content)
            wanted += named
        sender = login if call.sender is None else message_text.bare(call.sender)
    except (message_text.Unreadable, recipients.Unreadable) as error:
        raise Stop(Exit.DATA, str(error)) from None
    if not wanted:
        raise Misused("nobody is named in To, Cc or Bcc")
    sender = message_text.qualified(sender, posting.hostname) if sender else ""
    content = message_text.authored(
        content,
        address=sender or message_text.qualified(login, posting.hostname),
        name=name if call.full_name is None else call.full_name,
        at=SystemClock().now(),
    )
    people = dict.fromkeys(message_text.qualified(address, posting.hostname) for address in wanted)
    return Dropped(Directions(sender or None, tuple(people), call.reports), content)


def author() -> tuple[str, str]:
    """The login and the name of whoever runs this: of the real user, whatever the environment says."""
    import pwd  # noqa: PLC0415

    from asyncmta.cli.message_text import full_name  # noqa: PLC0415

    try:
        user = pwd.getpwuid(os.getuid())
    except KeyError:  # as in a container
        return f"user{os.getuid()}", ""
    return user.pw_name, full_name(user.pw_gecos, user.pw_name)
