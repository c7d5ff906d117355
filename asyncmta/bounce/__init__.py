"""Report failure: what a sender is told about recipients that could not be reached, and how that is queued.

`dsn` makes the report's octets from facts alone; `bouncer` makes of failed recipients the records that queue it.
A report has the null reverse-path and can therefore never cause another one. Never: a decision about who has failed;
that is `scheduling/settle`.
"""
