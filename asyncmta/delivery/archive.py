"""The archive: one copy of each message that was delivered here, in a Maildir, of which there may be one a day.

A message is put there when the first of its recipients has it, and no recipient is called delivered before that; the
day is that of its acceptance (UTC), and the name in the archive that of the message, so that what has several
recipients, or is tried again, is there once. `X-Original-To` says whom it was for. Never: mail for other hosts; a
quota; a loop that would be found.

Seeds P-86.
"""

from __future__ import annotations

from collections.abc import Sequence

from asyncmta.delivery.mailbox_form import lf
from asyncmta.delivery.maildir_batches import Delivery
from asyncmta.delivery.maildir_copy import Copy
from asyncmta.delivery.maildir_files import MaildirFiles
from asyncmta.delivery.maildir_places import MaildirSettings
from asyncmta.mail.envelope import format_queue_id
from asyncmta.mail.headers import iso_date, original_to, return_path
from asyncmta.mail.outcome import Delivered
from asyncmta.mailboxes.resolver import Mailbox
from asyncmta.system.disk import Disk

DATE = "{date}"
MOST_NAMED = 100  # recipients in the fields on top


class Archive:
    """`path`: the Maildir; `{date}` in it is the day."""

    def __init__(self, path: str, disk: Disk, settings: MaildirSettings, name_end: str) -> None:
        self._path = path
        self._name_end = name_end
        self._shows_size = settings.size_in_name
        self.files = MaildirFiles(disk, settings)

    def put(self, deliveries: Sequence[Delivery]) -> None:
        """In a thread: of what was just delivered from memory."""
        first: dict[int, Delivery] = {}
        for delivery in deliveries:
            if isinstance(delivery.copy.outcome, Delivered) and not delivery.parcel.is_archived:
                first.setdefault(id(delivery.parcel), delivery)
        if not first:
            return
        made = [(delivery, self.copy_of(delivery)) for delivery in first.values()]
        contents = [delivery.parcel.in_mailbox_form or b"" for delivery in first.values()]
        self.files.deliver_batch([copy for _, copy in made], contents)
        copies = {id(delivery.parcel): copy for delivery, copy in made}
        for delivery in deliveries:
            if isinstance(delivery.copy.outcome, Delivered) and id(delivery.parcel) in copies:
                self.settle(delivery, copies[id(delivery.parcel)])

    def copy_of(self, delivery: Delivery) -> Copy:
        consignment = delivery.parcel.consignment
        envelope, at = consignment.envelope, consignment.accepted_at
        message = f"{int(at)}.{format_queue_id(consignment.queue_id)}"
        people = b"".join(original_to(one.address) for one in envelope.recipients[:MOST_NAMED])
        copy = Copy(
            Mailbox(self._path.replace(DATE, iso_date(at)), may_make=True),
            f"{message}a{delivery.ordinal}{self._name_end}",
            front=lf(return_path(envelope.reverse_path) + people),
        )
        copy.base = f"{message}a{self._name_end}"
        copy.shows_size, copy.may_be_repeat = self._shows_size, delivery.copy.may_be_repeat
        copy.crlf_size = None if envelope.is_binary else consignment.content.size
        return copy

    def settle(self, delivery: Delivery, copy: Copy) -> None:
        """What is not archived was not delivered; the next attempt finds it in its mailbox."""
        if isinstance(copy.outcome, Delivered):
            delivery.parcel.is_archived = True
        else:
            delivery.copy.outcome = copy.outcome
