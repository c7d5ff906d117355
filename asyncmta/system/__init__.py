"""What the machine gives: the time and the disk, each behind a protocol, so that tests can give another.

`clock.py` is the only file that reads the time; `disk.py` the only one that touches files of the spool and mailboxes.
"""
