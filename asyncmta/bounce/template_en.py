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

# Below that, what it means in plain words, by the status in the reply (RFC 3463); each may be empty. 5.1.1 and 5.1.3:
[hint.address]
It seems that there is no such address. Look for a slip in it, or ask the recipient for the right one.

# 5.1.2
[hint.domain]
It seems that there is no such domain. Look for a slip behind the @ sign.

# 5.1.6
[hint.moved]
The recipient has moved; perhaps the reply says where to.

# 5.1.10
[hint.no_mail]
That domain takes no mail at all.

# 4.2.2 and 5.2.2
[hint.full]
There is no room in the mailbox. It may help to write again in some days.

# 5.2.3 and 5.3.4
[hint.size]
The message is too large for the other side. Send less of it at a time, or in another way.

# 5.7.*
[hint.refused]
The other side has rules that this message, or its sender, does not meet. The reply may say which.

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
