"""What settings allow and a person will hardly have meant: what `check-config` says beside the faults.

Faults in the tables of aliases by file and line; names in them that nobody asks for; a file of users that is not there;
mail that everybody on the machine may look into (Q-06); variables of another image. Promises: nothing here keeps
anybody from starting. Never: a fault of the settings themselves (`config_checks`).

Seeds F-19, P-74, Q-06; docs/local.md.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from asyncmta.config import Settings
from asyncmta.config_local import FILE, SQLITE, alias_files, each_domain
from asyncmta.mailboxes.alias_file import Unreadable, read_table
from asyncmta.mailboxes.alias_text import AliasText, is_at_a_domain, parse_aliases, parse_virtual
from asyncmta.mailboxes.path import parse_pattern

MOST_NAMES = 10  # of one table


def remarks(settings: Settings) -> list[str]:
    """A line each."""
    found = [*_of_other_image(settings), *_of_tables(settings), *_of_users(settings), *_of_mail(settings)]
    return list(dict.fromkeys(found))


def parser_of(key: str) -> Callable[[str], AliasText]:
    """How the table under a key of the settings is written."""
    return parse_aliases if key.endswith(".aliases") else parse_virtual


def _of_other_image(settings: Settings) -> Iterator[str]:
    """Variables of boky/postfix that became none of our settings, or not in all that they mean there."""
    return (f"environment: {note.variable}: {note.text}" for note in settings.source.notes if note.text)


def _of_tables(settings: Settings) -> Iterator[str]:
    ours = {*settings.local.domains, settings.hostname}
    for key, path in alias_files(settings.local, settings.domains).items():
        try:
            table = read_table(path, parser_of(key))
        except Unreadable as error:
            yield f"{key}: {error}; until that is mended, mail that would have to look there waits"
            continue
        yield from (f"{key}: {fault}" for fault in table.faults)
        strange = [name for name in table.entries if name.rpartition("@")[2] not in ours and is_at_a_domain(name)]
        yield from (
            f"{key}: {path}: {name} is in no local domain, and never asked for" for name in strange[:MOST_NAMES]
        )


def _of_users(settings: Settings) -> Iterator[str]:
    said = {"local.mailboxes": settings.local.mailboxes}
    said |= {f"domain.{index}.mailboxes": one.mailboxes for index, one in enumerate(settings.domains)}
    for key, mailboxes in said.items():
        for kind in (FILE, SQLITE):
            if isinstance(mailboxes, str) and mailboxes.startswith(kind):
                path = mailboxes.removeprefix(kind)
                try:
                    os.stat(path)
                except OSError as error:
                    yield f"{key}: {path}: {error.strerror}; until that is mended, mail is told to come later"


def _of_mail(settings: Settings) -> Iterator[str]:
    """Whoever can list the tree sees who lives here; to search it is all that delivery and mail readers need."""
    for name, domain in each_domain(settings.local, settings.domains).items():
        pattern = parse_pattern(domain.maildir)
        expanded = pattern.expand(name, "postmaster")
        if expanded is None:
            continue
        above = [path for path in Path(expanded).parents if path.is_relative_to(pattern.root)]
        for path in reversed(above):
            try:
                mode = path.stat().st_mode
            except OSError:
                break
            if mode & stat.S_IROTH:
                yield f"local.maildir: {path}: everybody on this machine can list it; chmod o-r is enough"
