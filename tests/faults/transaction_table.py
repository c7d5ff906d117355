"""The fault table from MAIL on: the transaction, its content, the dot, and the rest between transactions. Values only.

What holds for all of it: only a 5yz in its place makes a recipient fail, and only that recipient where it is the reply
to a RCPT; nonsense is transient; up to the dot nothing can have happened, and after it nobody else is asked to take
the message as long as it is not known.
"""

from __future__ import annotations

from tests.faults.words import Fault, Kind, Pair, Step, Verdict

WELCOME = Verdict("DDD", is_used_again=True)
LOST = Verdict("EEE", "CONNECT", "451 4.4.2", "SITE", next_host=True)
TIMEOUT = Verdict("EEE", "TIMEOUT", "451 4.4.2", "SITE", next_host=True)
GARBAGE = Verdict("EEE", "CONNECT", "451 4.5.0", "SITE", next_host=True)
BYE = Verdict("EEE", "REFUSED", "421 4.3.2", "SITE", next_host=True)
LATER = Verdict("EEE", "REFUSED", "450 4.2.0", "MESSAGE", next_host=True, is_used_again=True)
FULL = Verdict("EEE", "REFUSED", "452 4.5.3", "MESSAGE", next_host=True, is_used_again=True)
NO = Verdict("FFF", "REFUSED", "550 5.7.1", "MESSAGE", is_used_again=True)
NO_STATUS = Verdict("FFF", "REFUSED", "550", "MESSAGE", is_used_again=True)
NOBODY = Verdict("FFF", "REFUSED", "550 5.1.1", "MESSAGE", is_used_again=True)
NEVER = Verdict("FFF", "REFUSED", "521 5.3.2", "MESSAGE", is_used_again=True)
WANTS_LOGIN = Verdict("EEE", "REFUSED", "450 4.7.0", "MESSAGE", next_host=True, is_used_again=True)
TOO_LARGE = Verdict("FFF", "REFUSED", "552 5.5.3", "MESSAGE", is_used_again=True)

_NONSENSE = (
    Fault.GARBAGE,
    Fault.BINARY,
    Fault.EMPTY,
    Fault.TWO_DIGITS,
    Fault.ENDLESS_LINE,
    Fault.ENDLESS_REPLY,
    Fault.CODE_0,
    Fault.CODE_1,
    Fault.CODE_3,
    Fault.CODE_6,
    Fault.CODE_9,
    Fault.CHANGING,
    Fault.CHANGING_TO_2,
    Fault.EXTRA,
    Fault.EXTRA_5,
)
_BROKEN = {
    Fault.FIN: LOST,
    Fault.RST: LOST,
    Fault.SILENCE: TIMEOUT,
    Fault.DRIP: TIMEOUT,
    Fault.HALF_A_LINE: LOST,
    Fault.UNFINISHED: LOST,
    Fault.BYE: BYE,
    Fault.BYE_STAYS: BYE,
    **dict.fromkeys(_NONSENSE, GARBAGE),
}
_REFUSED = {
    Fault.CODE_4: LATER,
    Fault.CODE_452: FULL,
    Fault.CODE_5: NO,
    Fault.CODE_521: NEVER,
    Fault.CODE_530: WANTS_LOGIN,
    Fault.CODE_552: TOO_LARGE,
    Fault.HOSTILE_REFUSAL: NO_STATUS,
    Fault.BARE_REFUSAL: NO_STATUS,
    Fault.EIGHT_BIT_REFUSAL: NOBODY,
}
_WELCOME = dict.fromkeys(
    (
        Fault.HOSTILE_STATUS,
        Fault.NO_TEXT,
        Fault.EIGHT_BIT,
        Fault.BARE_LF,
        Fault.LONG_LINE,
        Fault.MANY_LINES,
    ),
    WELCOME,
)
_MAIL = _BROKEN | _REFUSED | _WELCOME


def _of_one(at: int, verdict: Verdict) -> Verdict:
    """What is said to one RCPT concerns that recipient alone."""
    letters = ["D", "D", "D"]
    letters[at] = verdict.outcomes[0]
    return Verdict("".join(letters), verdict.cause, verdict.reply, "RECIPIENT", is_used_again=True)


def _rcpt(at: int) -> dict[Fault, Verdict]:
    refused = {fault: _of_one(at, verdict) for fault, verdict in _REFUSED.items()}
    # RFC 5321 4.5.3.1.10: too many recipients, whatever the first digit says.
    refused[Fault.CODE_552] = Verdict(
        refused[Fault.CODE_552].outcomes.replace("F", "E"), "REFUSED", "452 4.5.3", "RECIPIENT", is_used_again=True
    )
    return _BROKEN | refused | _WELCOME


# Not 354 but 250 is out of place here.
_DATA = {fault: verdict for fault, verdict in _MAIL.items() if fault is not Fault.CODE_3} | {Fault.CODE_2: GARBAGE}

_MAYBE_LOST = Verdict("EEE", "CONNECT", "451 4.4.2", "RECIPIENT", may_be_duplicate=True)
_MAYBE_TIMEOUT = Verdict("EEE", "TIMEOUT", "451 4.4.2", "RECIPIENT", may_be_duplicate=True)
_MAYBE_GARBAGE = Verdict("EEE", "CONNECT", "451 4.5.0", "RECIPIENT", may_be_duplicate=True)
_MAYBE = {LOST: _MAYBE_LOST, TIMEOUT: _MAYBE_TIMEOUT, GARBAGE: _MAYBE_GARBAGE, BYE: BYE}
_DOT = {
    **{fault: _MAYBE[verdict] for fault, verdict in _BROKEN.items()},
    **_REFUSED,
    **_WELCOME,
    # The reply to the dot counts; after what came behind it the session is not used again.
    Fault.EXTRA: Verdict("DDD"),
    Fault.EXTRA_5: Verdict("DDD"),
}

_CONTENT = {
    Fault.FIN: LOST,
    Fault.RST: LOST,
    Fault.DEAF: TIMEOUT,
    Fault.SILENCE: _MAYBE_TIMEOUT,
    Fault.BYE: BYE,
    Fault.GARBAGE: GARBAGE,
    Fault.BINARY: GARBAGE,
    Fault.CODE_2: GARBAGE,
    Fault.CODE_3: GARBAGE,
    Fault.CODE_4: Verdict("EEE", "REFUSED", "450 4.2.0", "MESSAGE", next_host=True),
    Fault.CODE_5: Verdict("FFF", "REFUSED", "550 5.7.1", "MESSAGE"),
    Fault.CODE_552: Verdict("FFF", "REFUSED", "552 5.5.3", "MESSAGE"),
}

# Whatever the peer says while nobody asked: the session is over, and nobody suffers.
_IDLE = dict.fromkeys(
    (
        Fault.FIN,
        Fault.RST,
        Fault.BYE,
        Fault.BYE_STAYS,
        Fault.GARBAGE,
        Fault.BINARY,
        Fault.EMPTY,
        Fault.ENDLESS_LINE,
        Fault.CODE_2,
        Fault.CODE_5,
        Fault.EIGHT_BIT_REFUSAL,
    ),
    Verdict("DDD"),
)


# The session was closed while it rested, or at this very moment: the message goes to a new one, and nobody is told.
_UNHEARD = dict.fromkeys(
    (Fault.FIN, Fault.RST, Fault.HALF_A_LINE, Fault.UNFINISHED, Fault.BYE, Fault.BYE_STAYS), WELCOME
)
_RSET = {
    **dict.fromkeys(_MAIL, GARBAGE),
    Fault.SILENCE: TIMEOUT,
    Fault.DRIP: TIMEOUT,
    **_UNHEARD,
    **_WELCOME,
}


# BDAT has no 354, and small content is in the write of its commands: from MAIL on, what breaks off may have been taken.
def _all_sent(verdicts: dict[Fault, Verdict]) -> dict[Fault, Verdict]:
    return {fault: _MAYBE.get(verdict, verdict) for fault, verdict in verdicts.items()}


_CHUNKED = {
    Step.MAIL: _all_sent(_MAIL),
    Step.RCPT_1: _all_sent(_rcpt(0)),
    Step.RCPT_2: _all_sent(_rcpt(1)),
    Step.RCPT_3: _all_sent(_rcpt(2)),
    Step.DOT: _DOT | {Fault.EXTRA: _MAYBE_GARBAGE, Fault.EXTRA_5: _MAYBE_GARBAGE},
}

# QUIT is said, and its reply not waited for.
_QUIT = dict.fromkeys(_MAIL, Verdict("DDD"))


def _rows(kind: Kind, step: Step, verdicts: dict[Fault, Verdict]) -> tuple[Pair, ...]:
    return tuple(Pair(kind, step, fault, verdict) for fault, verdict in verdicts.items())


_STEPS = {
    Step.MAIL: _MAIL,
    Step.RCPT_1: _rcpt(0),
    Step.RCPT_2: _rcpt(1),
    Step.RCPT_3: _rcpt(2),
    Step.DATA: _DATA,
    Step.DOT: _DOT,
}

TRANSACTION: tuple[Pair, ...] = (
    *(row for step, verdicts in _STEPS.items() for row in _rows(Kind.PIPELINED, step, verdicts)),
    *(row for step, verdicts in _STEPS.items() for row in _rows(Kind.LOCK_STEP, step, verdicts)),
    *(row for step, verdicts in _CHUNKED.items() for row in _rows(Kind.CHUNKED, step, verdicts)),
    *_rows(Kind.STREAMED, Step.CONTENT, _CONTENT),
    *_rows(Kind.PIPELINED, Step.IDLE, _IDLE),
    *_rows(Kind.REUSED, Step.MAIL, _MAIL | _UNHEARD),
    *_rows(Kind.RESET, Step.RSET, _RSET),
    *_rows(Kind.LAST, Step.QUIT, _QUIT),
)
