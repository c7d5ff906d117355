"""The drop directory of the settings: who takes what users leave there, for a running MTA.

A part of the composition root. Never: a decision.

contract.md section 3; docs/sendmail.md.
"""

from __future__ import annotations

import os

from asyncmta.config_posting import drop_directory
from asyncmta.inbound.drop_directory import DropDirectory, DropSettings
from asyncmta.inbound.pickup import Pickup
from asyncmta.mail.envelope import QueueId
from asyncmta.mta import Mta
from asyncmta.system.clock import Clock, SystemClock


def build_pickup(mta: Mta, *, clock: Clock | None = None) -> Pickup:
    """For an MTA that has been entered."""
    settings, rooms = mta.settings, mta.rooms
    store = rooms.store

    def is_known(queue_id: QueueId) -> bool:
        return store.entry(queue_id) is not None or store.parked(queue_id) is not None

    return Pickup(
        directory=DropDirectory(
            DropSettings(
                directory=drop_directory(settings.spool),
                taken=os.path.join(settings.spool, "dropped"),
                mode=int(settings.drop.mode, 8),
                group=settings.drop.group,
                largest=settings.limits.message_size,
            )
        ),
        clock=clock or SystemClock(),
        submit=rooms.intake.submit,
        is_known=is_known,
        next_queue_id=store.next_queue_id,
        refusal=lambda: mta.refusal() or store.refusal(),
        note=mta.maillog.note,
    )
