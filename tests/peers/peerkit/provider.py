"""The Internet of a scene: one machine with every name, that takes mail at ports 25, 587 and 465. Run as a program.

    python -m peerkit.provider FOLDER ADDRESS

Port 25 offers STARTTLS; 587 has it with a login (PASSWORD), 465 is TLS from the start. What it took is a line of JSON
each in FOLDER/taken. The local part of a recipient says what becomes of it: nobody@ 550, later@ 451, full@ 452.
"""

from __future__ import annotations

import asyncio
import json
import pathlib
import ssl
import sys

import trustme

from asyncmta.testing.sink_values import SinkSettings, TakenMessage
from asyncmta.testing.smtp_sink import SmtpSink

LOGINS = ("me", "me@example.org", "relay", "app@example.org")
PASSWORD = "correct-horse"
NAMES = (
    "*.provider.example",
    "*.example.net",
    "*.example.org",
    "*.example.com",
    "*.example",
    "example.net",
    "example.org",
)
REFUSED = {
    "nobody": "550 5.1.1 User unknown",
    "later": "451 4.7.1 Greylisted, come back in 300 seconds",
    "full": "452 4.2.2 Mailbox over quota",
    "spam": "554 5.7.1 Message refused",
}


def _answer(line: str) -> str | None:
    part = line.partition("<")[2].partition("@")[0].lower()
    return REFUSED.get(part)


class Provider(SmtpSink):
    """Notes what it took."""

    def __init__(self, settings: SinkSettings, host: str, port: int, taken: pathlib.Path) -> None:
        super().__init__(settings, host=host, port=port)
        self._taken = taken
        self._port = port

    def take(self, message: TakenMessage) -> None:
        facts = {
            "port": self._port,
            "sender": message.reverse_path,
            "recipients": message.recipients,
            "tls": message.tls,
            "login": message.login,
            "content": message.content.decode("latin-1"),
        }
        with self._taken.open("a") as file:
            file.write(f"{json.dumps(facts)}\n")


async def main(folder: pathlib.Path, address: str) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert(*NAMES)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issued.configure_cert(context)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "example.pem")
    logins = dict.fromkeys(LOGINS, PASSWORD)
    settings = {
        25: SinkSettings(hostname="mx.example.net", tls=context),
        587: SinkSettings(hostname="smtp.provider.example", tls=context, logins=logins),
        465: SinkSettings(hostname="smtp.provider.example", tls=context, implicit_tls=True, logins=logins),
    }
    for port, each in settings.items():
        provider = Provider(each, address, port, folder / "taken")
        provider.script("RCPT", _answer, times=1 << 40)
        await provider.start()
    (folder / "ready").touch()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(pathlib.Path(sys.argv[1]), sys.argv[2]))
