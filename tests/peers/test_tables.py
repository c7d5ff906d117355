"""Each kind of file that is read again when it changes, replaced by a rename under a server that runs: what a client
sees is the new one, without a reload."""

from __future__ import annotations

import base64
import os
import socket
import ssl

import pytest
import trustme
from peerkit.receiver import wait
from peerkit.serving import Serving, free_port

pytestmark = pytest.mark.peers

CONFIG = """
[[listener]]
address = "127.0.0.1"
port = {submission}
role = "submission"
tls = "starttls"
client_certificates = "request"
[tls]
certificate = "tls.pem"
key = "tls.key"
client_ca = "ca.pem"
[[certificate]]
certificate = "named.pem"
key = "named.key"
names = ["named.test"]
[auth]
users = "users"
[relay]
networks = []
[local]
domains = ["a.test"]
mailboxes = "file:people"
aliases = "aliases"
virtual = "virtual"
relocated = "relocated"
[[domain]]
name = "b.test"
mailboxes = "file:people-b"
aliases = "aliases-b"
[[list]]
address = "list@a.test"
members = "members"
owner = "anna@a.test"
[suppression]
file = "suppressed"
"""
FILES = {
    "people": "anna\n",
    "people-b": "berta\nlisted\n",
    "aliases": "sales: anna\n",
    "virtual": "info@a.test anna\n",
    "relocated": "gone@a.test new@c.test\n",
    "aliases-b": "desk: berta\n",
    "members": "anna@a.test\n",
    "suppressed": "",
}


class Issued:
    """Certificates of one authority, as files."""

    def __init__(self, folder):
        self.folder, self.authority = folder, trustme.CA()

    def put(self, name, host):
        issued = self.authority.issue_cert(host, "localhost")
        replace(self.folder / f"{name}.key", issued.private_key_pem.bytes())
        replace(self.folder / f"{name}.pem", b"".join(each.bytes() for each in issued.cert_chain_pems))

    def put_authority(self, name):
        replace(self.folder / name, self.authority.cert_pem.bytes())


def replace(path, content):
    """As editors and operators of clusters do it: a new file under another name, then the rename."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content if isinstance(content, bytes) else content.encode())
    new.chmod(0o600)
    os.replace(new, path)


@pytest.fixture(scope="module")
def issued(tmp_path_factory):
    return Issued(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def mta(issued):
    for name, text in FILES.items():
        replace(issued.folder / name, text)
    issued.put("tls", "old.test")
    issued.put("named", "named.test")
    issued.put_authority("ca.pem")
    mta = Serving(issued.folder, CONFIG.format(submission=free_port()))
    add_user(mta, "me", "old")
    with mta.start():
        yield mta
        assert mta.stop() == 0


def add_user(mta, login, password, verb="add"):
    said = mta.asyncmta("user", verb, login, stdin=f"{password}\n".encode())
    assert said.returncode == 0, said.stderr


def answer(lines):
    line = lines.readline()
    while line[3:4] == b"-":
        line = lines.readline()
    return line


def to(mta, recipient):
    """The reply to one recipient, of a stranger."""
    with socket.create_connection(("127.0.0.1", mta.port), 10) as sock, sock.makefile("rb") as lines:
        answer(lines)
        for command in ("EHLO x.test", "MAIL FROM:<s@x.test>"):
            sock.sendall(f"{command}\r\n".encode())
            answer(lines)
        sock.sendall(f"RCPT TO:<{recipient}>\r\n".encode())
        return answer(lines)[:3]


def submission_port(mta):
    return int(mta.config.read_text().partition('role = "submission"')[0].rpartition("port = ")[2].split()[0])


def handshake(mta, name, then=b""):
    """The names in the certificate that a client of this server name gets; and the last reply to what is said then."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_REQUIRED
    context.load_verify_locations(mta.folder / "ca.pem")
    with socket.create_connection(("127.0.0.1", submission_port(mta)), 10) as sock:
        with sock.makefile("rb") as lines:
            answer(lines)
            for command in (b"EHLO x.test\r\n", b"STARTTLS\r\n"):
                sock.sendall(command)
                answer(lines)
        with context.wrap_socket(sock, server_hostname=name) as tls, tls.makefile("rb") as lines:
            names = {value for kind, value in tls.getpeercert()["subjectAltName"]}
            reply = b""
            for command in (b"EHLO x.test\r\n", then) if then else ():
                tls.sendall(command)
                reply = answer(lines)
            return names, reply[:3]


def login(mta, password):
    token = base64.b64encode(f"\0me\0{password}".encode())
    return handshake(mta, "x.test", b"AUTH PLAIN " + token + b"\r\n")[1]


# File, what it has in the end, and of one recipient the reply before and after that.
TABLES = [
    ("people", "anna\nnew\n", "new@a.test", b"550", b"250"),
    ("people-b", "berta\nlisted\nnew\n", "new@b.test", b"550", b"250"),
    ("aliases", "sales: anna\npost: anna\n", "post@a.test", b"550", b"250"),
    ("aliases-b", "help: berta\n", "help@b.test", b"550", b"250"),
    ("virtual", "info@a.test anna\nask@a.test anna\n", "ask@a.test", b"550", b"250"),
    ("relocated", "far@a.test new@c.test\n", "far@a.test", b"550", b"551"),
    ("suppressed", '{"address": "listed@b.test"}\n', "listed@b.test", b"250", b"550"),
]


def test_each_table_and_back(mta):
    """All at once, since each is looked at every few seconds only."""
    before = {recipient: reply for _, _, recipient, reply, _ in TABLES}
    after = {recipient: reply for _, _, recipient, _, reply in TABLES}

    def replies():
        return {recipient: to(mta, recipient) for recipient in before}

    assert replies() == before
    for name, content, *_ in TABLES:
        replace(mta.folder / name, content)
    wait(lambda: replies() == after, 20)
    assert replies() == after
    for name, *_ in TABLES:
        replace(mta.folder / name, FILES[name])
    wait(lambda: replies() == before, 20)
    assert replies() == before


def test_a_table_that_goes_away_is_patience_and_not_no(mta):
    """As while somebody mounts it anew: nobody is refused for good meanwhile."""
    os.rename(mta.folder / "people-b", mta.folder / "away")
    assert wait(lambda: to(mta, "berta@b.test") == b"451", 20)
    os.rename(mta.folder / "away", mta.folder / "people-b")
    assert wait(lambda: to(mta, "berta@b.test") == b"250", 20)


def test_members_of_a_list(mta):
    def delivered():
        return [line for line in mta.log.read_text().splitlines() if '"delivered"' in line and "berta@b.test" in line]

    def post():
        said = mta.asyncmta("send", "-f", "anna@a.test", "list@a.test", stdin=b"Subject: x\nFrom: anna@a.test\n\nx\n")
        assert said.returncode == 0, said.stderr
        return bool(delivered())

    assert not post()
    replace(mta.folder / "members", "anna@a.test\nberta@b.test\n")
    assert wait(post, 20)


def test_a_certificate_and_one_of_a_name(mta, issued):
    assert "old.test" in handshake(mta, "x.test")[0]
    assert "named.test" in handshake(mta, "named.test")[0]
    issued.put("tls", "new.test")
    assert wait(lambda: "new.test" in handshake(mta, "x.test")[0], 30)
    assert "named.test" in handshake(mta, "named.test")[0]


def test_users(mta):
    assert login(mta, "old") == b"235"
    add_user(mta, "me", "new", "passwd")
    assert wait(lambda: login(mta, "new") == b"235", 20)
    assert login(mta, "old") == b"535"
