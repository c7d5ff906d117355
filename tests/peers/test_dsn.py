"""Every combination of NOTIFY, through us to Postfix, and what comes back to the sender: as RFC 3461 has it.

At Postfix a recipient is delivered, fails, or is deferred for long; or it is delivered here; or Postfix refuses it in
the session with us. A Postfix that offers DSN has been told all that we
were told, and it alone reports; one that does not has been told nothing, and we say "relayed" to those who asked about
success (RFC 3461 5.2.1 and 5.2.2). Its reports arrive here, in the mailbox of a sender of each message's own.
"""

from __future__ import annotations

import email
import email.policy
import itertools
import smtplib
from dataclasses import dataclass
from pathlib import Path

import pytest
from peerkit.postfix_host import PostfixThatReports
from peerkit.receiver import wait

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(300)]

CONFIG = """
[local]
domains = ["source.test", "here.test"]
maildir = "{folder}/mail/{{local_part}}"
mailboxes = "any"
"""
ROUTE = """
[[route]]
recipient = "{domain}"
via = "smarthost"
hosts = ["127.0.0.1:{port}"]
tls = "none"
"""
KEYWORDS = ("SUCCESS", "FAILURE", "DELAY")
SUBSETS = [",".join(chosen) for size in (1, 2, 3) for chosen in itertools.combinations(KEYWORDS, size)]
NOTIFY = ["", "NEVER", *SUBSETS]
THERE = {"postfix.test": ("SUCCESS", "delivered"), "bad.test": ("FAILURE", "failed"), "slow.test": ("DELAY", "delayed")}
HERE = {"here.test": ("SUCCESS", "delivered"), "refused.test": ("FAILURE", "failed")}
EVENTS = THERE | HERE
UNASKED = "FAILURE,DELAY"  # what no NOTIFY means where delays are told at all


@dataclass(frozen=True)
class Report:
    """One recipient in one report, as its sender has it."""

    by: str
    action: str
    recipient: str
    original: str
    envid: str


@dataclass(frozen=True)
class Letter:
    number: int
    notify: str
    domain: str

    @property
    def sender(self) -> str:
        return f"s{self.number}@source.test"

    @property
    def recipient(self) -> str:
        return f"r{self.number}@{self.domain}"

    def report(self, by: str, action: str, *, known: bool = True) -> Report:
        """`known`: who reports has seen ORCPT and ENVID."""
        original = f"rfc822;first+{self.number}@else.test" if known else f"rfc822;{self.recipient}"
        return Report(by, action, f"rfc822;{self.recipient}", original, f"job={self.number}" if known else "")

    def post(self, client: smtplib.SMTP) -> None:
        asked = [f"ORCPT=rfc822;first+2B{self.number}@else.test", *([f"NOTIFY={self.notify}"] * bool(self.notify))]
        content = f"From: <{self.sender}>\r\nMessage-ID: <{self.number}@source.test>\r\n\r\nhello\r\n"
        client.sendmail(self.sender, self.recipient, content, [f"ENVID=job+3D{self.number}", "RET=HDRS"], asked)


LETTERS = [Letter(at, *each) for at, each in enumerate(itertools.product(NOTIFY, EVENTS))]


def asked_for(letter: Letter) -> bool:
    """Does what becomes of it concern its sender?"""
    return EVENTS[letter.domain][0] in (letter.notify or UNASKED).split(",")


def reports(folder: Path, letter: Letter) -> set[Report]:
    found: list[Report] = []
    for path in (folder / "mail" / f"s{letter.number}" / "new").glob("*"):
        whole = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        assert whole["Return-Path"] == "<>"
        _, status, returned = whole.iter_parts()
        first, *blocks = status.iter_parts()
        by, envid = str(first["Reporting-MTA"]).removeprefix("dns; "), str(first.get("Original-Envelope-Id", ""))
        if by == "mta.test" or envid:  # it knows RET=HDRS too
            assert returned.get_content_type() == "text/rfc822-headers"
        for each in blocks:
            final, original = (str(each.get(f"{of}-Recipient", "")).replace(" ", "") for of in ("Final", "Original"))
            found.append(Report(by, str(each["Action"]), final, original, envid))
    assert len(found) == len(set(found)), "nobody is told twice"
    return set(found)


def told(serving, wanted: dict[Letter, set[Report]], *, dsn: bool) -> dict[Letter, set[Report]]:
    """All letters sent, and what their senders have got when they have at least what is wanted."""
    mta = serving()
    folder = mta.folder
    with PostfixThatReports(mta.port, dsn=dsn) as host:
        routes = "".join(ROUTE.format(domain=domain, port=host.port) for domain in [*THERE, "refused.test"])
        mta.config.write_text(mta.config.read_text() + CONFIG.format(folder=folder) + routes)
        mta.start()
        with smtplib.SMTP("127.0.0.1", mta.port) as client:
            for letter in LETTERS:
                letter.post(client)
        wait(lambda: all(reports(folder, letter) >= wanted[letter] for letter in LETTERS), 60)
        wait(lambda: False, 3)  # nothing more comes
        assert mta.stop() == 0
        assert host.process is not None
    return {letter: reports(folder, letter) for letter in LETTERS}


def test_who_offers_dsn_reports_and_we_do_not(serving):
    wanted = {
        letter: {letter.report("mta.test" if letter.domain in HERE else "postfix.test", EVENTS[letter.domain][1])}
        if asked_for(letter)
        else set()
        for letter in LETTERS
    }
    assert told(serving, wanted, dsn=True) == wanted


def test_of_who_does_not_we_say_relayed_to_those_who_asked_about_success(serving):
    """What Postfix says by itself is not ours to know: to it, nobody has asked for anything."""
    wanted: dict[Letter, set[Report]] = {letter: set() for letter in LETTERS}
    for letter in LETTERS:
        action = EVENTS[letter.domain][1]
        if letter.domain in HERE:
            wanted[letter] = {letter.report("mta.test", action)} if asked_for(letter) else set()
            continue
        if "SUCCESS" in letter.notify:
            wanted[letter].add(letter.report("mta.test", "relayed"))
        if letter.domain != "postfix.test":
            wanted[letter].add(letter.report("postfix.test", action, known=False))
    assert told(serving, wanted, dsn=False) == wanted
