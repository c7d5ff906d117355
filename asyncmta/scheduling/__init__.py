"""Decide when a message is tried, and what follows from an attempt: retry, agenda, settle, and the loop over them.

Everything that is decided here is computed from facts in the ledger and the present configuration; nothing of it is
stored. Never: content, DNS, sockets, or a word about how delivery is done (`Transport` is all that is known of it).
"""
