"""What an address is to the directory, in lines for people: its aliases, where they end, and what is said at RCPT.

Promises: the same directory is asked as for mail, so that nothing else can come out. Never: anything that is sent to a
client; mailboxes are shown with their paths, which are for the operator alone.

Seeds P-72, P-73.
"""

from __future__ import annotations

from itertools import islice

from asyncmta.mail import replies
from asyncmta.mail.address import Address, InvalidAddress, parse_address, quote
from asyncmta.mailboxes.alias_text import Everybody, Include, Somebody, Target, is_at_a_domain
from asyncmta.mailboxes.directory import Directory, Moved, Reachable
from asyncmta.mailboxes.expansion import Alias, Ending, Endless, Expanded, Seen, Untold, trace
from asyncmta.mailboxes.resolver import Mailbox, NoMailbox

MOST_LINES = 50
MOST_TARGETS = 10  # of one alias in one line
MOST_NAMES = 1000  # of one table
MOST_BEHIND = 1000


async def explain(directory: Directory, address: Address) -> list[str]:
    """The way of an address, and the answer at RCPT."""
    seen = await trace(address, directory.look, most=MOST_LINES)
    lines = [f"{'  ' * one.level}{one.address}: {await _what(directory, one)}" for one in seen]
    if len(seen) == MOST_LINES:
        lines.append("and so on")
    return [*lines, f"at RCPT: {await _answer(directory, address)}"]


async def doubtful(directory: Directory, domain: str) -> list[str]:
    """Names of tables that lead in a circle, or to nobody; bare ones of tables of all domains as they are in this one.
    What cannot be told is none of them: its line is a fault already. Of each table the first names only."""
    found = []
    for own, file in directory.aliases:
        table = await file.current()
        for name in islice(() if table is None else table.entries, MOST_NAMES):
            address = _address(name, own or domain)
            if address is None or not directory.is_local(address):
                continue
            expanded = await directory.expand(address, most=MOST_BEHIND)
            if isinstance(expanded, Endless) and not expanded.is_too_many:
                found.append(expanded.reason)
            elif isinstance(expanded, Expanded) and expanded.is_nobody:
                found.append(f"{address} stands for nobody")
    return list(dict.fromkeys(found))


def _address(name: str, domain: str) -> Address | None:
    """A name of a table as an address; None for those of domains."""
    local_part, _, own = name.rpartition("@") if is_at_a_domain(name) else (name.removesuffix("@"), "", domain)
    try:
        return parse_address(f"{quote(local_part)}@{own}", smtputf8=True) if local_part else None
    except InvalidAddress:
        return None


async def _what(directory: Directory, seen: Seen) -> str:
    match seen.finding:
        case Alias(targets, owner):
            more = len(targets) - MOST_TARGETS
            said = ", ".join([*map(text_of, targets[:MOST_TARGETS]), *([f"and {more} more"] if more > 0 else [])])
            return f"stands for {said}" + (f", in the name of {owner}" if owner is not None else "")
        case Untold(reason):
            return f"cannot be told: {reason}"
        case Ending.MAILBOX:
            found = await directory.mailbox(seen.address)
            return f"mailbox {found.path}" if isinstance(found, Mailbox) else "mailbox"
        case Ending.MOVED:
            moved = await directory.moved(seen.address)
            return f"moved to {moved.to}" if isinstance(moved, Moved) else "moved"
    return str(seen.finding.value)


async def _answer(directory: Directory, address: Address) -> str:
    standing = await directory.standing(address)
    match standing:
        case Reachable():
            return str(replies.RECIPIENT_OK)
        case NoMailbox():
            return str(replies.NO_SUCH_MAILBOX)
        case Moved(to):
            return str(replies.moved(to))
    return f"{replies.MAILBOX_UNSURE} ({standing.reason})"


def text_of(target: Target) -> str:
    """A target as the file has it."""
    match target:
        case Somebody(local_part, domain, is_final):
            return ("\\" if is_final else "") + local_part + (f"@{domain}" if domain else "")
        case Everybody(domain):
            return f"@{domain}"
        case Include(path):
            return f":include:{path}"
    return f"(a fault: {target.reason})"
