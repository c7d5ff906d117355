"""The bouncer of the settings: who reports failures, in whose name.

A part of the composition root. Never: a decision.

contract.md section 3.
"""

from __future__ import annotations

from asyncmta.bounce.bouncer import Bouncer
from asyncmta.bounce.template_file import template_of
from asyncmta.config import Settings
from asyncmta.spool.store import Store


def build_bouncer(settings: Settings, *, store: Store) -> Bouncer:
    return Bouncer(
        read_content=store.read_content,
        next_queue_id=store.next_queue_id,
        begin_large=store.begin_large,
        hostname=settings.hostname,
        postmaster=str(settings.postmaster),
        template=template_of(settings.bounce.language, settings.bounce.template),
    )
