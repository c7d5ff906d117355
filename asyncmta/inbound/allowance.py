"""What a login or a client may send: from which addresses, how many messages, and to how many recipients in a time.

Promises: a login counts for itself, wherever it comes from, and only who has none counts for its network; every MAIL
and RCPT that is otherwise in order counts, also one that is refused later, so that trying out addresses is bounded
too; the null reverse-path is everybody's. Never: the header `From:`; who somebody is.

reliability.md R02 and R07; seeds.md W-088 and W-163.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from asyncmta.inbound.limits import Limits, client_key
from asyncmta.inbound.throttle import Rate, Throttle
from asyncmta.mail import replies
from asyncmta.mail.address import Address, InvalidAddress, parse_address, unquote
from asyncmta.mail.reply import Reply
from asyncmta.routing import Pattern

SendersOf = Callable[[str], tuple[Pattern, ...] | None]


def anything(_: str) -> tuple[Pattern, ...] | None:
    """Nothing is said about any login."""
    return None


class Allowance:
    """The decisions and counts of one Mta. `only_own`: a login of which nothing is said sends from its own address."""

    def __init__(
        self,
        *,
        limits: Limits,
        now: Callable[[], float],
        senders: SendersOf = anything,
        only_own: bool = False,
        domains: Iterable[str] = (),
    ) -> None:
        """`domains`: where a login without a domain is at home."""
        self._now = now
        self._senders = senders
        self._only_own = only_own
        self._domains = frozenset(domains)
        self._messages = _throttle(limits.messages_per_client), _throttle(limits.messages_per_login)
        self._recipients = _throttle(limits.recipients_per_client), _throttle(limits.recipients_per_login)

    def message(self, ip: str, login: str | None, reverse_path: Address | None) -> Reply | None:
        """MAIL that is in order otherwise."""
        if login is not None and reverse_path is not None and not self._may_use(login, reverse_path):
            return replies.SENDER_NOT_OWNED
        throttle = self._messages[login is not None]
        return None if throttle is None or self._take(throttle, ip, login) else replies.TOO_MUCH_MAIL

    def recipient(self, ip: str, login: str | None) -> Reply | None:
        """RCPT that is in order otherwise."""
        throttle = self._recipients[login is not None]
        return None if throttle is None or self._take(throttle, ip, login) else replies.TOO_MANY_RECIPIENTS_NOW

    def _take(self, throttle: Throttle, ip: str, login: str | None) -> bool:
        return throttle.take(client_key(ip) if login is None else login, self._now())

    def _may_use(self, login: str, address: Address) -> bool:
        patterns = self._senders(login)
        if patterns is not None:
            return any(pattern.covers(address) for pattern in patterns)
        return not self._only_own or self._is_own(login, address)

    def _is_own(self, login: str, address: Address) -> bool:
        if "@" not in login:
            return _name(address) == login.casefold() and address.domain_key in self._domains
        try:
            own = parse_address(login, smtputf8=True)
        except InvalidAddress:
            return False
        return _name(address) == _name(own) and address.domain_key == own.domain_key


def _name(address: Address) -> str:
    return unquote(address.local_part).casefold()


def _throttle(rate: Rate | None) -> Throttle | None:
    return None if rate is None else Throttle(rate)
