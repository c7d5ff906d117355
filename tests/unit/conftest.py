"""Whole Mtas on a fake clock, for the tests of what an `Mta` does between its rooms."""

from __future__ import annotations

import pytest

from tests.incidents.incidentkit import world  # noqa: F401 - a fixture


@pytest.fixture
def queued(world, house):  # noqa: F811 - the fixture above
    """`await queued(recipient, ...)`: a message for them has been accepted, and tried where it could be; its id."""

    async def queued(*recipients, sender="alice@a.example"):
        queue_id = await house.mta.submit(sender, recipients, b"Subject: hello\r\n\r\nx\r\n")
        await world.idle()
        return queue_id

    return queued
