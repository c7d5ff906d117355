"""How long a session waits for its peer: by stage, and in all.

Promises: behind the end of the content ten minutes are never cut short, since that makes duplicates. Never: a clock.

RFC 5321 4.5.3.2 (timeouts by stage), RFC 1047 (why ten minutes).
"""

from __future__ import annotations

from asyncmta.delivery.verdict import Stage

IDLE_TIME = 5.0
BLOCK_TIME = 180.0
STAGE_TIME = {Stage.MAIL: 300.0, Stage.RCPT: 300.0, Stage.DATA: 120.0, Stage.DOT: 600.0}
FIRST_REPLY = STAGE_TIME[Stage.MAIL]
AFTER_THE_DOT = STAGE_TIME[Stage.DOT]
# For the replies to what went behind the content of another message, once that has been answered. They come with it; a
# peer from which they do not has thrown the commands away, and the message is sent in another session.
AHEAD_TIME = 30.0
# For the answer to a message while another one stands behind it, and there are others who could take that. Most servers
# look at a message for less time than this.
BEHIND_TIME = 10.0
BEFORE_THE_DOT = 7200.0  # for all of a transaction but its end: patience with a drip has a bound
# For so long after its last reply a peer has not gone for idleness. Later the content waits for the reply to MAIL: with
# a connection that is closed already nobody could tell whether it was taken.
FRESH = 1.0


def until_reply(stage: Stage, *, is_out: bool, now: float, began: float) -> float:
    """When a reply has to be here. Where the content went with the commands (`is_out`), the peer may answer all of it
    at its end, and has the time for that at each stage."""
    if stage is Stage.DOT:
        return now + STAGE_TIME[stage]
    return before_the_dot(STAGE_TIME[Stage.DOT if is_out else stage], now=now, began=began)


def before_the_dot(seconds: float, *, now: float, began: float) -> float:
    """So many seconds from now, but not beyond what a transaction has up to the end of its content."""
    return min(now + seconds, began + BEFORE_THE_DOT)
