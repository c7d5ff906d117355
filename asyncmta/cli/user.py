"""`asyncmta user`: who may log in, in the file that auth.users names: add, del, list, passwd.

A password comes from the terminal (asked for twice), from the first line of standard input, or is made here and
printed; never from the command line, where others can read it. A running MTA sees the change by itself. Ends with 0;
65 for a login, password or file that is wrong; 73 when the file cannot be written; 78 when auth.users is not set.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable

import click
import msgspec

from asyncmta.auth.reading import UsersRefused, read
from asyncmta.auth.saslprep import MAX_CREDENTIAL, login_key, saslprep
from asyncmta.auth.users_file import User, Users, parse_line, with_user, without_user
from asyncmta.cli import queue_table
from asyncmta.cli.exits import Exit, Stop
from asyncmta.cli.where import config_file, config_option

MADE_PASSWORD = 18  # octets of randomness

_file = click.option("--file", "path", metavar="FILE", help="The file of users; else that of auth.users.")
_generate = click.option("--generate", is_flag=True, help="Make a password, and print it.")
_scram = click.option("--scram/--no-scram", default=None, help="Keep a verifier for SCRAM-SHA-256 beside the hash.")
_senders = click.option(
    "--senders", metavar="PATTERN,...", help='Sends only from these: an address, "*@example.org", "*"; "" for none.'
)


@click.group(name="user")
@config_option
def command() -> None:
    """Who may log in, in the file that auth.users names."""


@command.command()
@click.argument("login")
@_generate
@_scram
@_senders
@_file
@config_option
def add(login: str, generate: bool, scram: bool | None, senders: str | None, path: str | None) -> None:
    """Add a user.

    The password comes from the terminal, or from the first line of standard input.
    """
    path = path or _configured()
    user = _checked(login, senders)

    def edit(text: str, users: Users) -> str:
        if login_key(login) in users.by_key:
            raise Stop(Exit.DATA, f"{login}: is there already; `asyncmta user passwd` changes the password")
        return with_user(text, new)

    password, made = _password(generate)
    new = _with_password(user, password, keeps_verifier=bool(scram))
    _change(path, edit)
    if made:
        click.echo(password)


@command.command()
@click.argument("login")
@_generate
@_scram
@_file
@config_option
def passwd(login: str, generate: bool, scram: bool | None, path: str | None) -> None:
    """Change a password.

    A verifier for SCRAM-SHA-256 that is there is made anew too.
    """
    path = path or _configured()
    before = _user(_read(path), login)
    password, made = _password(generate)
    keeps_verifier = before.verifier is not None if scram is None else scram
    secret = _with_password(before, password, keeps_verifier=keeps_verifier)

    def edit(text: str, users: Users) -> str:
        user = _user(users, login)  # what else is said of it may have changed meanwhile
        return with_user(text, msgspec.structs.replace(user, hash=secret.hash, verifier=secret.verifier))

    _change(path, edit)
    if made:
        click.echo(password)


@command.command(name="del")
@click.argument("login")
@_file
@config_option
def delete(login: str, path: str | None) -> None:
    """Remove a user. Sessions that it has now go on to their end."""

    def edit(text: str, users: Users) -> str:
        _user(users, login)
        return without_user(text, login)

    _change(path or _configured(), edit)


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="A list of objects.")
@_file
@config_option
def show(as_json: bool, path: str | None) -> None:
    """Who is there, and from which addresses they may send.

    With the kind of secret that is kept of each.
    """
    rows = [_row(user) for user in _read(path or _configured()).by_key.values()]
    if as_json:
        click.echo(msgspec.json.encode(rows))
        return
    if sys.stdout.isatty():
        senders = ["-" if row.senders is None else ", ".join(row.senders) or "nowhere" for row in rows]
        cells = [(row.login, " + ".join(row.secrets), said) for row, said in zip(rows, senders, strict=True)]
        queue_table.show(("login", "secrets", "sends from"), cells, terminal=True)
        return
    for row in rows:
        said = "" if row.senders is None else "  sends from " + (", ".join(row.senders) or "nowhere")
        click.echo(f"{row.login}  {' + '.join(row.secrets)}{said}")


class Row(msgspec.Struct, frozen=True):
    """A user as it is shown."""

    login: str
    secrets: list[str]
    senders: list[str] | None


def _row(user: User) -> Row:
    kind = "argon2" if user.hash.startswith("$argon2") else "bcrypt"
    kinds = [kind] * bool(user.hash) + ["SCRAM-SHA-256"] * (user.verifier is not None)
    senders = None if user.senders is None else [pattern.text for pattern in user.senders]
    return Row(user.login, kinds, senders)


def _configured() -> str:
    from asyncmta.config import InvalidConfig, Settings  # noqa: PLC0415 - for a quick start, as __init__ says

    try:
        path = Settings.users_file(config_file())
    except InvalidConfig as error:
        raise Stop(Exit.CONFIG, str(error)) from None
    if not path:
        raise Stop(Exit.CONFIG, "auth.users is not set; set it, or name a file with --file")
    return path


def _checked(login: str, senders: str | None) -> User:
    """A user without a secret yet, or a Stop that says what is wrong."""
    probe = f"{login}:{{SCRAM-SHA-256}}4096,AA==,{'A' * 43}=,{'A' * 43}="
    user = parse_line(probe if senders is None else f"{probe}:senders={senders}")
    if isinstance(user, str) or user.login != login or login.startswith("#"):
        raise Stop(Exit.DATA, f"{login}: {user if isinstance(user, str) else 'not a login'}")
    return msgspec.structs.replace(user, verifier=None)


def _with_password(user: User, password: str, *, keeps_verifier: bool) -> User:
    from asyncmta.auth import hashes  # noqa: PLC0415

    prepared = saslprep(password)
    if prepared is None:
        raise Stop(
            Exit.DATA,
            f"not a password: empty, longer than {MAX_CREDENTIAL} octets, or with characters that cannot be typed",
        )
    verifier = hashes.make_verifier(prepared) if keeps_verifier else None
    return msgspec.structs.replace(user, hash=hashes.make_hash(prepared), verifier=verifier)


def _password(generate: bool) -> tuple[str, bool]:
    """The password, and whether it was made here."""
    if generate:
        return secrets.token_urlsafe(MADE_PASSWORD), True
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True)), False
    return sys.stdin.readline().removesuffix("\n").removesuffix("\r"), False


def _read(path: str) -> Users:
    try:
        users = read(path).users
    except UsersRefused as error:
        raise Stop(Exit.NO_INPUT, str(error)) from None
    if users.faults:
        raise Stop(Exit.DATA, "\n".join(f"{path}: {fault}" for fault in users.faults))
    return users


def _user(users: Users, login: str) -> User:
    user = users.by_key.get(login_key(login) or "")
    if user is None:
        raise Stop(Exit.DATA, f"{login}: no such user")
    return user


def _change(path: str, edit: Callable[[str, Users], str]) -> None:
    from asyncmta.auth.users_writing import change  # noqa: PLC0415

    try:
        change(path, edit)
    except UsersRefused as error:
        raise Stop(Exit.DATA, str(error)) from None
    except OSError as error:
        raise Stop(Exit.CANT_CREATE, f"{path}: cannot be written: {error.strerror}") from None
