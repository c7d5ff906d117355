"""The file of users as text: a line for each, strictly read; and the same text with a user more, less or changed.

    # login:{SCHEME}secret[:{SCRAM-SHA-256}verifier][:senders=pattern,pattern]
    alice@example.org:{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$...:senders=*@example.org
    bob:{BLF-CRYPT}$2y$10$...

Fields that are empty are passed over, so that a passwd-file of Dovecot that holds nothing but hashes can be shared.
Promises: one fault in it and none of it counts; a fault names the line and says nothing of its secrets; a hash cannot
demand more memory or time than we are willing to give it; comments and other lines stay when one changes. Never: the
disk, a hash (`hashes`).
"""

from __future__ import annotations

import re

from msgspec import Struct

from asyncmta.auth import scram
from asyncmta.auth.saslprep import login_key, saslprep
from asyncmta.auth.scram import Verifier
from asyncmta.routing import InvalidPattern, Pattern, parse_pattern

MAX_FILE = 16 * 1024 * 1024
MAX_LINE = 4096

MAX_MEMORY = 1 << 20  # KiB of argon2
MAX_PASSES = 64
MAX_LANES = 64
MAX_COST = 16  # of bcrypt: some seconds

_ARGON2 = re.compile(
    r"\$argon2(id|i)\$v=19\$m=([0-9]{1,8}),t=([0-9]{1,3}),p=([0-9]{1,3})\$[A-Za-z0-9+/]{11,88}\$[A-Za-z0-9+/]{22,88}\Z"
)
_BCRYPT = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}\Z")
_SCHEMES = {"ARGON2ID": "$argon2id$", "ARGON2I": "$argon2i$", "BLF-CRYPT": "$2"}
_SCRAM = "{SCRAM-SHA-256}"
_SENDERS = "senders="


class User(Struct, frozen=True):
    """One user. `hash` is "" for one who has a verifier alone."""

    login: str
    hash: str = ""
    verifier: Verifier | None = None
    senders: tuple[Pattern, ...] | None = None

    def __repr__(self) -> str:
        return f"User({self.login!r})"


class Users(Struct, frozen=True, eq=False):
    """The users by the key of their login. `faults` are lines of text; where there is one there is no user."""

    by_key: dict[str, User]
    faults: tuple[str, ...] = ()


def parse_users(octets: bytes) -> Users:
    if len(octets) > MAX_FILE:
        return Users({}, (f"longer than {MAX_FILE} octets",))
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return Users({}, ("not UTF-8",))
    by_key: dict[str, User] = {}
    faults: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        if _is_remark(line):
            continue
        user = parse_line(line)
        if isinstance(user, str):
            faults.append(f"line {number}: {user}")
            continue
        key = login_key(user.login)
        assert key is not None
        if key in by_key:
            faults.append(f"line {number}: this login has a line already (upper and lower case are the same)")
        by_key[key] = user
    return Users({}, tuple(faults)) if faults else Users(by_key)


def parse_line(line: str) -> User | str:
    """One user, or what is wrong with the line."""
    if len(line) > MAX_LINE:
        return f"longer than {MAX_LINE} characters"
    if not line.isprintable():
        return "a character that does not print (a line ends with LF alone)"
    login, *fields = line.split(":")
    if saslprep(login) != login or login != login.strip():
        return "not a login at its beginning: text without a colon, control characters or blanks around it"
    hash = ""
    verifier: Verifier | None = None
    senders: tuple[Pattern, ...] | None = None
    for field in filter(None, fields):
        if field.startswith(_SENDERS):
            found = _senders(field.removeprefix(_SENDERS))
            if isinstance(found, str) or senders is not None:
                return found if isinstance(found, str) else "senders= is there twice"
            senders = found
        elif field.startswith(_SCRAM):
            if verifier is not None:
                return f"{_SCRAM} is there twice"
            verifier = scram.read(field.removeprefix(_SCRAM))
            if verifier is None:
                return (
                    f"not a verifier behind {_SCRAM}: expected iterations ({scram.MIN_ITERATIONS} to "
                    f"{scram.MAX_ITERATIONS}), salt, stored key and server key in base64, with commas between them"
                )
        else:
            text = _hash(field)
            if text is None or hash:
                return _NO_HASH if text is None else "two hashes of a password"
            hash = text
    if not hash and verifier is None:
        return "neither a hash of a password nor a verifier of SCRAM-SHA-256"
    return User(login, hash, verifier, senders)


_NO_HASH = (
    "a field that is none of {ARGON2ID}$argon2id$..., {ARGON2I}$argon2i$..., {BLF-CRYPT}$2y$... (at most "
    f"{MAX_MEMORY} KiB, {MAX_PASSES} passes, {MAX_LANES} lanes, cost {MAX_COST}), {_SCRAM}..., {_SENDERS}..."
)


def _hash(field: str) -> str | None:
    """The hash without its scheme."""
    text = field
    if field.startswith("{"):
        scheme, brace, text = field[1:].partition("}")
        if not brace or scheme.upper() not in _SCHEMES or not text.startswith(_SCHEMES[scheme.upper()]):
            return None
    if (argon2 := _ARGON2.match(text)) is not None:
        memory, passes, lanes = (int(argon2[group]) for group in (2, 3, 4))
        fits = 1 <= passes <= MAX_PASSES and 1 <= lanes <= MAX_LANES and 8 * lanes <= memory <= MAX_MEMORY
        return text if fits else None
    bcrypt = _BCRYPT.match(text)
    return text if bcrypt is not None and 4 <= int(bcrypt[1]) <= MAX_COST else None


def _senders(text: str) -> tuple[Pattern, ...] | str:
    try:
        return tuple(parse_pattern(part) for part in text.split(",")) if text else ()
    except InvalidPattern as error:
        return f"senders=: {error}"


def format_user(user: User) -> str:
    """The line of a user."""
    fields = [user.login]
    if user.hash:
        scheme = next(scheme for scheme, prefix in _SCHEMES.items() if user.hash.startswith(prefix))
        fields.append(f"{{{scheme}}}{user.hash}")
    if user.verifier is not None:
        fields.append(_SCRAM + scram.show(user.verifier))
    if user.senders is not None:
        fields.append(_SENDERS + ",".join(pattern.text for pattern in user.senders))
    return ":".join(fields)


def with_user(text: str, user: User) -> str:
    """The text of a good file with this user in place of the one of that login, or at its end."""
    new = format_user(user)
    lines = text.removesuffix("\n").split("\n") if text else []
    found = [at for at, line in enumerate(lines) if _is_of(line, user.login)]
    if found:
        lines[found[0]] = new
    else:
        lines.append(new)
    return "\n".join(lines) + "\n"


def without_user(text: str, login: str) -> str:
    """The text of a good file without the user of that login."""
    lines = text.removesuffix("\n").split("\n") if text else []
    kept = [line for line in lines if not _is_of(line, login)]
    return "\n".join(kept) + "\n" if kept else ""


def _is_remark(line: str) -> bool:
    return not line.strip() or line.startswith("#")


def _is_of(line: str, login: str) -> bool:
    return not _is_remark(line) and login_key(line.partition(":")[0]) == login_key(login)
