"""cli/sendmail_flags: what programs pass to `sendmail`, understood or let pass, and what nobody has refused."""

from __future__ import annotations

import shlex

import pytest

from asyncmta.cli.sendmail_flags import Call, Misused, parse_flags
from asyncmta.inbound.injection import Reports

ME, YOU = "me@x.example", "you@y.example"


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("you@y.example", Call(recipients=(YOU,))),
        ("", Call()),
        ("-t", Call(from_header=True)),
        ("-t -i", Call(from_header=True, keeps_dot=True)),
        ("-ti", Call(from_header=True, keeps_dot=True)),
        ("-it", Call(from_header=True, keeps_dot=True)),
        ("-oi -t", Call(from_header=True, keeps_dot=True)),
        ("-o i", Call(keeps_dot=True)),
        ("-fme@x.example you@y.example", Call(sender=ME, recipients=(YOU,))),
        ("-f me@x.example you@y.example", Call(sender=ME, recipients=(YOU,))),
        ("-r me@x.example", Call(sender=ME)),
        ("-f '' you@y.example", Call(sender="", recipients=(YOU,))),
        ("-f '<>'", Call(sender="<>")),
        ("-tf me@x.example", Call(from_header=True, sender=ME)),
        ("-F 'A. Name' -tif me@x.example", Call(full_name="A. Name", from_header=True, keeps_dot=True, sender=ME)),
        ("-v -N never", Call(is_verbose=True, reports=Reports("NEVER"))),
        ("-XV -f list@a.example", Call(sender="list@a.example", reports=Reports(verp=True))),
        ("-X /var/log/x", Call()),
        ("-FCronDaemon -i -B8BITMIME -oem root", Call(full_name="CronDaemon", keeps_dot=True, recipients=("root",))),
        ("-FCronDaemon -odi -oem -oi -t", Call(full_name="CronDaemon", keeps_dot=True, from_header=True)),
        ("-B 7bit a b", Call(recipients=("a", "b"))),
        ("-bm a", Call(recipients=("a",))),
        ("-bs", Call(mode="smtp")),
        ("-b s", Call(mode="smtp")),
        ("-bp", Call(mode="list")),
        ("-bi", Call(mode="aliases")),
        ("-I", Call(mode="aliases")),
        ("-q", Call(mode="flush")),
        ("-q30m", Call(mode="flush")),
        ("-q1h30m", Call(mode="flush")),
        ("-qf", Call(mode="flush")),
        ("-qIabc", Call(mode="flush", selection=("id", "abc"))),
        ("-qRy.example", Call(mode="flush", selection=("domain", "y.example"))),
        ("-qSme@x.example", Call(mode="flush", selection=("sender", ME))),
        ("-N never a", Call(reports=Reports(notify="NEVER"), recipients=("a",))),
        ("-N success,delay -R hdrs -V x+2By", Call(reports=Reports("SUCCESS,DELAY", "HDRS", "x+2By"))),
        ("-Rfull", Call(reports=Reports(ret="FULL"))),
        ("-Ac -Am -G -U -n -m -c -x -h 3 -p SMTP:x -L tag -X /dev/null a", Call(recipients=("a",))),
        ("-O DeliveryMode=b -om -o7 -d0.4 -d -e m a", Call(recipients=("a",))),
        ("-C /etc/mail.toml a", Call(config="/etc/mail.toml", recipients=("a",))),
        ("-- -t a", Call(recipients=("-t", "a"))),
        ("a -t b -", Call(from_header=True, recipients=("a", "b", "-"))),
    ],
)  # fmt: skip
def test_what_is_meant(line: str, call: Call) -> None:
    assert parse_flags(shlex.split(line)) == call


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("-Z", "-Z: there is no such flag"),
        ("-tiZ", "-Z: there is no such flag"),
        ("--help", "--: there is no such flag"),
        ("-f", "-f needs a value"),
        ("-tf", "-f needs a value"),
        ("-bd", "-bd: the MTA is run by `asyncmta serve`"),
        ("-bv a", "-bv: `asyncmta route ADDRESS` says what would happen to an address"),
        ("-bQ", "-bQ: there is no such mode"),
        ("-B BINARY", "-B BINARY: 7BIT or 8BITMIME"),
        ("-N sometimes", "-N sometimes: never, or a list of success, failure, delay"),
        ("-N never,delay", "-N never,delay: never, or a list of success, failure, delay"),
        ("-R half", "-R half: full or hdrs"),
        ("-V 'a b'", "-V: an envelope id is xtext (RFC 3461), at most 100 characters"),
        ("-qR", "-qR: there is no such way to run the queue"),
        ("-qzz", "-qzz: there is no such way to run the queue"),
    ],
)
def test_what_cannot_be_meant(line: str, why: str) -> None:
    with pytest.raises(Misused) as misused:
        parse_flags(shlex.split(line))
    assert str(misused.value) == why
