"""The two MTAs that are compared, each with an empty spool, equally configured, in one of four modes.

`accept`: everything is taken and held. `relay`: everything goes to one smarthost. `mx`: it goes where `names` says.
`local`: into the Maildirs of u@d0.test and so on, below `mail`.
Both keep their durable defaults, log to a file, speak no TLS, and may open 20 sessions to one place, the default of
both.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import subprocess
import sys
from abc import ABC, abstractmethod

from benchmarks import names, tools

POSTFIX_MAIN = """\
compatibility_level = 3.6
queue_directory = {root}/spool
data_directory = {root}/data
meta_directory = {root}/conf
daemon_directory = {libraries}/sbin
shlib_directory = {libraries}
command_directory = {programs}
import_environment = MAIL_CONFIG MAIL_LOGTAG LD_LIBRARY_PATH={libraries}
mail_owner = {owner}
setgid_group = {group}
maillog_file = {root}/log/maillog
maillog_file_prefixes = {root}/log
myhostname = mta.bench.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
alias_maps =
alias_database =
local_recipient_maps =
smtp_tls_security_level =
smtpd_tls_security_level = none
"""
POSTFIX_MODES = {
    "accept": "smtpd_recipient_restrictions = static:HOLD, permit_mynetworks, reject\n",
    "relay": "relayhost = [127.0.0.1]:{next_port}\nsmtp_host_lookup = native\n",
    "mx": "smtp_tcp_port = {next_port}\n",
    "local": """\
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {root}/mail
virtual_mailbox_maps = inline:{{{boxes}}}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
virtual_mailbox_limit = 0
""",
}
POSTFIX_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
virtual   unix  - n n - - virtual
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

ASYNCMTA = """\
hostname = "mta.bench.test"
spool = "{root}/spool"

[[listener]]
address = "127.0.0.1"
port = {port}

[log]
format = "json"
"""
ASYNCMTA_MODES = {
    "accept": '[[route]]\nrecipient = "*"\nvia = "hold"\n',
    "relay": '[[route]]\nrecipient = "*"\nvia = "smarthost"\nhosts = ["127.0.0.1:{next_port}"]\ntls = "none"\n',
    "local": """\
[local]
domains = [{listed}]
maildir = "{root}/mail/{{domain}}/{{local_part}}"
mailboxes = "any"
""",
    "mx": '[remote]\nport = {next_port}\nallow_private_exchangers = true\n[dns]\nservers = ["{dns}"]\n',
}
# Postfix in a process namespace: all of it ends with its first process; and it finds our names.
PRIVATE = """\
set -e
[ -z "$1" ] || mount --bind "$1" /etc/resolv.conf
shift
exec "$@"
"""


USERS = 10
NOBODY = 65534
_DOMAINS = [f"d{number}.test" for number in range(USERS)]
LOCAL = {
    "domains": " ".join(_DOMAINS),
    "listed": ", ".join(f'"{domain}"' for domain in _DOMAINS),
    "boxes": ", ".join(f"u@{domain}={domain}/u/" for domain in _DOMAINS),
    "uid": NOBODY,
}


class Server(ABC):
    """One MTA with an empty spool under `root`."""

    name = ""

    def __init__(self, root: pathlib.Path, mode: str, next_port: int, resolv: pathlib.Path | None = None) -> None:
        self.root = root
        self.mode = mode
        self.port = tools.free_port()
        self._resolv = resolv
        dns = f"{names.ADDRESS}:{names.PORT}"
        self._words: dict[str, object] = {"root": root, "port": self.port, "next_port": next_port, "dns": dns, **LOCAL}

    def _write(self, name: str, template: str, **words: object) -> pathlib.Path:
        path = self.root / "conf" / name
        path.write_text(template.format(**self._words, **words))
        return path

    @abstractmethod
    def _prepare(self) -> list[str]:
        """Write the configuration; the command that runs it in the foreground."""

    def __enter__(self) -> Server:
        shutil.rmtree(self.root, ignore_errors=True)
        for name in ("conf", "spool", "data", "log", "mail"):
            (self.root / name).mkdir(parents=True)
        command = self._prepare()
        with open(self.root / "log" / "stdout", "wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=tools.TOP,
                env=tools.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            tools.await_port(self.port, self.process, timeout=30)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _end(self) -> None:
        """At once: what it has in hand is of no more use, and its spool goes with it."""
        self.process.kill()

    def __exit__(self, *_: object) -> None:
        self._end()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.root, ignore_errors=True)


class Asyncmta(Server):
    name = "asyncmta"

    def _prepare(self) -> list[str]:
        path = self._write("config.toml", ASYNCMTA + ASYNCMTA_MODES[self.mode])
        return [sys.executable, "-m", "asyncmta", "serve", "-c", str(path)]


class Postfix(Server):
    name = "Postfix"

    @staticmethod
    def missing() -> str:
        """Why it cannot run here; "" when it can."""
        if os.geteuid() != 0:
            return "Postfix's master must be started by root"
        return "" if (tools.PROGRAMS / "postfix").exists() else f"{tools.POSTFIX} is not there: run make test-tools"

    def _prepare(self) -> list[str]:
        # Accounts that any Debian has; installing the package would have made two of its own.
        owner, group = "daemon", "mail"
        shutil.copytree(tools.POSTFIX / "etc" / "postfix", self.root / "conf", dirs_exist_ok=True)
        words = {"libraries": tools.LIBRARIES, "programs": tools.PROGRAMS, "owner": owner, "group": group}
        self._write("main.cf", POSTFIX_MAIN + POSTFIX_MODES[self.mode], **words)
        self._write("master.cf", POSTFIX_MASTER)
        shutil.chown(self.root / "data", owner)
        shutil.chown(self.root / "mail", NOBODY, NOBODY)
        (self.root / "log").chmod(0o777)
        (self.root / "private.sh").write_text(PRIVATE)
        private = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", str(self.root / "private.sh")]
        postfix = [str(tools.PROGRAMS / "postfix"), "-c", str(self.root / "conf"), "start-fg"]
        return [*private, str(self._resolv or ""), *postfix]

    def _end(self) -> None:
        """`unshare` waits for its one child, Postfix's master, and ignores signals meanwhile."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
