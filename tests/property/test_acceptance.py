"""inbound/acceptance: never relays for a stranger. The probes of reliability.md 4.3.1 are in unit/inbound."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from asyncmta.inbound.commands import parse_rcpt
from asyncmta.mail import replies
from asyncmta.mail.address import domain_key
from asyncmta.mail.reply import Reply
from tests.dialogs.player import HOSTNAME, World

LOCALS = ["example.org", "relay.example"]


def is_ours(domain: str) -> bool:
    return domain in (*LOCALS, HOSTNAME) or domain.endswith(".relay.example")


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


PIECES = [
    *("example", "org", "EXAMPLE", "relay", "outside", "mx", "xn--bcher-kva", "u", "alice", "postmaster", "1", "127.1"),
    *(
        ".",
        ".",
        ".",
        ".",
        "@",
        "@",
        "@",
        "%",
        "!",
        ":",
        "::",
        ",",
        ";",
        '"',
        "\\",
        "-",
        "_",
        "[",
        "]",
        "(",
        ")",
        "<",
        ">",
    ),
    *(
        " ",
        "\t",
        "\0",
        "%00",
        "\u3002",
        "\uff0e",
        "\uff20",
        "\u200b",
        "\u212a",
        "\u00e4",
        "IPv6:",
        "=",
        "|",
        "/",
        "../",
    ),
    *("@example.org", "@relay.example", "@outside.example", "@mx.example.org", "%outside.example"),
]


def test_nor_one_of_very_many_put_together_at_random() -> None:
    """More than hypothesis would try, and none too strange: what is accepted ends in a domain that is ours by its own
    normal form, computed again from the text."""
    acceptance = World().acceptance()
    chance = random.Random(20261122)
    taken = 0
    for _ in range(60_000):
        text = "".join(chance.choices(PIECES, k=chance.randint(1, 7)))
        for smtputf8 in (False, True):
            recipient = parse_rcpt(f"TO:<{text}>", acceptance.postmaster, smtputf8=smtputf8)
            if isinstance(recipient, Reply):
                continue
            address = recipient.address
            answer = acceptance.recipient(address, None, may_relay=False)
            if answer is None:
                taken += 1
                assert is_ours(domain_key(str(address).rpartition("@")[2])), text
            else:
                assert answer in (replies.RELAY_DENIED, replies.NO_SUCH_MAILBOX), text
    assert taken > 100


@given(st.ip_addresses())
def test_only_addresses_of_the_networks_are_trusted(address: object) -> None:
    acceptance = World().acceptance()
    text = str(address)
    mapped = getattr(address, "ipv4_mapped", None)
    ours = text.startswith(("10.", "2001:db8:")) or str(mapped).startswith("10.")
    assert acceptance.is_trusted(text) == ours
