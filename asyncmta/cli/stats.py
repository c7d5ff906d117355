"""`asyncmta stats`: reads the JSON log of asyncmta and says what it adds up to. Nothing of the running MTA is asked.

0 when all was read; 66 when a file is not there, 65 when one could only be read in part or the database is none of ours
(what could be read is shown). Lines that say nothing are counted, and never an error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import click
import msgspec

from asyncmta.cli.exits import Exit, Stop
from asyncmta.cli.stats_table import Section, sections
from asyncmta.cli.stats_when import NoTime, moment
from asyncmta.cli.where import config_option
from asyncmta.cli.words import printable
from asyncmta.stats.database import Database, DatabaseBusy, DatabaseRefused
from asyncmta.stats.reading import OnRead, Progress, Reader
from asyncmta.stats.report import Report, Window, draw, stamp
from asyncmta.stats.sources import Source, SourceFailed
from asyncmta.system.clock import SystemClock


@click.command(name="stats")
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(allow_dash=True))
@click.option(
    "--database", "path", metavar="FILE", help="Keep what was read in this SQLite file, and report all it holds."
)
@click.option("--since", metavar="WHEN", help="From then on: 2026-11-21, 2026-11-21T10:00, or 24h ago as 24h.")
@click.option("--until", metavar="WHEN", help="Before then.")
@click.option(
    "--top", metavar="N", type=click.IntRange(1, 1_000_000), default=20, show_default=True, help="So many of each list."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with every hour.")
@config_option
def command(
    *,
    files: tuple[str, ...],
    path: str | None,
    since: str | None,
    until: str | None,
    top: int,
    as_json: bool,
) -> None:
    """Say what a JSON log adds up to: deliveries, delays, failures, senders.

    FILE is a log of asyncmta, also compressed with gzip; `-` is standard input. With --database and no FILE, what was
    read before is reported. A line that was read before is not counted again.
    """
    if not files and path is None:
        raise click.UsageError("name a log FILE (- for standard input), or a --database that has been filled")
    window = _window(since, until)
    faults: list[str] = []
    try:
        with closing(Database(path or "")) as database:
            progress = _read(database, files, faults, show=sys.stderr.isatty())
            report = draw(database, window, top)
    except DatabaseRefused as error:
        raise Stop(Exit.TEMP_FAIL if isinstance(error, DatabaseBusy) else Exit.DATA, str(error)) from None
    if progress.lines and progress.broken == progress.lines and not progress.resumed:
        click.echo('no line of it is one of asyncmta\'s JSON log; is log.format "json"?', err=True)
    if as_json:
        click.echo(msgspec.json.encode({"window": _shown(window), "read": progress, **msgspec.structs.asdict(report)}))
    else:
        _print(report, progress)
    if faults:
        raise Stop(Exit.DATA, "\n".join(faults))


def _window(since: str | None, until: str | None) -> Window:
    now = SystemClock().now()
    try:
        return Window(
            since=None if since is None else moment(since, now), until=None if until is None else moment(until, now)
        )
    except NoTime as error:
        raise click.UsageError(str(error)) from None


def _shown(window: Window) -> dict[str, str | None]:
    return {name: None if at is None else stamp(at) for name, at in (("since", window.since), ("until", window.until))}


def _read(database: Database, files: Sequence[str], faults: list[str], *, show: bool) -> Progress:
    """Read them all; a file that is not there is said before any is read."""
    opened: list[Source] = []
    try:
        try:
            for name in files:
                opened.append(Source.open(name) if name != "-" else _standard_input())
        except SourceFailed as error:
            raise Stop(Exit.NO_INPUT, str(error)) from None
        with _bar(opened, show=show) as on_read:
            reader = Reader(database, on_read=on_read)
            for source in opened:
                try:
                    reader.read(source)
                except SourceFailed as error:
                    faults.append(str(error))
        return reader.progress
    finally:
        for source in opened:
            source.close()


def _standard_input() -> Source:
    if sys.stdin is None:  # Python says so of one that is closed
        raise SourceFailed("-: standard input is closed")
    return Source("-", sys.stdin.buffer)


@contextmanager
def _bar(sources: Sequence[Source], *, show: bool) -> Iterator[OnRead]:
    """A progress bar on standard error; without a total where one of them is a pipe."""
    if not show or not sources:
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    sizes = [source.size for source in sources]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading", total=total)
        yield lambda source: progress.update(
            task, description=printable(source.name), completed=sum(each.position for each in sources)
        )


def _print(report: Report, progress: Progress) -> None:
    terminal = sys.stdout.isatty()
    for line in _about(report, progress):
        click.echo(line)
    for section in sections(report):
        click.echo(f"\n{section.title}")
        _show(section, terminal=terminal)


def _about(report: Report, progress: Progress) -> Iterator[str]:
    if progress.sources:
        yield (
            f"read {progress.lines} lines: {progress.counted} counted, {progress.known} known already, "
            f"{progress.other} of other events, {progress.broken} broken"
        )
    if progress.resumed:
        yield f"left out {progress.resumed} octets that were read before"
    yield f"from {report.first} to {report.last}" if report.first else "nothing is counted"


def _show(section: Section, *, terminal: bool) -> None:
    """Rich on a terminal, else columns padded with blanks, for people and for awk alike (the texts are last)."""
    if not terminal:
        rows = [[printable(cell) for cell in row] for row in ([*section.head], *section.rows)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in section.head:
        table.add_column(name, overflow="fold")
    for row in section.rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console().print(table)
