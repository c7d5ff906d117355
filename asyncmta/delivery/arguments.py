"""The arguments of a command with placeholders: `{recipient}`, `{sender}`, `{local_part}`, `{domain}`, `{queue_id}`.

Values come from strangers. Promises: a value never makes an argument an option, that is, begins one with a hyphen
where the settings do not; each argument of the settings stays one argument, whatever is in a value. An argument that
names the recipient stands there once for each. Never: a shell, quoting, the environment (`pipe`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from asyncmta.mail.address import Address, unquote
from asyncmta.mail.envelope import QueueId, format_queue_id

FIELDS = ("recipient", "local_part", "domain", "sender", "queue_id")
OF_RECIPIENTS = frozenset({"recipient", "local_part", "domain"})

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class InvalidArgument(ValueError):
    """It has a placeholder that there is not; the message says which there are."""


class Hazard(ValueError):
    """With this address an argument would begin with a hyphen."""


def parse_argument(text: str) -> tuple[str, ...]:
    """Plain text and names of fields in turn, beginning with plain text; raises InvalidArgument."""
    parts = tuple(_PLACEHOLDER.split(text))
    for name in parts[1::2]:
        if name not in FIELDS:
            known = ", ".join(f"{{{field}}}" for field in FIELDS)
            raise InvalidArgument(f"there is no {{{name}}}; allowed are {known}")
    return parts


def fill(
    command: Sequence[str], *, sender: Address | None, recipients: Sequence[Address], queue_id: QueueId
) -> tuple[bytes, ...]:
    """The arguments for these recipients; raises Hazard. The null reverse-path is empty."""
    said = {"sender": str(sender) if sender is not None else "", "queue_id": format_queue_id(queue_id)}
    filled: list[bytes] = []
    for text in command:
        parts = parse_argument(text)
        if OF_RECIPIENTS.isdisjoint(parts[1::2]):
            filled.append(_argument(parts, said))
            continue
        for recipient in recipients:
            filled.append(_argument(parts, said | fields_of(recipient)))
    return tuple(filled)


def fields_of(recipient: Address) -> dict[str, str]:
    """What can be said of one recipient; the local part without its quotes."""
    return {
        "recipient": str(recipient),
        "local_part": unquote(recipient.local_part),
        "domain": recipient.domain_key,
    }


def _argument(parts: tuple[str, ...], said: dict[str, str]) -> bytes:
    text = "".join(said[part] if at % 2 else part for at, part in enumerate(parts))
    if text.startswith("-") and not parts[0].startswith("-"):
        raise Hazard("an address that begins with a hyphen would be an option of the command")
    return text.encode()
