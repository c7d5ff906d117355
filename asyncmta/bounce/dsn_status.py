"""The part of a report for machines: a block of fields for the message, then one for each recipient.

Promises: each recipient once, in the order of the facts; each field once in its block and on lines of its own, whatever
its value is. Never: a word that depends on the language; the text for people.

RFC 3464 2 (fields), RFC 6533 3 and 4 (the utf-8 address type, and its form in ASCII), RFC 2852 5 (Deliver-By-Date).
"""

from __future__ import annotations

from asyncmta.bounce.dsn_facts import Action, DsnFacts, ReportedRecipient
from asyncmta.bounce.dsn_lines import MAX_WORD, host, part, safe, wrapped
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import format_queue_id
from asyncmta.mail.headers import printed, rfc5322_date
from asyncmta.mail.xtext import decode_orcpt, decode_xtext, embedded

MAX_ENVID = 200
LONGEST_FINAL = 900


def status_part(facts: DsnFacts, *, utf8: bool) -> bytes:
    lines = _of_message(facts)
    for each in facts.recipients:
        lines += ["", *_of_recipient(each, facts, utf8=utf8)]
    text = "\r\n".join([*lines, ""])
    if utf8:
        return part("message/global-delivery-status", text, raw=True)
    return part("message/delivery-status", text.encode("ascii", "replace").decode(), raw=True)


def _of_message(facts: DsnFacts) -> list[str]:
    lines = []
    if facts.envid is not None:
        lines += wrapped(f"Original-Envelope-Id: {safe(decode_xtext(facts.envid)[:MAX_ENVID])}", "", " ")
    lines += [
        f"Reporting-MTA: dns; {host(facts.reporting_mta)}",
        f"Arrival-Date: {rfc5322_date(facts.accepted_at)}",
    ]
    if facts.deliver_by:
        lines.append(f"Deliver-By-Date: {rfc5322_date(facts.deliver_by)}")
    return [*lines, f"X-Asyncmta-Queue-ID: {format_queue_id(facts.queue_id)}"]


def _of_recipient(each: ReportedRecipient, facts: DsnFacts, *, utf8: bool) -> list[str]:
    lines = []
    original = decode_orcpt(each.recipient.orcpt, utf8=utf8)
    if original is not None:
        lines.append(f"Original-Recipient: {original[0]}; {safe(original[1][:MAX_WORD])}")
    lines += [
        f"Final-Recipient: {_final(each.recipient.address, utf8=utf8)}",
        f"Action: {each.action.value}",
        f"Status: {each.status}",
    ]
    if each.place.host:
        lines.append(f"Remote-MTA: dns; {host(each.place.host)}")
    if each.is_heard:
        lines += wrapped(f"Diagnostic-Code: smtp; {each.reply}", "", " ")
    elif not each.action.is_success:
        lines += wrapped(f"Diagnostic-Code: x-asyncmta; {each.reply.text}", "", " ")
    if each.at is not None:
        lines.append(f"Last-Attempt-Date: {rfc5322_date(each.at)}")
    if each.action is Action.DELAYED and facts.retry_until:
        lines.append(f"Will-Retry-Until: {rfc5322_date(facts.retry_until)}")
    return lines


def _final(address: Address, *, utf8: bool) -> str:
    if address.is_ascii:
        return f"rfc822; {printed(address)}"
    if utf8:
        return f"utf-8; {printed(address)}"
    text = f"{embedded(address.local_part)}@{address.domain_key}"
    return f"utf-8; {text}" if len(text) <= LONGEST_FINAL else "\r\n ".join(["utf-8;", *wrapped(text)])
