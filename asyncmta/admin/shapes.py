"""The JSON of the HTTP interface as types: what requests are read into, and what answers look like. Pure.

Promises: requests are strict (an unknown key is refused, since a misspelt filter must not widen an operation); the
answers' types are what the OpenAPI document says of them, and tests read every answer back into its type. Times are
Unix seconds, sizes octets. Never: a value of a running MTA; those come as rows and reports and are shown as they are.

contract.md section 4.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

Domain = Annotated[str, Meta(description="A domain, in any spelling: U-labels and A-labels are the same.")]
Mailbox = Annotated[str, Meta(extra_json_schema={"format": "email"})]
Text = Annotated[str, Meta(max_length=1000)]
Age = Annotated[str, Meta(description='A duration: "90s", "20m", "4h", "5d".', pattern=r"^[0-9]{1,9}[smhdw]$")]
State = Annotated[
    str,
    Meta(
        pattern="^(held|deferred|ready|active|damaged)$",
        description="held, deferred, ready, active or damaged.",
    ),
]


class Filters(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Which messages: those that pass every filter that is given. `domain` and `recipient` are about recipients that
    are not done; `sender` "" or "<>" is the null reverse-path; ages count from the acceptance; `reply` is a piece of
    the last reply or an enhanced status code, as in "4.2.2" or "over quota"."""

    domain: Domain | None = None
    sender: Text | None = None
    recipient: Text | None = None
    state: State | None = None
    min_age: Age | None = None
    max_age: Age | None = None
    reply: Text | None = None


class Bulk(Filters, forbid_unknown_fields=True, omit_defaults=True):
    """Which messages an operation is for: the named ones, or those that pass the filters, or all. `dry_run`: nothing is
    done, and the answer says for how many it would be. `bounce` is for deletions: they are reported to the senders."""

    ids: list[str] | None = None
    all: bool = False
    bounce: bool = False
    dry_run: bool = False


class Flush(Filters, forbid_unknown_fields=True, omit_defaults=True):
    """What is tried now; without a filter everything that waits. `dry_run` as for the other operations."""

    dry_run: bool = False


class NewMessage(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A message as JSON. `from` null or "" is the null reverse-path; `notify`, `ret` and `envid` are RFC 3461's."""

    to: list[Mailbox]
    content: str
    notify: str | None = None
    ret: str | None = None
    envid: str | None = None
    verp: bool = False
    from_: str | None = field(default=None, name="from")


# -- answers ----------------------------------------------------------------------------------------------------------


class ErrorText(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """`code` is for programs and stays as it is, `message` for people; `faults`: all of them, where settings have
    several."""

    code: str
    message: str
    faults: list[str] = []


class Error(Struct, forbid_unknown_fields=True):
    """What every answer that is no success has."""

    error: ErrorText


class Health(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """`status` is "ok", or "failing" for these `reasons`; `paused`: what an operator has paused; `warnings`:
    what is well and should still be known."""

    status: str
    reasons: list[str]
    error: ErrorText | None = None
    paused: list[str] = []
    warnings: list[str] = []


class RecipientShown(Struct, forbid_unknown_fields=True):
    """A recipient that is not done."""

    address: str
    state: str
    next_hop: str | None
    last_reply: str | None
    next_due: float | None


class MessageShown(Struct, forbid_unknown_fields=True):
    """A message that is queued. `total` counts the recipients that it came with."""

    queue_id: str
    state: str
    sender: str | None
    size: int
    accepted_at: float
    attempts: int
    total: int
    reason: str | None
    recipients: list[RecipientShown]


class QueuePage(Struct, forbid_unknown_fields=True):
    """The newest first. A page may have fewer messages than asked for, even none, where a filter has to look at many;
    `next` is the cursor of the page that follows, and null at the end alone."""

    messages: list[MessageShown]
    next: str | None


class Group(Struct, forbid_unknown_fields=True):
    messages: int
    oldest_accepted_at: float


class QueueCounts(Struct, forbid_unknown_fields=True):
    messages: int
    recipients: int
    size: int
    oldest_accepted_at: float | None
    states: dict[str, Group]
    destinations: dict[str, Group]
    paused: list[str] = []


class LastAttempt(Struct, forbid_unknown_fields=True):
    """The last attempt at a recipient that did not deliver it. `at` is not known of one that has failed."""

    at: float | None
    outcome: str
    cause: str
    scope: str
    reply: str
    host: str | None
    ip: str | None
    tls: str | None


class RecipientStory(Struct, forbid_unknown_fields=True):
    """A recipient, also one that is done: `state` is then "delivered" or "reported". `rule` is the route that has
    chosen the next hop; `decided_by` names the rule or limit that decides now, for programs, and `why` for people."""

    address: str
    state: str
    next_hop: str | None
    rule: str | None
    next_due: float | None
    decided_by: str | None
    why: str | None
    last: LastAttempt | None


class Story(Struct, forbid_unknown_fields=True):
    """A message with its history, as far as the journal has it. From `ends_at` on a deferral is a failure."""

    queue_id: str
    state: str
    sender: str | None
    size: int
    accepted_at: float
    client: str | None
    login: str | None
    attempts: int
    ends_at: float | None
    sender_was_warned: bool
    reason: str | None
    recipients: list[RecipientStory]


class Count(Struct, forbid_unknown_fields=True):
    """How many messages it was done to, or would be."""

    count: int


class Taken(Struct, forbid_unknown_fields=True):
    """The message is ours: it is durable under this id."""

    queue_id: str


class SiteShown(Struct, forbid_unknown_fields=True):
    """Where mail is sent: sessions and their window, which opens up to `limit`; transactions that wait, and why nothing
    is tried just now. `destinations`: some that led there within the last half minute."""

    key: str
    hosts: list[str]
    waiting: int
    sessions: int
    idle: int
    opening: int
    window: int
    suspended_until: float | None
    last_failure: str
    limit: int
    suspended_since: float | None
    destinations: list[str]


class Sites(Struct, forbid_unknown_fields=True):
    sites: list[SiteShown]


class Route(Struct, forbid_unknown_fields=True):
    """What would become of a recipient, rule by rule."""

    recipient: str
    sender: str
    rules: list[str]
    destination: str
    exchangers: list[str]
    tls: str
    policy: list[str]
    address: list[str] = []


class Why(Struct, forbid_unknown_fields=True):
    """The messages that are meant, and what would become of a new one to that address. `next` as in a page."""

    messages: list[Story]
    next: str | None
    route: Route | None
