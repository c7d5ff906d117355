"""What the mailing lists say to a message before it is copied: to whose members it goes, and how.

Several lists may be behind one alias; each is asked, known by its owner, in whose name its members get their copies.
Promises: a list that refuses the message leaves the others their copies. Never: what a list says (`lists/posting`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from asyncmta.lists.posting import Post
from asyncmta.mail.address import Address
from asyncmta.mail.outcome import Failed
from asyncmta.mailboxes.expansion import Reached

MOST_VERP = 64 << 20  # octets of copies for one message: of more than that, many members get one copy together

Ask = Callable[[Address, bytes, Address | None], Post | Failed | None]
"""The owner of a list, the header section, the sender -> what the list says to it; None: that is no list."""


class Posted(Struct, frozen=True):
    """Who gets copies; for the owners of lists among them, how; and what is said when nobody does. `too_much`: there
    would be a copy for each, and there is no room for so many."""

    people: tuple[Reached, ...]
    posts: dict[str, Post]
    refusal: Failed | None = None
    too_much: bool = False


def posted(ask: Ask | None, section: bytes, sender: Address | None, size: int, people: Sequence[Reached]) -> Posted:
    """`size`: of the message, in octets."""
    owners = {str(one.owner): one.owner for one in people if one.owner is not None} if ask is not None else {}
    if ask is None or not owners:
        return Posted(tuple(people), {})
    posts: dict[str, Post] = {}
    refused: dict[str, Failed] = {}
    for text, owner in owners.items():
        said = ask(owner, section, sender)
        if isinstance(said, Failed):
            refused[text] = said
        elif said is not None:
            posts[text] = said
    left = tuple([one for one in people if str(one.owner) not in refused]) if refused else tuple(people)
    if not left:
        return Posted((), {}, next(iter(refused.values())))
    too_much = size * len(left) > MOST_VERP and any(post.verp for post in posts.values())
    if too_much:
        posts = {text: Post(post.top, False) for text, post in posts.items()}
    return Posted(left, posts, None, too_much)
