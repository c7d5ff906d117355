"""One report for each message and pass: who fails together is told of together, and nobody is told of twice.

Seeds Q-09 to Q-12.
"""

from __future__ import annotations

from asyncmta.testing.smtp_sink import CLOSE
from tests.incidents.incidentkit import DAY, failed_recipients

FOREVER = 10_000


def answers(sink, user, *answers):
    """What this user's RCPT is answered, one after another; then the last one for ever."""
    for answer in answers[:-1]:
        sink.script("RCPT", answer, contains=f"<{user}@")
    sink.script("RCPT", answers[-1], contains=f"<{user}@", times=FOREVER)


async def test_two_then_one_then_one(world):
    """Row Q-10."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    users = ["first1", "first2", "third", "never", "taken"]
    answers(sink, "first1", "550 5.1.1 No such user first1")
    answers(sink, "first2", "551 5.7.1 Not for first2")
    answers(sink, "third", "450 4.2.1 Later", "450 4.2.1 Later", "550 5.2.1 Disabled by now")
    answers(sink, "never", "451 4.2.0 Never ready")
    answers(sink, "taken", "452 4.2.2 Full", "250 2.1.5 Room again")
    recipients = [f"{user}@b.example" for user in users]
    await mta.mta.submit("alice@a.example", recipients, b"Subject: hello\r\n\r\nx\r\n")
    await world.run()
    reports = mta.mailbox("alice")
    assert [sorted(failed_recipients(report)) for report in reports] == [
        ["first1@b.example", "first2@b.example"],
        ["third@b.example"],
        ["never@b.example"],
    ]
    assert b"No such user first1" in reports[0]
    assert b"Not for first2" in reports[0]
    assert b"Disabled by now" in reports[1]
    assert b"Never ready" in reports[2]
    [message] = sink.messages
    assert message.recipients == ("taken@b.example",)
    delays = [line["delay"] for line in mta.events("failed")]
    assert delays[0] == delays[1] == 0.0
    assert 0.0 < delays[2] < DAY
    assert mta.mta.queue() == []


async def test_local_and_remote_failures_of_one_pass_are_one_report(world):
    """Row Q-12: the local one had a mailbox when the message came, and has none when it is delivered."""
    mta = await world.mta("a.example", local={"mailboxes": "existing"})
    sink = await world.sink("b.example")
    answers(sink, "bob", "550 5.1.1 No such user bob")
    mta.disk.put("mail/a.example/alice/cur/.keep")
    await mta.mta.submit(
        "alice@a.example",
        ["gone@a.example", "bob@b.example", "nobody@no-such-domain.example", "alice@a.example"],
        b"Subject: hello\r\n\r\nx\r\n",
    )
    await world.run()
    report, *own = sorted(mta.mailbox("alice"), key=lambda octets: b"Subject: hello" in octets.partition(b"\n\n")[0])
    assert failed_recipients(report) == ["gone@a.example", "bob@b.example", "nobody@no-such-domain.example"]
    assert len(own) == 1
    assert [line["recipients"] for line in mta.events("bounced")] == [3]


async def test_failures_at_different_sites_and_speeds_are_one_report(world):
    """The pass ends when the slowest of it has ended."""
    mta = await world.mta("a.example")
    quick, slow = await world.sink("b.example"), await world.sink("c.example")
    answers(quick, "bob", "550 5.1.1 No such user bob")
    slow.script("EHLO", CLOSE)
    answers(slow, "carol", "550 5.1.1 No such user carol")
    await mta.mta.submit("alice@a.example", ["bob@b.example", "carol@c.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.run()
    told = [failed_recipients(report) for report in mta.mailbox("alice")]
    assert told == [["bob@b.example"], ["carol@c.example"]]  # carol's first try was cut off: another pass


async def test_refused_recipients_are_not_forgotten_when_the_content_is_deferred(world):
    """5xx to one RCPT, 4xx to the dot: one has failed, the others are deferred."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    answers(sink, "bob", "550 5.1.1 No such user bob")
    sink.script("DOT", "451 4.3.0 Disk trouble")
    await mta.mta.submit("alice@a.example", ["bob@b.example", "carol@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.idle()
    assert mta.pending() == ["carol@b.example"]
    assert [failed_recipients(report) for report in mta.mailbox("alice")] == [["bob@b.example"]]
    await world.run()
    assert [message.recipients for message in sink.messages] == [("carol@b.example",)]
    assert len(mta.mailbox("alice")) == 1


async def test_content_that_is_refused_fails_for_all_at_once(world):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("DOT", "554 5.6.0 I do not like it", times=FOREVER)
    recipients = [f"r{number}@b.example" for number in range(40)]
    await mta.mta.submit("alice@a.example", recipients, b"Subject: hello\r\n\r\nx\r\n")
    await world.run()
    [report] = mta.mailbox("alice")
    assert failed_recipients(report) == recipients
