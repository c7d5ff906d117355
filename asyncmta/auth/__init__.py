"""Who may log in: users of a file, of Dovecot, or of a Python callable; and the mechanisms by which they show it.

A source says yes, no, or that it cannot be told now, and trouble is never a no. A password is kept by nobody here, in
no log and no message of a fault. Never: SMTP (the exchange is in `inbound/authenticating.py`), limits on attempts.
"""
