"""Text for people on a terminal; the words are those of the web page too. Pure."""

from __future__ import annotations

from asyncmta.admin.words import duration, octets, printable

__all__ = ["duration", "octets", "printable"]
