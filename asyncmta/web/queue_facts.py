"""What the pages of the queue are told and show: searches from a query, messages as lines, and what was done. Pure.

Promises: a search that is not understood is a fault with words for people, and never a wider one; what is shown is what
`GET /v1/queue` says. Never: an escape; templates do that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from asyncmta.admin.rows import STATES, Shown
from asyncmta.admin.shapes import Bulk, Filters

FILTERS = Filters.__struct_fields__
VERBS = {"retry": "Try now", "hold": "Hold", "release": "Release", "delete": "Delete"}
MOST_IDS = 500
_AGES = frozenset({"min_age", "max_age"})
_DONE = {
    "retry": "to be tried now",
    "hold": "held",
    "release": "released",
    "delete": "deleted",
}


class BadSearch(ValueError):
    """It is not understood; the text is for people."""


class Line(Struct, frozen=True):
    """A message as a line of the table. `more`: recipients beside the first; `due` None: nothing is on the agenda."""

    queue_id: str
    state: str
    accepted_at: float
    attempts: int
    size: int
    sender: str
    recipient: str
    more: int
    next_hop: str
    due: float | None
    said: str


class Asked(Struct, frozen=True):
    """What is to be done to which messages."""

    verb: str
    bulk: Bulk

    @property
    def needs_confirming(self) -> bool:
        """Whatever cannot be taken back, or is done to messages that nobody has looked at."""
        return self.verb == "delete" or self.bulk.ids is None


def search(given: Mapping[str, str], *, also: Sequence[str] = ()) -> Filters:
    """The filters of a query; `also`: keys that are none of them and known. Raises BadSearch."""
    unknown = [key for key in given if key not in FILTERS and key not in also]
    if unknown:
        raise BadSearch(f"The search has a field {unknown[0]!r}, which is not known here.")
    found = {key: given[key].strip() for key in FILTERS if given.get(key, "").strip()}
    try:
        return msgspec.convert(found, Filters)
    except msgspec.ValidationError:
        for key, value in found.items():
            if key in _AGES and not _is_age(value):
                raise BadSearch(f'The age {value!r} is not understood: write "90s", "20m", "4h" or "5d".') from None
            if key == "state" and value not in STATES:
                raise BadSearch(f"There is no state {value!r}: it is one of {', '.join(STATES)}.") from None
        raise BadSearch("A field of the search is too long.") from None


def _is_age(text: str) -> bool:
    return text[-1:] in tuple("smhdw") and text[:-1].isascii() and text[:-1].isdigit() and len(text) <= 10


def fields(filters: Filters) -> dict[str, str]:
    """The same as fields of a query."""
    return {key: value for key, value in msgspec.to_builtins(filters).items() if value}


def asked(form: Mapping[str, Sequence[str]]) -> Asked:
    """What a form asks for: a verb for the messages that are ticked, or for all that its search finds. Raises
    BadSearch where that is not clear."""
    verb, scope, ids = last(form, "verb"), last(form, "scope"), list(form.get("id", ()))
    if verb not in VERBS:
        raise BadSearch("Nothing is known that is to be done.")
    bounce = verb == "delete" and last(form, "bounce") == "yes"
    if scope == "selected":
        if not ids:
            raise BadSearch("No message was selected, so nothing was done.")
        if len(ids) > MOST_IDS:
            raise BadSearch(f"At most {MOST_IDS} messages can be selected at once.")
        return Asked(verb, Bulk(ids=ids, bounce=bounce))
    if scope != "matching":
        raise BadSearch("It is not clear to which messages that is to be done.")
    given = fields(search({key: last(form, key) for key in FILTERS}))
    return Asked(verb, msgspec.convert({**given, "all": not given, "bounce": bounce}, Bulk))


def last(form: Mapping[str, Sequence[str]], name: str) -> str:
    return form.get(name, ("",))[-1]


def line(row: Shown) -> Line:
    people = row["recipients"]
    hops = list(dict.fromkeys(each["next_hop"] for each in people if each["next_hop"]))
    dues = [each["next_due"] for each in people if each["next_due"] is not None]
    said = [each["last_reply"] for each in people if each["last_reply"]]
    return Line(
        queue_id=row["queue_id"],
        state=row["state"],
        accepted_at=row["accepted_at"],
        attempts=row["attempts"],
        size=row["size"],
        sender=row["sender"] or "<>",
        recipient=people[0]["address"] if people else "",
        more=max(0, len(people) - 1),
        next_hop=hops[0] + (f" +{len(hops) - 1}" if len(hops) > 1 else "") if hops else "",
        due=min(dues) if dues else None,
        said=said[0] if said else row["reason"] or "",
    )


def done(verb: str, count: int, *, bounce: bool) -> str:
    """In words, how many it was done to."""
    if not count:
        return "Nothing was changed: no such message, or it was so already."
    told = ", and reported to their senders" if bounce else ""
    return f"{count:,} {'message' if count == 1 else 'messages'} {_DONE[verb]}{told}."
