"""Take mail in: the server side of SMTP as a sans-IO conversation, and the thin adapter that gives it sockets.

The pure files decide (`conversation` and the command groups, `acceptance`, `data`); `intake` takes responsibility for
a message and says so only when it is durable; `listener` is the only file that knows aiosmtpd. Nothing here sends
mail, reads the queue, or knows the rooms `scheduling` and `delivery`.
"""
