"""What becomes of mail, told to programs by HTTP POST: events from the journal's records, an outbox, endpoints.

docs/webhooks.md.
"""
