"""How a command ended, as an outcome: exit statuses by sysexits.h, signals, and what it wrote as the reply's text.

Promises: total. What the message or its address is to blame for is permanent (no such user, malformed content, not
permitted, not available); what this machine or its settings are to blame for, what is not in the table, and death by
a signal is transient, so that nothing bounces for a fault of ours. Text of a command becomes a few printable lines.
Never: processes, time.

sysexits.h (4.3BSD), RFC 3463.
"""

from __future__ import annotations

from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Outcome
from asyncmta.mail.reply import reply

MOST_WORDS = 3
LONGEST_WORD = 200

# name, enhanced status, what is said where the command said nothing
_PERMANENT = {
    65: ("5.6.0", "the content is malformed"),  # EX_DATAERR
    67: ("5.1.1", "no such user"),  # EX_NOUSER
    68: ("5.1.2", "no such host"),  # EX_NOHOST
    69: ("5.3.0", "not available"),  # EX_UNAVAILABLE
    76: ("5.5.0", "a protocol was violated"),  # EX_PROTOCOL
    77: ("5.7.1", "not permitted"),  # EX_NOPERM
}
_TRANSIENT = {
    64: ("4.3.5", "it was called in a wrong way"),  # EX_USAGE
    66: ("4.3.0", "its input could not be opened"),  # EX_NOINPUT
    70: ("4.3.0", "it found a fault in itself"),  # EX_SOFTWARE
    71: ("4.3.0", "the system is short of something"),  # EX_OSERR
    72: ("4.3.5", "a file of the system is missing"),  # EX_OSFILE
    73: ("4.2.0", "a file could not be made"),  # EX_CANTCREAT
    74: ("4.3.0", "input or output failed"),  # EX_IOERR
    75: ("4.3.0", "try again later"),  # EX_TEMPFAIL
    78: ("4.3.5", "its configuration is wrong"),  # EX_CONFIG
}


def outcome_of(status: int, output: bytes) -> Outcome:
    """`status` as a process ends: 0 or more by itself, below 0 by that signal."""
    said = words(output)
    if status == 0:
        return Delivered(reply(250, "2.0.0", f"delivered to a command{': ' + said if said else ''}"))
    if status in _PERMANENT:
        code, default = _PERMANENT[status]
        return Failed(Cause.REFUSED, reply(550, code, f"the command refused: {said or default}"))
    if status < 0:
        code, default = "4.3.0", f"ended by signal {-status}"
    else:
        code, default = _TRANSIENT.get(status, ("4.3.0", f"unknown exit status {status}"))
    return Deferred(Cause.REFUSED, reply(451, code, f"the command did not take it: {said or default}"))


def fault(text: str, cause: Cause = Cause.INTERNAL) -> Deferred:
    """It could not be run, or not to its end."""
    return Deferred(cause, reply(451, "4.3.0", text))


def words(output: bytes) -> str:
    """The first lines that say something, as one; what does not print is a question mark."""
    lines = (line.strip() for line in output.decode("utf-8", "replace").splitlines())
    first = [line[:LONGEST_WORD] for line in lines if line][:MOST_WORDS]
    return "; ".join("".join(sign if sign.isprintable() else "?" for sign in line) for line in first)
