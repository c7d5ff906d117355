"""Keep it safe: the journal, the ledger that is its fold, and content too large to stand in it.

`Store` is the door; what the other rooms need of the vocabulary is in `records` and `ledger`. The bytes are described
in docs/journal-format.md. Nothing here decides when or where a message goes, and nothing is acknowledged before its
sync.
"""
