"""Who lives here: which local addresses have a mailbox, and where on the disk it stands.

The same answers serve RCPT and delivery. A local-part never leads out of the mail root, and trouble with the disk is
"unknown" (451), never "no such mailbox" (550). Never: writing a message; that is `delivery/maildir.py`.
"""
