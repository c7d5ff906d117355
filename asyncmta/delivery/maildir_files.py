"""Files of Maildirs: what a thread does to put copies of messages into their mailboxes. Blocking calls only.

The order is the promise: tmp/NAME written, synced, linked into new/, new/ synced, tmp/NAME removed, and only then
`Delivered` (reliability.md F11, J23). The beginning of NAME depends on queue id and ordinal alone, so what an earlier
life delivered is seen by it: in cur/, where a reader put it, it is not delivered again; in new/ it is made again, since
what a failed sync has dropped looks durable to the next one (J05). Lines end in LF, as Postfix and Dovecot have it
(`mailbox_form`). A copy that finds no room is `Deferred` before anything is written; trouble with the disk is
`Deferred`, never `Failed`. Never: a file opened through a symbolic link.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from contextlib import suppress

from asyncmta.delivery.maildir_copy import Copy, base_of, was_here
from asyncmta.delivery.maildir_places import MaildirSettings, Places
from asyncmta.mail import replies
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed
from asyncmta.mail.reply import reply
from asyncmta.mailboxes.quota import Quota
from asyncmta.system.disk import Disk

DELIVERED = Delivered(reply(250, "2.0.0", "delivered to mailbox"))
LOOP = Failed(Cause.LOOP, reply(554, "5.4.6", "mail loop: its Delivered-To says that it was delivered here before"))
MAILBOX_FULL = Deferred(Cause.STORAGE, replies.MAILBOX_FULL)
DISK_FULL = Deferred(Cause.STORAGE, replies.STORAGE_FULL)

# What link(2) says where there are no hard links. With EMLINK there are too many of this file, which cannot be.
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV})


class MaildirFiles:
    """The Maildirs on one disk. `quota`: how full they may be; None: nobody asks."""

    def __init__(self, disk: Disk, settings: MaildirSettings | None = None, quota: Quota | None = None) -> None:
        self._disk = disk
        self._settings = settings or MaildirSettings()
        self._places = Places(disk, self._settings)
        self._quota = quota
        self._doubted: set[str] = set()  # directories in which a sync failed of what cannot be made again

    def deliver_batch(self, copies: Sequence[Copy], contents: Sequence[bytes]) -> None:
        """Deliver each copy with the content that stands in the same place; afterwards each has its outcome."""
        for copy, content in zip(copies, contents, strict=True):
            copy.expected = len(copy.front) + len(content)
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
        for copy in copies:
            if copy.mailbox.detail and copy.outcome is None:
                try:
                    copy.directory = self._places.directory(copy.mailbox)
                except OSError as error:
                    _defer([copy], error)
        for group in _by_directory(copies):
            try:
                self._places.prepare(group[0].mailbox, group[0].directory)
                self._look_for_repeats(group)
                self._look_for_room([copy for copy in group if copy.outcome is None])
            except OSError as error:
                _defer(group, error)
                continue
            for copy in group:
                if copy.outcome is None:
                    self._create(copy)

    def _look_for_repeats(self, group: Sequence[Copy]) -> None:
        """First new/, then cur/: what a reader moves from the one to the other meanwhile is seen twice, not never."""
        repeats = [copy for copy in group if copy.may_be_repeat]
        if not repeats:
            return
        directory = group[0].directory
        standing = {base_of(name): name for name in self._disk.list(f"{directory}/new")}
        read = {base_of(name) for name in self._disk.list(f"{directory}/cur")}
        for copy in repeats:
            copy.standing = standing.get(copy.base, "")
        there = [copy for copy in repeats if copy.base in read]
        if there:
            self._confirm(there)
            if self._quota is not None:
                self._quota.renew(group[0].mailbox.path)  # whoever put it there may not have counted it

    def _look_for_room(self, group: Sequence[Copy]) -> None:
        """What stands there already has its room."""
        wanted = [copy for copy in group if not copy.standing]
        if self._quota is not None and wanted:
            admitted = self._quota.admit(wanted[0].mailbox.path, [copy.expected for copy in wanted])
            for copy, is_admitted in zip(wanted, admitted, strict=True):
                if not is_admitted:
                    copy.outcome = MAILBOX_FULL

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
        for group in _by_directory(copies):
            path, quota = group[0].mailbox.path, self._quota
            if quota is None or not quota.limits(path):
                self._publish(group)
                continue
            with quota.held(path):
                self._publish(group)
                done = [copy for copy in group if copy.outcome is DELIVERED]
                if any(copy.was_standing for copy in done):
                    quota.renew(path)  # it may have been counted, or not
                else:
                    quota.add(path, [copy.size for copy in done])

    def _publish(self, group: Sequence[Copy]) -> None:
        for copy in group:
            try:
                self._link(copy)
            except OSError as error:
                self._places.doubt(copy.directory)
                _defer([copy], error)
        linked = [copy for copy in group if copy.outcome is None]
        try:
            if linked:
                self._disk.sync_directory(f"{group[0].directory}/new")
        except OSError as error:
            _defer(linked, error)
            if self._quota is not None:
                self._quota.doubt(group[0].mailbox.path)
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
                    self._disk.unlink(copy.in_tmp)

    def _confirm(self, copies: Sequence[Copy]) -> None:
        """A reader has put these into cur/, and may not have synced it. Once such a sync has failed, the next one means
        nothing, and theirs are not ours to make again: they wait for the next life."""
        path = copies[0].directory
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
            copy.outcome, copy.is_in_tmp = DELIVERED, self._disk.exists(copy.in_tmp)

    def _create(self, copy: Copy) -> None:
        path, ownership = copy.in_tmp, self._settings.ownership
        try:
            try:
                copy.file = self._disk.create(path, ownership.file_mode)
            except FileExistsError:  # an earlier life left it, half written perhaps
                self._disk.unlink(path)
                copy.file = self._disk.create(path, ownership.file_mode)
            copy.is_in_tmp = True
            ownership.give(self._disk, copy.file)
        except OSError as error:
            self._places.doubt(copy.directory)
            _defer([copy], error)

    def _link(self, copy: Copy) -> None:
        """tmp/NAME into new/. A name that is taken is ours, from an attempt whose sync failed or never came: it goes,
        and is made again, so that the sync that follows is one of this name. If a reader is quicker, it has it."""
        new = copy.in_new
        if not copy.standing and self._is_linked(copy, new):
            return
        copy.was_standing = True
        try:
            self._disk.unlink(f"{copy.directory}/new/{copy.standing}" if copy.standing else new)
        except FileNotFoundError:
            self._confirm([copy])
            return
        if not self._is_linked(copy, new):
            raise FileExistsError(errno.EEXIST, "it came back")

    def _is_linked(self, copy: Copy, new: str) -> bool:
        """In new/, now; False: the name is taken."""
        try:
            self._disk.link(copy.in_tmp, new)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if self._disk.exists(new):
                return False
            self._disk.rename(copy.in_tmp, new)
            copy.is_in_tmp = False
        return True


def _by_directory(copies: Sequence[Copy]) -> Iterable[list[Copy]]:
    groups: dict[str, list[Copy]] = {}
    for copy in copies:
        if copy.outcome is None:
            groups.setdefault(copy.directory, []).append(copy)
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
