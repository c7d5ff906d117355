"""`asyncmta journal`: verify, stat and dump a journal, also that of a running MTA. Reads only, and takes no lock.

verify: 0 when all is well, 65 with a line for each damage (segment, offset, reason). 66: there is no such spool.
dump: one record a line; content is shown with --content only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from asyncmta.cli.exits import Exit, Stop
from asyncmta.cli.reading import reading
from asyncmta.cli.where import config_option, load_settings
from asyncmta.cli.words import octets, printable
from asyncmta.mail.envelope import QueueId, format_queue_id
from asyncmta.spool import survey
from asyncmta.spool.records import Removed
from asyncmta.spool.recovery import Damage, SpoolRefused
from asyncmta.spool.survey import Seen
from asyncmta.system.disk import PosixDisk

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

as_json_option = click.option("--json", "as_json", is_flag=True, help="As JSON.")
spool_option = click.option(
    "--spool", metavar="DIR", type=click.Path(), help="Of this spool instead of the configured one."
)


def surveyed(look: Callable[[PosixDisk, str], T], spool: str | None, *, times: int, quiet: bool = False) -> T:
    """What `look` finds, which reads it so many times; that there is nothing to see is the end of the command."""
    directory = spool if spool is not None else load_settings().spool
    try:
        with reading(directory, times, quiet=quiet) as disk:
            return look(disk, directory)
    except FileNotFoundError:
        raise Stop(Exit.NO_INPUT, f"{directory}: there is no journal") from None
    except (OSError, SpoolRefused) as error:
        raise Stop(Exit.NO_INPUT, f"{directory}: {error}") from None


@click.group(name="journal")
@config_option
def command() -> None:
    """Look into the journal of a spool; nothing is changed."""


def fault(damage: Damage) -> dict[str, Any]:
    """One damage as JSON has it."""
    found = {"segment": damage.segment, "offset": damage.start, "end": damage.end, "reason": damage.reason}
    return found if damage.queue_id is None else {**found, "queue_id": format_queue_id(damage.queue_id)}


@command.command(name="verify")
@as_json_option
@spool_option
@config_option
def verify_command(as_json: bool, spool: str | None) -> None:
    """Read and check every octet that counts. 65 if there is damage."""
    found = surveyed(survey.verify, spool, times=2)
    if as_json:
        shown = msgspec.structs.asdict(found) | {"damages": [fault(damage) for damage in found.damages]}
        click.echo(msgspec.json.encode(shown))
    else:
        for damage in found.damages:
            click.echo(f"segment {damage.segment} offset {damage.start}: {printable(damage.reason)}")
        unfinished = f", {found.unfinished} octets of an unfinished batch" if found.unfinished else ""
        click.echo(
            f"{found.segments} segments, {found.records} records, {found.messages} messages{unfinished}: "
            + (f"{len(found.damages)} damaged" if found.damages else "ok")
        )
    if found.damages:
        raise Stop(Exit.DATA, "the journal is damaged; what verifies is used at the next start all the same")


@command.command(name="stat")
@as_json_option
@spool_option
@config_option
def stat_command(as_json: bool, spool: str | None) -> None:
    """How large it is, and what is in it.

    Segments; octets that are live, dead, and saved by packing; records by kind; messages.
    """
    found = surveyed(survey.totals, spool, times=2)
    facts = msgspec.structs.asdict(found) | {"dead": found.octets - found.live}
    if as_json:
        click.echo(msgspec.json.encode(facts))
        return
    records = facts.pop("records")
    for name, value in facts.items():
        shown = octets(value) if name in {"octets", "live", "saved", "dead", "unfinished", "reserve"} else value
        click.echo(f"{name}\t{shown}")
    for kind, count in records.items():
        click.echo(f"records.{kind}\t{count}")


def row(seen: Seen, content: bool) -> dict[str, Any]:
    """One record as JSON has it."""
    record = seen.record
    shown: dict[str, Any] = {
        "segment": seen.segment,
        "offset": seen.frame.offset,
        "sequence": seen.frame.sequence,
        "kind": type(record).__name__.lower() if record is not None else f"unknown {seen.frame.kind}",
    }
    if seen.frame.queue_id:
        shown["queue_id"] = format_queue_id(QueueId(seen.frame.queue_id))
    if record is not None:
        facts = msgspec.structs.asdict(record)
        facts.pop("queue_id", None)
        facts.pop("parts", None)
        facts.pop("packed", None)
        if facts.get("by") is not None and not isinstance(record, Removed):
            facts["by"] = format_queue_id(facts["by"])
        shown |= facts
    if seen.frame.content_size:
        shown["octets"] = seen.frame.content_size
        if seen.is_packed:
            shown["packed"] = True
        if content:
            shown["text"] = seen.content().decode("utf-8", "backslashreplace")
    return shown


@command.command(name="dump")
@click.option("--content", is_flag=True, help="The content of messages, too.")
@as_json_option
@spool_option
@config_option
def dump_command(content: bool, as_json: bool, spool: str | None) -> None:
    """Print every record, one a line: place, kind, queue id, facts."""
    encode = msgspec.json.encode

    def dump(disk: PosixDisk, directory: str) -> None:
        for seen in survey.walk(disk, directory):
            if isinstance(seen, Seen):
                shown = row(seen, content)
            else:
                kind = "unfinished" if seen.is_torn else "damage"
                shown = {"segment": seen.segment, "offset": seen.start, "kind": kind, "end": seen.end}
            if as_json:
                click.echo(encode(shown))
                continue
            place = f"{shown.pop('segment')}:{shown.pop('offset')}"
            head = f"{place}\t{shown.pop('kind')}\t{shown.pop('queue_id', '-')}"
            click.echo(f"{head}\t{printable(encode(shown).decode())}")

    surveyed(dump, spool, times=1, quiet=sys.stdout.isatty())
