"""What mail is: addresses, replies, envelopes, outcomes and header lines, as values and text formats.

Everything here is pure: no clock, no randomness, no I/O, no asyncio. The null reverse-path is `None` everywhere.
Nothing in this room re-serialises a message: where parts have to be recoded, all other octets stay as they are.
"""
