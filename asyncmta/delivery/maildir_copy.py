"""One recipient's copy of a message: what stands on top of it, what its file is called, where it goes.

The name's beginning depends on queue id and ordinal alone, so that what was delivered before is known by it; behind
that stand, where it is wanted, the size of the file and its size with CRLF (`,S=4096,W=4180`), which a reader would
else have to find out. Promises: a name has no slash and no colon. Never: the disk.

RFC 5321 4.4 (Return-Path); Maildir++ (`S=`), Dovecot (`W=`).
"""

from __future__ import annotations

from asyncmta.delivery.mailbox_form import lf
from asyncmta.mail.address import Address, InvalidAddress, parse_address
from asyncmta.mail.envelope import Recipient
from asyncmta.mail.headers import delivered_to, original_to, return_path
from asyncmta.mail.outcome import Outcome
from asyncmta.mail.xtext import decode_orcpt
from asyncmta.mailboxes.resolver import Mailbox


class Copy:
    """A copy on its way into a mailbox; `outcome` is None as long as all went well.

    name: in tmp/, unique among copies. base: how the name in new/ begins. directory: where tmp/, new/ and cur/ are,
    the mailbox or one of its folders. standing: its name in new/, where it is there already. expected: octets, about.
    shows_size, crlf_size: what the name in new/ says; the second is that of the content (None: not known).
    """

    __slots__ = (
        "base",
        "crlf_size",
        "directory",
        "expected",
        "file",
        "front",
        "is_in_tmp",
        "mailbox",
        "mark",
        "may_be_repeat",
        "name",
        "outcome",
        "shows_size",
        "size",
        "standing",
        "was_standing",
    )

    def __init__(self, mailbox: Mailbox, name: str, *, front: bytes, mark: bytes = b"") -> None:
        self.mailbox = mailbox
        self.directory = mailbox.path
        self.name = self.base = name
        self.front = front
        self.mark = mark
        self.may_be_repeat = True
        self.standing = ""
        self.was_standing = False
        self.file: int | None = None
        self.size = 0
        self.expected = 0
        self.shows_size = False
        self.crlf_size: int | None = None
        self.is_in_tmp = False
        self.outcome: Outcome | None = None

    @property
    def in_tmp(self) -> str:
        return f"{self.directory}/tmp/{self.name}"  # noqa: S108 - the mailbox's own

    @property
    def in_new(self) -> str:
        """To be asked when it is written."""
        if not self.shows_size:
            return f"{self.directory}/new/{self.base}"
        if self.crlf_size is None:
            return f"{self.directory}/new/{self.base},S={self.size}"
        whole = len(self.front) + self.front.count(b"\n") + self.crlf_size
        return f"{self.directory}/new/{self.base},S={self.size},W={whole}"


def copy_for(
    mailbox: Mailbox,
    name: str,
    *,
    recipient: Address,
    reverse_path: Address | None,
    original: Address | None = None,
) -> Copy:
    """A recipient's copy. `original`: whom it was for before."""
    mark = lf(delivered_to(recipient))
    front = lf(return_path(reverse_path)) + (b"" if original is None else lf(original_to(original))) + mark
    return Copy(mailbox, name, front=front, mark=mark.lower())


def original_of(recipient: Recipient) -> Address | None:
    """Whom it was for before it was rewritten or stood for somebody, as ORCPT says; None: nobody else."""
    said = decode_orcpt(recipient.orcpt, utf8=True) if recipient.orcpt is not None else None
    if said is None or said[0].lower() not in ("rfc822", "utf-8"):
        return None
    try:
        address = parse_address(said[1], smtputf8=True)
    except InvalidAddress:
        return None
    return None if address.mailbox_key == recipient.address.mailbox_key else address


def base_of(name: str) -> str:
    """How a name in new/ or cur/ begins: without sizes, and without the flags that a reader has put there."""
    return name.partition(":")[0].partition(",")[0]


def was_here(copy: Copy, content: bytes) -> bool:
    """Does the header section (with LF lines; the body may be cut off) say that this recipient had it before?"""
    if not copy.mark:
        return False
    section = b"\n" + content[: content.find(b"\n\n") + 1 or len(content)].lower()
    return b"\n" + copy.mark in section
