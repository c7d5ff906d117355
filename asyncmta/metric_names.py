"""Every metric by name: what it is, its labels, and what it means. What is asked of monitoring systems stands here.

Promises: a name never changes its meaning; values are seconds, octets and counts; each label takes values from a set
that is bounded, however many domains, clients and addresses there are. docs/metrics.md is held to this table by a test.
Pure. Never: a value.

contract.md section 4.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

PREFIX = "asyncmta_"


class Metric(Struct, frozen=True):
    """`name` without PREFIX and, for a counter, without `_total`."""

    name: str
    kind: Literal["counter", "gauge", "histogram", "info"]
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """As it stands on the page."""
        return PREFIX + self.name + {"counter": "_total", "info": "_info"}.get(self.kind, "")


def _counter(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, "counter", meaning, labels)


def _gauge(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, "gauge", meaning, labels)


def _histogram(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, "histogram", meaning, labels)


# -- coming in --------------------------------------------------------------------------------------------------------

ACCEPTED = _counter("accepted_messages", "Messages accepted, by TLS version of the connection.", "tls")
ACCEPTED_RECIPIENTS = _counter("accepted_recipients", "Recipients of accepted messages.")
ACCEPTED_BYTES = _counter("accepted_bytes", "Content of accepted messages.")
REFUSED = _counter(
    "refused",
    "Refusals to clients: at which stage, with which class of reply, and the subject of the enhanced code as reason.",
    *("stage", "code", "reason"),
)
SESSIONS_IN = _gauge("inbound_sessions", "Open sessions of clients, by role of the listener.", "role")
SESSIONS_BEGUN = _counter("inbound_connections", "Sessions of clients that began, by role of the listener.", "role")
HANDSHAKES = _counter("inbound_tls_handshakes", "TLS handshakes of clients: the version, or failed.", "result")
LOGINS = _counter("inbound_logins", "Logins granted, by mechanism; those refused are in refused.", "mechanism")
STOPPED = _counter(
    "stopped_recipients",
    "Recipients that the sandbox or the suppression list kept from their mail: redirected or refused at the entrance; "
    "discarded, or stopped, before delivery.",
    *("by", "how"),
)
SUPPRESSIONS = _gauge("suppression_entries", "Entries of the suppression list.")

# -- the queue --------------------------------------------------------------------------------------------------------

QUEUE = _gauge(
    "queue_messages",
    "Messages by state. Of several recipients that are due each may count as ready; the sum is the queue.",
    "state",
)
QUEUE_RECIPIENTS = _gauge(
    "queue_recipients",
    "Recipients in hand (active), or due and not in hand (ready; parked messages count as one).",
    "state",
)
OLDEST = _gauge("queue_oldest_age_seconds", "Age of the oldest message, to within ten seconds; 0 when there is none.")
RETIRED = _counter("retired_messages", "Messages that left the queue with all their recipients settled.")
BOUNCES = _counter("bounces", "Reports to senders: queued, or dropped because there was nobody to tell.", "result")

PAUSED = _gauge(
    "paused",
    "What an operator has paused: input and output (0 or 1), how many sites and domains; handed_over: if the queue is.",
    "what",
)

# -- going out --------------------------------------------------------------------------------------------------------

ATTEMPTS = _counter("attempts", "Transactions that ended, by class of the last reply (none: silence).", "reply")
OUTCOMES = _counter(
    "outcomes",
    "Results of attempts, one for each recipient: delivered, discarded, deferred, failed, expired; and the cause.",
    *("outcome", "cause"),
)
DELAY = _histogram(
    "delay_seconds",
    "Times of messages by stage: queue (accepted to first attempt), connect (to a session that can take mail), "
    "transfer (a transaction), total (accepted to delivered, of each recipient).",
    "stage",
)
SESSIONS_OUT = _gauge("outbound_sessions", "Open sessions to other servers.")
CONNECTIONS = _counter(
    "outbound_connections",
    "Sessions opened to other servers: TLS version, and if it was verified.",
    "tls",
    "verified",
)
CONNECTIONS_FAILED = _counter("outbound_connections_failed", "Sessions that could not be opened, by cause.", "cause")
DUPLICATES = _counter("possible_duplicates", "Times that content went out and was not answered.")
SITES = _gauge("sites", "Sites that are known, be they busy or not.")
SITES_SUSPENDED = _gauge("sites_suspended", "Sites at which nothing is tried for a while.")
SITE_WAITING = _gauge("site_waiting", "Transactions that wait for a site; the fifty busiest by name.", "site")
SITE_SESSIONS = _gauge("site_sessions", "Open sessions to a site; the fifty busiest by name.", "site")
SITE_SUSPENDED = _gauge("site_suspended", 'Is the site suspended? Of "other": how many.', "site")

# -- DNS --------------------------------------------------------------------------------------------------------------

DNS = _counter("dns_lookups", "Look-ups that name servers were asked for, by type and result.", "type", "result")
DNS_HITS = _counter("dns_cache_hits", "Questions that the cache answered.")
DNS_CACHED = _gauge("dns_cache_entries", "Answers in the cache.")
DNS_SECONDS = _histogram("dns_lookup_seconds", "How long look-ups took that name servers were asked for.")

# -- the spool --------------------------------------------------------------------------------------------------------

SYNC = _histogram("sync_seconds", "From the first octet of a batch until it was durable.")
BATCH = _histogram("batch_records", "Records that became durable together.")
WRITTEN = _counter("journal_written_bytes", "Written to the journal.")
BATCHES_FAILED = _counter("journal_failed_batches", "Batches that did not become durable.")
JOURNAL = _gauge("journal_bytes", "Octets of the journal that open messages need (live), and others (dead).", "state")
SEGMENTS = _gauge("journal_segments", "Files of the journal.")
COMPACTIONS = _counter("journal_compactions", "Times that living records were carried, so that old files can go.")
DISK_FREE = _gauge("disk_free_bytes", "Free on the spool's disk, as last measured.")
DISK_INODES = _gauge("disk_free_inodes", "Free on the spool's disk, as last measured.")
RESERVE = _gauge("disk_reserve_bytes", "What is kept to go on with when the disk is full; 0: it is given up.")
DAMAGED = _counter("spool_damaged_records", "What could not be read, at the start or since, and was set aside.")
PERSISTENT = _gauge("spool_persistent", "0: the spool is where what was synced may be forgotten (tmpfs, overlay, ...).")
FILE_SYSTEM = Metric(
    "spool_file_system", "info", "The file system of the spool; doubtful: it may forget what was synced.",
    ("file_system", "doubtful"),
)  # fmt: skip

# -- who is told ------------------------------------------------------------------------------------------------------

WEBHOOK_POSTS = _counter("webhook_posts", "Batches of events posted to the endpoints of a host.", "host", "result")
WEBHOOK_EVENTS = _counter("webhook_events", "Events that an endpoint took, or that were given up.", "host", "result")
WEBHOOK_BACKLOG = _gauge("webhook_backlog_bytes", "Events in the outbox that an endpoint has not got.", "host")
WEBHOOK_FAILING = _gauge("webhook_failing_posts", "Posts in a row that an endpoint did not take.", "host")
WEBHOOK_LOST = _counter("webhook_lost_events", "Events that the outbox had no more room for, once for each endpoint.")
WEBHOOK_OUTBOX = _gauge("webhook_outbox_bytes", "Octets of the outbox, also of what everybody has.")
WEBHOOK_OUTBOX_LIMIT = _gauge("webhook_outbox_limit_bytes", "Above it the oldest events of the outbox go.")
SPANS = _counter("telemetry_spans", "Spans for the OpenTelemetry collector: exported, failed, dropped.", "result")

# -- the process ------------------------------------------------------------------------------------------------------

READY = _gauge("ready", "1: mail may be sent here (as /readyz says).")
ALIVE = _gauge("alive", "1: it need not be replaced (as /livez says).")
LOOP_LAG = _histogram("loop_lag_seconds", "How late the loop was, looked at once a second while clients are here.")
LOG_LOST = _counter("log_lost_lines", "Lines of the log that were not written: it was not read, or not fast enough.")
BUILD = Metric("build", "info", "What runs here.", ("version", "python", "loop"))

CATALOGUE = tuple(value for value in tuple(globals().values()) if isinstance(value, Metric))

PROCESS = (
    _counter("process_cpu_seconds", "CPU time of the process, user and system."),
    _gauge("process_resident_memory_bytes", "Memory of the process in RAM."),
    _gauge("process_virtual_memory_bytes", "Addresses that the process has."),
    _gauge("process_start_time_seconds", "When the process began, in Unix seconds."),
    _gauge("process_open_fds", "Open descriptors."),
    _gauge("process_max_fds", "Descriptors that may be open."),
)
"""Where the system tells of them: Linux."""
