"""What kind of failure a reply tells of, from its words first, then from its numbers.

The words come first, because big receivers say 5.7.1 and 5.4.1 of nearly everything. Promises: the patterns have no
repeat within a repeat, and see only the first characters of what a stranger wrote. Never: a retry.

The replies in tests/unit/mail/test_failure_words.py are those of real receivers.
"""

from __future__ import annotations

import re
from typing import Final

from asyncmta.mail.failure_class import FailureClass, of_cause, of_numbers
from asyncmta.mail.outcome import Cause
from asyncmta.mail.reply import Reply

LONGEST = 400  # in all of which hostile words cost 5 ms, and usual ones 60 us

# Asked in this order; each alternative is plain text with bounded gaps.
_WORDS: Final[tuple[tuple[FailureClass, re.Pattern[str]], ...]] = tuple(
    (kind, re.compile(text, re.IGNORECASE | re.VERBOSE))
    for kind, text in (
        (FailureClass.POLICY, r"resolver\.rst\."),  # the restriction of a group, whatever else it says
        (
            FailureClass.GREYLISTED,
            r"""
            gr[ea]y-?\s?list | try\ again\ (?:in|after)\ \d+\ (?:sec|min) | deferred\ for\ new\ sender
            """,
        ),
        (
            FailureClass.LOOP,
            r"""
            too\ many\ hops | hop\ count\ exceeded | mail\ loop | loops?\ back\ to\ myself | routing\ loop
            | mail\ loops
            """,
        ),
        (
            FailureClass.TLS,
            r"""
            starttls | must\ issue\ a\ tls | tls\ (?:is\ )?required | require[sd]?\ (?:encryption|tls)
            | encryption\ (?:required|needed)
            """,
        ),
        (
            FailureClass.CREDENTIALS,
            r"""
            authentication\ (?:is\ )?required | authentication\ (?:failed|unsuccessful|credentials\ invalid)
            | not\ logged\ in | username\ and\ password\ not | please\ log\ in | smtp\ auth\ required
            | client\ was\ not\ authenticated | application-specific\ password
            """,
        ),
        (
            FailureClass.AUTH,
            r"""
            \bspf\b | \bdkim\b | \bdmarc\b | unauthenticated | sender-?\s?id | domain\ owner'?s?\ polic
            | not\ authorized\ to\ send | sender\ authentication | sender\ policy
            """,
        ),
        (
            FailureClass.TOO_BIG,
            r"""
            too\ (?:big|large) | (?:message|maximum)\ (?:size|length)\ (?:exceed|limit|allowed)
            | size\ (?:exceeds|limit\ exceeded) | exceed(?:s|ed)?\ .{0,30}(?:message|maximum)\ .{0,10}size
            | larger\ than\ the
            """,
        ),
        (
            FailureClass.REPUTATION,
            r"""
            spamhaus | spamcop | barracuda(?:central|\ reputation) | sorbs | \bdnsbls?\b | \brbl\b | black-?\s?list
            | block-?\s?list | \bblocked\ using\b | is\ listed | listed\ (?:at|by|on|in)\b | reputation
            | banned\ (?:sending\ )?ip | block\ list\ \(s31 | s3140 | s3150 | invaluement | abusix | uceprotect
            | proofpoint\.com/(?:ip|report) | reverse\ (?:dns|hostname|lookup) | \brdns\b | \bptr\b | dynamic\ ip
            | cloudmark\.com | ip\ (?:address\ )?.{0,45}(?:is\ |been\ |temporarily\ )(?:blocked|rejected|banned)
            | messages?\ from\ .{1,60}weren't\ sent | due\ to\ (?:abuse|user\ complaints)
            | \[ts(?:s|c)0[49]\] | cpbl | access\ denied,?\ (?:banned|bad)
            """,
        ),
        (
            FailureClass.RATE,
            r"""
            rate\ ?-?limit | too\ many\ (?:messages|connections|recipients|emails|concurrent|sessions|invalid)
            | too\ fast | too\ much\ mail | receiving\ mail\ at\ a\ rate | unusual\ rate | throttl
            | exceeded\ .{0,30}(?:rate|per\ (?:hour|day|minute)) | daily\ (?:user\ )?sending | sending\ limit
            | quota\ of\ messages | \btry\ slower | slow\ down | excessive\ (?:message|connection) | message\ rate
            """,
        ),
        (
            FailureClass.FULL,
            r"""
            (?:mailbox|inbox|account|user|recipient|maildir)\ .{0,60}(?:\bfull\b|over\ ?quota|out\ of\ storage|exceed)
            | mailbox\ (?:is\ )?full | over\ ?-?\s?quota | quota\ .{0,20}exceed
            | exceed\w*\ .{0,30}(?:quota|storage|mailbox) | out\ of\ storage | mailbox\ size\ limit
            | not\ enough\ (?:disk\ )?space\ .{0,20}mailbox
            | insufficient\ (?:disk\ )?(?:space|storage)\ .{0,20}mailbox | \bmailfolder\ is\ full
            """,
        ),
        (
            FailureClass.CONTENT,
            r"""
            virus | malware | attachment | eight\ bit
            | \bcontent\ (?:rejected|is\ not|not\ accept|filter) | not\ rfc\ ?\d*
            | rfc\ ?5?322 | missing\ (?:a\ |valid\ )?.{0,40}header | header\ (?:is\ )?(?:missing|line)
            | bare\ (?:lf|cr|line) | message\ .{0,20}malformed | infected | line\ too\ long | duplicate\ header
            | blocked\ .{0,20}(?:url|link) | 8-?bit | file\ type | message-id | multiple\ .{0,12}addresses\ in
            """,
        ),
        (
            FailureClass.SPAM,
            r"""
            \bspam(?:my)?\b | \buce\b | unsolicited | junk\ mail | bulk\ mail | looks\ like\ .{0,20}spam
            | phish | dt:spm
            | high\ probability\ of | \bham\b | spam\ ?score | suspicious
            """,
        ),
        (
            FailureClass.SENDER,
            r"""
            sender\ (?:address|domain|rejected|verify|denied|is\ invalid|not) | from\ address | return\ path
            | mail\ from\ .{0,20}(?:denied|rejected|not) | envelope\ sender | domain\ of\ sender | bad\ sender
            | callout
            """,
        ),
        (
            FailureClass.NO_DOMAIN,
            r"""
            (?:domain|host)\ (?:name\ )?(?:not\ found|unknown|does\ not\ exist|doesn't\ exist|invalid)
            | no\ such\ (?:domain|host) | unknown\ (?:domain|host) | (?:takes|accepts?)\ no\ mail
            | does\ not\ (?:accept|receive)\ (?:e?-?mail|messages)\b | null\ ?mx
            | bad\ destination\ (?:host|mailbox\ address:\ host) | unroutable\ domain | unrouteable\ domain
            """,
        ),
        (
            FailureClass.RELAY,
            r"""
            relay(?:ing)?\ (?:access\ )?(?:is\ )?(?:denied|not|prohib|attempt) | unable\ to\ relay
            | not\ permitted\ to\ relay | relaying | not\ (?:a\ )?local\ (?:domain|host)
            | doesn't\ handle\ mail\ for | not\ hosted\ here | we\ do\ not\ relay
            | isn't\ (?:in\ )?(?:allowed|my)\ .{0,10}rcpthosts | rcpthosts
            """,
        ),
        (
            FailureClass.DISABLED,
            r"""
            disabled | inactive | deactivated | suspended | is\ not\ active | not\ active
            | no\ longer\ (?:active|available|valid|in\ use|on\ server|accept|work|with|employ)
            | (?:account|mailbox)\ .{0,20}(?:closed|locked|expired|frozen|blocked) | discontinued | dormant
            | has\ been\ (?:closed|terminated|deleted) | retired
            """,
        ),
        (
            FailureClass.NO_MAILBOX,
            r"""
            (?:user|recipient|mailbox|account|address|addressee|alias|person|name)\w*\ .{0,60}(?:unknown
            |not\ found|not\ exist|no[nt]-?\ ?exist|doesn't\ exist|invalid|not\ known|unavailable|not\ valid
            |no\ valid|not\ listed|undeliverable|not\ here|incorrect)
            | (?:unknown|no\ such|invalid|not\ a\ valid|nonexistent|non-existent|bad|unrouteable|undeliverable
            |illegal)\ .{0,30}(?:user|recipient|mailbox|account|address|alias|person|local|destination|name)
            | does(?:n't|\ not)\ (?:exist|have\ an?\ .{0,20}account) | recipnotfound
            | no\ (?:mailbox|account|one)\ (?:here|by|with) | not\ our\ customer | dosn't\ exist | user\ doesn't
            | requested\ action\ not\ taken:\ mailbox | recipient\ address\ rejected(?::\ access\ denied)?
            | access\ denied\.\ as\(201806281\) | no\ mailbox | isn't\ (?:a|known) | smtp\ address\ lookup
            | invalid\ recipient
            """,
        ),
        (
            FailureClass.NETWORK,
            r"""
            timed?\ ?out | connection\ (?:lost|refused|dropped|timed|reset) | could\ not\ connect | unreachable
            """,
        ),
        (
            FailureClass.SYSTEM,
            r"""
            local\ error | system\ (?:error|problem|not|storage|resources) | temporar(?:y|ily) | internal\ error
            | try\ (?:again\ )?later | insufficient\ system | server\ (?:busy|error|is)
            | service\ (?:not\ |un)available | resources | overload | please\ retry
            """,
        ),
        (
            FailureClass.POLICY,
            r"""
            polic(?:y|ies) | not\ accepted\ .{0,20}reasons | administrative(?:ly)? | prohibited | not\ permitted
            | refused\ by | denied | restricted | not\ allowed | forbidden | blocked | rejected
            """,
        ),
    )
)


def classify(reply: Reply, cause: Cause = Cause.REFUSED) -> FailureClass:
    """The class of a refusal or a deferral."""
    found = of_cause(cause, reply)
    if found is not None:
        return found
    text = reply.text[:LONGEST]
    for kind, pattern in _WORDS:
        if pattern.search(text):
            return kind
    return of_numbers(reply)
