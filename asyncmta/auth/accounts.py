"""Users of a file as a source: PLAIN and LOGIN against hashes, SCRAM-SHA-256 against verifiers, and their senders.

Promises: somebody unknown is checked against the hash of somebody known, or shown a salt like theirs, always the same
one for a name; so neither time nor salt tells who exists. SCRAM-SHA-256 is offered while somebody can use it. Never:
the file itself (`users`), threads (`checking`).

reliability.md A07; RFC 5802 9 (names that are tried out).
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import b64encode
from collections.abc import Callable, Sequence

from asyncmta.auth import scram
from asyncmta.auth.checking import Checking
from asyncmta.auth.hashes import NOBODY
from asyncmta.auth.saslprep import login_key, saslprep
from asyncmta.auth.source import PASSWORD_MECHANISMS, SCRAM, Attempt, Changed, Granted, No, Verdict
from asyncmta.auth.users import UsersOnDisk
from asyncmta.auth.users_file import User, Users
from asyncmta.maillog import MailLog
from asyncmta.routing import Pattern

NONCE = 18  # octets


class Accounts:
    """The source of `auth.users`. `secret` stays the same for a spool, so that a restart tells nothing either."""

    def __init__(
        self, path: str, *, secret: bytes, monotonic: Callable[[], float], maillog: MailLog, checking: Checking
    ) -> None:
        """Raises UsersRefused."""
        self._secret = hashlib.blake2b(secret, digest_size=32, person=b"auth users").digest()
        self._checking = checking
        self._watching: list[Changed] = []
        self._on_disk = UsersOnDisk(path, monotonic=monotonic, maillog=maillog, changed=self._have_changed)
        self._choose(self._on_disk.users)

    def watch(self, changed: Changed) -> None:
        self._watching.append(changed)
        changed(self._mechanisms)

    async def password(self, attempt: Attempt, login: str, password: str) -> Verdict:
        users = await self._on_disk.current()
        key, prepared = login_key(login), saslprep(password)
        if key is None or prepared is None:
            return No.WRONG
        user = users.by_key.get(key)
        asked = user or self._somebody(self._with_hash, key, NOBODY)
        is_right = await self._checking.fits(asked, prepared, is_real=user is not None)
        if is_right is None:
            return No.UNSURE
        return Granted(asked.login) if is_right else No.WRONG

    def exchange(self, attempt: Attempt) -> ScramExchange:
        return ScramExchange(self)

    def senders(self, login: str) -> tuple[Pattern, ...] | None:
        user = self._on_disk.users.by_key.get(login_key(login) or "")
        return None if user is None else user.senders

    async def close(self) -> None:
        await self._on_disk.close()
        await self._checking.close()

    @staticmethod
    def nonce() -> bytes:
        """Ours of one exchange."""
        return b64encode(secrets.token_bytes(NONCE))

    async def verifier(self, login: str) -> tuple[User | None, scram.Verifier]:
        """Of this user; for whom there is none, one that no proof fits."""
        users = await self._on_disk.current()
        key = login_key(login) or ""
        user = users.by_key.get(key)
        if user is not None and user.verifier is not None:
            return user, user.verifier
        like = self._somebody(self._with_verifier, key, _NO_VERIFIER).verifier
        assert like is not None
        return None, scram.nobodys_verifier(self._secret, key, like)

    def _have_changed(self, users: Users) -> None:
        self._checking.forget()
        before = self._mechanisms
        self._choose(users)
        if self._mechanisms != before:
            for changed in self._watching:
                changed(self._mechanisms)

    def _choose(self, users: Users) -> None:
        self._with_hash = tuple(users.by_key.values())
        self._with_verifier = tuple(user for user in users.by_key.values() if user.verifier is not None)
        self._mechanisms = (*PASSWORD_MECHANISMS, SCRAM) if self._with_verifier else PASSWORD_MECHANISMS

    def _somebody(self, users: Sequence[User], key: str, nobody: User) -> User:
        """One of them, always the same for this name: whoever tries names sees the mixture of those who are there."""
        if not users:
            return nobody
        number = hashlib.blake2b(key.encode(), key=self._secret, digest_size=8).digest()
        return users[int.from_bytes(number) % len(users)]


_NO_VERIFIER = User("", verifier=scram.Verifier(scram.MIN_ITERATIONS, bytes(scram.SALT), bytes(32), bytes(32)))


class ScramExchange:
    """SCRAM-SHA-256 with one client."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._user: User | None = None
        self._server: scram.ScramServer | None = None
        self._is_proved = False

    async def step(self, response: bytes) -> bytes | Verdict:
        if self._server is None:
            first = scram.client_first(response)
            if first is None:
                return No.MALFORMED
            self._user, verifier = await self._accounts.verifier(first.login)
            self._server = scram.ScramServer(first, verifier, self._accounts.nonce())
            return self._server.server_first
        if self._is_proved:  # our last message has no place in a 235: the client answers it with nothing
            assert self._user is not None
            return No.MALFORMED if response else Granted(self._user.login)
        last = self._server.finish(response)
        self._is_proved = last is not None and self._user is not None
        return last if last is not None and self._is_proved else No.WRONG
