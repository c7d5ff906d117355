"""The fault table up to MAIL: greeting, EHLO and HELO, STARTTLS and the handshake, AUTH. Values only.

What holds for all of it: nothing that goes wrong here is about a message, so that every exchanger is worth a try, and
no mail bounces, not even for 521 (docs/decisions.md).
"""

from __future__ import annotations

from tests.faults.words import Fault, Kind, Pair, Step, Verdict

WELCOME = Verdict("DDD", is_used_again=True)
LOST = Verdict("EEE", "CONNECT", "451 4.4.2", "SITE", next_host=True)
TIMEOUT = Verdict("EEE", "TIMEOUT", "451 4.4.2", "SITE", next_host=True)
GARBAGE = Verdict("EEE", "CONNECT", "451 4.5.0", "SITE", next_host=True)
BYE = Verdict("EEE", "REFUSED", "421 4.3.2", "SITE", next_host=True)
LATER = Verdict("EEE", "REFUSED", "450 4.2.0", "SITE", next_host=True)
NO = Verdict("EEE", "REFUSED", "450 4.7.1", "SITE", next_host=True)
NO_STATUS = Verdict("EEE", "REFUSED", "450", "SITE", next_host=True)
NOBODY = Verdict("EEE", "REFUSED", "450 4.1.1", "SITE", next_host=True)
TOO_MANY = Verdict("EEE", "REFUSED", "452 4.5.3", "SITE", next_host=True)
NEVER = Verdict("EEE", "REFUSED", "450 4.3.2", "SITE", next_host=True)

_BROKEN = {
    Fault.FIN: LOST,
    Fault.RST: LOST,
    Fault.SILENCE: TIMEOUT,
    Fault.DRIP: TIMEOUT,
    Fault.HALF_A_LINE: LOST,
    Fault.UNFINISHED: LOST,
    Fault.GARBAGE: GARBAGE,
    Fault.BINARY: GARBAGE,
    Fault.EMPTY: GARBAGE,
    Fault.TWO_DIGITS: GARBAGE,
    Fault.ENDLESS_LINE: GARBAGE,
    Fault.ENDLESS_REPLY: GARBAGE,
    Fault.BYE: BYE,
    Fault.BYE_STAYS: BYE,
    Fault.CODE_0: GARBAGE,
    Fault.CODE_1: GARBAGE,
    Fault.CODE_3: GARBAGE,
    Fault.CODE_4: LATER,
    Fault.CODE_452: TOO_MANY,
    Fault.CODE_6: GARBAGE,
    Fault.CODE_9: GARBAGE,
    Fault.EXTRA: GARBAGE,
    Fault.EXTRA_5: GARBAGE,
}
_REFUSED = {
    Fault.CODE_5: NO,
    Fault.CODE_521: NEVER,
    Fault.CODE_530: Verdict("EEE", "REFUSED", "450 4.7.0", "SITE", next_host=True),
    Fault.CODE_552: Verdict("EEE", "REFUSED", "450 4.5.3", "SITE", next_host=True),
    Fault.CHANGING: NO_STATUS,
    Fault.HOSTILE_REFUSAL: NO_STATUS,
    Fault.BARE_REFUSAL: NO_STATUS,
    Fault.EIGHT_BIT_REFUSAL: NOBODY,
}
# Who has our name is ourselves, and so would be whoever stands behind; an operator may have his reasons.
LOOP = Verdict("EEE", "LOOP", "451 4.4.6", "SITE")
_WELCOME = dict.fromkeys(
    (
        Fault.HOSTILE_STATUS,
        Fault.NO_TEXT,
        Fault.EIGHT_BIT,
        Fault.BARE_LF,
        Fault.LONG_LINE,
        Fault.MANY_LINES,
        Fault.CHANGING_TO_2,
    ),
    WELCOME,
)
_ALL = _BROKEN | _REFUSED | _WELCOME

# A refused EHLO is followed by HELO, which this server takes.
_ASKED_AGAIN = dict.fromkeys(_REFUSED, WELCOME)

# Where TLS is only what is better than nothing, a second connection does without it; where it is required, never.
NO_TLS = Verdict("EEE", "TLS", "451 4.7.5", "SITE", next_host=True)
TLS_TIMEOUT = Verdict("EEE", "TIMEOUT", "451 4.4.2", "SITE", next_host=True)
TLS_REFUSED = Verdict("EEE", "TLS", "454 4.7.0", "SITE", next_host=True)
_STARTTLS = _BROKEN | _REFUSED | {Fault.CODE_2: GARBAGE}
# Words behind the 220 are somebody's in between: not even a connection in clear follows (row T02).
_STARTTLS_WHERE_OFFERED = dict.fromkeys(_STARTTLS, WELCOME) | {Fault.EXTRA: GARBAGE, Fault.EXTRA_5: GARBAGE}
_STARTTLS_REQUIRED = {
    **_STARTTLS,
    Fault.FIN: NO_TLS,
    Fault.RST: NO_TLS,
    Fault.HALF_A_LINE: NO_TLS,
    Fault.UNFINISHED: NO_TLS,
    Fault.CODE_452: TLS_REFUSED,
    Fault.CODE_4: TLS_REFUSED,
    **dict.fromkeys(_REFUSED, TLS_REFUSED),
}
_HANDSHAKE = (
    Fault.FIN,
    Fault.RST,
    Fault.SILENCE,
    Fault.GARBAGE,
    Fault.BINARY,
    Fault.ENDLESS_LINE,
    Fault.BYE,
    Fault.CODE_4,
    Fault.CODE_5,
)
_HANDSHAKE_REQUIRED = dict.fromkeys(_HANDSHAKE, NO_TLS) | {Fault.SILENCE: TLS_TIMEOUT}

# AUTH is for hosts that an operator named, with a password that may be wrong by tomorrow: nothing bounces.
NOT_IN = Verdict("EEE", "REFUSED", "454 4.7.0", "SITE", next_host=True)
_AUTH = {
    **_BROKEN,
    Fault.CODE_2: GARBAGE,
    Fault.CODE_4: NOT_IN,
    Fault.CODE_452: NOT_IN,
    **dict.fromkeys(_REFUSED, NOT_IN),
    **_WELCOME,
}

_UNCONNECTED = {
    Fault.REFUSED: Verdict("EEE", "CONNECT", "451 4.4.1", "SITE", next_host=True),
    Fault.UNREACHABLE: Verdict("EEE", "CONNECT", "451 4.4.1", "SITE", next_host=True),
    Fault.NO_ANSWER: Verdict("EEE", "TIMEOUT", "451 4.4.1", "SITE", next_host=True),
}


def _rows(kind: Kind, step: Step, verdicts: dict[Fault, Verdict]) -> tuple[Pair, ...]:
    return tuple(Pair(kind, step, fault, verdict) for fault, verdict in verdicts.items())


OPENING: tuple[Pair, ...] = (
    *_rows(Kind.PIPELINED, Step.CONNECT, _UNCONNECTED),
    *_rows(Kind.PIPELINED, Step.GREETING, _ALL | {Fault.CODE_2: GARBAGE, Fault.OUR_NAME: LOOP}),
    *_rows(Kind.LOGIN, Step.GREETING, _ALL | {Fault.CODE_2: GARBAGE, Fault.OUR_NAME: WELCOME}),
    *_rows(Kind.PIPELINED, Step.EHLO, _ALL | _ASKED_AGAIN | {Fault.OUR_NAME: LOOP}),
    *_rows(Kind.OLD, Step.HELO, _ALL),
    *_rows(Kind.TLS, Step.STARTTLS, _STARTTLS_WHERE_OFFERED),
    *_rows(Kind.TLS, Step.HANDSHAKE, dict.fromkeys(_HANDSHAKE, WELCOME)),
    *_rows(Kind.TLS, Step.EHLO_AGAIN, _ALL | _ASKED_AGAIN),
    *_rows(Kind.TLS_REQUIRED, Step.STARTTLS, _STARTTLS_REQUIRED),
    *_rows(Kind.TLS_REQUIRED, Step.HANDSHAKE, _HANDSHAKE_REQUIRED),
    *_rows(Kind.LOGIN, Step.AUTH, _AUTH),
)
