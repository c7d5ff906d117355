"""The mail of the simulated internet: letters to 1 .. 1,000 recipients, and the accounts of what became of each.

They close when every recipient of every letter has exactly one end: delivered once and not reported, or reported once
and not delivered, each where that is right. Never: a look at what asyncmta believes; only at what arrived.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict

from msgspec import Struct

from tests.internet.providers import Internet, Provider
from tests.internet.servers import NOBODY, Host

SENDER = "sender@home.example"
_SUBJECT = re.compile(r"^Subject: (m\d+)\r?$", re.MULTILINE)
_FAILED = re.compile(r"^Final-Recipient: *rfc822; *(\S+)\r\nAction: failed\r?$", re.MULTILINE | re.IGNORECASE)
# How many letters there are with so many recipients; 20,000 in all.
SIZES = ((1000, 5), (200, 20), (50, 100), (10, 300), (1, 3000))


class Letter(Struct, frozen=True):
    name: str
    recipients: tuple[str, ...]

    @property
    def content(self) -> bytes:
        return b"From: <%s>\r\nSubject: %s\r\n\r\n%s" % (SENDER.encode(), self.name.encode(), b"x" * 70 + b"\r\n")


def write(internet: Internet, chance: random.Random, scale: float = 1.0) -> list[Letter]:
    """Letters to everybody, in no order; one in a hundred recipients does not exist."""
    domains = internet.domains
    sizes = [size for size, count in SIZES for _ in range(round(count * scale))]
    chance.shuffle(sizes)
    letters = []
    for number, size in enumerate(sizes):
        recipients: dict[str, None] = {}
        while len(recipients) < size:
            local_part = f"{NOBODY if chance.random() < 0.01 else 'u'}{chance.randrange(10_000)}"
            recipients[f"{local_part}@{chance.choice(domains)}"] = None
        letters.append(Letter(f"m{number}", tuple(recipients)))
    return letters


def only_healthy(letters: list[Letter], internet: Internet) -> list[Letter]:
    """The same letters without the recipients at providers that are sick, or nobody's."""
    kept = []
    for letter in letters:
        recipients = tuple(each for each in letter.recipients if not _is_sick(each, internet))
        if recipients:
            kept.append(Letter(letter.name, recipients))
    return kept


def _is_sick(recipient: str, internet: Internet) -> bool:
    provider = internet.provider_of.get(recipient.rpartition("@")[2])
    return provider is None or provider.is_sick


def due_end(recipient: str, internet: Internet) -> str:
    """What has to become of it: delivered, failed or expired."""
    domain = recipient.rpartition("@")[2]
    provider = internet.provider_of.get(domain)
    if provider is None:
        return internet.lost_domains[domain]
    return "failed" if recipient.startswith(NOBODY) and provider.ends == "delivered" else provider.ends


def faults(letters: list[Letter], internet: Internet) -> list[str]:
    """What does not close."""
    taken: Counter[tuple[str, str]] = Counter()
    reported: Counter[tuple[str, str]] = Counter()
    for host in internet.hosts.by_ip.values():
        taken.update((each.name, each.recipient) for each in host.taken)
        for report in host.reports:
            reported.update(_reported(report))
    found = [f"{host.name} heard nonsense: {text}" for host in _all(internet) for text in host.violations]
    found += [f"an address that nobody has was dialled: {stray}" for stray in internet.hosts.strays]
    for letter in letters:
        for recipient in letter.recipients:
            key, end = (letter.name, recipient), due_end(recipient, internet)
            wanted = (1, 0) if end == "delivered" else (0, 1)
            if (taken.pop(key, 0), reported.pop(key, 0)) != wanted:
                found.append(f"{key} is to be {end}: taken {taken[key]} times, reported {reported[key]} times")
    found += [f"{key} was never sent" for key in (taken + reported)]
    return found


def _reported(report: bytes) -> list[tuple[str, str]]:
    text = report.decode("latin-1")
    names = _SUBJECT.findall(text)
    assert len(names) == 1, text
    return [(names[0], recipient) for recipient in _FAILED.findall(text)]


def _all(internet: Internet) -> list[Host]:
    return list(internet.hosts.by_ip.values())


def least_transactions(letters: list[Letter], internet: Internet) -> Counter[Provider]:
    """By provider, the fewest that the letters need; nobody is reckoned who is not to be delivered to."""
    least: Counter[Provider] = Counter()
    for letter in letters:
        shares: defaultdict[Provider, list[str]] = defaultdict(list)
        for recipient in letter.recipients:
            provider = internet.provider_of.get(recipient.rpartition("@")[2])
            if provider is not None and provider.ends == "delivered":
                shares[provider].append(recipient)
        for provider, recipients in shares.items():
            least[provider] += provider.least(recipients)
    return least
