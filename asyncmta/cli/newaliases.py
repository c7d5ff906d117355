"""`newaliases`: are the files of aliases in order? There is nothing to compile; they are read again when they change.

0 with a line for each file; 65 with a line for each fault; 66 for a file that cannot be read. Never: a change.
"""

from __future__ import annotations

import sys

from asyncmta.cli.exits import Exit, Stop
from asyncmta.config_posting import Posting
from asyncmta.mailboxes.alias_file import Unreadable, read_table
from asyncmta.mailboxes.alias_text import parse_aliases, parse_virtual


def check(posting: Posting) -> None:
    """Read each of them as the MTA will."""
    code = Exit.OK
    for key, path in posting.alias_files.items():
        try:
            table = read_table(path, parse_aliases if key.endswith(".aliases") else parse_virtual)
        except Unreadable as error:
            print(f"newaliases: {error}", file=sys.stderr)
            code = Exit.NO_INPUT
            continue
        for fault in table.faults:
            print(f"newaliases: {fault}", file=sys.stderr)
            code = code or Exit.DATA
        count = len(table.entries)
        print(f"{path}: {count} entr{'y' if count == 1 else 'ies'}")
    if not posting.alias_files:
        print("newaliases: no file of aliases is configured (local.aliases)", file=sys.stderr)
    if code:
        raise Stop(code, "not all of it is in order")
