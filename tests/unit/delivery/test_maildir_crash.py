"""Local delivery when the power goes, the process is killed, or a call fails, at each step in turn (J02, J23, F11)."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest

from asyncmta.delivery import maildir_places
from asyncmta.delivery.maildir_copy import Copy, copy_for
from asyncmta.delivery.maildir_files import MaildirFiles
from asyncmta.mail.address import parse_address
from asyncmta.mail.outcome import Deferred, Delivered
from asyncmta.mailboxes.maildirsize import Limit, parse
from asyncmta.mailboxes.quota import Quota
from asyncmta.mailboxes.resolver import Mailbox
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk, PowerCut

RECIPIENTS = ("alice@example.org", "bob@example.org", "alice@example.org")
CONTENTS = tuple(b"Subject: %d\n\n" % number + b"line\n" * 500 for number in range(3))
SENDER = parse_address("sender@far.example")
SEEDS = (None, *range(12))


def copies(*, may_be_repeat: bool) -> list[Copy]:
    made = []
    for number, recipient in enumerate(RECIPIENTS):
        address = parse_address(recipient)
        box = Mailbox(f"mail/{address.local_part}", may_make=True)
        copy = copy_for(box, f"1700000000.id{number}", recipient=address, reverse_path=SENDER)
        copy.may_be_repeat = may_be_repeat
        copy.shows_size = number != 1
        made.append(copy)
    return made


def whole(number: int) -> bytes:
    front = f"Return-Path: <sender@far.example>\nDelivered-To: {RECIPIENTS[number]}\n"
    return front.encode() + CONTENTS[number]


def fresh_disk(*, made: bool) -> FakeDisk:
    disk = FakeDisk()
    for name in ("alice", "bob") if made else ():
        disk.put(f"mail/{name}/new/older", b"older")
    return disk


def batched(disk: FakeDisk, wanted: Sequence[Copy], contents: Sequence[bytes]) -> None:
    MaildirFiles(disk).deliver_batch(wanted, contents)


def streamed(disk: FakeDisk, wanted: Sequence[Copy], contents: Sequence[bytes]) -> None:
    """As the transport does it with large content: one after the other, in blocks."""
    files = MaildirFiles(disk)
    for copy, content in zip(wanted, contents, strict=True):
        try:
            for at in range(0, len(content), 1000):
                files.write_block(copy, content[at : at + 1000])
            files.publish([copy])
        finally:
            files.abandon([copy])


Way = Callable[[FakeDisk, Sequence[Copy], Sequence[bytes]], None]
WAYS = pytest.mark.parametrize("way", [batched, streamed])
MADE = pytest.mark.parametrize("made", [True, False])


def shown(disk: FakeDisk, part: str = "new") -> dict[str, bytes]:
    """What a reader sees, by the beginning of its name; one that is in two mailboxes would be seen as a loss of the
    other, and one that is there with two sizes is told at once."""
    found = {
        path.rpartition("/")[2]: content
        for path, content in disk.tree().items()
        if f"/{part}/" in path and not path.endswith("older")
    }
    assert all(name.partition(",S=")[2].partition(":")[0] in {"", str(len(found[name]))} for name in found)
    by_base = {name.partition(",")[0] + name.partition(":")[1] + name.partition(":")[2]: found[name] for name in found}
    assert len(by_base) == len(found)
    return by_base


def assert_only_whole_files(disk: FakeDisk) -> None:
    for name, content in shown(disk).items():
        assert content == whole(int(name.rpartition("id")[2])), "half a message must never be seen"


def assert_all_arrive_once(disk: FakeDisk, way: Way) -> None:
    """The next life: all of it again, and each is there once, for good."""
    again = copies(may_be_repeat=True)
    way(disk, again, CONTENTS)
    assert [type(copy.outcome) for copy in again] == [Delivered] * 3
    expected = {f"1700000000.id{number}": whole(number) for number in range(3)}
    assert shown(disk) == expected
    assert shown(disk, "tmp") == {}
    assert shown(disk.crash()) == expected


def counting(disk: FakeDisk) -> MaildirFiles:
    return MaildirFiles(disk, quota=Quota(disk=disk, clock=FakeClock(), limit=Limit(1 << 30)))


def test_a_kill_at_each_step_leaves_a_count_that_is_right_in_the_next_life() -> None:
    whole_run = fresh_disk(made=True)
    counting(whole_run).deliver_batch(copies(may_be_repeat=False), CONTENTS)
    for step in range(1, whole_run.steps + 2):
        disk = fresh_disk(made=True)
        disk.cut_at(step)
        with suppress(PowerCut):
            counting(disk).deliver_batch(copies(may_be_repeat=False), CONTENTS)
            assert step == whole_run.steps + 1
            continue
        # What became of a batch is told at its end; so all of it is tried again.
        after, again = disk.kill(), copies(may_be_repeat=True)
        counting(after).deliver_batch(again, CONTENTS)
        assert all(isinstance(copy.outcome, Delivered) for copy in again)
        for name, messages in (("alice", 3), ("bob", 2)):
            sizes = [len(content) for path, content in after.tree().items() if path.startswith(f"mail/{name}/new/")]
            usage = parse(after.get(f"mail/{name}/maildirsize"))
            assert usage is not None
            assert (usage.octets, usage.messages, len(sizes)) == (sum(sizes), messages, messages), step


def steps_of(way: Way, *, made: bool) -> int:
    disk = fresh_disk(made=made)
    way(disk, copies(may_be_repeat=False), CONTENTS)
    return disk.steps


@WAYS
@MADE
def test_a_power_cut_at_each_step_loses_nothing_that_was_delivered(way: Way, made: bool) -> None:
    for step in range(1, steps_of(way, made=made) + 2):
        for seed in SEEDS:
            disk = fresh_disk(made=made)
            disk.cut_at(step)
            first = copies(may_be_repeat=False)
            with suppress(PowerCut):
                way(disk, first, CONTENTS)
            after = disk.crash(seed)
            assert_only_whole_files(after)
            for number, copy in enumerate(first):
                if isinstance(copy.outcome, Delivered):
                    assert shown(after)[copy.name] == whole(number)
            assert_all_arrive_once(after, way)


@WAYS
@MADE
def test_a_kill_at_each_step_doubles_nothing(way: Way, made: bool) -> None:
    for step in range(1, steps_of(way, made=made) + 2):
        disk = fresh_disk(made=made)
        disk.cut_at(step)
        with suppress(PowerCut):
            way(disk, copies(may_be_repeat=False), CONTENTS)
        after = disk.kill()
        assert_only_whole_files(after)
        assert_all_arrive_once(after, way)


@WAYS
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("for_good", [False, True])
def test_an_error_at_each_step_is_an_outcome(way: Way, number: int, for_good: bool) -> None:
    for step in range(1, steps_of(way, made=False) + 1):
        disk = fresh_disk(made=False)
        disk.fail_at(step, number, for_good=for_good)
        first = copies(may_be_repeat=False)
        way(disk, first, CONTENTS)
        assert {type(copy.outcome) for copy in first} <= {Delivered, Deferred}
        disk.heal()
        for index, copy in enumerate(first):
            if isinstance(copy.outcome, Delivered):
                assert shown(disk)[copy.name] == whole(index)
        assert_all_arrive_once(disk, way)


@WAYS
def test_a_repeat_that_is_cut_again_arrives_in_the_third_life(way: Way) -> None:
    for step in range(1, 30):
        disk = fresh_disk(made=True)
        disk.cut_at(step)
        with suppress(PowerCut):
            way(disk, copies(may_be_repeat=False), CONTENTS)
        second = disk.crash(step)
        second.cut_at(30 - step)
        with suppress(PowerCut):
            way(second, copies(may_be_repeat=True), CONTENTS)
        third = second.crash(step + 1)
        assert_only_whole_files(third)
        assert_all_arrive_once(third, way)


def test_a_directory_whose_name_was_not_synced_is_not_trusted_later() -> None:
    disk = FakeDisk()
    files = MaildirFiles(disk)
    known, fresh = (Mailbox(f"mail/{domain}/alice", may_make=True) for domain in ("a.example", "b.example"))
    address = parse_address("alice@example.org")
    files.deliver_batch([copy_for(known, "1.id0", recipient=address, reverse_path=SENDER)], [b""])
    disk.fail_at(1, errno.EIO, only=("sync_directory",))
    copy = copy_for(fresh, "1.id1", recipient=address, reverse_path=SENDER)
    files.deliver_batch([copy], [b""])
    assert isinstance(copy.outcome, Deferred)
    copy = copy_for(fresh, "1.id1", recipient=address, reverse_path=SENDER)
    files.deliver_batch([copy], [b""])
    assert isinstance(copy.outcome, Delivered)
    assert set(shown(disk.crash())) == {"1.id0", "1.id1"}


class ForgetfulDisk(FakeDisk):
    """A sync of a directory that fails drops what it was to write, as the page cache does: it is still seen, no later
    sync writes it, and each of them succeeds."""

    def sync_directory(self, path: str) -> None:
        try:
            super().sync_directory(path)
        except OSError:
            directory = self._directory(path)
            for change in self._changes._pending:
                change.parts = [part for part in change.parts if part[0] is not directory]
            raise


@WAYS
@pytest.mark.parametrize("is_next_life", [False, True])
@pytest.mark.parametrize("links", [True, False])
def test_a_name_whose_sync_failed_is_not_believed_to_the_next_sync(way: Way, is_next_life: bool, links: bool) -> None:
    disk = ForgetfulDisk()
    for name in ("alice", "bob"):
        for part in ("new", "cur", "tmp"):
            disk.put(f"mail/{name}/{part}/older", b"older")
    if not links:
        disk.fail_at(1, errno.EPERM, for_good=True, only=("link",))
    files = MaildirFiles(disk)
    first, again = copies(may_be_repeat=False), copies(may_be_repeat=True)
    files._places.durable |= {"mail/alice", "mail/bob", "mail"}  # so that the first sync is that of new/
    disk.fail_at(1, errno.EIO, only=("sync_directory",))
    files.deliver_batch(first[:1], CONTENTS[:1])
    assert isinstance(first[0].outcome, Deferred)
    assert set(shown(disk)) == {first[0].name}
    assert set(disk._directory("mail/alice/new").durable) == {"older"}
    if is_next_life:
        way(disk, again, CONTENTS)
    else:
        files.deliver_batch(again, CONTENTS)
    assert [type(copy.outcome) for copy in again] == [Delivered] * 3
    assert shown(disk.crash()) == {f"1700000000.id{number}": whole(number) for number in range(3)}


def test_a_reader_that_is_quicker_has_it_and_once() -> None:
    """It takes the message out of new/ between our look into cur/ and our link."""

    class Reader(FakeDisk):
        def unlink(self, path: str) -> None:
            if "/new/" in path:
                self.rename(path, path.replace("/new/", "/cur/") + ":2,S")
            super().unlink(path)

    disk = Reader()
    MaildirFiles(disk).deliver_batch(copies(may_be_repeat=False)[:1], CONTENTS[:1])
    disk.put("mail/alice/cur/older")
    again = copies(may_be_repeat=True)[:1]
    MaildirFiles(disk).deliver_batch(again, CONTENTS[:1])
    assert isinstance(again[0].outcome, Delivered)
    assert shown(disk) == shown(disk, "tmp") == {}
    after = disk.crash()
    assert set(shown(after, "cur")) == {f"{again[0].name}:2,S"}


def test_what_a_reader_has_is_not_believed_once_a_sync_of_it_failed() -> None:
    disk = fresh_disk(made=True)
    files = MaildirFiles(disk)
    files.deliver_batch(copies(may_be_repeat=False)[:1], CONTENTS[:1])
    [name] = [name for name in disk.list("mail/alice/new") if name != "older"]
    disk.rename(f"mail/alice/new/{name}", f"mail/alice/cur/{name}:2,S")
    disk.fail_at(2, errno.EIO, only=("sync_directory",))
    for kind in (Deferred, Deferred):
        again = copies(may_be_repeat=True)[:1]
        files.deliver_batch(again, CONTENTS[:1])
        assert isinstance(again[0].outcome, kind)
    other = copies(may_be_repeat=True)
    files.deliver_batch(other, CONTENTS)
    assert [type(copy.outcome) for copy in other] == [Deferred, Delivered, Delivered]
    again = copies(may_be_repeat=True)[:1]
    MaildirFiles(disk).deliver_batch(again, CONTENTS[:1])
    assert isinstance(again[0].outcome, Delivered)


def test_a_name_that_comes_back_is_tried_again() -> None:
    class Haunted(FakeDisk):
        def unlink(self, path: str) -> None:
            if "/new/" not in path:
                super().unlink(path)

    disk = Haunted()
    MaildirFiles(disk).deliver_batch(copies(may_be_repeat=False)[:1], CONTENTS[:1])
    again = copies(may_be_repeat=True)[:1]
    MaildirFiles(disk).deliver_batch(again, CONTENTS[:1])
    assert isinstance(again[0].outcome, Deferred)


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EACCES, Delivered), (errno.EROFS, Delivered), (errno.EIO, Deferred)]
)
def test_directories_far_above_may_not_be_ours_to_sync(number: int, kind: type) -> None:
    disk = fresh_disk(made=True)
    disk.put("mail/alice/tmp/x")
    disk.put("mail/alice/cur/x")
    disk.fail_at(3, number, only=("sync_directory",))
    copy = copies(may_be_repeat=False)[0]
    MaildirFiles(disk).deliver_batch([copy], [b""])
    assert isinstance(copy.outcome, kind)


def test_what_is_known_to_be_durable_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maildir_places, "KNOWN_DIRECTORIES", 2)
    files = MaildirFiles(disk := FakeDisk())
    for name in ("a", "b", "c", "d", "a"):
        copy = copy_for(Mailbox(f"mail/{name}", may_make=True), "1.x", recipient=SENDER, reverse_path=None)
        files.deliver_batch([copy], [b""])
    assert len(shown(disk.crash())) == 1
    assert len([path for path in disk.crash().tree() if "/new/" in path]) == 4
