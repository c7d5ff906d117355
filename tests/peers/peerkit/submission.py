"""An MTA with a submission listener: STARTTLS with a certificate of its own authority, and one account.

The account is checked by an `authenticator` of the Python API, in the process that `account_server` is. Everything that
is taken goes to one next hop; nothing is relayed without a login.
"""

from __future__ import annotations

import pathlib
import sys

import trustme

from peerkit import account_server
from peerkit.serving import Serving, free_port

LOGIN, PASSWORD = account_server.LOGIN, account_server.PASSWORD
TABLES = """
[[listener]]
address = "127.0.0.1"
port = {port}
role = "submission"
tls = "starttls"
[tls]
certificate = "{folder}/server.pem"
[relay]
networks = []
"""


class Submission(Serving):
    """`submission_port` is for clients with the account, `port` for strangers; `authority` is the file to trust."""

    def __init__(self, folder: pathlib.Path, route: str) -> None:
        authority = trustme.CA()
        self.authority = folder / "authority.pem"
        authority.cert_pem.write_to_path(self.authority)
        authority.issue_cert("localhost", "127.0.0.1", "mta.test").private_key_and_cert_chain_pem.write_to_path(
            folder / "server.pem"
        )
        self.submission_port = free_port()
        super().__init__(folder, TABLES.format(port=self.submission_port, folder=folder) + route)

    def command(self, *arguments: str) -> list[str]:
        if arguments == ("serve",):
            return [sys.executable, account_server.__file__, str(self.config)]
        return super().command(*arguments)

    def _await_door(self, timeout: float = 0) -> None:
        """There is none: a control socket is of `asyncmta serve`, and not of an `Mta`."""
