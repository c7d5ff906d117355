"""Mail that does not end where it was sent to: aliases, lists and forwards of local addresses become messages of
their own.

A forwarded copy is durable in the same commit that calls its original delivered. Never: who stands for whom
(`mailboxes/`), writing into a mailbox (`delivery/`).
"""
