"""inbound/flow: reading stops while there is a reason, and goes on when the last one is gone."""

from __future__ import annotations

from asyncmta.inbound.flow import BACKLOG, DISK, STALLED, Flow
from tests.unit.inbound.inboundkit import KitTransport


def test_reading_goes_on_when_no_reason_is_left() -> None:
    flow = Flow()
    transport = flow.transport = KitTransport()
    flow.hold(STALLED)
    flow.hold(DISK)
    flow.hold(DISK)
    flow.release(BACKLOG)
    flow.release(STALLED)
    assert not transport.reading
    assert flow.is_held(DISK)
    assert not flow.is_held(STALLED)
    flow.release(DISK)
    assert transport.reading


def test_what_is_closing_or_gone_is_left_alone() -> None:
    flow = Flow()
    flow.hold(STALLED)
    flow.release(STALLED)
    transport = flow.transport = KitTransport()
    transport.close()
    flow.hold(STALLED)
    assert transport.reading


def test_a_reason_moves_with_the_client_to_another_transport() -> None:
    flow = Flow()
    flow.transport = KitTransport()
    flow.hold(STALLED)
    secure = KitTransport()
    flow.move_to(secure)
    assert not secure.reading
    flow.release(STALLED)
    assert secure.reading
    plain = KitTransport()
    flow.move_to(plain)
    assert plain.reading
