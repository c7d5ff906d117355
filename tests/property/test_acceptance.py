"""inbound/acceptance: never relays for a stranger; the probes of reliability.md 4.3.1 from each sender and context."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dialogs.player import HOSTNAME, World

# D an outside domain, L local domains (one with mailboxes, one relayed), H this host, I its address.
D, I = "outside.example", "[192.0.2.25]"  # noqa: E741 - the letters of the catalogue
LOCALS = ["example.org", "relay.example"]

SENDERS = ["", f"x@{D}", "x@example.org", f"x@{HOSTNAME}", f"x@{I}", "x", '"x"@example.org']


def probes(local: str) -> list[str]:
    host = HOSTNAME
    plain = [f"u@{D}"]
    percent = [f"u%{D}@{local}", f"u%{D}@{I}", f"u%{D}@{host}", f"u%{D}", f"u%{D}%{local}@{host}"]
    quoted = [f'"u@{D}"', f'"u%{D}"', f'"u@{D}"@{local}', f'"u@{D}"@{I}', f'"u@{D}"@{host}', f'"{D}!u"@{local}',
              f'"u\\@{D}"@{local}', f'"u"@{D}']  # fmt: skip
    double = [f"u@{D}@{local}", f"u@{D}@{I}", f"u@{D}@{host}", f"u@{local}@{D}"]
    source = [
        f"@{local}:u@{D}",
        f"@{I}:u@{D}",
        f"@{host}:u@{D}",
        f"@{D},@{local}:u@{D}",
        f"@{D}:u@{local}",
        "@,@:u@" + D,
    ]
    bang = [f"{D}!u", f"{D}!u@{local}", f"{D}!u@{I}", f"{D}!u@{host}", f"{local}!{D}!u"]
    literals = [f"u@[{D}]", "u@[1.2.3.4]", "u@1.2.3.4", "u@[IPv6:::1]", "u@[127.0.0.1]", f"u@{I}", "u@[0x7f000001]",
                "u@[2130706433]"]  # fmt: skip
    alike = [f"u@{local}.", f"u@.{local}", f"u@{local}.{D}", f"u@{D}.{local}", f"u@-{local}", f"u@{local}%00.{D}",
             f"u@{local}\0.{D}", f"u@{local.replace('.', chr(0xFF0E))}.{D}", f"u@x{local}",
             f"u@{local}\u3002{D}"]  # fmt: skip
    bare = ["", "@", f"@{local}", "u", '" "@' + D]
    syntax = [f"u@{D} (comment)@{local}", f"<u@{D}>u@{local}", f"u@{local}> ORCPT=rfc822;u@{D}", f"u@{local},u@{D}",
              f"u@{local};u@{D}", f"u@{local} u@{D}", f"u@{local}> <u@{D}", f"u@{D},\r\n u@{local}"]  # fmt: skip
    programs = ['"|id"@' + D, "|id", "/x", ":include:/x", f'"/../../x"@{D}']
    uucp = [f"u::{D}@{I}", f"/G=a/S=b/@{D}"]
    families = (plain, percent, quoted, double, source, bang, literals, alike, bare, syntax, programs, uucp)
    return [probe for family in families for probe in family]


def is_ours(domain: str) -> bool:
    return domain in (*LOCALS, HOSTNAME) or domain.endswith(".relay.example")


@pytest.mark.parametrize("context", ["plain", "failed AUTH", "wrong network", "SMTPUTF8"])
@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize("local", LOCALS)
def test_no_probe_gets_through(local: str, sender: str, context: str) -> None:
    settings = {"errors": "1000", "junk_commands": "1000"}
    if context == "failed AUTH":
        settings |= {"auth": "plaintext"}
    if context == "wrong network":
        settings |= {"client": "::ffff:11.0.0.1"}
    player = World(**settings).player()
    player.say(b"EHLO probe\r\n")
    if context == "failed AUTH":
        player.say(b"AUTH PLAIN AGEAYg==\r\n")
        player.log_in("-")
    extension = b" SMTPUTF8" if context == "SMTPUTF8" else b""
    player.say(b"MAIL FROM:<" + sender.encode() + b">" + extension + b"\r\n")
    if player.conversation.state.envelope is None:
        player.say(b"MAIL FROM:<>" + extension + b"\r\n")  # a sender without a domain is refused
    for probe in probes(local):
        for form in (f"<{probe}>", probe):
            player.say(b"RCPT TO:" + form.encode() + b"\r\n")
    accepted = [recipient.address for recipient in player.conversation.state.recipients]
    assert all(is_ours(address.domain_key) for address in accepted), accepted
    if local == "relay.example":  # what we would pass on may not be sent on from there
        assert not any(letter in address.local_part for address in accepted for letter in "%!@")


def test_there_are_enough_probes() -> None:
    assert len(set(probes("example.org"))) >= 65


label = st.sampled_from(
    ["example", "org", "EXAMPLE", "Org", "outside", "relay", "mx", "xn--bcher-kva", "bücher", "a-b", "1", ""]
)
dot = st.sampled_from([".", "\u3002", "\uff0e", "..", "%00.", "@", ""])
domains = st.lists(st.tuples(label, dot), min_size=1, max_size=5).map(lambda pairs: "".join(a + b for a, b in pairs))
local_parts = st.sampled_from(
    ["u", "alice", '"a b"', '"a@outside.example"', "u%outside.example", "a!b", "ä", '"', "", "@a:b"]
)


@given(local_parts, domains, st.booleans())
@settings(max_examples=300)
def test_no_generated_address_with_a_foreign_domain_is_accepted(local_part: str, domain: str, smtputf8: bool) -> None:
    player = World().player()
    player.say(b"EHLO probe\r\nMAIL FROM:<alice@example.org>" + (b" SMTPUTF8" if smtputf8 else b"") + b"\r\n")
    player.say(f"RCPT TO:<{local_part}@{domain}>\r\n".encode())
    for recipient in player.conversation.state.recipients:
        assert is_ours(recipient.address.domain_key)


@given(st.ip_addresses())
def test_only_addresses_of_the_networks_are_trusted(address: object) -> None:
    acceptance = World().acceptance()
    text = str(address)
    mapped = getattr(address, "ipv4_mapped", None)
    ours = text.startswith(("10.", "2001:db8:")) or str(mapped).startswith("10.")
    assert acceptance.is_trusted(text) == ours
