"""`asyncmta send`: hand a message from standard input to the running MTA; print its queue id once it is durable.

Ends with 0 when the MTA is responsible for it; 75 when it should be tried again (nobody answers, or a transient
refusal); 65 for an address or message that is wrong; 69 when it was refused for good; 64 without a recipient. With
--drop it may also wait for an MTA that does not run (`sendmail` always does so); --dry-run sends nothing (row D-26).
"""

from __future__ import annotations

import sys

import click
import msgspec

from asyncmta.admin.client import ControlClient, NotRunning, Refused
from asyncmta.cli.exits import Exit, Stop
from asyncmta.cli.where import config_file, config_option, load_settings


@click.command(name="send")
@click.option("-f", "--from", "sender", metavar="FROM", help="The reverse-path; <> for the null one.")
@click.option("-t", "--read-recipients", "from_header", is_flag=True, help="Also to those in To, Cc and Bcc.")
@click.option("--json", "as_json", is_flag=True, help='Print {"queue_id": ...}.')
@click.option("--drop", is_flag=True, help="If nobody runs, leave it in the drop directory; then there is no id yet.")
@click.option("--dry-run", is_flag=True, help="Print sender and recipients as JSON, and send nothing.")
@click.argument("recipients", nargs=-1, metavar="RCPT...")
@config_option
def command(
    sender: str | None, from_header: bool, as_json: bool, drop: bool, dry_run: bool, recipients: tuple[str, ...]
) -> None:
    """Hand the message on standard input to the running MTA, for each RCPT."""
    if not recipients and not from_header:
        raise click.UsageError("name a recipient, or use -t")
    settings = load_settings()
    content = sys.stdin.buffer.read()
    wanted = list(recipients)
    if from_header:
        from asyncmta.cli.recipients import Unreadable, take  # noqa: PLC0415 - only -t pays for email.utils

        try:
            named, content = take(content)
        except Unreadable as error:
            raise Stop(Exit.DATA, str(error)) from None
        wanted += [address for address in named if address not in wanted]
    if not wanted:
        raise Stop(Exit.DATA, "no recipient in To, Cc or Bcc")
    reverse_path = author(settings.hostname) if sender is None else sender.removeprefix("<").removesuffix(">")
    if dry_run:
        click.echo(msgspec.json.encode({"sender": reverse_path or None, "recipients": wanted}))
        return
    if drop:
        queue_id = leave(reverse_path or None, wanted, content)
    else:
        queue_id = hand_over(ControlClient(settings.admin.socket), reverse_path or None, wanted, content)
    click.echo(msgspec.json.encode({"queue_id": queue_id}) if as_json else queue_id or "-")


def leave(reverse_path: str | None, recipients: list[str], content: bytes) -> str | None:
    """The queue id, or None when it waits in the drop directory."""
    from asyncmta.cli.handing_over import hand_over  # noqa: PLC0415 - for a quick start
    from asyncmta.config_posting import read_posting  # noqa: PLC0415
    from asyncmta.inbound.drop_file import Directions, Dropped  # noqa: PLC0415

    posting = read_posting(config_file())
    return hand_over(posting, Dropped(Directions(reverse_path, tuple(recipients)), content)) or None


def author(hostname: str) -> str:
    """Who runs this, at this machine."""
    import getpass  # noqa: PLC0415

    return f"{getpass.getuser()}@{hostname}"


def hand_over(client: ControlClient, reverse_path: str | None, recipients: list[str], content: bytes) -> str:
    """The queue id, or a Stop with the code that tells whether to try again."""
    try:
        return client.submit(reverse_path, recipients, content)
    except NotRunning as error:
        raise Stop(Exit.TEMP_FAIL, f"not running: {error}") from None
    except Refused as error:
        if error.status >= 500:
            raise Stop(Exit.TEMP_FAIL, str(error)) from None
        raise Stop(Exit.UNAVAILABLE if error.code == "refused" else Exit.DATA, str(error)) from None
