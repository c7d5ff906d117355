"""Look on: the dialogue of live sessions as events for whoever asks, with what is secret taken out of it.

`masking` reads both directions of a session and never shows a secret, `taps` gives what it reads to those who look on.
Nothing here can slow a session down or change an octet of it, and nobody looking on costs nothing.
"""
