"""What a mail log adds up to: lines become facts, facts are kept in an SQLite file, and a report is drawn from them.

Nothing in here runs inside the MTA; `asyncmta stats` is the only caller. Seed F-22 (qmailanalog).
"""
