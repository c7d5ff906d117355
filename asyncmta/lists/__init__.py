"""Mailing lists in the small: who is on one, how somebody gets on and off it, and what is known of members that bounce.

A list is a file of members and the addresses around its name. Never: who stands for whom in the end (`mailboxes/`), how
copies are made and queued (`forwarding/`).
"""
