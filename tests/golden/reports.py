"""The reports that have a file in this folder: their facts and the words they are told in, by the name of the file."""

from __future__ import annotations

from asyncmta.bounce.dsn_facts import DsnFacts, ReportedRecipient
from asyncmta.bounce.dsn_template import Template, parse_template
from asyncmta.bounce.templates import ENGLISH, LANGUAGES
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import QueueId, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Handover, Place
from asyncmta.mail.replies import LOCAL_ERROR
from asyncmta.mail.reply import Reply, parse_reply, reply

QUEUE_ID = QueueId(0x5EED_0000_1000_0000_002A)
NOW = 1732226460.0
DAY, HOUR = 86400, 3600
ACCEPTED = NOW - 5 * DAY
ALICE = parse_address("alice@example.org")
ORIGINAL = b"""\
Received: from laptop.example.org ([192.0.2.44])
\tby mx.example.org with ESMTPSA id 00000000000000aa;
\tSat, 16 Nov 2024 22:01:00 +0000
From: Alice <alice@example.org>
To: Bob <bob@example.net>, carol@example.net
Subject: Minutes
Message-ID: <20241116.1@laptop.example.org>
Date: Sat, 16 Nov 2024 22:00:58 +0000

Dear all,

.these are the minutes.
""".replace(b"\n", b"\r\n")

MX = Place("mx1.example.net", "192.0.2.1", "TLSv1.3")
OTHER = Place("mail.example.com", "2001:db8::25")
GONE = parse_reply(
    b"550-5.1.1 The email account that you tried to reach does not exist. Please try\r\n"
    b"550-5.1.1 double-checking the recipient's email address for typos or\r\n"
    b"550 5.1.1 unnecessary spaces. https://support.example.net/?p=NoSuchUser\r\n"
)
NO_SUCH = parse_reply(b"550 5.1.1 No such user\r\n")
FULL = parse_reply(b"552 Mailbox full\r\n")
GREYLISTED = parse_reply(b"450 4.2.1 Greylisted\r\n")
TAKEN = parse_reply(b"250 2.0.0 Ok: queued as 4F2A\r\n")
SILENT = reply(451, "4.4.1", "timed out (connecting)")
UNTRIED = reply(451, "4.4.7", "It could not be tried yet")

Outcome = Delivered | Deferred | Failed


def about(
    address: str,
    outcome: Outcome,
    *,
    orcpt: str | None = None,
    at: float | None = NOW - 10,
    last: Deferred | None = None,
    too_late: bool = False,
) -> ReportedRecipient:
    return ReportedRecipient(Recipient(parse_address(address, smtputf8=True), orcpt=orcpt), outcome, at, last, too_late)


def refused(address: str, answer: Reply = NO_SUCH, place: Place = MX, orcpt: str | None = None) -> ReportedRecipient:
    return about(address, Failed(Cause.REFUSED, answer, place=place), orcpt=orcpt)


def ours(address: str, cause: Cause, answer: Reply) -> ReportedRecipient:
    return about(address, Failed(cause, answer))


def expired(address: str, last: Deferred, *, too_late: bool = False) -> ReportedRecipient:
    return about(address, Failed(Cause.EXPIRED, last.reply), last=last, too_late=too_late)


def late(
    address: str, answer: Reply = GREYLISTED, cause: Cause = Cause.REFUSED, place: Place = MX
) -> ReportedRecipient:
    return about(address, Deferred(cause, answer, place=place))


def arrived(
    address: str, handover: Handover = Handover.FINAL, answer: Reply | None = None, place: Place | None = None
) -> ReportedRecipient:
    said = answer or reply(250, "2.0.0", "delivered to mailbox")
    return about(address, Delivered(said, place or Place(), handover=handover))


def report(*recipients: ReportedRecipient, **more: object) -> DsnFacts:
    return DsnFacts(
        **{  # type: ignore[arg-type]
            "boundary": "c0ffee0123456789",
            "message_id": "bounce.5eed@mx.example.org",
            "reporting_mta": "mx.example.org",
            "postmaster": "postmaster@example.org",
            "at": NOW,
            "reverse_path": ALICE,
            "queue_id": QUEUE_ID,
            "accepted_at": ACCEPTED,
            "attempts": 1,
            "recipients": recipients,
            "total": len(recipients),
            "content": ORIGINAL,
        }
        | more
    )


def own_words() -> Template:
    words = parse_template(
        '[language]\nfr\n[from]\nService Courriel, équipe "A"\n[subject.failed]\nMessage non remis à son destinataire\n'
        "[greeting]\n[failed]\nVotre message n'a pas pu être remis.\n\nIl n'y aura pas d'autre essai.\n"
        "[closing]\nVoir https://aide.example.org/{hostname}\n",
        ENGLISH,
    )
    assert isinstance(words, Template)
    return words


def hostile() -> DsnFacts:
    answer = parse_reply(
        b"550-5.1.1 \x1b[2J--=_c0ffee0123456789\rSubject: pwned\r\n550-5.1.1\r\n550 5.1.1 "
        + b"z" * 700
        + b" \xc3\xa9\xff\r\n"
    )
    place = Place("mx\r\nX-Evil: 1", "192.0.2.1 <x>")
    content = b"Subject: --=_c0ffee0123456789--\r\nX-Long: " + b"y" * 1200 + b"\r\nX-Raw: \xe9\0\r\n\r\nbody\r\n"
    there = refused('"a b\\"<c@d>"@example.net', answer, place, "rfc822;x+0D+0ASubject:+20pwned")
    return report(there, content=content, envid="+0D+0AX:y")


def mixed() -> tuple[ReportedRecipient, ...]:
    return (
        arrived("staff@example.org", Handover.EXPANDED, reply(250, "2.1.5", "expanded")),
        arrived("frank@example.net", Handover.RELAYED, TAKEN, MX),
        arrived("grace@example.org"),
        late("carol@example.net"),
        refused("bob@example.net", GONE),
    )


NO_ROUTE = reply(451, "4.4.1", "no connection (connecting): [Errno 113] Connect call failed ('10.0.0.25', 24)")
FOREIGN = parse_reply("550 5.1.1 Empfänger unbekannt – 用户\r\n".encode())
CHINESE = parse_reply("550 5.1.1 用户不存在\r\n".encode())
HTML = parse_reply(b"550 5.7.1 <html><script>alert(1)</script> %n %s {host} $(id)\r\n")
IDN = Place("mx.xn--fsqu00a.example", "192.0.2.9")
UTF8 = {"reverse_path": parse_address("jürgen@bücher.example", smtputf8=True), "smtputf8": True}
UTF8_CONTENT = ORIGINAL.replace(b"Minutes", "Größe".encode())
LONG = b"Subject: x\r\nX-Long: " + b"y" * 2000 + b"\r\n\r\n"
ATTACHED = b"Subject: --=_c0ffee0123456789--\r\n\r\n--=_c0ffee0123456789\r\nContent-Type: text/html\r\n\r\n<b>\r\n"
SIZE = parse_reply(b"552 5.3.4 Message size exceeds fixed limit\r\n")

FACTS: dict[str, DsnFacts] = {
    # what failed
    "refused-by-two-hosts": report(
        refused("bob@example.net", GONE, orcpt="rfc822;info+2Bbob@example.org"),
        refused("dave@example.com", FULL, OTHER),
        refused("carol@example.net", GONE),
        total=7, delivered=3, pending=1, envid="QQ314159",
    ),
    "one-refused-whole-message": report(refused("bob@example.net"), full=True),
    "message-refused": report(
        *(refused(f"{name}@example.net", SIZE) for name in ("bob", "carol")), content=ORIGINAL, total=2
    ),
    "without-enhanced-status": report(refused("bob@example.net", parse_reply(b"550 no\r\n"))),
    "expired": report(
        expired("bob@example.net", Deferred(Cause.REFUSED, GREYLISTED, place=MX)),
        expired("eve@example.com", Deferred(Cause.TIMEOUT, SILENT, place=OTHER)),
        attempts=42, full=True,
    ),
    "expired-untried": report(
        about("bob@example.net", Failed(Cause.EXPIRED, reply(451, "4.4.7", "It could not be tried: held")), at=None),
        attempts=0,
    ),
    "expired-mailbox-full": report(
        expired("bob@example.org", Deferred(Cause.STORAGE, reply(452, "4.2.2", "/var/mail/bob: quota"))), attempts=40
    ),
    "deadline-of-sender": report(
        expired("bob@example.net", Deferred(Cause.REFUSED, GREYLISTED, place=MX), too_late=True),
        attempts=2, accepted_at=NOW - HOUR, deliver_by=NOW - 60,
    ),
    "no-such-domain": report(ours("bob@nowhere.example", Cause.DNS, reply(550, "5.1.2", "No such domain")), full=True),
    "null-mx": report(
        ours("bob@nomail.example", Cause.DNS, reply(556, "5.1.10", "nomail.example takes no mail (null MX)"))
    ),
    "loop": report(ours("bob@example.org", Cause.LOOP, reply(554, "5.4.6", "mail loop: delivered here before"))),
    "policy": report(ours("bob@example.net", Cause.POLICY, reply(554, "5.7.1", "Removed by the postmaster"))),
    "inside": report(ours("bob@example.org", Cause.STORAGE, reply(554, "5.3.0", "/var/mail/bob: disk quota"))),
    "inside-exception": report(ours("bob@example.org", Cause.INTERNAL, reply(554, "5.3.0", "KeyError in store.py"))),
    "command": report(
        refused("bob@example.org", reply(550, "5.1.1", "the command refused: /usr/bin/filter: no such user"), Place())
    ),
    "inner-network": report(
        refused("bob@example.org", NO_SUCH, Place("store.example.org", "10.0.0.24")),
        refused("dave@example.org", FULL, Place("127.0.0.1", "127.0.0.1")),
        arrived("carol@example.org", answer=TAKEN, place=Place("localhost")),
        expired("eve@example.org", Deferred(Cause.CONNECT, NO_ROUTE, place=Place("10.0.0.25", "10.0.0.25"))),
    ),
    "many-recipients": report(
        *(refused(f"user{at}@{domain}", NO_SUCH, Place(f"mx.{domain}", "192.0.2.1"))
          for domain in ("example.net", "example.com", "example.edu") for at in range(14)),
        total=500, delivered=450, pending=8,
    ),
    # what a peer or a sender sent
    "hostile": hostile(),
    "hostile-html": report(refused("bob@example.net", HTML), envid="a+3Cb+3E"),
    "boundary-in-message": report(refused("bob@example.net"), content=ATTACHED, full=True),
    "foreign-words": report(refused("bob@example.net", FOREIGN)),
    "no-message-id": report(refused("bob@example.net"), content=b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n"),
    "content-lost": report(refused("bob@example.net"), content=b""),
    "long-header": report(refused("bob@example.net"), content=LONG),
    # what came whole or in part
    "eight-bit-message": report(refused("bob@example.net"), content=UTF8_CONTENT, full=True),
    "envid-and-orcpt": report(
        refused("bob@example.net", orcpt="rfc822;Info+2B1@example.org"),
        refused("carol@example.net", orcpt="x-uucp;host!carol"),
        envid="job+2B17+3D" + "x" * 80,
    ),
    # SMTPUTF8
    "smtputf8": report(
        refused("用户@例子.example", CHINESE, IDN, r"utf-8;\x{7528}\x{6237}@example.org"),
        content=UTF8_CONTENT, full=True, **UTF8,
    ),
    "smtputf8-headers": report(refused("bob@example.net"), late("用户@例子.example"), content=UTF8_CONTENT, **UTF8),
    "utf8-behind-an-alias": report(refused("用户@例子.example", NO_SUCH, IDN, "rfc822;info@example.org")),
    # what is late
    "delayed": report(
        late("bob@example.net"),
        about("eve@example.com", Deferred(Cause.EXPIRED, UNTRIED), at=None),
        total=3, delivered=1, accepted_at=NOW - 2 * HOUR, deliver_by=NOW,
    ),
    "delayed-until": report(
        late("bob@example.net"), late("eve@example.com", SILENT, Cause.TIMEOUT, OTHER),
        accepted_at=NOW - 4 * HOUR, retry_until=NOW + 5 * DAY - 4 * HOUR, attempts=9, full=True,
    ),
    "delayed-inside": report(late("bob@example.org", LOCAL_ERROR, Cause.STORAGE, Place()), accepted_at=NOW - 4 * HOUR),
    # what arrived
    "delivered": report(arrived("bob@example.org"), envid="QQ314159", full=True, accepted_at=NOW - 2),
    "relayed": report(
        arrived("bob@example.net", Handover.RELAYED, TAKEN, MX), accepted_at=NOW - 2, total=2, pending=1
    ),
    "expanded": report(arrived("staff@example.org", Handover.EXPANDED, reply(250, "2.1.5", "expanded to 40"))),
    # all of it
    "mixed": report(*mixed(), total=9, delivered=1, reported=1, pending=2, retry_until=NOW + DAY, full=True),
    "documented": report(
        refused("bob@example.net", GONE, orcpt="rfc822;info+2Bbob@example.org"),
        arrived("grace@example.org"),
        arrived("frank@example.net", Handover.RELAYED, TAKEN, MX),
        total=4, pending=1, accepted_at=NOW - 20, envid="QQ314159",
    ),
    "double": report(refused("nobody@example.net"), double=True, reverse_path=parse_address("postmaster@example.org")),
    "german": report(*mixed(), total=9, delivered=1, reported=1, pending=2, retry_until=NOW + DAY),
    "german-smtputf8": report(refused("用户@例子.example", NO_SUCH, IDN), content=UTF8_CONTENT, **UTF8),
    "own-words": report(refused("bob@example.net")),
}  # fmt: skip
WORDS: dict[str, Template] = {
    "german": LANGUAGES["de"],
    "german-smtputf8": LANGUAGES["de"],
    "own-words": own_words(),
}
