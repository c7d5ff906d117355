"""The part of a report for people: who, what became of them and why, in the words of a template and a fixed order.

Greeting; then, for each action in the order of `Action`, its sentence and the recipients, those together who share a
host and its reply; whom to ask; the counts. Promises: each recipient once; the order never changes, so that a program
can read it too; no word of ours about our inside. Never: a field for machines.

RFC 3464 1 and 2 (the first part), RFC 5322; seeds D-74, D-75, P-24, Q-26, Disagreement 6.
"""

from __future__ import annotations

from email.errors import HeaderParseError
from email.header import decode_header, make_header

from asyncmta.bounce.dsn_facts import Action, DsnFacts, ReportedRecipient
from asyncmta.bounce.dsn_lines import TEXT_WIDTH, host, paragraphs, part, safe, shortened, wrapped
from asyncmta.bounce.dsn_template import Template
from asyncmta.mail.envelope import format_queue_id
from asyncmta.mail.headers import field, header_section, printed, rfc5322_date
from asyncmta.mail.outcome import Place
from asyncmta.mail.xtext import decode_orcpt

# What a status means to somebody who only wants to write a letter: the section of the template that says it.
_HINTS = {
    (1, 1): "hint.address",
    (1, 2): "hint.domain",
    (1, 3): "hint.address",
    (1, 6): "hint.moved",
    (1, 10): "hint.no_mail",
    (2, 2): "hint.full",
    (2, 3): "hint.size",
    (3, 4): "hint.size",
}
_SECURITY = 7  # the subject of statuses that are about rules
_UNITS = ((86400, "days"), (3600, "hours"), (60, "minutes"))


def text_part(facts: DsnFacts, template: Template, *, utf8: bool) -> bytes:
    house = {"hostname": host(facts.reporting_mta), "postmaster": safe(facts.postmaster)}
    lines: list[str] = []
    lines += _apart(paragraphs(template.fill("greeting", **house)))
    for action in Action:
        those = facts.those(action)
        if those:
            lines += _apart(paragraphs(template.fill("double" if facts.double else action.value, **house)))
        for members in _groups(those):
            lines += [line for each in members for line in _recipient_lines(each, template)]
            lines += [*_reason(members[0], facts, template), ""]
    lines += _apart(paragraphs(template.fill("help", **house)))
    lines += _table(facts, template)
    closing = paragraphs(template.fill("closing", **house))
    lines += ["", *closing] if closing else []
    lines = [f" {line}" if line.startswith("--") else line for line in lines]  # none can be a boundary
    return part("text/plain", "\r\n".join([*lines, ""]), raw=utf8, language=template.words["language"])


def _apart(lines: list[str]) -> list[str]:
    return [*lines, ""] if lines else lines


def _groups(recipients: tuple[ReportedRecipient, ...]) -> list[list[ReportedRecipient]]:
    """Those who share remote host and reply, in the order of the first of each."""
    groups: dict[object, list[ReportedRecipient]] = {}
    for each in recipients:
        groups.setdefault((each.place.host, each.place.ip, each.is_heard, each.is_expired, each.reply), []).append(each)
    return list(groups.values())


def _recipient_lines(each: ReportedRecipient, template: Template) -> list[str]:
    lines = [f"  <{printed(each.recipient.address)}>"]
    original = decode_orcpt(each.recipient.orcpt, utf8=True)
    if original is not None and original[1] != str(each.recipient.address):
        lines += wrapped(template.fill("sent_to", original=safe(original[1])), "    ")
    return lines


def _reason(each: ReportedRecipient, facts: DsnFacts, template: Template) -> list[str]:
    lines, is_late = [], each.action is Action.DELAYED
    if is_late or each.is_expired:
        attempts = template.words["once"] if facts.attempts == 1 else template.fill("times", count=str(facts.attempts))
        age = _duration(facts.at - facts.accepted_at, template)
        lines += wrapped(template.fill("late" if is_late else "expired", age=age, attempts=attempts), "    ")
    if each.is_heard or each.place.host:
        where = _where(each.place) or host(facts.reporting_mta)
        lines += wrapped(template.fill("said" if each.is_heard else "at", host=where), "    ")
    if each.is_heard or not each.action.is_success:
        lines += wrapped(str(each.reply) if each.is_heard else each.reply.text, "      ")
    if not each.action.is_success:
        lines += wrapped(_hint(each, template), "    ")
    if is_late and facts.retry_until:
        lines += wrapped(template.fill("until", until=rfc5322_date(facts.retry_until)), "    ")
    return lines


def _hint(each: ReportedRecipient, template: Template) -> str:
    """In plain words, where the status is one that has some; else nothing."""
    status = each.reply.enhanced
    if status is None:
        return ""
    is_ruled_out = status.subject == _SECURITY and each.is_heard  # by others: our own rules say what they have to say
    section = _HINTS.get((status.subject, status.detail), "hint.refused" if is_ruled_out else "")
    return template.words[section] if section else ""


def _where(place: Place) -> str:
    name = host(place.host)
    return f"{name} [{host(place.ip)}]" if place.ip and place.ip != name else name


def _duration(seconds: float, template: Template) -> str:
    """In the largest unit of which there are at least two."""
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return template.fill(unit, count=str(int(seconds / size)))
    return template.fill("seconds", count=str(max(0, int(seconds))))


def _table(facts: DsnFacts, template: Template) -> list[str]:
    """What is known of the message, and how many of its recipients are where. Those who are told of here as late are
    among those who are still being tried."""
    failed, late = len(facts.those(Action.FAILED)), len(facts.those(Action.DELAYED))
    arrived = len(facts.recipients) - failed - late
    rows = [
        ("id", format_queue_id(facts.queue_id)),
        ("subject", _subject(facts.content)),
        ("received", rfc5322_date(facts.accepted_at)),
        ("recipients", str(facts.total)),
        ("delivered", str(facts.delivered)),
        ("reported", str(facts.reported)),
        ("failed", str(failed) if failed else ""),
        ("delayed", str(late) if late else ""),
        ("success", str(arrived) if arrived else ""),
        ("pending", str(facts.pending + late)),
    ]
    labels = {name: shortened(template.words[f"label.{name}"], TEXT_WIDTH // 2) for name, value in rows if value}
    width = max(map(len, labels.values())) + 3
    return [f"{labels[name] + ':':{width}}{shortened(value, TEXT_WIDTH - width)}" for name, value in rows if value]


def _subject(content: bytes) -> str:
    """Of the message, by which people know it; its encoded words read, where they can be."""
    text = field(header_section(content), "Subject") or ""
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, ValueError):  # no base64, a charset that nobody knows, octets not of it
        return text
