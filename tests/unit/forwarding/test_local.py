"""The transport before the mailboxes: who goes through, who is expanded, and one answer for all of a consignment."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from asyncmta.forwarding.local import ENDLESS, INTERNAL, NOT_REACHED, UNSURE
from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.envelope import Consignment, Envelope, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Handover, Postponed, Recorded, Result
from asyncmta.mail.replies import MAILBOX_UNSURE, moved
from asyncmta.mail.reply import reply
from tests.unit.forwarding.forwardingkit import IN_MAILBOX, Post

ALIASES = """
team: alice, bob, carol@far.example
keep: keep, other@far.example
self: self
loop: loop2
loop2: loop
broken: |program
members: :include:/nowhere/members
list: alice
owner-list: bob
"""


async def ready(post: Post) -> Post:
    """The table is known, as it is where mail comes in."""
    await post.open()
    await post.accept("alice@here.example")
    await post.transport._directory.expand(parse_address("alice@here.example"))
    return post


async def test_a_mailbox_is_for_the_transport_behind_at_once(tmp_path: Path) -> None:
    post = await ready(Post(tmp_path, ALIASES))
    consignment = await post.accept("alice@here.example", "dora@here.example")
    results: list[object] = []
    post.transport.deliver([consignment], lambda _, result: results.append(result))
    assert results == [{0: IN_MAILBOX, 1: IN_MAILBOX}]
    assert post.mailboxes.took == ["alice@here.example", "dora@here.example"]
    await post.close()


async def test_some_are_expanded_and_the_others_delivered(tmp_path: Path) -> None:
    post = await ready(Post(tmp_path, ALIASES))
    consignment = await post.accept("alice@here.example", "team@here.example", "nobody@here.example")
    result = await post.deliver(consignment)
    assert post.mailboxes.took == ["alice@here.example", "nobody@here.example"]
    assert result.recorded == {1}
    expanded = result.outcomes[1]
    assert isinstance(expanded, Delivered)
    assert expanded.handover is Handover.EXPANDED
    assert {at: outcome for at, outcome in result.outcomes.items() if at != 1} == {0: IN_MAILBOX, 2: IN_MAILBOX}
    assert post.copies() == [
        ("me@far.example", ["alice@here.example", "bob@here.example"]),
        ("me@far.example", ["carol@far.example"]),
    ]
    await post.close()


async def test_a_copy_for_a_mailbox_is_expanded_no_more(tmp_path: Path) -> None:
    post = await ready(Post(tmp_path, ALIASES))
    result = await post.deliver(await post.accept("keep@here.example"))
    assert result.recorded == {0}
    [here, away] = [entry for entry in post.entries() if entry.envelope.origin is not None]
    assert here.envelope.recipients[0].is_final
    assert str(away.envelope.recipients[0].address) == "other@far.example"
    again = Consignment(here.queue_id, "local:here.example", here.envelope, (0,), here.content, 0.0)
    assert (await post.deliver(again)).outcomes == {0: IN_MAILBOX}
    await post.close()


async def test_who_stands_for_himself_alone_needs_no_copy(tmp_path: Path) -> None:
    post = await ready(Post(tmp_path, ALIASES))
    assert (await post.deliver(await post.accept("self@here.example"))).outcomes == {0: IN_MAILBOX}
    assert post.copies() == []
    await post.close()


@pytest.mark.parametrize(
    ("address", "outcome"),
    [("loop@here.example", ENDLESS), ("broken@here.example", UNSURE), ("members@here.example", UNSURE)],
)
async def test_what_cannot_be_followed_waits_whole(tmp_path: Path, address: str, outcome: Deferred) -> None:
    post = await ready(Post(tmp_path, ALIASES))
    result = await post.deliver(await post.accept(address, "alice@here.example"))
    assert result == Recorded({0: outcome, 1: IN_MAILBOX}, frozenset())
    assert post.copies() == []
    [said] = post.log.events("not_expanded")
    assert said["recipient"] == parse_address(address)
    assert said["reason"]
    await post.close()


async def test_a_table_that_is_gone_is_no_no(tmp_path: Path) -> None:
    post = await ready(Post(tmp_path, ALIASES))
    os.unlink(post.aliases)
    post.clock.advance(10)
    result = await post.deliver(await post.accept("alice@here.example"))
    assert result.outcomes == {0: UNSURE}
    assert UNSURE.reply == MAILBOX_UNSURE
    await post.close()


@pytest.mark.parametrize("failing", [True, False])
async def test_what_the_mailboxes_say_is_passed_on(tmp_path: Path, failing: bool) -> None:
    post = await ready(Post(tmp_path, ALIASES))
    never = Failed(Cause.REFUSED, reply(550, "5.1.1", "no"))
    post.mailboxes.result = Recorded({1: never}, frozenset()) if failing else Postponed(0.0, "not now")
    result = await post.deliver(await post.accept("team@here.example", "alice@here.example"))
    assert result.recorded == {0}
    assert result.outcomes[1] == (never if failing else NOT_REACHED)
    await post.close()


async def test_a_bug_defers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    post = await ready(Post(tmp_path, ALIASES))

    async def explode(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(post.forwarder, "forward", explode)
    result = await post.deliver(await post.accept("team@here.example"))
    assert result == Recorded({0: INTERNAL}, frozenset())
    [said] = post.log.events("forwarding_failed")
    assert "ZeroDivisionError" in str(said["error"])
    await post.close()


async def test_each_consignment_has_its_answer(tmp_path: Path) -> None:
    post = await ready(Post(tmp_path, ALIASES))
    people = tuple(Recipient(parse_address(each)) for each in ("team@here.example", "alice@here.example"))
    whole = await post.take(Envelope(None, people))
    parts = [
        Consignment(whole.queue_id, "local:here.example", whole.envelope, (at,), whole.content, 0.0) for at in (0, 1)
    ]
    answered: asyncio.Queue[Consignment] = asyncio.Queue()
    post.transport.deliver(parts, lambda consignment, _: answered.put_nowait(consignment))
    assert {await answered.get(), await answered.get()} == set(parts)
    assert answered.empty()
    await post.close()


async def test_what_is_under_way_at_the_end_is_as_if_it_had_not_begun(tmp_path: Path) -> None:
    post = await ready(Post(tmp_path, ALIASES))
    consignment = await post.accept("team@here.example")
    answered: list[object] = []
    post.transport.deliver([consignment], lambda _, result: answered.append(result))
    await post.close()
    assert answered == []
    assert post.copies() == []


async def test_who_has_moved_is_refused_with_where_to(tmp_path: Path) -> None:
    (tmp_path / "relocated").write_text("gone new@far.example\n")
    post = await ready(Post(tmp_path, "all: gone, alice"))
    result = await post.deliver(await post.accept("gone@here.example", "alice@here.example"))
    assert result.outcomes == {0: Failed(Cause.REFUSED, moved("new@far.example")), 1: IN_MAILBOX}
    await post.deliver(await post.accept("all@here.example"))
    [copy] = [entry for entry in post.entries() if entry.envelope.origin is not None]
    again = Consignment(copy.queue_id, "local:here.example", copy.envelope, (0, 1), copy.content, 0.0)
    assert (await post.deliver(again)).outcomes == result.outcomes
    await post.close()


async def test_who_moved_and_has_come_back_is_looked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "relocated").write_text("gone new@far.example\n")
    post = await ready(Post(tmp_path, ""))
    consignment = await post.accept("gone@here.example")

    async def back(_: object) -> None:
        return None

    moved_of = post.transport._directory.moved
    asked = 0

    async def once(address: Address) -> object:
        nonlocal asked
        asked += 1
        return await (moved_of if asked == 1 else back)(address)

    monkeypatch.setattr(post.transport._directory, "moved", once)
    assert (await post.deliver(consignment)).outcomes == {0: UNSURE}
    await post.close()


async def test_the_unknown_go_to_the_relay_of_their_domain(tmp_path: Path) -> None:
    post = Post(tmp_path, ALIASES)
    post.has_relay = True
    await ready(post)
    recipients = ["nobody@here.example", "alice@here.example", "team@here.example"]
    result = await post.deliver(await post.accept(*recipients))
    assert (post.remote.took, post.remote.destinations) == (["nobody@here.example"], ["unknown:here.example"])
    assert post.mailboxes.took == ["alice@here.example"]
    assert result.recorded == {2}
    assert result.outcomes[0] == IN_MAILBOX
    post.remote.result = Postponed(9.0, "not now")
    assert (await post.deliver(await post.accept(*recipients))).outcomes[0] == NOT_REACHED
    said: list[Result] = []
    alone = await post.accept("nobody@here.example")
    post.transport.deliver([alone], lambda _, result: said.append(result))
    async with asyncio.timeout(5):
        while not said:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert said == [post.remote.result]
    await post.close()


async def test_a_transport_that_raises_defers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    post = await ready(Post(tmp_path, ALIASES))

    def explode(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(post.mailboxes, "deliver", explode)
    result = await post.deliver(await post.accept("team@here.example", "alice@here.example"))
    assert result.recorded == {0}
    assert isinstance(result.outcomes[0], Delivered)
    assert result.outcomes[1] == INTERNAL
    await post.close()


async def test_an_empty_list_is_for_whoever_says_that_nobody_is_there(tmp_path: Path) -> None:
    """It was a bug, in the words of the log, and deferred until it expired."""
    (tmp_path / "members").write_text("# nobody yet\n")
    post = await ready(Post(tmp_path, f"list: :include:{tmp_path}/members\n"))
    assert (await post.deliver(await post.accept("list@here.example"))).outcomes == {0: IN_MAILBOX}
    assert post.mailboxes.took == ["list@here.example"]
    await post.close()
