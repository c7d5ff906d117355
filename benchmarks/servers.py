"""asyncmta and Postfix, each with an empty spool, equally configured, in one of four modes. (`peers.py`: the others.)

`accept`: everything is taken and held. `relay`: everything goes to one smarthost. `mx`: it goes where `names` says.
`local`: into the Maildirs of u@d0.test and so on, below `mail`.
Both keep their durable defaults, log to a file, speak no TLS, and may open 20 sessions to one place, the default of
both.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping

from benchmarks import names, processes, tools

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
USERS = 10
NOBODY = 65534
_DOMAINS = [f"d{number}.test" for number in range(USERS)]
LOCAL = {
    "domains": " ".join(_DOMAINS),
    "listed": ", ".join(f'"{domain}"' for domain in _DOMAINS),
    "boxes": ", ".join(f"u@{domain}={domain}/u/" for domain in _DOMAINS),
    "uid": NOBODY,
}


def private(
    root: pathlib.Path, mounts: Mapping[str, pathlib.Path | str], users: str = "", groups: str = ""
) -> list[str]:
    """The words before a server of many processes: all end with the first of them, and for them alone these accounts
    exist, and `mounts` (their place -> ours) lie over the places that are built into the program."""
    lines = ["set -e"]
    for name, more in (("passwd", users), ("group", groups)):
        accounts = root / "conf" / name
        accounts.write_text(more + pathlib.Path("/etc", name).read_text())  # of two with a name, the first counts
        lines.append(f"mount --bind {accounts} /etc/{name}")
    for theirs, ours in mounts.items():
        lines.append(f"[ -e {theirs} ] || mkdir -p {theirs}; mount --bind {ours} {theirs}")
    script = root / "private.sh"
    script.write_text("\n".join([*lines, 'exec "$@"', ""]))
    return ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "sh", str(script)]


class Server(ABC):
    """One MTA with an empty spool under `root`. `syncs`: is a message on the disk before its 250?"""

    name = ""
    syncs = True
    patience = 30.0  # seconds until it greets

    def __init__(self, root: pathlib.Path, mode: str, next_port: int, resolv: pathlib.Path | None = None) -> None:
        self.root = root
        self.mode = mode
        self.port = tools.free_port()
        self._resolv = resolv
        dns = f"{names.ADDRESS}:{names.PORT}"
        self._words: dict[str, object] = {"root": root, "port": self.port, "next_port": next_port, "dns": dns, **LOCAL}

    @staticmethod
    def missing() -> str:
        """Why it cannot run here; "" when it can."""
        return ""

    def _names(self) -> dict[str, pathlib.Path | str]:
        """What lies over /etc/resolv.conf."""
        return {"/etc/resolv.conf": self._resolv} if self._resolv is not None else {}

    def _write(self, name: str, template: str, **words: object) -> pathlib.Path:
        path = self.root / "conf" / name
        path.write_text(template.format(**self._words, **words))
        return path

    @abstractmethod
    def _prepare(self) -> list[str]:
        """Write the configuration; the command that runs it in the foreground."""

    def kick(self) -> list[str]:
        """The command that has its whole queue tried now; none where that is not needed, or cannot be."""
        return []

    def inside(self, *command: str) -> list[str]:
        """For a command of an MTA that has places of its own: in there."""
        first = processes.children(self.process.pid)[0]
        return ["nsenter", f"--target={first}", "--mount", "--pid", *command]

    def __enter__(self) -> Server:
        shutil.rmtree(self.root, ignore_errors=True)
        for name in ("conf", "spool", "data", "log", "mail"):
            (self.root / name).mkdir(parents=True)
        self._command = self._prepare()
        self.start()
        return self

    def start(self) -> None:
        """On the spool as it is."""
        command = self._command
        with open(self.root / "log" / "stdout", "ab") as log:
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
            tools.await_port(self.port, self.process, timeout=self.patience)
        except BaseException as error:
            said = (self.root / "log" / "stdout").read_text(errors="replace")[-500:]
            self.__exit__()
            raise RuntimeError(f"{self.name}: {error}: {said}") from error

    def _end(self) -> None:
        """At once: what it has in hand is of no more use. `unshare` waits for its one child, which all others end
        with, and ignores signals meanwhile."""
        for child in processes.children(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def stop(self) -> None:
        """With SIGKILL: what it said 250 to is on the disk, or is lost."""
        self._end()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)


class Asyncmta(Server):
    name = "asyncmta"

    def _prepare(self) -> list[str]:
        path = self._write("config.toml", ASYNCMTA + ASYNCMTA_MODES[self.mode])
        return [sys.executable, "-m", "asyncmta", "serve", "-c", str(path)]

    def _end(self) -> None:
        self.process.kill()

    def kick(self) -> list[str]:
        config = str(self.root / "conf" / "config.toml")
        return [sys.executable, "-m", "asyncmta", "queue", "retry", "--all", "-c", config]


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
        postfix = [str(tools.PROGRAMS / "postfix"), "-c", str(self.root / "conf"), "start-fg"]
        return [*private(self.root, self._names()), *postfix]

    def kick(self) -> list[str]:
        return self.inside(str(tools.PROGRAMS / "postqueue"), "-c", str(self.root / "conf"), "-f")
