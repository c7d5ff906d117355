"""The templates that come with the program, by language; and a file of somebody's own words, as text, over one of them.

Promises: ENGLISH and every other one of LANGUAGES has all sections. Never: the disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from asyncmta.bounce import template_de, template_en
from asyncmta.bounce.dsn_template import Template, parse_template

TEXTS: Mapping[str, str] = MappingProxyType({"en": template_en.TEXT, "de": template_de.TEXT})


def _whole(text: str) -> Template:
    template = parse_template(text)
    assert isinstance(template, Template), template
    return template


LANGUAGES: Mapping[str, Template] = MappingProxyType({language: _whole(text) for language, text in TEXTS.items()})
ENGLISH = LANGUAGES["en"]
