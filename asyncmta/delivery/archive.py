"""The archive: one copy of each message that was delivered here, in a Maildir, of which there may be one a day.

A message is put there when the first of its recipients has it, and no recipient is called delivered before that; the
day is that of its acceptance (UTC), and the name in the archive that of the message, so that what has several
recipients, or is tried again, is there once. `X-Original-To` says whom it was for. Never: mail for other hosts; a
quota; a loop that would be found.

Seeds P-86.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

from asyncmta.delivery.mailbox_form import lf
from asyncmta.delivery.maildir_batches import Delivery
from asyncmta.delivery.maildir_copy import Copy
from asyncmta.delivery.maildir_files import MaildirFiles
from asyncmta.delivery.maildir_places import MaildirSettings
from asyncmta.mail.envelope import QueueId, format_queue_id
from asyncmta.mail.headers import iso_date, original_to, return_path
from asyncmta.mail.outcome import Delivered
from asyncmta.mailboxes.resolver import Mailbox
from asyncmta.system.disk import Disk

DATE = "{date}"
MOST_NAMED = 100  # recipients in the fields on top
REMEMBERED = 100_000  # messages that were archived in this life


class Archive:
    """`path`: the Maildir; `{date}` in it is the day."""

    def __init__(self, path: str, disk: Disk, settings: MaildirSettings, name_end: str) -> None:
        self._path = path
        self._name_end = name_end
        self._shows_size = settings.size_in_name
        self.files = MaildirFiles(disk, settings)
        self._archived: OrderedDict[QueueId, None] = OrderedDict()
        self._lock = Lock()  # two batches may have recipients of one message

    def has(self, delivery: Delivery) -> bool:
        """Was its message put there in this life? What is durable there is not to be touched again."""
        return delivery.parcel.consignment.queue_id in self._archived

    def put(self, deliveries: Sequence[Delivery]) -> None:
        """In a thread: of what was just delivered from memory."""
        with self._lock:
            self._put([one for one in deliveries if isinstance(one.copy.outcome, Delivered) and not self.has(one)])

    def _put(self, deliveries: Sequence[Delivery]) -> None:
        first: dict[QueueId, Delivery] = {}
        for delivery in deliveries:
            first.setdefault(delivery.parcel.consignment.queue_id, delivery)
        made = [(delivery, self.copy_of(delivery)) for delivery in first.values()]
        contents = [delivery.parcel.in_mailbox_form or b"" for delivery in first.values()]
        self.files.deliver_batch([copy for _, copy in made], contents)
        copies = {delivery.parcel.consignment.queue_id: copy for delivery, copy in made}
        for delivery in deliveries:
            self.settle(delivery, copies[delivery.parcel.consignment.queue_id])

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
            self._archived[delivery.parcel.consignment.queue_id] = None
            if len(self._archived) > REMEMBERED:
                self._archived.popitem(last=False)
        else:
            delivery.copy.outcome = copy.outcome
