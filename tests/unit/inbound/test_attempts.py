"""inbound/attempts: guesses are bounded by network and by login, and nobody is locked out by strangers."""

from __future__ import annotations

from asyncmta.inbound.attempts import Attempts, Counted
from asyncmta.inbound.throttle import Rate
from asyncmta.mail import replies
from asyncmta.mail.reply import Reply

HOME, EVE = "192.0.2.1", "198.51.100.66"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def attempts(per_client: int | None = 5, per_login: int | None = 3, capacity: int = 100) -> Attempts:
    clock = Clock()
    made = Attempts(
        per_client=None if per_client is None else Rate(per_client, 60.0),
        per_login=None if per_login is None else Rate(per_login, 60.0),
        now=clock,
        capacity=capacity,
    )
    made.clock = clock  # type: ignore[attr-defined]
    return made


def guess(counts: Attempts, ip: str, login: str, is_right: bool | None = False) -> object:
    counted = counts.begin(ip, login)
    if isinstance(counted, Reply):
        return counted
    counts.end(counted, is_right=is_right)
    return None


def test_a_network_that_guesses() -> None:
    counts = attempts()
    assert [guess(counts, EVE, f"u{number}") for number in range(5)] == [None] * 5
    assert guess(counts, EVE, "u6") == replies.AUTH_TOO_MANY_FAILURES
    assert guess(counts, HOME, "u6") is None
    counts.clock.now += 12.0  # type: ignore[attr-defined]
    assert guess(counts, EVE, "u6") is None


def test_an_ipv6_customer_is_one_network() -> None:
    counts = attempts()
    assert [guess(counts, f"2001:db8::{number}", f"u{number}") for number in range(1, 6)] == [None] * 5
    assert guess(counts, "2001:db8::ffff", "x") == replies.AUTH_TOO_MANY_FAILURES
    assert guess(counts, "2001:db8:0:1::1", "x") is None


def test_a_login_that_is_guessed_at_from_everywhere() -> None:
    counts = attempts()
    assert [guess(counts, f"198.51.100.{number}", "Alice") for number in range(3)] == [None] * 3
    assert guess(counts, "198.51.100.9", "alice") == replies.AUTH_NOT_NOW
    assert [guess(counts, "198.51.100.9", "bob") for _ in range(3)] == [None] * 3  # which cost nothing for "alice"


def test_its_owner_is_not_locked_out_where_it_has_logged_in_before() -> None:
    counts = attempts()
    assert guess(counts, HOME, "alice", True) is None
    for number in range(5):
        guess(counts, f"198.51.100.{number}", "alice")
    assert guess(counts, EVE, "alice") == replies.AUTH_NOT_NOW
    assert guess(counts, HOME, "alice", True) is None
    assert [guess(counts, HOME, "alice") for _ in range(4)] == [None] * 3 + [replies.AUTH_NOT_NOW]


def test_a_neighbour_who_guesses_locks_nobody_out_who_is_at_home_there() -> None:
    counts = attempts()
    assert guess(counts, HOME, "alice", True) is None
    for number in range(9):
        guess(counts, HOME, f"u{number}")
    assert guess(counts, HOME, "bob", True) == replies.AUTH_TOO_MANY_FAILURES
    assert guess(counts, HOME, "alice", True) is None


def test_an_old_password_in_a_telephone_costs_its_network_nothing() -> None:
    counts = attempts()
    assert guess(counts, HOME, "alice", True) is None
    assert [guess(counts, HOME, "alice") for _ in range(9)] == [None] * 3 + [replies.AUTH_NOT_NOW] * 6
    assert [guess(counts, HOME, f"u{number}") for number in range(5)] == [None] * 5


def test_two_at_once_are_given_back_where_each_was_counted() -> None:
    counts = attempts(per_client=2, per_login=2)
    one, other = counts.begin(HOME, "alice"), counts.begin(HOME, "alice")
    assert isinstance(one, Counted)
    assert isinstance(other, Counted)
    counts.end(one, is_right=True)
    counts.end(other, is_right=True)  # counted when it was not at home yet
    assert [guess(counts, HOME, "bob") for _ in range(3)] == [None] * 2 + [replies.AUTH_TOO_MANY_FAILURES]


def test_what_is_right_and_what_is_not_found_out_does_not_count() -> None:
    counts = attempts(per_client=1, per_login=1)
    assert [guess(counts, HOME, "alice", None) for _ in range(5)] == [None] * 5
    assert [guess(counts, HOME, "alice", True) for _ in range(5)] == [None] * 5
    assert guess(counts, HOME, "alice") is None
    assert guess(counts, HOME, "alice") == replies.AUTH_NOT_NOW


def test_many_at_once_are_no_way_around() -> None:
    counts = attempts()
    begun = [counts.begin(EVE, f"u{number}") for number in range(8)]
    assert [isinstance(counted, Counted) for counted in begun] == [True] * 5 + [False] * 3


def test_a_token_that_names_nobody_counts_for_its_network_alone() -> None:
    counts = attempts(per_login=1)
    assert [guess(counts, EVE, "") for _ in range(2)] == [None] * 2
    assert guess(counts, EVE, "", True) is None
    assert [guess(counts, EVE, "") for _ in range(4)] == [None] * 3 + [replies.AUTH_TOO_MANY_FAILURES]


def test_without_limits() -> None:
    counts = attempts(None, None)
    assert [guess(counts, EVE, "alice") for _ in range(50)] == [None] * 50
    assert [guess(counts, EVE, "alice", is_right) for is_right in (True, False, None)] == [None] * 3
    by_login = attempts(None, 1)
    assert guess(by_login, EVE, "alice") is None
    assert guess(by_login, EVE, "alice") == replies.AUTH_NOT_NOW
    by_client = attempts(1, None)
    assert guess(by_client, EVE, "alice", None) is None
    assert guess(by_client, EVE, "alice") is None


def test_homes_are_bounded() -> None:
    counts = attempts(per_client=None, per_login=1, capacity=2)
    for login in ("a", "b", "a", "c"):
        assert guess(counts, HOME, login, True) is None
    assert guess(counts, EVE, "a") is None
    assert guess(counts, EVE, "b") is None
    assert guess(counts, HOME, "a", True) is None  # is at home there, whatever Eve does
    assert guess(counts, HOME, "b", True) == replies.AUTH_NOT_NOW  # was forgotten
