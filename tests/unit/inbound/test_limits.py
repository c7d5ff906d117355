"""inbound/limits: settings with their checks, and the counts of live sessions."""

from __future__ import annotations

import pytest

from asyncmta.inbound.limits import Limits, SessionCounts, client_key
from asyncmta.mail import replies


def counts(most: int = 10, per_client: int = 2, clients: dict[int | str, int] | None = None) -> SessionCounts:
    return SessionCounts(max_sessions=most, per_client=per_client, clients={} if clients is None else clients)


@pytest.mark.parametrize(
    "settings",
    [{"recipients": 99}, {"message_size": 0}, {"hops": 0}, {"sessions_per_client": 0}, {"session_idle": 0.5}],
)
def test_impossible_limits(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"limits.{next(iter(settings))}"):
        Limits(**settings)  # type: ignore[arg-type]


def test_the_defaults_are_possible() -> None:
    assert Limits().recipients == 1000


def test_sessions_in_all() -> None:
    few = counts(most=2, per_client=5)
    assert few.admit("192.0.2.1") is None
    assert few.admit("192.0.2.2") is None
    assert few.admit("192.0.2.3") is replies.TOO_MANY_SESSIONS
    few.release("192.0.2.1")
    assert few.admit("192.0.2.3") is None
    assert few.sessions == 2


def test_sessions_of_one_client_on_all_listeners() -> None:
    clients: dict[int | str, int] = {}
    one, other = counts(clients=clients), counts(clients=clients)
    assert one.admit("192.0.2.1") is None
    assert other.admit("192.0.2.1") is None
    assert other.admit("192.0.2.1") is replies.TOO_MANY_SESSIONS_OF_CLIENT
    assert other.admit("192.0.2.2") is None
    one.release("192.0.2.1")
    assert one.admit("192.0.2.1") is None


def test_the_table_holds_live_clients_only() -> None:
    clients: dict[int | str, int] = {}
    table = counts(most=1000, clients=clients)
    for number in range(200):
        table.admit(f"192.0.2.{number}")
        table.release(f"192.0.2.{number}")
    assert clients == {}


def test_a_customer_of_ipv6_is_one_client() -> None:
    assert client_key("2001:db8::1") == client_key("2001:db8::ffff:0:1")
    assert client_key("2001:db8::1") != client_key("2001:db8:0:1::1")
    assert client_key("::ffff:192.0.2.1") == client_key("192.0.2.1")
    assert client_key("") == ""
