"""The words of a report in English, as a template that explains itself: what `asyncmta dsn template` prints.

Promises: it has every section; the sections that it lacks are those of no template. Never: code.
"""

TEXT = """\
# The words of asyncmta's reports to senders (DSNs). To have your own:
#
#   asyncmta dsn template > /etc/asyncmta/bounce.txt      or: asyncmta dsn template --language de
#   (change it)
#   asyncmta dsn preview --template /etc/asyncmta/bounce.txt
#   and in config.toml:   [bounce]   template = "/etc/asyncmta/bounce.txt"
#
# A section begins with its name in brackets; what is not there is as in the language of bounce.language, so that a file
# with one section is enough. Lines that begin with # are comments (write \\# for a line of text that does, and \\[ for
# a bracket). An empty line parts paragraphs; lines are folded anew. Words in {braces} are filled in; which ones a
# section knows is said above it. The order of the text is fixed, and the part for machines has no words in it. What
# other servers said, and what we say of an attempt ourselves, is told as it is, in whatever language.

# The language of these words, as a tag of RFC 5646, for Content-Language.
[language]
en

# The name before <MAILER-DAEMON@...> in From.
[from]
Mail Delivery System

# Subject: by the worst that is in the report; `success` is where all is well and the sender asked to be told;
# `double` is the copy for the postmaster of a report that could not be delivered.
[subject.failed]
Undelivered mail returned to sender

[subject.delayed]
Delayed mail, still being tried

[subject.success]
Delivery report

[subject.double]
A delivery report that could not be delivered

# The first line. {hostname} {postmaster}. May be empty.
[greeting]
This is the mail system at {hostname}.

# For the postmaster only, in place of the sentences that follow. {hostname} {postmaster}
[double]
A report about undelivered mail could not be delivered itself to the recipients named here, and this copy for you is all
that is left of it. Mostly the sender of the mail was forged; then there is nothing to be done.

# Before the recipients of each kind, in this order. {hostname} {postmaster}
[failed]
Your message could not be delivered to the recipients named here. They will not be tried again.

[delayed]
Your message could not yet be delivered to the recipients named here. They are still being tried; you need not send it
again.

[delivered]
As you asked to be told: your message was delivered to the recipients named here.

[relayed]
As you asked to be told: your message was handed to the next mail system for the recipients named here. That system
does not report what becomes of it; you may hear nothing more.

[expanded]
As you asked to be told: your message went on to all who are behind the addresses named here. What becomes of it there
is not reported.

# Below a recipient that was written in another way: {original}
[sent_to]
(sent to <{original}>)

# Why, where the time was over: {age}, {attempts} (the words of [once] or [times])
[expired]
It could not be delivered within {age}. It was tried {attempts}, in the end with this result:

# The same where it is only late, and how long it will be tried: {until}, a date. [until] may be empty.
[late]
It could not be delivered within {age}. It was tried {attempts}, the last time with this result:

[until]
It will be tried until {until}.

# Before the words of another server, and before ours about one: {host}, name and address
[said]
{host} said:

[at]
At {host}:

# Counting, for {attempts} and {age}: {count}
[once]
once

[times]
{count} times

[days]
{count} days

[hours]
{count} hours

[minutes]
{count} minutes

[seconds]
{count} seconds

# Whom to ask. {hostname} {postmaster}. May be empty.
[help]
For help, send this report to <{postmaster}>.

# The table at the end: one line each, without a colon.
[label.id]
Queue id

[label.subject]
Subject

[label.received]
Received here

[label.recipients]
Recipients handed to this server

[label.delivered]
Delivered

[label.reported]
Reported before

[label.failed]
Failed, told here

[label.delayed]
Late, told here

[label.success]
Arrived, told here

[label.pending]
Still being tried

# The last words, such as where to find help. {hostname} {postmaster}. May be empty.
[closing]

"""
