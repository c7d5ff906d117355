"""AUTH as the `SmtpSink` does it: PLAIN, LOGIN, CRAM-MD5, XOAUTH2 and OAUTHBEARER, one exchange.

Promises: strict base64; a token that is refused is refused as providers do it, by a challenge that holds an error, and
535 after what the client answers. Never: a socket, a judgement of its own about tokens.

RFC 4954 4, 4616, 2195, 7628.
"""

from __future__ import annotations

import base64
import binascii
import hmac

from asyncmta.auth.oauth import bearer, refusal
from asyncmta.testing.sink_values import SinkSettings

TOKEN_MECHANISMS = ("XOAUTH2", "OAUTHBEARER")
_CHALLENGE = b"<1896.697170952@sink.example>"


def mechanisms_of(settings: SinkSettings) -> tuple[str, ...]:
    """The mechanisms of this sink."""
    with_passwords = settings.mechanisms if settings.logins else ()
    return (*with_passwords, *(TOKEN_MECHANISMS if settings.check_token is not None else ()))


class SinkAuth:
    """One exchange. After `is_over`, `user` says who it was, and `is_good` whether that is so."""

    def __init__(self, mechanism: str, settings: SinkSettings) -> None:
        self.mechanism = mechanism
        self.user = ""
        self.is_good = False
        self.is_over = False
        self._settings = settings
        self._heard: list[bytes] = []

    def begin(self) -> str:
        """The challenge where the client said nothing with the command."""
        return self._ask({"LOGIN": b"Username:", "CRAM-MD5": _CHALLENGE}.get(self.mechanism, b""))

    def take(self, line: str) -> str:
        """A line of the client; what to ask next, "" when it is over. Raises ValueError: it is no base64."""
        try:
            heard = base64.b64decode("" if line == "=" else line, validate=True)
        except binascii.Error:
            raise ValueError("not base64") from None
        self._heard.append(heard)
        if self.mechanism in TOKEN_MECHANISMS:
            return self._take_token()
        if self.mechanism == "LOGIN" and len(self._heard) == 1:
            return self._ask(b"Password:")
        self.is_over = True
        self._judge()
        return ""

    def _take_token(self) -> str:
        self.is_over = True
        check = self._settings.check_token
        said = bearer(self.mechanism, self._heard[0])
        if said is None or check is None:
            return ""
        self.user = said.login
        if len(self._heard) == 1:
            self.is_good = check(said.login, said.token)
        if self.is_good or len(self._heard) > 1:
            return ""
        self.is_over = False
        return self._ask(refusal(self.mechanism))

    def _judge(self) -> None:
        *_, last = texts = [heard.decode("utf-8", "replace") for heard in self._heard]
        if self.mechanism == "CRAM-MD5":
            self.user, _, shown = last.rpartition(" ")
            password = self._settings.logins.get(self.user, "")
            self.is_good = shown == hmac.new(password.encode(), _CHALLENGE, "md5").hexdigest() and bool(password)
            return
        self.user, password = texts if self.mechanism == "LOGIN" else [*last.split("\0")[1:], "", ""][:2]
        self.is_good = self._settings.logins.get(self.user) == password

    def _ask(self, challenge: bytes) -> str:
        return f"334 {base64.b64encode(challenge).decode()}"
