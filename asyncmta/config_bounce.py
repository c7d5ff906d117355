"""The table `[bounce]` of config.toml: every key with its type, what it may be, and its default.

As in `config_tables`. Never: who is told in the end (`bounce/audience`); files: that of `bounce.template` is read by
`config_checks`.

contract.md section 3; docs/bounces.md.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from asyncmta import config_texts as texts
from asyncmta.bounce.templates import LANGUAGES
from asyncmta.config_kinds import Choice, Duration, Flag, RateOf, Text
from asyncmta.inbound.throttle import Rate

DISCARD = "discard"


class BounceTable(Struct, frozen=True, kw_only=True):
    delay: Annotated[float, Duration(1.0, 86400.0, zero="none")] = 60.0
    soft: Annotated[bool, Flag()] = False
    report_to: Annotated[str, Choice(("all", "local"))] = "all"
    reports_per_address: Annotated[Rate | None, RateOf()] = Rate(100, 3600.0)
    double: Annotated[str, Text(texts.address_or_local_part)] = DISCARD
    double_rate: Annotated[Rate | None, RateOf()] = Rate(10, 3600.0)
    language: Annotated[str, Choice(tuple(LANGUAGES))] = "en"
    template: Annotated[str, Text(texts.any_text, optional=True, is_path=True)] = ""
