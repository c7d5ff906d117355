"""bounce/dsn: what a report says, read back with the standard library."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from typing import Any

import pytest

from asyncmta.bounce.dsn import build_dsn
from asyncmta.bounce.dsn_facts import Action, DsnFacts, ReportedRecipient, needs_smtputf8
from asyncmta.bounce.dsn_template import SECTIONS, Template, parse_template
from asyncmta.bounce.templates import ENGLISH, LANGUAGES
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import QueueId, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Handover, Place
from asyncmta.mail.reply import Reply, parse_reply, reply

PLACE = Place("mx.example.net", "192.0.2.1", "TLSv1.3")
NO_SUCH = parse_reply(b"550 5.1.1 No such user\r\n")
ORIGINAL = b"Received: from x by y; today\r\nMessage-ID: <original@example.org>\r\nSubject: hi\r\n\r\nbody\r\n.\r\n"


def refused(address: str, answer: Reply = NO_SUCH, **more: Any) -> ReportedRecipient:
    recipient = Recipient(parse_address(address, smtputf8=True), orcpt=more.pop("orcpt", None))
    return ReportedRecipient(recipient, Failed(Cause.REFUSED, answer, place=more.pop("place", PLACE)), 1732226450.0)


def facts(*failures: ReportedRecipient, **more: Any) -> DsnFacts:
    return DsnFacts(
        **{
            "boundary": "0123456789abcdef",
            "message_id": "report.1@mx.example.org",
            "reporting_mta": "mx.example.org",
            "postmaster": "postmaster@example.org",
            "at": 1732226460.0,
            "reverse_path": parse_address("alice@example.org"),
            "queue_id": QueueId(5),
            "accepted_at": 1732226400.0,
            "attempts": 1,
            "recipients": failures or (refused("bob@example.net"),),
            "total": max(1, len(failures)),
            "content": ORIGINAL,
        }
        | more
    )


def read(octets: bytes) -> tuple[EmailMessage, str, list[Any], EmailMessage]:
    """The whole, its text, its status blocks, its third part."""
    assert all(len(line) <= 998 for line in octets.split(b"\r\n"))
    assert octets.replace(b"\r\n", b"").find(b"\r") == octets.replace(b"\r\n", b"").find(b"\n") == -1
    whole = email.message_from_bytes(octets, policy=email.policy.default)
    assert whole.get_content_type() == "multipart/report"
    assert whole.get_param("report-type") == "delivery-status"
    text, status, third = whole.iter_parts()
    if status.get_content_type() == "message/delivery-status":
        blocks = list(status.iter_parts())
    else:
        assert status.get_content_type() == "message/global-delivery-status"
        raw = status.get_payload(0).as_bytes().decode()  # a nested message to the parser: the first block its header
        blocks = [email.message_from_string(block) for block in raw.strip().split("\n\n")]
    return whole, text.get_content().replace("\r\n", "\n"), blocks, third


def test_header_of_the_report() -> None:
    whole, _, _, _ = read(build_dsn(facts()))
    assert whole["From"] == "Mail Delivery System <MAILER-DAEMON@mx.example.org>"
    assert whole["To"] == "<alice@example.org>" or whole["To"] == "alice@example.org"
    assert whole["Auto-Submitted"] == "auto-replied"
    assert whole["Date"] == "Thu, 21 Nov 2024 22:01:00 +0000"
    assert whole["Message-ID"] == "<report.1@mx.example.org>"
    assert whole["In-Reply-To"] == whole["References"] == "<original@example.org>"
    assert whole["MIME-Version"] == "1.0"
    assert "Received" not in whole
    assert not whole.defects


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"no brackets",
        b"<two@example.org> <ids@example.org>",
        b"<sp ace@x>",
        b"<x\xff@y>",
        b"<" + b"x" * 300 + b">",
    ],
)
def test_report_is_no_reply_to_what_is_no_message_id(value: bytes) -> None:
    whole, _, _, _ = read(build_dsn(facts(content=b"Message-ID: " + value + b"\r\n\r\nMessage-ID: <body@x>\r\n")))
    assert "In-Reply-To" not in whole
    assert "References" not in whole


def test_status_part_has_a_block_for_each_recipient() -> None:
    first = refused("bob@example.net", orcpt="rfc822;al+2Bias@example.com")
    _, _, blocks, _ = read(build_dsn(facts(first, refused("carol@example.net"), envid="QQ+2B314")))
    assert dict(blocks[0]) == {
        "Original-Envelope-Id": "QQ+314",
        "Reporting-MTA": "dns; mx.example.org",
        "Arrival-Date": "Thu, 21 Nov 2024 22:00:00 +0000",
        "X-Asyncmta-Queue-ID": "0000000000000005",
    }
    assert dict(blocks[1]) == {
        "Original-Recipient": "rfc822; al+ias@example.com",
        "Final-Recipient": "rfc822; bob@example.net",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.example.net",
        "Diagnostic-Code": "smtp; 550 5.1.1 No such user",
        "Last-Attempt-Date": "Thu, 21 Nov 2024 22:00:50 +0000",
    }
    assert dict(blocks[2])["Final-Recipient"] == "rfc822; carol@example.net"
    assert "Original-Recipient" not in blocks[2]
    assert len(blocks) == 3


def test_text_groups_recipients_that_share_host_and_reply() -> None:
    other = refused("dave@example.com", place=Place("mx.example.com"))
    _, text, _, _ = read(build_dsn(facts(refused("bob@example.net"), other, refused("carol@example.net"))))
    assert (
        "\n  <bob@example.net>\n  <carol@example.net>\n    mx.example.net [192.0.2.1] said:\n"
        "      550 5.1.1 No such user\n    It seems that there is no such address. Look for a slip in it, or ask\n"
        "    the recipient for the right one.\n\n  <dave@example.com>\n    mx.example.com said:\n"
    ) in text
    assert text.count("550 5.1.1 No such user") == 2


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (b"550 5.1.1 No such user\r\n", "It seems that there is no such address."),
        (b"550 5.1.10 null MX\r\n", "That domain takes no mail at all."),
        (b"552 5.2.2 Mailbox full\r\n", "There is no room in the mailbox."),
        (b"554 5.7.26 SPF\r\n", "The other side has rules"),
        (b"554 5.5.4 odd\r\n", ""),
        (b"550 no\r\n", ""),
    ],
)
def test_text_says_in_plain_words_what_a_status_means(answer: bytes, hint: str) -> None:
    _, text, _, _ = read(build_dsn(facts(refused("bob@example.net", parse_reply(answer)))))
    below = text.partition(answer.decode().strip())[2].partition("\n\n")[0]
    assert below.startswith(f"\n    {hint}") if hint else below == ""


def test_rules_of_ours_are_not_called_those_of_the_other_side() -> None:
    removed = told("bob@example.net", Failed(Cause.POLICY, reply(554, "5.7.1", "Removed by the postmaster")))
    _, text, _, _ = read(build_dsn(facts(removed)))
    assert "      Removed by the postmaster\n\n" in text


def test_text_counts_all_recipients() -> None:
    _, text, _, _ = read(build_dsn(facts(total=7, delivered=3, reported=1, pending=2)))
    assert text.endswith(
        "Queue id:                          0000000000000005\n"
        "Subject:                           hi\n"
        "Received here:                     Thu, 21 Nov 2024 22:00:00 +0000\n"
        "Recipients handed to this server:  7\n"
        "Delivered:                         3\n"
        "Reported before:                   1\n"
        "Failed, told here:                 1\n"
        "Still being tried:                 2\n"
    )


def test_text_names_the_address_that_was_written() -> None:
    _, text, _, _ = read(build_dsn(facts(refused("bob@example.net", orcpt="rfc822;info@example.com"))))
    assert "  <bob@example.net>\n    (sent to <info@example.com>)\n" in text
    _, text, _, _ = read(build_dsn(facts(refused("bob@example.net", orcpt="rfc822;bob@example.net"))))
    assert "sent to" not in text


@pytest.mark.parametrize(
    ("age", "attempts", "said"),
    [
        (5 * 86400, 42, "within 5 days. It was tried 42 times"),
        (86400, 2, "within 24 hours. It was tried 2 times"),
        (7199, 1, "within 119 minutes. It was tried once"),
        (60, 1, "within 60 seconds. It was tried once"),
        (-3, 0, "within 0 seconds. It was tried 0 times"),
    ],
)
def test_expiry_says_how_long_and_how_often_and_what_was_heard_last(age: float, attempts: int, said: str) -> None:
    busy = parse_reply(b"450 4.2.1 Mailbox busy\r\n")
    expired = ReportedRecipient(
        Recipient(parse_address("bob@example.net")),
        Failed(Cause.EXPIRED, busy),
        1732226450.0,
        last=Deferred(Cause.REFUSED, busy, place=PLACE),
    )
    _, text, blocks, _ = read(build_dsn(facts(expired, accepted_at=1732226460.0 - age, attempts=attempts)))
    assert said in " ".join(text.split())
    assert "mx.example.net [192.0.2.1] said:\n      450 4.2.1 Mailbox busy\n" in text
    assert blocks[1]["Status"] == "4.4.7"
    assert blocks[1]["Action"] == "failed"
    assert blocks[1]["Diagnostic-Code"] == "smtp; 450 4.2.1 Mailbox busy"


def test_expiry_of_what_was_never_answered_is_in_our_own_words() -> None:
    silent = reply(451, "4.4.1", "Connection timed out")
    expired = ReportedRecipient(
        Recipient(parse_address("bob@example.net")),
        Failed(Cause.EXPIRED, silent),
        last=Deferred(Cause.TIMEOUT, silent, place=Place("mx.example.net")),
    )
    _, text, blocks, _ = read(build_dsn(facts(expired)))
    assert "    At mx.example.net:\n      Connection timed out\n" in text
    assert blocks[1]["Diagnostic-Code"] == "x-asyncmta; Connection timed out"
    assert "Last-Attempt-Date" not in blocks[1]


@pytest.mark.parametrize("cause", [Cause.INTERNAL, Cause.STORAGE])
def test_inside_facts_are_not_told(cause: Cause) -> None:
    inside = reply(554, "5.3.0", "FileNotFoundError: /var/spool/asyncmta/x")
    failed = ReportedRecipient(Recipient(parse_address("bob@example.net")), Failed(cause, inside), 1.0)
    octets = build_dsn(facts(failed))
    _, text, blocks, _ = read(octets)
    assert b"/var" not in octets
    assert b"FileNotFound" not in octets
    assert "Local error" in text
    assert blocks[1]["Status"] == "5.0.0"
    assert "Remote-MTA" not in blocks[1]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"550 no\r\n", "5.0.0"),
        (b"554 5.7.1 no\r\n", "5.7.1"),
        (b"421 4.7.0 no\r\n", "5.0.0"),
        (b"550 2.0.0 odd\r\n", "5.0.0"),
    ],
)
def test_status_is_always_one_of_failure(answer: bytes, status: str) -> None:
    _, _, blocks, _ = read(build_dsn(facts(refused("bob@example.net", parse_reply(answer)))))
    assert blocks[1]["Status"] == status


def test_header_section_is_returned_by_default() -> None:
    _, _, _, third = read(build_dsn(facts()))
    assert third.get_content_type() == "text/rfc822-headers"
    assert third["Content-Transfer-Encoding"] == "7bit"
    assert third.get_payload(decode=True) == ORIGINAL.partition(b"\r\n\r\n")[0] + b"\r\n"


def test_whole_message_is_returned_octet_for_octet() -> None:
    octets = build_dsn(facts(full=True))
    _, _, _, third = read(octets)
    assert third.get_content_type() == "message/rfc822"
    assert b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" + ORIGINAL + b"\r\n--" in octets
    assert octets.isascii()


def test_eight_bit_message_makes_an_eight_bit_report() -> None:
    whole, _, _, third = read(build_dsn(facts(full=True, content=b"Subject: x\r\n\r\n\xe9\r\n")))
    assert whole["Content-Transfer-Encoding"] == third["Content-Transfer-Encoding"] == "8bit"
    assert third.get_content_type() == "message/rfc822"


@pytest.mark.parametrize(
    "content",
    [
        b"Subject: x\r\n\r\nbare\nline\r\n",
        b"Subject: x\r\n\r\nbare\rline\r\n",
        b"Subject: x\r\n\r\nnul\0\r\n",
        b"Subject: x\r\n\r\n" + b"y" * 999 + b"\r\n",
        b"Subject: x\r\n\r\n--=_0123456789abcdef\r\nContent-Type: text/html\r\n\r\n<b>\r\n",
    ],
)
def test_content_that_no_part_can_carry_is_reduced_to_its_header_section(content: bytes) -> None:
    octets = build_dsn(facts(full=True, content=content))
    _, _, _, third = read(octets)
    assert third.get_content_type() == "text/rfc822-headers"
    assert third.get_payload(decode=True) == b"Subject: x\r\n"


@pytest.mark.parametrize(
    "section",
    [
        b"Subject: \xe9\r\n",
        b"Subject: " + b"y" * 5000 + b"\r\n",
        b"Subject: x\r\n--=_0123456789abcdef--\r\nX: y\r\n",
        b"Subject: nul\0\r\n",
    ],
)
def test_header_section_that_no_line_can_carry_is_encoded(section: bytes) -> None:
    octets = build_dsn(facts(content=section + b"\r\nbody\r\n"))
    _, _, _, third = read(octets)
    assert third["Content-Transfer-Encoding"] == "quoted-printable"
    assert third.get_payload(decode=True) == section
    assert octets.isascii()


def test_bare_line_ends_in_a_header_section_become_crlf() -> None:
    _, _, _, third = read(build_dsn(facts(content=b"Subject: bare\nX: \ry\r\n\r\nbody\r\n")))
    assert third.get_payload(decode=True) == b"Subject: bare\r\nX: \r\ny\r\n"


def test_foreign_words_in_a_reply_reach_people_and_leave_machines_ascii() -> None:
    octets = build_dsn(facts(refused("bob@example.net", parse_reply("550 5.1.1 Größe\r\n".encode()))))
    _, text, blocks, _ = read(octets)
    assert octets.isascii()
    assert "550 5.1.1 Größe" in text
    assert blocks[1]["Diagnostic-Code"] == "smtp; 550 5.1.1 Gr??e"


def test_long_replies_are_folded() -> None:
    answer = parse_reply(b"550-5.1.1 " + b"word " * 100 + b"\r\n550 5.1.1 " + b"x" * 1000 + b"\r\n")
    octets = build_dsn(facts(refused("bob@example.net", answer)))
    _, text, blocks, _ = read(octets)
    diagnostic = "".join(blocks[1]["Diagnostic-Code"].split())
    assert diagnostic == "smtp;5505.1.1" + "word" * 100 + "x" * 1000
    assert "x" * 1000 in "".join(text.split())


@pytest.mark.parametrize(
    "more",
    [
        {"reverse_path": parse_address("jürgen@example.org", smtputf8=True)},
        {"smtputf8": True, "recipients": (refused("用户@例子.example", orcpt=r"utf-8;\x{7528}\x{6237}@x.example"),)},
        {"smtputf8": True, "content": "Subject: hällo\r\n\r\nbody\r\n".encode()},
    ],
)
def test_smtputf8_forms(more: dict[str, Any]) -> None:
    given = facts(**more)
    assert needs_smtputf8(given)
    octets = build_dsn(given)
    _, _, _, third = read(octets)
    assert b"Content-Type: message/global-delivery-status" in octets
    assert third.get_content_type() == "message/global-headers"
    assert third["Content-Transfer-Encoding"] == "8bit"
    _, _, _, third = read(build_dsn(facts(**more, full=True)))
    assert third.get_content_type() == "message/global"


def test_smtputf8_addresses_are_told_as_they_are() -> None:
    failed = refused("用户@例子.example", parse_reply("550 5.1.1 没有\r\n".encode()), orcpt=r"utf-8;\x{7528}@x.example")
    octets = build_dsn(facts(failed, smtputf8=True))
    _, text, blocks, _ = read(octets)
    assert blocks[1]["Final-Recipient"] == "utf-8; 用户@例子.example"
    assert blocks[1]["Original-Recipient"] == "utf-8; 用@x.example"
    assert blocks[1]["Diagnostic-Code"] == "smtp; 550 5.1.1 没有"
    assert "  <用户@例子.example>\n" in text


def test_report_of_a_message_without_smtputf8_needs_none_for_an_address_behind_an_alias() -> None:
    failed = refused("用+户@例子.example", orcpt="rfc822;info@example.org")
    octets = build_dsn(facts(failed))
    assert octets.isascii()
    _, text, blocks, _ = read(octets)
    assert blocks[1]["Final-Recipient"] == r"utf-8; \x{7528}\x{2B}\x{6237}@xn--fsqu00a.example"
    assert "  <用+户@例子.example>\n    (sent to <info@example.org>)\n" in text
    long = refused(f"{'ü' * 127}@example.net")
    assert all(len(line) < 998 for line in build_dsn(facts(long)).split(b"\r\n"))
    long = refused(f"{'ü' * 127}@{'例' * 15}.{'子' * 15}.{'例' * 15}.{'子' * 15}.example")
    _, _, blocks, _ = read(build_dsn(facts(long)))
    assert blocks[1]["Final-Recipient"].replace(" ", "").count(r"\x{FC}") == 127


def test_ascii_report_keeps_the_escaped_form_of_an_original_recipient() -> None:
    failed = refused("bob@example.net", orcpt=r"utf-8;j\x{FC}rgen@example.org")
    given = facts(failed, smtputf8=True)
    assert not needs_smtputf8(given)
    octets = build_dsn(given)
    _, text, blocks, _ = read(octets)
    assert blocks[1]["Original-Recipient"] == r"utf-8; j\x{FC}rgen@example.org"
    assert "(sent to <jürgen@example.org>)" in text
    assert octets.isascii()


def test_facts_of_ours_are_made_harmless_too() -> None:
    octets = build_dsn(
        facts(
            boundary='x"\r\nX-Evil: 1' * 20,
            message_id="a\r\nX-Evil: 1",
            reporting_mta="mx\r\nX-Evil: 1",
            postmaster="p\r\nX-Evil: 1",
            envid="x+0D+0AX-Evil: 1",
        )
    )
    whole, _, blocks, _ = read(octets)
    assert "X-Evil" not in whole
    assert all("X-Evil" not in block for block in blocks)
    assert len(whole.get_boundary() or "") <= 70


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?b?R3LDtsOfZQ==?= =?iso-8859-1?q?=E4?=", "Größeä"),
        ("Größe".encode(), "Größe"),
        (b"=?nobody-knows?q?x?=", "=?nobody-knows?q?x?="),
        (b"=?utf-8?b?abcde?=", "=?utf-8?b?abcde?="),
        (b"=?utf-8?q?a=0D=0Ab=1B[2J?=", "a??b?[2J"),
        (b"x" * 100, "x" * 38 + "..."),
    ],
)
def test_text_names_the_message_by_its_subject(subject: bytes, shown: str) -> None:
    _, text, _, _ = read(build_dsn(facts(content=b"Subject: " + subject + b"\r\n\r\n")))
    assert f"Subject:                           {shown}\n" in text
    _, text, _, _ = read(build_dsn(facts(content=b"X: y\r\n\r\n")))
    assert "Subject" not in text


def told(address: str, outcome: Any, at: float | None = 1732226450.0) -> ReportedRecipient:
    return ReportedRecipient(Recipient(parse_address(address)), outcome, at)


def test_report_of_all_kinds_tells_them_in_order_and_is_called_by_the_worst() -> None:
    taken = parse_reply(b"250 2.0.0 Ok: queued as 4F2\r\n")
    ours = reply(250, "2.1.5", "expanded to 3")
    later = parse_reply(b"450 4.2.1 Greylisted\r\n")
    everybody = (
        told("list@example.org", Delivered(ours, handover=Handover.EXPANDED)),
        told("next@example.net", Delivered(taken, PLACE, handover=Handover.RELAYED)),
        told("passed@example.net", Delivered(taken, PLACE, handover=Handover.PASSED_ON)),
        told("here@example.org", Delivered(reply(250, None, "delivered to mailbox"))),
        told("late@example.net", Deferred(Cause.REFUSED, later, place=PLACE)),
        told("gone@example.net", Failed(Cause.REFUSED, NO_SUCH, place=PLACE)),
    )
    whole, text, blocks, third = read(build_dsn(facts(*everybody, full=True, retry_until=1732312860.0)))
    assert whole["Subject"] == "Undelivered mail returned to sender"
    assert third.get_content_type() == "message/rfc822"
    assert [line.strip() for line in text.splitlines() if line.startswith("  <")] == [
        "<gone@example.net>",
        "<late@example.net>",
        "<here@example.org>",
        "<next@example.net>",
        "<passed@example.net>",
        "<list@example.org>",
    ]
    assert "      450 4.2.1 Greylisted\n    It will be tried until Fri, 22 Nov 2024 22:01:00 +0000.\n" in text
    assert "    mx.example.net [192.0.2.1] said:\n      250 2.0.0 Ok: queued as 4F2\n" in text
    assert "expanded to 3" not in text
    assert "Failed, told here:                 1\nLate, told here:                   1\n" in text
    assert "Arrived, told here:                4\nStill being tried:                 1\n" in text
    assert [(block["Action"], block["Status"]) for block in blocks[1:]] == [
        ("expanded", "2.1.5"),
        ("relayed", "2.0.0"),
        ("relayed", "2.0.0"),
        ("delivered", "2.0.0"),
        ("delayed", "4.2.1"),
        ("failed", "5.1.1"),
    ]
    assert [block["Diagnostic-Code"] for block in blocks[1:5]] == [
        None,
        "smtp; 250 2.0.0 Ok: queued as 4F2",
        "smtp; 250 2.0.0 Ok: queued as 4F2",
        None,
    ]
    assert [block["Will-Retry-Until"] for block in blocks[1:]] == [
        *[None] * 4,
        "Fri, 22 Nov 2024 22:01:00 +0000",
        None,
    ]
    assert [each.action for each in everybody] == [
        Action.EXPANDED,
        Action.RELAYED,
        Action.RELAYED,
        Action.DELIVERED,
        Action.DELAYED,
        Action.FAILED,
    ]


def test_message_is_returned_whole_only_with_a_failure() -> None:
    for outcome, subject in (
        (Delivered(reply(250, "2.0.0", "ok")), "Delivery report"),
        (Deferred(Cause.TIMEOUT, reply(451, "4.4.1", "timed out")), "Delayed mail, still being tried"),
    ):
        whole, _, _, third = read(build_dsn(facts(told("bob@example.net", outcome), full=True)))
        assert third.get_content_type() == "text/rfc822-headers"
        assert whole["Subject"] == subject


def test_copy_for_the_postmaster_says_what_it_is() -> None:
    whole, text, _, _ = read(build_dsn(facts(double=True)))
    assert whole["Subject"] == "A delivery report that could not be delivered"
    assert "\nA report about undelivered mail could not be delivered itself" in text
    assert "Your message" not in text


def test_report_about_nobody_is_one_of_failure() -> None:
    assert facts().worst is Action.FAILED
    assert read(build_dsn(facts(recipients=())))[0]["Subject"] == "Undelivered mail returned to sender"


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_report_in_each_language(language: str) -> None:
    octets = build_dsn(facts(refused("bob@example.net"), accepted_at=0.0), LANGUAGES[language])
    whole, text, blocks, _ = read(octets)
    first = next(whole.iter_parts())
    assert first["Content-Language"] == language
    assert octets.isascii()
    assert whole["Subject"] == LANGUAGES[language].words["subject.failed"]
    assert LANGUAGES[language].words["label.recipients"] + ":  1\n" in text
    assert blocks[1]["Action"] == "failed"
    assert set(LANGUAGES[language].words) == set(SECTIONS)


def test_template_without_optional_words_leaves_them_out() -> None:
    terse = parse_template("[greeting]\n[help]\n[until]\n[closing]\nSee https://example.org/\n\n-- bye\n", ENGLISH)
    assert isinstance(terse, Template)
    late = told("late@example.net", Deferred(Cause.TIMEOUT, reply(451, "4.4.1", "timed out"), place=PLACE), None)
    _, text, _, _ = read(build_dsn(facts(late, retry_until=1732312860.0), terse))
    assert text.startswith("Your message could not yet be delivered")
    assert text.endswith("Still being tried:                 1\n\nSee https://example.org/\n\n -- bye\n")
    assert "until" not in text


def test_no_fact_begins_a_line_of_the_text_with_the_boundary() -> None:
    mark = "--=_0123456789abcdef"
    octets = build_dsn(facts(refused("bob@example.net"), postmaster=f"{mark} {mark} {mark} {mark}--"))
    assert sum(line.startswith(mark.encode()) for line in octets.split(b"\r\n")) == 4
