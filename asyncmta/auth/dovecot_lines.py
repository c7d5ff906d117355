"""The lines of Dovecot's authentication protocol, as a client of it: what is asked, and what an answer says.

Promises: nothing that a user typed can end a line or begin another field; a line that is not understood is None and
leaves the others as they are. Never: the socket, numbers of requests.

Dovecot's "Authentication Protocol" 1.2 (doc/auth-protocol.txt): VERSION, MECH, DONE; AUTH, CONT, CANCEL; OK, FAIL.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as NotBase64

from msgspec import Struct

from asyncmta.auth.source import MECHANISMS, Attempt

MAX_LINE = 65536
_ESCAPED = {"\x01": "\x011", "\t": "\x01t", "\r": "\x01r", "\n": "\x01n", "\0": "\x010"}
_PLAINLY = {code[1]: sign for sign, code in _ESCAPED.items()}


class Version(Struct, frozen=True):
    major: int


class Mechanism(Struct, frozen=True):
    name: str


class Done(Struct, frozen=True):
    """The greeting is over."""


class Good(Struct, frozen=True):
    """`final`: the last message of the mechanism, for the client, where it has one."""

    id: int
    user: str
    final: bytes


class More(Struct, frozen=True):
    id: int
    challenge: bytes


class Bad(Struct, frozen=True):
    """`for_now`: it failed by trouble of theirs."""

    id: int
    for_now: bool


Answer = Good | More | Bad
Line = Version | Mechanism | Done | Answer


def hello(client: int) -> bytes:
    return b"VERSION\t1\t2\nCPID\t%d\n" % client


def begin(id: int, attempt: Attempt, response: bytes) -> bytes:
    """`resp` has to be the last field. `nologin`: we ask who it is, and want no session of theirs."""
    fields = ["AUTH", str(id), attempt.mechanism, "service=smtp", "nologin", "final-resp-ok"]
    if attempt.tls:
        fields.append("secured")
    if attempt.ip:
        fields.append(f"rip={escape(attempt.ip)}")
    return "\t".join([*fields, f"resp={b64encode(response).decode()}"]).encode() + b"\n"


def go_on(id: int, response: bytes) -> bytes:
    return b"CONT\t%d\t%b\n" % (id, b64encode(response))


def cancel(id: int) -> bytes:
    return b"CANCEL\t%d\n" % id


def plain(login: str, password: str) -> bytes:
    """The message of PLAIN (RFC 4616)."""
    return f"\0{login}\0{password}".encode()


def parse(line: bytes) -> Line | None:
    """One line without its LF; None for what does not concern us (SPID, CUID, COOKIE, ...) or is wrong."""
    try:
        word, *fields = line.decode().split("\t")
    except UnicodeDecodeError:
        return None
    match word, fields:
        case "VERSION", [major, *_] if _is_number(major):
            return Version(int(major))
        case "MECH", [name, *_] if name.upper() in MECHANISMS:
            return Mechanism(name.upper())
        case "DONE", _:
            return Done()
        case (("OK" | "CONT" | "FAIL"), [id, *rest]) if _is_number(id):
            return _answer(word, int(id), rest)
    return None


def _answer(word: str, id: int, fields: list[str]) -> Answer | None:
    if word == "CONT":
        challenge = _decoded(fields[0] if fields else "")
        return None if challenge is None else More(id, challenge)
    named = {key: unescape(value) for key, _, value in (field.partition("=") for field in fields)}
    if word == "FAIL":
        return Bad(id, "temp" in named or named.get("code") == "temp_fail")
    final = _decoded(named.get("resp", ""))
    user = named.get("user", "")
    return Good(id, user, final) if user.isprintable() and user and final is not None else Bad(id, True)


def escape(text: str) -> str:
    return "".join(_ESCAPED.get(sign, sign) for sign in text)


def unescape(text: str) -> str:
    first, *rest = text.split("\x01")
    return first + "".join(_PLAINLY.get(part[:1], part[:1]) + part[1:] for part in rest)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 11


def _decoded(text: str) -> bytes | None:
    try:
        return b64decode(text.encode(), validate=True)
    except NotBase64:
        return None
