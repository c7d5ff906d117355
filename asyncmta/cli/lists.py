"""`asyncmta list`: the mailing lists of the configuration, and whose mail bounces.

`list show` says how many are on which list, `list bounces LIST` how often mail to each member came back. Reads files
alone, so that it makes no difference whether the MTA runs. Ends with 0; 65 for a list that is not there; 74 where a
file cannot be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from asyncmta.cli.exits import Exit, Stop
from asyncmta.cli.where import config_option, load_settings
from asyncmta.cli.words import printable

if TYPE_CHECKING:
    from asyncmta.config import Settings
    from asyncmta.lists.names import MailingList

_json = click.option("--json", "as_json", is_flag=True, help="A list of objects.")


@click.group(name="list")
@config_option
def command() -> None:
    """The mailing lists of the configuration."""


@command.command()
@_json
@config_option
def show(as_json: bool) -> None:
    """Say which lists there are, and how many are on them."""
    from asyncmta.lists.members_file import read_members  # noqa: PLC0415 - for a quick start

    _, lists = _lists()
    rows: list[dict[str, object]] = []
    for one in lists:
        try:
            count = len(read_members(one.members))
        except OSError as error:
            raise Stop(Exit.IO_ERROR, f"{one.members}: {error.strerror or error}") from None
        how = "confirm" if one.subscribe else "closed"
        rows.append({"list": one.key, "members": count, "subscribe": how, "verp": one.verp, "owner": str(one.owner)})
        if not as_json:
            click.echo(f"{one.key}  members: {count}  subscribe: {how}  verp: {'yes' if one.verp else 'no'}")
    if as_json:
        click.echo(msgspec.json.encode(rows))


@command.command()
@click.argument("name", metavar="LIST")
@_json
@config_option
def bounces(name: str, as_json: bool) -> None:
    """Say how often mail to each member of LIST has bounced, most first.

    A number is a hint and no proof: anybody can write to the address that is counted.
    """
    from asyncmta.lists.bounce_counts import sums  # noqa: PLC0415
    from asyncmta.mail.headers import rfc5322_date  # noqa: PLC0415
    from asyncmta.mta_lists import bounce_file  # noqa: PLC0415
    from asyncmta.system.disk import PosixDisk  # noqa: PLC0415

    settings, lists = _lists()
    wanted = name.lower()
    one = next((each for each in lists if wanted in (each.key, each.key.partition("@")[0])), None)
    if one is None:
        raise Stop(
            Exit.DATA, f"{printable(name)}: no such list; there are {', '.join(each.key for each in lists) or 'none'}"
        )
    try:
        found = sums(bounce_file(settings, one, disk=PosixDisk()).read())
    except OSError as error:
        raise Stop(Exit.IO_ERROR, f"{error.filename}: {error.strerror}") from None
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    for each in found:
        click.echo(f"{each.count:>6}  {printable(each.member)}  last {rfc5322_date(each.last)}")


def _lists() -> tuple[Settings, tuple[MailingList, ...]]:
    from asyncmta.mta_lists import mailing_lists  # noqa: PLC0415

    settings = load_settings()
    return settings, mailing_lists(settings)
