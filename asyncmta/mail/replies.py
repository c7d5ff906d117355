"""The named replies of ours: everything that we ever say as a server stands here, and a test checks it all.

Promises: each is well formed, its enhanced status is of its code's class and in the registry, and no text says
anything about our inside: no path, no library, no version, no exception. The greeting and the replies to HELO and
EHLO carry no enhanced status (RFC 2034 4), nor do 3yz replies. Never: a decision about which one to send.

RFC 5321 4.2 and 4.3.2, RFC 4954 6 (AUTH), RFC 3207 4 (STARTTLS), RFC 5248 (registry), RFC 7504 (521, 556).
"""

from __future__ import annotations

from asyncmta.mail.envelope import QueueId, format_queue_id
from asyncmta.mail.reply import EnhancedStatus, Reply, reply

# Consent.
SENDER_OK = reply(250, "2.1.0", "Sender OK")
RECIPIENT_OK = reply(250, "2.1.5", "Recipient OK")
START_MAIL_INPUT = reply(354, None, "End data with <CR><LF>.<CR><LF>")
CHUNK_OK = reply(250, "2.0.0", "Chunk received")
RESET_OK = reply(250, "2.0.0", "OK")
NOOP_OK = reply(250, "2.0.0", "OK")
BYE = reply(221, "2.0.0", "Bye")
CANNOT_VERIFY = reply(252, "2.5.2", "Cannot verify the user, but will take mail for it and try to deliver it")
HELP = reply(214, "2.0.0", "RFC 5321 tells all; the postmaster helps")
READY_FOR_TLS = reply(220, "2.0.0", "Ready to start TLS")
FORWARDED = reply(250, "2.0.0", "Noted for the next transaction")
QUEUING_STARTED = reply(250, "2.0.0", "Queuing started")
DISCARDED = reply(250, "2.0.0", "Discarded by a rule of the postmaster")

# Commands that we do not understand or cannot take now.
UNKNOWN_COMMAND = reply(500, "5.5.1", "Command not recognized")
SYNTAX = reply(500, "5.5.2", "Syntax error")
COMMAND_TOO_LONG = reply(500, "5.5.2", "Line too long")
COMMAND_BARE_LINE_END = reply(500, "5.5.2", "Only CR LF ends a command")
SYNTAX_PARAMETERS = reply(501, "5.5.4", "Syntax error in the parameters")
PARAMETER_INVALID = reply(501, "5.5.4", "A parameter has a value that it cannot have")
NO_PARAMETERS_ALLOWED = reply(501, "5.5.4", "This command takes no parameters")
BAD_SENDER_SYNTAX = reply(501, "5.1.7", "Not a valid sender address")
BAD_RECIPIENT_SYNTAX = reply(501, "5.1.3", "Not a valid recipient address")
HELO_SYNTAX = reply(501, None, "A host name or address literal is needed")
NOT_IMPLEMENTED = reply(502, "5.5.1", "Command not implemented")
BAD_SEQUENCE = reply(503, "5.5.1", "Bad sequence of commands")
NEED_EHLO = reply(503, "5.5.1", "Send EHLO first")
NEED_MAIL = reply(503, "5.5.1", "Send MAIL first")
NEED_RECIPIENT = reply(503, "5.5.1", "Send RCPT first")
NO_VALID_RECIPIENTS = reply(554, "5.5.1", "No valid recipients")
NESTED_MAIL = reply(503, "5.5.1", "A sender was given already")
PARAMETER_NOT_IMPLEMENTED = reply(504, "5.5.4", "A parameter is not implemented")
PARAMETER_UNKNOWN = reply(555, "5.5.4", "A parameter is not recognized")
NOT_AFTER_BDAT = reply(503, "5.5.1", "DATA cannot follow BDAT")
NOT_AFTER_CHUNK = reply(503, "5.5.1", "RCPT cannot follow BDAT")
CHUNK_SIZE_INVALID = reply(501, "5.5.4", "A chunk needs its size in octets")
BINARY_NEEDS_BDAT = reply(503, "5.5.1", "BINARYMIME needs BDAT")
DURING_TRANSACTION = reply(503, "5.5.1", "Not allowed during a transaction")
EARLY_INPUT = reply(503, "5.5.0", "Input before its turn")

HOLD_OUT_OF_RANGE = reply(501, "5.5.4", "That is past, or longer than messages are held here")

DEADLINE_TOO_SHORT = reply(555, "5.5.4", "That is too soon; no less than DELIVERBY says")

# Who and where.
NO_SUCH_MAILBOX = reply(550, "5.1.1", "No such mailbox here")
MAILBOX_UNSURE = reply(451, "4.3.0", "Cannot tell now whether the mailbox exists; try again later")
RETURN_EXPIRED = reply(550, "5.7.1", "That return address is too old")
RELAY_DENIED = reply(550, "5.7.1", "Relaying denied")
NOT_A_PROXY = reply(550, "5.7.1", "You may not speak for other clients")
SENDER_NOT_OWNED = reply(553, "5.7.1", "The sender address is not yours")
SUPPRESSED = reply(550, "5.7.1", "That recipient gets no mail from here")
NOT_IN_SANDBOX = reply(550, "5.7.1", "This is a sandbox, and that recipient is not in it")
REJECTED_BY_RULE = reply(550, "5.7.1", "Refused by a rule of the postmaster")
DEFERRED_BY_RULE = reply(450, "4.7.1", "Not now, by a rule of the postmaster; try again later")
POLICY_UNAVAILABLE = reply(451, "4.3.5", "Cannot decide about this now; try again later")
DNS_UNSURE = reply(450, "4.4.3", "Cannot ask the DNS about you now; try again later")
LISTED = reply(554, "5.7.1", "Your address is on a block list")
NAMELESS = reply(550, "5.7.25", "Your address has no name that leads back to it")
NEED_SMTPUTF8_SENDER = reply(550, "5.6.7", "A non-ASCII address needs SMTPUTF8")
NEED_SMTPUTF8_RECIPIENT = reply(553, "5.6.7", "A non-ASCII address needs SMTPUTF8")
NO_MAIL_TO_DOMAIN = reply(556, "5.1.10", "The domain takes no mail")
TOO_MANY_RECIPIENTS = reply(452, "4.5.3", "Too many recipients")

# Content.
TOO_BIG = reply(552, "5.3.4", "Message larger than the limit")
TOO_MANY_HOPS = reply(554, "5.4.6", "Too many hops; this looks like a loop")
BARE_LINE_END = reply(550, "5.6.11", "Only CR LF ends a line; a bare CR or LF is refused")
LINE_TOO_LONG = reply(550, "5.6.0", "A line is longer than the limit")
HEADER_TOO_BIG = reply(552, "5.3.4", "Header section larger than the limit")
NUL_IN_CONTENT = reply(550, "5.6.0", "A NUL is refused")

# Not now.
NODE_NOT_NOW = reply(458, "4.3.2", "Unable to queue messages for it now; try again later")
NODE_NOT_ALLOWED = reply(459, "4.7.1", "Not allowed for it")
MAILBOX_FULL = reply(452, "4.2.2", "Mailbox full; try again later")
STORAGE_FULL = reply(452, "4.3.1", "Not enough storage; try again later")
LOCAL_ERROR = reply(451, "4.3.0", "Local error; try again later")
NEXT_HOP_UNREACHABLE = reply(451, "4.4.1", "The next server cannot be reached now; try again later")
BUSY = reply(451, "4.3.2", "Too busy; try again later")
OVERLOADED = reply(421, "4.3.2", "Too busy; try again later")  # the loop lags, or memory is short
TOO_MANY_SESSIONS = reply(421, "4.7.0", "Too many sessions; try again later")
TOO_MANY_SESSIONS_OF_CLIENT = reply(421, "4.7.0", "Too many sessions from your address; try again later")
TOO_MUCH_MAIL = reply(450, "4.7.1", "Too many messages in a short time; try again later")
TOO_MANY_RECIPIENTS_NOW = reply(450, "4.7.1", "Too many recipients in a short time; try again later")
TOO_MANY_ERRORS = reply(421, "4.7.0", "Too many errors")
TOO_MANY_MESSAGES = reply(421, "4.7.0", "Too many messages in one session; come again")
TOO_SLOW = reply(421, "4.4.2", "The content comes too slowly")
IDLE_TIMEOUT = reply(421, "4.4.2", "Idle for too long")
RATE_OF_CONNECTIONS = reply(421, "4.7.0", "Too many connections from your network; try again later")
SHUTTING_DOWN = reply(421, "4.3.2", "Shutting down; try again later")

# TLS and AUTH.
NEED_TLS = reply(530, "5.7.0", "Send STARTTLS first")
TLS_UNAVAILABLE = reply(454, "4.7.0", "TLS is not available now")
TLS_ALREADY = reply(503, "5.5.1", "TLS is running already")
AUTH_OK = reply(235, "2.7.0", "Authenticated")
AUTH_REQUIRED = reply(530, "5.7.0", "Authentication is required")
AUTH_FAILED = reply(535, "5.7.8", "Authentication failed")
AUTH_UNAVAILABLE = reply(454, "4.7.0", "Authentication is not available now")
AUTH_NEEDS_TLS = reply(538, "5.7.11", "Send STARTTLS before AUTH")
AUTH_MECHANISM_UNKNOWN = reply(504, "5.5.4", "Authentication mechanism not recognized")
AUTH_CANCELLED = reply(501, "5.7.0", "Authentication cancelled")
AUTH_SYNTAX = reply(501, "5.5.2", "Not valid base64")
AUTH_MALFORMED = reply(501, "5.5.2", "Not a message of this mechanism")
AUTH_TOO_MANY_FAILURES = reply(421, "4.7.0", "Too many failed logins from your network; try again later")
AUTH_NOT_NOW = reply(454, "4.7.0", "Too many failed logins with this name; try again later")
AUTH_TOO_LONG = reply(500, "5.5.6", "Authentication exchange line too long")
AUTH_ALREADY = reply(503, "5.5.1", "Authenticated already")
AUTH_DURING_TRANSACTION = reply(503, "5.5.1", "AUTH is not allowed during a transaction")


_OK = EnhancedStatus(2, 0, 0)


def greeting(hostname: str, *, protocol: str = "ESMTP") -> Reply:
    """220: the first line of a session."""
    return reply(220, None, f"{hostname} {protocol}")


def refused_session(hostname: str, because: Reply) -> Reply:
    """`because` in the form that it needs in place of the greeting: our name first, no enhanced status (RFC 2034 4)."""
    return reply(because.code, None, f"{hostname} {because.text}")


def listed_by(names: tuple[str, ...]) -> Reply:
    """554: which block lists have the client. The names are those of our settings."""
    return reply(LISTED.code, "5.7.1", f"{LISTED.text}: {', '.join(names)}") if names else LISTED


def moved(to: str) -> Reply:
    """551: who was here is now there (RFC 5321 3.4). An address that needs SMTPUTF8 is not said: the client may not
    have asked for replies in it."""
    return reply(551, "5.1.6", f"User not local; please try <{to}>" if to.isascii() else "User has moved away")


def priority_changed(priority: int) -> Reply:
    """250 to MAIL whose MT-PRIORITY was not granted (RFC 6710 10: the new one comes first)."""
    return reply(250, "2.3.6", f"{priority} is the new priority assigned to the message")


def queued(queue_id: QueueId) -> Reply:
    """250 to the final dot: the message is durable and ours."""
    # Said once for each message; an id needs none of the care that `reply` takes.
    return Reply(250, _OK, (f"Queued as {format_queue_id(queue_id)}",))


def for_recipient(recipient: str, said: Reply) -> Reply:
    """What is said of a message, of one recipient of an LMTP transaction (RFC 2033 4.2)."""
    return reply(said.code, str(said.enhanced), f"<{recipient}> {said.text}")
