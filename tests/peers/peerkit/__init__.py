"""What the end-to-end tests stand on: programs, a served asyncmta, a receiver, a client, a DNS server.

Independent of asyncmta's own code on purpose: what judges it must not share its mistakes.
"""
