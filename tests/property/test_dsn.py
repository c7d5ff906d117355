"""bounce/dsn: whatever a remote server, a sender or a message holds, the report stays a report."""

from __future__ import annotations

import email
import email.policy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncmta.bounce.dsn import build_dsn
from asyncmta.bounce.dsn_facts import DsnFacts, ReportedRecipient, needs_smtputf8
from asyncmta.bounce.dsn_template import SECTIONS, Template, parse_template
from asyncmta.bounce.templates import ENGLISH, LANGUAGES
from asyncmta.mail.address import Address, InvalidAddress, parse_address
from asyncmta.mail.envelope import QueueId, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Handover, Place
from asyncmta.mail.reply import InvalidReply, Reply, parse_reply, reply
from asyncmta.mail.xtext import embedded

FIELDS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
]
BLOCK_FIELDS = {
    "Original-Recipient",
    "Final-Recipient",
    "Action",
    "Status",
    "Remote-MTA",
    "Diagnostic-Code",
    "Last-Attempt-Date",
    "Will-Retry-Until",
}
BAIT = [
    "\r\n",
    "\n",
    "\r",
    "\0",
    "\u2028",
    "\x85",
    "--=_boundary",
    "--=_boundary--",
    "\r\nX-Evil: 1",
    " ",
    ".",
    "é",
    "a" * 300,
]

hostile = st.lists(st.one_of(st.sampled_from(BAIT), st.text(max_size=8)), max_size=8).map("".join)


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    octets = b"550 5.1.1 " + draw(hostile).encode("utf-8", "surrogatepass")
    try:
        return parse_reply(octets)
    except InvalidReply:
        return reply(554, "5.7.1", draw(hostile))


@st.composite
def addresses(draw: st.DrawFn) -> Address:
    local = draw(st.sampled_from(["bob", '"a b"', '"a\\"<@>"', "jürgen", "x" * 255, "用户"]))
    domain = draw(
        st.sampled_from(["example.net", "[192.0.2.1]", "[IPv6:::1]", "bücher.example", "\U00020000" * 55 + ".example"])
    )
    try:
        return parse_address(f"{local}@{domain}", smtputf8=True)
    except InvalidAddress:  # pragma: no cover - all of them are addresses
        raise AssertionError(local, domain) from None


@st.composite
def failures(draw: st.DrawFn) -> ReportedRecipient:
    answer, place = draw(replies()), Place(draw(hostile), draw(hostile))
    orcpt = draw(st.none() | hostile.map(lambda text: f"rfc822;{text}") | hostile.map(lambda text: f"utf-8;{text}"))
    recipient = Recipient(draw(addresses()), orcpt=orcpt)
    cause = draw(st.sampled_from(Cause))
    if draw(st.booleans()):
        return ReportedRecipient(recipient, Delivered(answer, place, handover=draw(st.sampled_from(Handover))), 1.0)
    if draw(st.booleans()):
        return ReportedRecipient(recipient, Deferred(cause, answer, place=place))
    last = Deferred(draw(st.sampled_from(Cause)), answer, place=place) if cause is Cause.EXPIRED else None
    return ReportedRecipient(recipient, Failed(cause, answer, place=place), draw(st.none() | st.floats(0, 2e9)), last)


contents = st.one_of(
    st.binary(max_size=200),
    hostile.map(lambda text: f"Subject: {text}\r\n\r\n".encode("utf-8", "replace")),
    st.sampled_from(["utf-8", "idna", "punycode", "unicode_escape", "rot13", "undefined", "utf-7"]).map(
        lambda charset: f"Subject: =?{charset}?q?a=FF=0D=0A=5Cu12?= =?{charset}?b?!!!?=\r\n\r\n".encode()
    ),
    st.lists(
        st.sampled_from([b"Subject: x\r\n", b"\r\n", b"--=_boundary\r\n", b"\xff", b"\0", b"z" * 1200, b"a\nb"])
    ).map(b"".join),
)


@st.composite
def any_facts(draw: st.DrawFn) -> DsnFacts:
    failed = tuple(draw(st.lists(failures(), min_size=1, max_size=4)))
    return DsnFacts(
        boundary="boundary",
        message_id=draw(hostile),
        reporting_mta="mx.example.org",
        postmaster=draw(hostile),
        at=draw(st.floats(0, 4e9)),
        reverse_path=draw(addresses()),
        queue_id=QueueId(draw(st.integers(0, 2**80 - 1))),
        accepted_at=draw(st.floats(0, 4e9)),
        attempts=draw(st.integers(0, 1000)),
        recipients=failed,
        total=len(failed),
        content=draw(contents),
        envid=draw(st.none() | hostile),
        full=draw(st.booleans()),
        smtputf8=draw(st.booleans()),
        deliver_by=draw(st.floats(0, 4e9)),
        retry_until=draw(st.floats(0, 4e9)),
        double=draw(st.booleans()),
    )


@st.composite
def templates(draw: st.DrawFn) -> Template:
    """Whatever may be read: any words, with every placeholder that the section knows."""
    bait = st.lists(st.sampled_from([*BAIT, "{hostname} ", "{host}{original}{count}{until}"]) | st.text(max_size=5))
    drawn = draw(st.lists(bait.map(lambda words: " ".join("".join(words).replace("{", "(").split())), min_size=3))
    text = "".join(
        f"[{name}]\n{drawn[at % len(drawn)][: 3000 if section.many else 150]}x"
        + "".join(f"{{{each}}}" for each in section.placeholders)
        + "\n"
        for at, (name, section) in enumerate(SECTIONS.items())
        if name != "language"
    )
    read = parse_template(text, ENGLISH)
    return read if isinstance(read, Template) else ENGLISH


@given(st.text())
def test_any_text_is_a_template_or_is_said_to_be_none(text: str) -> None:
    read = parse_template(text, ENGLISH)
    assert isinstance(read, Template) or (read and all(fault.line >= 1 and fault.text for fault in read))


def blocks_of(status: Any) -> list[Any]:
    if status.get_content_type() == "message/delivery-status":
        return list(status.iter_parts())
    # As it stands: the library cannot fold a long field that holds UTF-8.
    raw = status.get_payload(0).as_bytes(policy=email.policy.default.clone(refold_source="none")).decode()
    return [email.message_from_string(block) for block in raw.strip().split("\n\n")]


@settings(
    deadline=None, max_examples=max(250, settings.default.max_examples), suppress_health_check=[HealthCheck.too_slow]
)
@given(any_facts(), st.sampled_from(sorted(LANGUAGES)).map(LANGUAGES.get) | templates())
def test_no_fact_breaks_the_report(facts: DsnFacts, template: Template) -> None:
    octets = build_dsn(facts, template)

    rest = octets.replace(b"\r\n", b"")
    assert b"\r" not in rest
    assert b"\n" not in rest
    assert octets.endswith(b"\r\n")
    assert all(len(line) <= 998 for line in octets.split(b"\r\n"))
    assert b"\0" not in octets

    whole = email.message_from_bytes(octets, policy=email.policy.compat32)
    assert not whole.defects
    assert [name for name in whole.keys() if name not in FIELDS] == []  # noqa: SIM118 - a message, not a mapping
    assert len(whole.keys()) == len(set(whole.keys()))
    assert len(whole.get_payload()) == 3

    text, status, third = email.message_from_bytes(octets, policy=email.policy.default).iter_parts()
    blocks = blocks_of(status)
    assert len(blocks) == 1 + len(facts.recipients)
    for block, failed in zip(blocks[1:], facts.recipients, strict=True):
        assert set(block.keys()) <= BLOCK_FIELDS
        assert len(block.keys()) == len(set(block.keys()))
        assert block["Action"] == failed.action.value
        assert block["Status"] == failed.status
        told = "".join(block["Final-Recipient"].partition(";")[2].split())
        address = failed.recipient.address
        if needs_smtputf8(facts) or address.is_ascii:
            forms = {str(address), f"{address.local_part}@{address.domain_key}"}
        else:
            forms = {f"{embedded(address.local_part)}@{address.domain_key}"}
        assert told in {form.replace(" ", "") for form in forms}
    lines = text.get_content().splitlines()
    assert sum(line.startswith("  <") for line in lines) == len(facts.recipients)
    assert sum(line.startswith(b"--=_boundary") for line in octets.split(b"\r\n")) == 4
    if not needs_smtputf8(facts) and third.get_content_type() != "message/rfc822":
        assert octets.isascii()
