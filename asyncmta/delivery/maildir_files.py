"""Files of Maildirs: what a thread does to put copies of messages into their mailboxes. Blocking calls only.

The order is the promise: tmp/NAME written, synced, linked into new/, new/ synced, tmp/NAME removed, and only then
`Delivered` (reliability.md F11, J23). NAME depends on queue id and ordinal alone, so what an earlier life delivered is
seen by its name: in cur/, where a reader put it, it is not delivered again; in new/ it is made again, since what a
failed sync has dropped looks durable to the next one (J05). Lines end in LF, as Postfix and Dovecot have it
(`mailbox_form`). Trouble with the disk is `Deferred`, never `Failed`. Never: a file opened through a symbolic link.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress

from asyncmta.delivery.mailbox_form import lf
from asyncmta.mail import replies
from asyncmta.mail.address import Address
from asyncmta.mail.headers import delivered_to, return_path
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Outcome
from asyncmta.mail.reply import reply
from asyncmta.mailboxes.resolver import Mailbox
from asyncmta.system.disk import Disk

DELIVERED = Delivered(reply(250, "2.0.0", "delivered to mailbox"))
LOOP = Failed(Cause.LOOP, reply(554, "5.4.6", "mail loop: its Delivered-To says that it was delivered here before"))
MAILBOX_FULL = Deferred(Cause.STORAGE, reply(452, "4.2.2", "mailbox full"))
DISK_FULL = Deferred(Cause.STORAGE, replies.STORAGE_FULL)

KNOWN_DIRECTORIES = 100_000

# Where a directory cannot be synced for such a reason, nobody of us has made anything in it.
_NOT_OURS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EINVAL})
# What link(2) says where there are no hard links. With EMLINK there are too many of this file, which cannot be.
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV})


class Copy:
    """One recipient's copy of a message on its way into a mailbox; `outcome` is None as long as all went well."""

    __slots__ = ("file", "front", "is_in_tmp", "mailbox", "mark", "may_be_repeat", "name", "outcome", "size")

    def __init__(self, mailbox: Mailbox, name: str, *, recipient: Address, reverse_path: Address | None) -> None:
        mark = lf(delivered_to(recipient))
        self.mailbox = mailbox
        self.name = name
        self.front = lf(return_path(reverse_path)) + mark
        self.mark = mark.lower()
        self.may_be_repeat = True
        self.file: int | None = None
        self.size = 0
        self.is_in_tmp = False
        self.outcome: Outcome | None = None

    def path(self, part: str) -> str:
        return f"{self.mailbox.path}/{part}/{self.name}"


def was_here(copy: Copy, content: bytes) -> bool:
    """Does the header section (with LF lines; the body may be cut off) say that this recipient had it before?"""
    section = b"\n" + content[: content.find(b"\n\n") + 1 or len(content)].lower()
    return b"\n" + copy.mark in section


class MaildirFiles:
    """The Maildirs on one disk. It remembers which directories are durable under their names, for this life."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._durable: set[str] = set()
        self._doubted: set[str] = set()  # mailboxes in which a sync failed of what cannot be made again

    def deliver_batch(self, copies: Sequence[Copy], contents: Sequence[bytes]) -> None:
        """Deliver each copy with the content that stands in the same place; afterwards each has its outcome."""
        for copy, content in zip(copies, contents, strict=True):
            if was_here(copy, content):
                copy.outcome = LOOP
        self.begin(copies)
        try:
            for copy, content in zip(copies, contents, strict=True):
                self.write(copy, content)
            self.publish(copies)
        finally:
            self.abandon(copies)

    def write_block(self, copy: Copy, block: bytes) -> None:
        """`deliver_batch` for one copy in blocks: the first one begins it. `publish` and `abandon` are to follow."""
        if not copy.size and was_here(copy, block):
            copy.outcome = LOOP
        if not copy.size and copy.outcome is None:
            self.begin([copy])
        self.write(copy, block)

    def begin(self, copies: Sequence[Copy]) -> None:
        """Open the tmp file of each copy, or find that it is in its mailbox already."""
        for group in _by_mailbox(copies):
            mailbox = group[0].mailbox
            try:
                self._prepare(mailbox)
                read = self._names_in_cur(mailbox) if any(copy.may_be_repeat for copy in group) else ()
            except OSError as error:
                _defer(group, error)
                continue
            if there := [copy for copy in group if copy.may_be_repeat and copy.name in read]:
                self._confirm(there)
            for copy in group:
                if copy.outcome is None:
                    self._create(copy)

    def write(self, copy: Copy, octets: bytes) -> None:
        """The next octets of a copy that was begun; the first ones come behind its front."""
        if copy.file is None or copy.outcome is not None:
            return
        try:
            copy.size += self._disk.writev(copy.file, (octets,) if copy.size else (copy.front, octets), copy.size)
            # The kernel begins to write now, and the syncs of a batch find most of it done: a third of the time less.
            self._disk.drop_cache(copy.file)
        except OSError as error:
            _defer([copy], error)

    def publish(self, copies: Sequence[Copy]) -> None:
        """Make what was written durable, then visible, then durably visible."""
        for copy in copies:
            if copy.file is None or copy.outcome is not None:
                continue
            file, copy.file = copy.file, None
            try:
                try:
                    self._disk.fsync(file)
                finally:
                    self._disk.close(file)
            except OSError as error:
                _defer([copy], error)
        for group in _by_mailbox(copies):
            for copy in group:
                try:
                    self._link(copy)
                except OSError as error:
                    _defer([copy], error)
            linked = [copy for copy in group if copy.outcome is None]
            try:
                if linked:
                    self._disk.sync_directory(f"{group[0].mailbox.path}/new")
            except OSError as error:
                _defer(linked, error)
            for copy in linked:
                copy.outcome = copy.outcome or DELIVERED

    def abandon(self, copies: Sequence[Copy]) -> None:
        """Close and remove what is left in tmp/, of copies that were delivered or were not."""
        for copy in copies:
            file, copy.file = copy.file, None
            if file is not None:
                with suppress(OSError):
                    self._disk.close(file)
            if copy.is_in_tmp:
                copy.is_in_tmp = False
                with suppress(OSError):  # a reader removes what lies in tmp/ for 36 hours
                    self._disk.unlink(copy.path("tmp"))

    def _prepare(self, mailbox: Mailbox) -> None:
        """Make what is missing of the Maildir. A link where a directory should be is refused by `open`."""
        for part in ("", "tmp", "new", "cur"):
            path = f"{mailbox.path}/{part}" if part else mailbox.path
            try:
                self._disk.close(self._disk.open(path))
            except FileNotFoundError:
                if not part and not mailbox.may_make:
                    raise
                self._disk.make_directories(path)
        if mailbox.path not in self._durable:
            self._make_durable(mailbox.path)

    def _make_durable(self, path: str) -> None:
        """Sync the mailbox and the directories above it, once in a life: whoever made them (an operator, or a life
        that ended before its sync) may not have, and all mail in them would go with the directory."""
        self._disk.sync_directory(path)
        top = "/" if path.startswith("/") else "."
        named = set()
        while path != top and path not in self._durable:
            above = path.rpartition("/")[0] or top
            try:
                self._disk.sync_directory(above)
            except OSError as error:
                if error.errno not in _NOT_OURS:
                    raise
            named.add(path)
            path = above
        if len(self._durable) > KNOWN_DIRECTORIES:
            self._durable.clear()
        self._durable |= named

    def _names_in_cur(self, mailbox: Mailbox) -> Collection[str]:  # without the flags that a reader has put there
        return frozenset(name.partition(":")[0] for name in self._disk.list(f"{mailbox.path}/cur"))

    def _confirm(self, copies: Sequence[Copy]) -> None:
        """A reader has put these into cur/, and may not have synced it. Once such a sync has failed, the next one means
        nothing, and theirs are not ours to make again: they wait for the next life."""
        path = copies[0].mailbox.path
        try:
            if path in self._doubted:
                raise OSError(errno.EIO, "a sync has failed")
            self._disk.sync_directory(f"{path}/new")
            self._disk.sync_directory(f"{path}/cur")
        except OSError as error:
            if error.errno == errno.EIO:
                self._doubted.add(path)
            _defer(copies, error)
            return
        for copy in copies:
            copy.outcome, copy.is_in_tmp = DELIVERED, self._disk.exists(copy.path("tmp"))

    def _create(self, copy: Copy) -> None:
        path = copy.path("tmp")
        try:
            try:
                copy.file = self._disk.create(path)
            except FileExistsError:  # an earlier life left it, half written perhaps
                self._disk.unlink(path)
                copy.file = self._disk.create(path)
            copy.is_in_tmp = True
        except OSError as error:
            _defer([copy], error)

    def _link(self, copy: Copy) -> None:
        """tmp/NAME into new/. A name that is taken is ours, from an attempt whose sync failed or never came: it goes,
        and is made again, so that the sync that follows is one of this name. If a reader is quicker, it has it."""
        if self._is_linked(copy):
            return
        try:
            self._disk.unlink(copy.path("new"))
        except FileNotFoundError:
            self._confirm([copy])
            return
        if not self._is_linked(copy):
            raise FileExistsError(errno.EEXIST, "it came back")

    def _is_linked(self, copy: Copy) -> bool:
        """In new/, now; False: the name is taken."""
        try:
            self._disk.link(copy.path("tmp"), copy.path("new"))
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if self._disk.exists(copy.path("new")):
                return False
            self._disk.rename(copy.path("tmp"), copy.path("new"))
            copy.is_in_tmp = False
        return True


def _by_mailbox(copies: Sequence[Copy]) -> Iterable[list[Copy]]:
    groups: dict[str, list[Copy]] = {}
    for copy in copies:
        if copy.outcome is None:
            groups.setdefault(copy.mailbox.path, []).append(copy)
    return groups.values()


def _defer(copies: Sequence[Copy], error: OSError) -> None:
    match error.errno:
        case errno.EDQUOT:
            outcome = MAILBOX_FULL
        case errno.ENOSPC:
            outcome = DISK_FULL
        case number:
            name = errno.errorcode.get(number or 0, "unknown error")
            outcome = Deferred(Cause.STORAGE, reply(451, "4.3.0", f"cannot deliver to the mailbox ({name})"))
    for copy in copies:
        copy.outcome = outcome
