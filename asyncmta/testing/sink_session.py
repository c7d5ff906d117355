"""One session of the `SmtpSink`: the commands; strict, and small enough to be read beside RFC 5321.

Promises: each command gets exactly one reply, in order; what a client may not do is refused and noted in the sink's
`violations`. Never: a judgement about addresses, or leniency.

RFC 5321 4.1 (commands), RFC 2920 3.1 (what may be pipelined), RFC 3030 (BDAT, BINARYMIME), RFC 4954 (AUTH), RFC 3207
(STARTTLS).
"""

from __future__ import annotations

import re

from asyncmta.mail import wire
from asyncmta.testing.sink_auth import SinkAuth, mechanisms_of
from asyncmta.testing.sink_values import TakenMessage
from asyncmta.testing.sink_wire import Sink, SinkWire

_MAIL = re.compile(r"MAIL FROM:<([^<> ]*)>((?: [^ ]+)*)\Z", re.IGNORECASE)
_RCPT = re.compile(r"RCPT TO:<([^<> ]+)>((?: [^ ]+)*)\Z", re.IGNORECASE)
_BINARY = "BODY=BINARYMIME"
_PARAMETERS = {
    "SIZE": "SIZE",
    "BODY": "8BITMIME",
    "SMTPUTF8": "SMTPUTF8",
    "RET": "DSN",
    "ENVID": "DSN",
    "NOTIFY": "DSN",
    "ORCPT": "DSN",
    "AUTH": "AUTH",
    "REQUIRETLS": "REQUIRETLS",
    "MT-PRIORITY": "MT-PRIORITY",
    "BY": "DELIVERBY",
}
_LAST_IN_GROUP = ("EHLO", "HELO", "DATA", "STARTTLS", "AUTH", "QUIT", "NOOP", "VRFY", "EXPN", "TURN")


class SinkSession(SinkWire):
    """The server's end of one connection: its commands and its transaction."""

    def __init__(self, sink: Sink) -> None:
        super().__init__(sink)
        self._greeted = False
        self._helo = ""
        self._login: str | None = None
        self._asked: SinkAuth | None = None  # as long as AUTH is asking
        self._reset()

    def _reset(self) -> None:
        self._reverse_path: str | None = None
        self._is_mail_refused = False
        self._mail_parameters: tuple[str, ...] = ()
        self._recipients: list[str] = []
        self._recipient_parameters: list[tuple[str, ...]] = []
        self._chunks: list[bytes] = []
        self._is_last_chunk = False

    def greet(self) -> None:
        self._greeted = self.answer("GREETING", "", f"220 {self.settings.hostname} ESMTP")

    def take_command(self, line: str) -> None:
        self.sink.commands.append((self.number, line))
        if self._asked is not None:
            self._take_auth(line)
            return
        verb = line.partition(" ")[0].upper()
        if not self._greeted and verb != "QUIT":
            self._out_of_sequence(line)
            return
        is_alone = verb in _LAST_IN_GROUP or (verb != "BDAT" and "PIPELINING" not in self.settings.extensions)
        if self.has_more and is_alone:
            self.sink.violations.append(f"more input behind {line!r} before its reply")
        command = getattr(self, f"_on_{verb.lower()}", None) if verb.isalpha() else None
        if command is None:
            self.violation(f"unknown command {line!r}", "500 5.5.1 Unknown command")
        else:
            command(line)

    def _on_ehlo(self, line: str) -> None:
        name = line[5:].strip()
        if not name:
            self.violation("EHLO without a name", "501 5.5.4 A name is needed")
            return
        offers = [self.settings.hostname, *self.settings.extensions, f"SIZE {self.settings.max_size}"]
        if self.settings.tls is not None and not self.tls:
            offers.append("STARTTLS")
        if mechanisms := mechanisms_of(self.settings):
            offers.append(f"AUTH {' '.join(mechanisms)}")
        verb = line[:4].upper()
        if self.answer(verb, line, "\n".join(f"250 {offer}" for offer in (offers if verb == "EHLO" else offers[:1]))):
            self._helo = name
            self._reset()

    _on_helo = _on_ehlo

    def _on_mail(self, line: str) -> None:
        match = _MAIL.match(line)
        self._is_mail_refused = False
        if not self._helo or self._reverse_path is not None:
            self._out_of_sequence(line)
        elif match is None:
            self.violation(f"syntax: {line!r}", "501 5.5.4 Syntax: MAIL FROM:<path>")
        else:
            parameters = self._parameters(line, match[2])
            if parameters is not None and self.answer("MAIL", line, "250 2.1.0 Ok"):
                self._reverse_path, self._mail_parameters = match[1], parameters
            else:
                self._is_mail_refused = True

    def _on_rcpt(self, line: str) -> None:
        match = _RCPT.match(line)
        if self._reverse_path is None:
            self._out_of_sequence(line)
        elif match is None:
            self.violation(f"syntax: {line!r}", "501 5.5.4 Syntax: RCPT TO:<path>")
        else:
            parameters = self._parameters(line, match[2])
            if parameters is not None and self.answer("RCPT", line, "250 2.1.5 Ok"):
                self._recipients.append(match[1])
                self._recipient_parameters.append(parameters)

    def _parameters(self, line: str, text: str) -> tuple[str, ...] | None:
        """The parameters of MAIL or RCPT; None when one was refused, which is then answered."""
        parameters = tuple(text.split())
        offered = {each.partition(" ")[0] for each in self.settings.extensions}
        offered |= {"SIZE", *(["AUTH"] if mechanisms_of(self.settings) else [])}
        for parameter in parameters:
            keyword, _, value = parameter.partition("=")
            needs = "BINARYMIME" if parameter.upper() == _BINARY else _PARAMETERS.get(keyword.upper())
            if needs not in offered:
                self.violation(f"parameter not offered: {line!r}", "555 5.5.4 Parameter not recognized")
                return None
            if keyword.upper() == "SIZE" and value.isdigit() and int(value) > self.settings.max_size:
                self.say("552 5.3.4 Too big")
                return None
        if not line.isascii() and "SMTPUTF8" not in {*parameters, *self._mail_parameters}:
            self.violation(f"not ASCII without SMTPUTF8: {line!r}", "553 5.6.7 SMTPUTF8 is needed")
            return None
        return parameters

    def _on_data(self, line: str) -> None:
        if self._chunks or self._reverse_path is None:
            self._out_of_sequence(line)
        elif not self._recipients:  # a client that pipelines cannot know it; no violation (RFC 2920 3.1)
            self.answer("DATA", line, "554 5.5.1 No valid recipients")
        elif self._is_binary:
            self._out_of_sequence(line)
        elif self.answer("DATA", line, "354 Go ahead"):
            self.in_content = True

    def _on_bdat(self, line: str) -> None:
        words = line.split(" ")
        if len(words) not in {2, 3} or not words[1].isdigit() or (len(words) == 3 and words[2].upper() != "LAST"):
            self.violation(f"syntax: {line!r}", "501 5.5.4 Syntax: BDAT size [LAST]")
            self.close()  # where the next command begins is unknown now
            return
        self.chunk_size, self._is_last_chunk = int(words[1]), len(words) == 3
        if not self.chunk_size:
            self.take_chunk(b"")

    def take_chunk(self, octets: bytes) -> None:
        if not self._recipients:
            if self._reverse_path is None:
                self._out_of_sequence("BDAT")
            else:
                self.answer("BDAT", "BDAT", "554 5.5.1 No valid recipients")
            return
        self._chunks.append(octets)
        if self._is_last_chunk:
            self.take_content(b"".join(self._chunks))
        else:
            self.answer("BDAT", "BDAT", "250 2.0.0 Ok")

    @property
    def _is_binary(self) -> bool:
        return _BINARY in map(str.upper, self._mail_parameters)

    def take_content(self, content: bytes) -> None:
        is_binary = self._is_binary
        message = TakenMessage(
            session=self.number,
            helo=self._helo,
            tls=self.tls,
            login=self._login,
            reverse_path=self._reverse_path or "",
            mail_parameters=self._mail_parameters,
            recipients=tuple(self._recipients),
            recipient_parameters=tuple(self._recipient_parameters),
            content=content,
        )
        self._reset()
        if not (is_binary or wire.clean_line_ends(content)):
            self.violation("a bare CR or LF in the content", "550 5.6.11 Only CR LF ends a line")
        elif len(content) > self.settings.max_size:
            self.say("552 5.3.4 Too big")
        elif self.answer("DOT", "", "250 2.0.0 Taken"):
            self.sink.take(message)

    def _on_rset(self, line: str) -> None:
        if self.answer("RSET", line, "250 2.0.0 Ok"):
            self._reset()

    def _on_noop(self, line: str) -> None:
        self.answer("NOOP", line, "250 2.0.0 Ok")

    def _on_quit(self, line: str) -> None:
        self.answer("QUIT", line, "221 2.0.0 Bye")
        self.close()

    def _on_starttls(self, line: str) -> None:
        if self.settings.tls is None or self.tls:
            self.violation("STARTTLS was not offered", "503 5.5.1 Not offered")
        elif self.answer("STARTTLS", line, "220 2.0.0 Go ahead"):
            self._helo = ""
            self._reset()
            self.start_tls()

    def _on_auth(self, line: str) -> None:
        words = line.split(" ")
        mechanism = words[1].upper() if len(words) > 1 else ""
        if self._login is not None or mechanism not in mechanisms_of(self.settings):
            self.violation(f"not offered: {line!r}", "503 5.5.1 Not offered")
            return
        self._asked = SinkAuth(mechanism, self.settings)
        if len(words) > 2:
            self._take_auth(words[2])
        else:
            self.say(self._asked.begin())

    def _take_auth(self, line: str) -> None:
        assert self._asked is not None
        asked, self._asked = self._asked, None
        if line == "*":
            self.say("501 5.7.0 Cancelled")
            return
        try:
            challenge = asked.take(line)
        except ValueError:
            self.say("501 5.5.2 Not base64")
            return
        if not asked.is_over:
            self._asked = asked
            self.say(challenge)
            return
        verdict = "235 2.7.0 Welcome" if asked.is_good else "535 5.7.8 Wrong"
        if self.answer("AUTH", f"AUTH {asked.mechanism} {asked.user}", verdict):
            self._login = asked.user

    def _out_of_sequence(self, line: str) -> None:
        if self._is_mail_refused and "PIPELINING" in self.settings.extensions:
            self.say("503 5.5.1 Bad sequence of commands")  # it was sent before the client could know (RFC 2920 3.1)
            return
        self.violation(f"out of sequence: {line!r}", "503 5.5.1 Bad sequence of commands")
