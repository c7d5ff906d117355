"""The table `[local]` of config.toml: every key with its type, what it may be, and its default.

As in `config_tables`. Never: a look at the files that it names (`mta_local` hands them to `mailboxes`).

contract.md section 3; docs/local.md.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from asyncmta import config_texts as texts
from asyncmta.config_kinds import Choice, Text, TextList, TextListOr
from asyncmta.config_policy import Residents


class LocalTable(Struct, frozen=True, kw_only=True):
    domains: Annotated[tuple[str, ...], TextList(Text(texts.domain))] = ()
    maildir: Annotated[str, Text(texts.maildir_pattern, is_path=True)] = "var/mail/{domain}/{local_part}"
    mailboxes: Annotated[
        str | tuple[str, ...],
        Residents(TextListOr(Choice(("existing", "any")), TextList(Text(texts.address_or_local_part)))),
    ] = "existing"
    aliases: Annotated[str, Text(texts.not_yet, optional=True)] = ""
