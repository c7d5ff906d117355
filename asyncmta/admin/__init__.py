"""The operator's door: the control socket and the HTTP interface of a running MTA, and a client for both.

It shows and asks; every change goes through the `Mta`, which writes it to the journal first. It must never touch the
spool's files, never change state by GET, and never let a request, however bad, end the process.
"""
