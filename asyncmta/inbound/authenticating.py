"""AUTH on a connection: PLAIN and LOGIN as aiosmtpd wrote them, the other mechanisms by exchanges of our own.

The only file beside `listener` that knows the library, down to private names (`_auth_methods`, `_AuthMechAttr`): it is
pinned exactly. Promises: an attempt is counted before anything is checked; a no comes late and tells nothing of the
reason; a secret is in no log; whatever breaks is 454. Never: who is right (`auth`), order of commands (`security`).

RFC 4954 4 (AUTH), RFC 4616 (PLAIN); reliability.md A01 to A07.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from aiosmtpd.smtp import MISSING, SMTP, AuthResult, LoginPassword, _AuthMechAttr
from aiosmtpd.smtp import Session as LibrarySession

from asyncmta.auth.login import login_in
from asyncmta.auth.source import PASSWORD_MECHANISMS, Attempt, Granted, No, Source, Verdict
from asyncmta.inbound.connection import Connection
from asyncmta.inbound.events import AuthWanted
from asyncmta.inbound.exchange import ExchangeLines, ExchangeOver
from asyncmta.inbound.security import credential
from asyncmta.mail import replies
from asyncmta.mail.reply import Reply

# What the library says at the end of an exchange -> what we say.
_STATUS: Mapping[str, Reply] = MappingProxyType(
    {
        "454": replies.AUTH_UNAVAILABLE,
        "501 5.7.0": replies.AUTH_CANCELLED,
        "501": replies.AUTH_SYNTAX,
        "535": replies.AUTH_FAILED,
    }
)
_NO: Mapping[No, Reply] = MappingProxyType(
    {
        No.WRONG: replies.AUTH_FAILED,
        No.MALFORMED: replies.AUTH_MALFORMED,
        No.UNSURE: replies.AUTH_UNAVAILABLE,
    }
)


class Authenticating(Connection, SMTP):  # type: ignore[misc]  # the two name their transport's type differently
    """A connection that is also the library's `SMTP`. The library's own constructor is not run: it inspects two
    objects and builds a stream, 0.4 ms for each connection; what its AUTH needs of it stands here."""

    # The library's table is one for all connections of the process, and each new one clears it: not used.
    command_size_limits: Any = MappingProxyType({})
    AuthLoginUsernameChallenge = "Username:"
    AuthLoginPasswordChallenge = "Password:"
    _handle_hooks: Any = MappingProxyType({})
    _auth_require_tls = True
    event_handler = None
    envelope = None
    _auth_status = ""

    def __del__(self) -> None:
        """The library's looks for a future that we do not have."""

    @property
    def _users(self) -> Source:
        users = self._sessions.reception.access.users
        assert users is not None
        return users

    def _begin_auth(self, wanted: AuthWanted) -> None:
        self._work = self._sessions.own(self._exchange(wanted))

    async def _exchange(self, wanted: AuthWanted) -> None:
        """The library's `smtp_AUTH`, from its first step to the reply."""
        assert self._conversation is not None
        reception, access = self._sessions.reception, self._sessions.reception.access
        lines = ExchangeLines(self._conversation, on_line=self._renew)
        self._reader: Any = lines
        self._on_input = lines.came
        self._login, self._auth_status = "", ""
        self._verdict: Verdict | None = None
        try:
            reply = await self._by_the_library(wanted)
        except ExchangeOver as over:
            reply = over.reply
        except Exception as error:
            self._note(error)
            reply = replies.AUTH_UNAVAILABLE
        finally:  # both point back at us
            self._reader = self._on_input = None
            self._auth_methods = {}
        if reply is replies.AUTH_FAILED and access.failure_delay:  # in the task that is there anyway
            await reception.clock.sleep_until(reception.clock.monotonic() + access.failure_delay)
        self._work = None
        if reply is replies.AUTH_OK:
            client, login = self._client_ip, self._login
            reception.maillog.note("debug", "logged_in", client=client, login=login, mechanism=wanted.mechanism)
        self._advance(lambda conversation: conversation.auth_ended(reply, self._login))

    async def _by_the_library(self, wanted: AuthWanted) -> Reply:
        session = self.session = _AuthSession(asyncio.get_running_loop())
        session.host_name, session.extended_smtp = "client", True  # both were checked before we came here
        self._tls_protocol: Any = True
        method = partial(self._run_mechanism, wanted.mechanism)
        self._auth_methods = {wanted.mechanism: _AuthMechAttr(method, True)}
        argument = wanted.mechanism if wanted.initial is None else f"{wanted.mechanism} {wanted.initial}"
        await self.smtp_AUTH(argument)
        match self._verdict:
            case Granted(login=login):
                self._login = login
                return replies.AUTH_OK
            case None:
                status = self._auth_status
                return _STATUS.get(status[:9]) or _STATUS.get(status[:3]) or replies.AUTH_FAILED
        return _NO[self._verdict]

    async def _run_mechanism(self, name: str, _server: SMTP, args: list[str]) -> AuthResult:
        """`auth_PLAIN` and `auth_LOGIN` return what `_authenticate` returns: here, what has to be waited for."""
        attempt = Attempt(name, self._client_ip, self._conversation is not None and bool(self._conversation.state.tls))
        if name not in PASSWORD_MECHANISMS:
            return await self._converse(attempt, args)
        result = await getattr(self, f"auth_{name}")(self, args)
        return result if isinstance(result, AuthResult) else await self._check(attempt, result)

    def _authenticate(self, mechanism: str, auth_data: Any) -> Any:
        return auth_data

    async def _check(self, attempt: Attempt, given: LoginPassword) -> AuthResult:
        """What came by PLAIN or LOGIN."""
        login, password = credential(given.login), credential(given.password)
        if login is None or password is None or not login.isprintable():
            return AuthResult(success=False, handled=False)
        return await self._counted(login, partial(self._users.password, attempt, login, password))

    async def _converse(self, attempt: Attempt, args: list[str]) -> AuthResult:
        """A mechanism that the library does not have, over its way of asking."""
        message = _initial(args[1]) if len(args) > 1 else await self.challenge_auth(b"")
        if message is MISSING:
            return AuthResult(success=False, handled=True)
        login = login_in(attempt.mechanism, message)
        if login is None:
            raise ExchangeOver(replies.AUTH_MALFORMED)
        return await self._counted(login, partial(self._steps, attempt, message))

    async def _steps(self, attempt: Attempt, message: Any) -> Verdict | None:
        """None: the library has said why there is no verdict."""
        exchange = self._users.exchange(attempt)
        while isinstance(answer := await exchange.step(message), bytes):
            message = await self.challenge_auth(answer)
            if message is MISSING:
                return None
        return answer

    async def _counted(self, login: str, check: Callable[[], Awaitable[Verdict | None]]) -> AuthResult:
        """The check, unless there were too many; who goes away while it runs has used an attempt up."""
        self._login = login
        attempts = self._sessions.reception.access.attempts
        counted = attempts.begin(self._client_ip, login)
        if isinstance(counted, Reply):
            raise ExchangeOver(counted)
        is_right: bool | None = None
        try:
            verdict = self._verdict = await check()
            is_right = True if isinstance(verdict, Granted) else False if verdict is No.WRONG else None
        except asyncio.CancelledError:
            is_right = False
            raise
        finally:
            attempts.end(counted, is_right=is_right)
        return AuthResult(success=bool(is_right), handled=True)

    async def push(self, status: Any) -> None:
        """What the library says: a challenge goes out, the last status is put in our own words."""
        text = status.decode() if isinstance(status, bytes) else status
        if not text.startswith("334"):
            self._auth_status = text
            return
        assert self._conversation is not None
        if self._conversation.buffered:  # it answers what was not asked yet (RFC 2920 3.1)
            raise ExchangeOver(replies.EARLY_INPUT)
        self._write(f"{text}\r\n".encode())


class _AuthSession(LibrarySession):
    login_data = None  # the library's property logs a warning at each login


def _initial(text: str) -> bytes:
    """An initial response; `=` is an empty one (RFC 4954 4)."""
    try:
        return b"" if text == "=" else b64decode(text.encode(), validate=True)
    except NotBase64:
        raise ExchangeOver(replies.AUTH_SYNTAX) from None
