"""The table `[[route]]` of config.toml: every key with its type, what it may be, and its default.

As in `config_tables`. Never: which keys go together (`config_routes`, `config_credentials`).

contract.md section 3; docs/remote.md.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from asyncmta import config_texts as texts
from asyncmta.config_kinds import Choice, Flag, Text, TextList, Whole, WholeList
from asyncmta.delivery.tls_policy import LEVELS

OptionalPath = Text(texts.any_text, optional=True, is_path=True)

TLS_LEVEL = Choice(LEVELS)
OPTIONAL_LEVEL = Choice(("", *LEVELS))
PASSWORD_MECHANISMS = ("plain", "login", "cram-md5")
TOKEN_MECHANISMS = ("xoauth2", "oauthbearer")


class RouteTable(Struct, frozen=True, kw_only=True):
    recipient: Annotated[str, Text(texts.route_pattern)] = "*"
    sender: Annotated[str, Text(texts.route_pattern)] = "*"
    via: Annotated[str, Choice(("mx", "smarthost", "lmtp", "qmtp", "pipe", "hold", "discard", "reject"))] = "mx"
    hosts: Annotated[tuple[str, ...], TextList(Text(texts.next_hop))] = ()
    weights: Annotated[tuple[int, ...], WholeList(Whole(0, 65535))] = ()
    tls: Annotated[str, OPTIONAL_LEVEL] = ""
    username: Annotated[str, Text(texts.any_text, optional=True)] = ""
    password: Annotated[str, Text(texts.any_text, optional=True, secret=True)] = ""
    implicit_tls: Annotated[bool, Flag()] = False
    certificate: Annotated[str, OptionalPath] = ""
    key: Annotated[str, OptionalPath] = ""
    auth: Annotated[str, Choice(("auto", *PASSWORD_MECHANISMS, *TOKEN_MECHANISMS))] = "auto"
    token_file: Annotated[str, OptionalPath] = ""
    token_command: Annotated[tuple[str, ...], TextList(Text(texts.any_text), repeats=True)] = ()
    token_url: Annotated[str, Text(texts.token_url, optional=True)] = ""
    client_id: Annotated[str, Text(texts.any_text, optional=True)] = ""
    client_secret: Annotated[str, Text(texts.any_text, optional=True, secret=True)] = ""
    refresh_token: Annotated[str, Text(texts.any_text, optional=True, secret=True)] = ""
    token_scope: Annotated[str, Text(texts.any_text, optional=True)] = ""
    command: Annotated[tuple[str, ...], TextList(Text(texts.argument), repeats=True)] = ()
    per: Annotated[str, Choice(("recipient", "message"))] = "recipient"
    final: Annotated[bool, Flag()] = False
    line_end: Annotated[str, Choice(("lf", "crlf"))] = "lf"

    @property
    def level(self) -> str:
        """The TLS level where the table says it, or what leaving it out means; "": as `[remote]` says, or none."""
        return self.tls or {"smarthost": "verify", "lmtp": "opportunistic"}.get(self.via, "")
