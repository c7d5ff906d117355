"""The table `[drop]` of config.toml: the directory where local users leave mail for us, also while we do not run.

As in `config_tables`. Never: a look at the directory (`mta_drop` has it made).

docs/sendmail.md.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from asyncmta import config_texts as texts
from asyncmta.config_kinds import Choice, Flag, Text

# Sticky and setgid, written and searched and never listed: by everybody, or by the group alone; or for ourselves alone.
MODES = ("3733", "3730", "0700")


class DropTable(Struct, frozen=True, kw_only=True):
    enabled: Annotated[bool, Flag()] = True
    group: Annotated[str, Text(texts.any_text, optional=True)] = ""
    mode: Annotated[str, Choice(MODES)] = "3733"
