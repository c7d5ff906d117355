"""The files in which users say which lists they want: found by a pattern, as mailboxes are, and read.

Promises: a user whose directory cannot be seen, or whose file cannot be read, has not changed his mind; a link, a pipe
or a file that is too large is not read; names are those that an address can have. Never: writing. It blocks.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator

from asyncmta.lists.sublists import LONGEST_FILE, wanted
from asyncmta.mail.address import InvalidAddress, parse_address, quote

MOST_FILES = 100_000


class RequestFiles:
    """`pattern`: the path of a user's file, with {domain} and {local_part}."""

    def __init__(self, pattern: str, domains: Iterable[str]) -> None:
        self._pattern = pattern
        self._domains = tuple(domains)

    def read(self, known: Iterable[str]) -> tuple[dict[str, tuple[str, ...]], set[str]]:
        """What each user wants, and who could not be asked. `known`: those who wanted something before."""
        wishes: dict[str, tuple[str, ...]] = {}
        unsure: set[str] = set()
        for user in dict.fromkeys([*self._users(), *known]):
            found = self._wishes(user)
            if found is None:
                unsure.add(user)
            elif found:
                wishes[user] = found
        return wishes, unsure

    def _wishes(self, user: str) -> tuple[str, ...] | None:
        name, _, domain = user.rpartition("@")
        path = self._pattern.replace("{domain}", domain).replace("{local_part}", name)
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            # He has taken it away only if the place is there where it would be: mail may be on a disk that is not.
            gone = error.errno == errno.ENOENT and os.path.isdir(os.path.dirname(path))
            return () if gone else None
        try:
            facts = os.fstat(file)
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > LONGEST_FILE:
                return None
            return wanted(os.read(file, LONGEST_FILE).decode("utf-8", "replace"))
        except OSError:
            return None
        finally:
            os.close(file)

    def _users(self) -> Iterator[str]:
        """Everybody who has such a file."""
        for domain in self._domains:
            pattern = self._pattern.replace("{domain}", domain)
            place, _, rest = pattern.partition("{local_part}")
            folder, _, prefix = place.rpartition("/")
            suffix, slash, below = rest.partition("/")
            named = re.compile(re.escape(prefix) + r"(.+)" + re.escape(suffix) + r"\Z")
            try:
                names = sorted(os.listdir(folder or "/"))[:MOST_FILES]
            except OSError:
                continue
            for name in names:
                match = named.match(name)
                if match is None or not os.path.lexists(f"{folder}/{name}{slash}{below}"):
                    continue
                try:
                    parse_address(f"{quote(match[1])}@{domain}", smtputf8=True)
                except InvalidAddress:
                    continue
                yield f"{match[1]}@{domain}"
