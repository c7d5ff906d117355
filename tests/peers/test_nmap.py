"""nmap's script smtp-open-relay: 0 of 16 from a stranger; from one who may relay it finds the door open."""

from __future__ import annotations

import re
import subprocess

import pytest
from peerkit.programs import program
from peerkit.receiver import wait

pytestmark = pytest.mark.peers

# What could tempt it: a way out for everything, a domain that is relayed, mailboxes for whatever name, or our own name
# as a domain with mailboxes.
TEMPTING = """
[[route]]
recipient = "*"
via = "smarthost"
hosts = ["127.0.0.1:1"]
tls = "none"
[local]
domains = ["{domain}"]
mailboxes = "{mailboxes}"
maildir = "mail/{{domain}}/{{local_part}}"
[relay]
domains = ["relay.test"]
"""
STRANGERS = 'networks = ["127.0.0.9/32"]\n'


def open_relay(mta):
    """What the script said of this port."""
    command = [program("nmap"), "-n", "-Pn", "-sT", "-vv", "-p", str(mta.port), "--script", "+smtp-open-relay"]
    ended = subprocess.run([*command, "127.0.0.1"], capture_output=True, text=True, timeout=100, check=True)
    return ended.stdout


@pytest.mark.parametrize(("domain", "mailboxes"), [("local.test", "any"), ("mta.test", "existing")])
def test_nmap_finds_no_open_relay(serving, domain, mailboxes):
    mta = serving(TEMPTING.format(domain=domain, mailboxes=mailboxes) + STRANGERS)
    said = open_relay(mta.start())
    assert "smtp-open-relay: Server doesn't seem to be an open relay, all tests failed" in said, said
    assert wait(lambda: mta.log.read_text().count('"stage":"RCPT"') == 16, 10), mta.tail()  # all were tried


def test_and_would_find_one(serving):
    said = open_relay(serving(TEMPTING.format(domain="local.test", mailboxes="any")).start())
    found = re.search(r"Server is an open relay \((\d+)/16 tests\)", said)
    assert found is not None, said
    assert int(found[1]) >= 4
