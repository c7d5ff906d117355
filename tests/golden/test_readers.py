"""Every report of this folder read by three strangers: Python's email parser, a MIME parser written in Rust, and the
bounce detector of Mailman. What they read, field by field, is what the facts say.
"""

from __future__ import annotations

import email
import email.policy
import re
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.utils import parsedate_to_datetime
from pathlib import Path

import fast_mail_parser
import flufl.bounce
import pytest

from asyncmta.bounce.dsn_facts import Action, DsnFacts, ReportedRecipient, needs_smtputf8
from asyncmta.bounce.templates import ENGLISH
from asyncmta.mail.headers import header_section
from asyncmta.mail.xtext import decode_orcpt, decode_xtext, embedded
from tests.golden.reports import FACTS, WORDS

HERE = Path(__file__).parent
MESSAGE_FIELDS = {"Original-Envelope-Id", "Reporting-MTA", "Arrival-Date", "Deliver-By-Date", "X-Asyncmta-Queue-ID"}
RECIPIENT_FIELDS = {"Original-Recipient", "Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code"}
RECIPIENT_FIELDS |= {"Last-Attempt-Date", "Will-Retry-Until"}
CONTROLS = re.compile(r"[\0-\x1f\x7f-\x9f\u2028\u2029]")
HOSTILE = {"hostile"}  # what is told of these facts is not what they say

Blocks = list[dict[str, str]]


def octets_of(name: str) -> bytes:
    return (HERE / f"dsn-{name}.eml").read_bytes()


def blocks_of(status: str) -> Blocks:
    """The fields of a status part, by hand: one rule for lines, one for fields, so that no library is believed."""
    blocks: Blocks = [{}]
    for line in re.sub(r"\r\n[ \t]", " ", status).rstrip("\r\n").split("\r\n"):
        if not line:
            blocks.append({})
            continue
        name, colon, value = line.partition(":")
        assert colon
        assert name not in blocks[-1]
        blocks[-1][name] = value.strip()
    return blocks


def at(text: str) -> float:
    return parsedate_to_datetime(text).timestamp()


def check_message_block(block: dict[str, str], facts: DsnFacts) -> None:
    assert set(block) <= MESSAGE_FIELDS
    assert block["Reporting-MTA"] == "dns; mx.example.org"
    assert at(block["Arrival-Date"]) == facts.accepted_at
    assert block["X-Asyncmta-Queue-ID"] == "bvpg000g0000001a"
    assert ("Deliver-By-Date" in block) == bool(facts.deliver_by)
    assert not facts.deliver_by or at(block["Deliver-By-Date"]) == facts.deliver_by
    assert ("Original-Envelope-Id" in block) == (facts.envid is not None)
    if facts.envid is not None:
        assert block["Original-Envelope-Id"] == CONTROLS.sub("?", decode_xtext(facts.envid))


def check_recipient_block(block: dict[str, str], each: ReportedRecipient, facts: DsnFacts, *, hostile: bool) -> None:
    utf8, address = needs_smtputf8(facts), each.recipient.address
    assert set(block) <= RECIPIENT_FIELDS
    if address.is_ascii:
        assert block["Final-Recipient"] == f"rfc822; {address}"
    elif utf8:
        assert block["Final-Recipient"] == f"utf-8; {address}"
    else:
        assert block["Final-Recipient"] == f"utf-8; {embedded(address.local_part)}@{address.domain_key}"
    original = decode_orcpt(each.recipient.orcpt, utf8=utf8)
    assert block.get("Original-Recipient") == (original and f"{original[0]}; {CONTROLS.sub('?', original[1])}")
    assert block["Action"] == each.action.value
    assert block["Status"][0] == {"failed": "45"[each.status[0] == "5"], "delayed": "4"}.get(block["Action"], "2")
    assert re.fullmatch(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}", block["Status"])
    assert ("Last-Attempt-Date" in block) == (each.at is not None)
    assert each.at is None or at(block["Last-Attempt-Date"]) == each.at
    assert ("Will-Retry-Until" in block) == (each.action is Action.DELAYED and bool(facts.retry_until))
    if not hostile:
        assert block.get("Remote-MTA") == (f"dns; {each.place.host}" if each.place.host else None)
        kind, said = ("smtp", str(each.reply)) if each.is_heard else ("x-asyncmta", each.reply.text)
        if each.action.is_success and not each.is_heard:
            assert "Diagnostic-Code" not in block
        else:
            said = said if utf8 else said.encode("ascii", "replace").decode()
            assert block["Diagnostic-Code"] == f"{kind}; {' '.join(said.split())}"


def check_blocks(blocks: Blocks, name: str) -> None:
    facts = FACTS[name]
    check_message_block(blocks[0], facts)
    for block, each in zip(blocks[1:], facts.recipients, strict=True):
        check_recipient_block(block, each, facts, hostile=name in HOSTILE)


def check_text(text: str, name: str) -> None:
    facts, words = FACTS[name], WORDS.get(name, ENGLISH).words
    lines = text.replace("\r\n", "\n").split("\n")
    order = [line[3:-1] for line in lines if line.startswith("  <")]
    for action in Action:  # within an action they are in groups
        those = [str(each.recipient.address) for each in facts.those(action)]
        assert sorted(order[: len(those)]) == sorted(those)
        del order[: len(those)]
    assert not order
    assert f"{words['label.recipients']}:  {facts.total}" in lines
    assert not CONTROLS.search(text.replace("\r\n", ""))


def check_header(fields: dict[str, str], name: str) -> None:
    facts, words = FACTS[name], WORDS.get(name, ENGLISH).words
    assert set(fields) - {"In-Reply-To", "References", "Content-Transfer-Encoding"} == {
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type")
    }
    assert fields["To"].strip("<>") == str(facts.reverse_path)
    assert fields["Auto-Submitted"] == "auto-replied"
    assert at(fields["Date"]) == facts.at
    assert fields["From"].endswith("<MAILER-DAEMON@mx.example.org>")
    kind = "double" if facts.double else "success" if facts.worst.is_success else facts.worst.value
    assert str(make_header(decode_header(fields["Subject"]))) == words[f"subject.{kind}"]
    thread = "<20241116.1@laptop.example.org>" if b"Message-ID" in facts.content else None
    assert fields.get("In-Reply-To") == fields.get("References") == thread


@pytest.mark.parametrize("name", FACTS)
def test_python(name: str) -> None:
    facts = FACTS[name]
    whole = email.message_from_bytes(octets_of(name), policy=email.policy.default)
    assert not whole.defects
    assert (whole.get_content_type(), whole.get_param("report-type")) == ("multipart/report", "delivery-status")
    check_header({key: str(value) for key, value in whole.items()}, name)
    text, status, returned = whole.iter_parts()
    check_text(text.get_content(), name)
    assert text["Content-Language"] == WORDS.get(name, ENGLISH).words["language"]
    utf8 = needs_smtputf8(facts)
    assert status.get_content_type() == ("message/global-delivery-status" if utf8 else "message/delivery-status")
    if not utf8:
        parts = [dict(part.items()) for part in status.iter_parts()]
        check_blocks([{key: " ".join(str(value).split()) for key, value in part.items()} for part in parts], name)
    kinds = {"message/rfc822", "text/rfc822-headers"} if not utf8 else {"message/global", "message/global-headers"}
    assert returned.get_content_type() in kinds


@pytest.mark.parametrize("name", FACTS)
def test_rust(name: str) -> None:
    facts = FACTS[name]
    read = fast_mail_parser.parse_email(octets_of(name))
    assert not read.warnings
    assert all(len(values) == 1 for values in read.headers.values())
    check_header({key: values[0] for key, values in read.headers.items()}, name)
    assert read.date_parsed == datetime.fromtimestamp(facts.at, tz=UTC)
    (text,) = read.text_plain
    check_text(text, name)
    status, returned = read.attachments
    check_blocks(blocks_of(status.content.decode()), name)
    is_whole = returned.mimetype in ("message/rfc822", "message/global")
    assert not is_whole or facts.full
    if name != "hostile":
        wanted = facts.content if is_whole else header_section(facts.content)
        assert returned.content.removesuffix(b"\r\n") == wanted.removesuffix(b"\r\n")


@pytest.mark.parametrize(
    "name", [name for name, facts in FACTS.items() if not needs_smtputf8(facts) and name not in HOSTILE]
)
def test_mailman(name: str) -> None:
    """It believes the original recipient where there is one that it can read, else the final one."""
    failed, delayed = set(), set()
    for each in FACTS[name].recipients:
        original = decode_orcpt(each.recipient.orcpt, utf8=False)
        address = each.recipient.address
        if original and original[0] == "rfc822":
            shown = original[1]
        else:
            shown = str(address) if address.is_ascii else f"{embedded(address.local_part)}@{address.domain_key}"
        if each.action is Action.FAILED:
            failed.add(shown)
        elif each.action is Action.DELAYED:
            delayed.add(shown)
    temporary, permanent = flufl.bounce.all_failures(email.message_from_bytes(octets_of(name)))
    strange = {"host!carol", "x-uucp"}  # what it reads of an address type that it does not know
    assert {each.decode() for each in permanent} - strange == failed
    assert {each.decode() for each in temporary} == delayed


INSIDE = re.compile(
    rb"/var/|/usr/|/etc/|/bin/|/run/|Traceback|Error\b|[Ee]xception|Errno|\.py\b|asyncmta/|\b10\.\d|\b192\.168\.|\b127\."
)


@pytest.mark.parametrize("name", FACTS)
def test_nothing_of_our_inside_is_told(name: str) -> None:
    assert not INSIDE.search(octets_of(name))


def test_there_are_enough_of_them() -> None:
    assert len(FACTS) >= 30
    actions = {each.action for facts in FACTS.values() for each in facts.recipients}
    assert actions == set(Action)
