"""The table `[bounce]` of config.toml: every key with its type, what it may be, and its default.

As in `config_tables`. Never: files; that of `bounce.template` is read by `config_checks`.

docs/bounces.md.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from asyncmta import config_texts as texts
from asyncmta.bounce.templates import LANGUAGES
from asyncmta.config_kinds import Choice, Text


class BounceTable(Struct, frozen=True, kw_only=True):
    language: Annotated[str, Choice(tuple(LANGUAGES))] = "en"
    template: Annotated[str, Text(texts.any_text, optional=True, is_path=True)] = ""
