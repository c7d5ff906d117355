"""Postfix as the last stop: smtpd, cleanup, and `virtual` into one Maildir."""

from __future__ import annotations

import shutil

from peerkit.hosts import Host, in_private
from peerkit.null_clients import GROUP, OWNER
from peerkit.programs import PLACES, POSTFIX, postfix_environment, postfix_program

# cleanup: without these it would drop fields (Bcc, Content-Length, Return-Path) and cut long header sections.
MAIN = (
    PLACES
    + """\
myhostname = postfix.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {home}
virtual_mailbox_maps = static:mail/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
virtual_minimum_uid = 1
virtual_mailbox_limit = 0
message_size_limit = 0
message_drop_headers =
header_size_limit = 4194304
local_header_rewrite_clients =
{more}
"""
)
MASTER = """
127.0.0.1:{port} inet n - n - 50 smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
virtual unix - n n - 20 virtual
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


class PostfixHost(Host):
    """A first line "From ..." it would make a field of; and it puts a blank line before a body that has no header."""

    name = "postfix"
    adds = frozenset({b"return-path", b"x-original-to", b"delivered-to", b"received"})
    takes_smtputf8 = True
    more = ""

    def command(self) -> list[str]:
        postfix = postfix_program("postfix")
        private = in_private(self.home)  # as root only, which its master needs anyway
        for name in ("etc", "spool", "data", "log"):
            (self.home / name).mkdir()
        shutil.chown(self.home / "data", OWNER)
        (self.home / "log").chmod(0o777)
        words = {"home": self.home, "top": POSTFIX.resolve(), "owner": OWNER, "group": GROUP, "domain": self.domain}
        uid = (self.maildir).stat().st_uid
        (self.home / "etc" / "main.cf").write_text(MAIN.format(uid=uid, more=self.more, **words))
        (self.home / "etc" / "master.cf").write_text(MASTER.format(port=self.port))
        return [*private, postfix, "-c", str(self.home / "etc"), "start-fg"]

    def environment(self) -> dict[str, str]:
        return postfix_environment()

    def log(self) -> str:
        path = self.home / "log" / "maillog"
        return path.read_text(errors="replace") if path.exists() else "no log"


class PostfixWithoutChunking(PostfixHost):
    """Content comes by DATA."""

    more = "smtpd_discard_ehlo_keywords = chunking, silent-discard"


class PostfixOfSevenBits(PostfixHost):
    """As a server that knows no 8BITMIME (nor SMTPUTF8, which needs it)."""

    takes_smtputf8 = False
    more = "smtpd_discard_ehlo_keywords = 8bitmime, smtputf8, silent-discard"


class PostfixThatReports(PostfixHost):
    """Beside its own domain, where all is well, it takes mail for bad.test, where nobody lives, and for slow.test,
    where it is deferred; in a session it refuses refused.test. What it has to say to senders at source.test goes to a
    port of ours. `dsn`: it offers DSN."""

    def __init__(self, port: int, *, dsn: bool) -> None:
        super().__init__()
        self.more = f"""\
transport_maps = inline:{{
    {{ source.test = smtp:[127.0.0.1]:{port} }},
    {{ bad.test = error:5.1.1 nobody lives here }},
    {{ slow.test = retry:4.3.0 another time }} }}
smtpd_recipient_restrictions = check_recipient_access inline:{{ {{ refused.test = 550 5.1.1 not here }} }}
relay_domains = bad.test, slow.test
smtpd_reject_unlisted_recipient = no
smtpd_discard_ehlo_keywords = {"" if dsn else "dsn, silent-discard"}
delay_warning_time = 1s
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
smtp_tls_security_level = none
disable_dns_lookups = yes"""
