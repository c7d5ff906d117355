"""Content packed with zstd: one frame that says its own size, and nothing else.

Promises: what `pack` gives out has been unpacked once; `unpack` gives as many octets as were recorded, or None, and
takes no more memory than that, whatever a frame claims (some kilobytes that would become a gigabyte are refused
unread); no object is shared between calls, so that any thread may call. Never: files, checksums (the record and the
chunk have theirs, and the digest is of what is unpacked), or when there is time to pack.

docs/journal-format.md 2.6; reliability.md J19.
"""

from __future__ import annotations

import zstandard

LIMIT = 256 << 10
"""Octets that are packed as one, at most: what stands inline, and a chunk of large content."""
SMALLEST = 512
"""What is shorter is not worth the time: the record around it has as many octets."""
WORTH = 16
"""Packed only if it saves at least one octet in so many."""
LEVEL = 1
"""Level 3 takes twice the time and saves 2 % more of mail (docs/decisions.md)."""
_MAGIC = b"\x28\xb5\x2f\xfd"


def pack(octets: bytes | memoryview) -> bytes | None:
    """The same in fewer octets; None: it stays as it is, because that would not save enough."""
    size = len(octets)
    if not SMALLEST <= size <= LIMIT:
        return None
    packed = zstandard.ZstdCompressor(level=LEVEL).compress(octets)
    if len(packed) > size - size // WORTH:
        return None
    # What is packed replaces the only copy that is left, so that it must come back: faster than packing was.
    return packed if unpack(packed, size) == octets else None


def unpack(octets: bytes | memoryview, plain_size: int) -> bytes | None:
    """What was packed, if it is that many octets; None: this is no frame of ours. Blocks for about 0.2 ms at most."""
    if not 0 < plain_size <= LIMIT or octets[: len(_MAGIC)] != _MAGIC:
        return None
    try:
        frame = zstandard.get_frame_parameters(octets)
        # The library makes room for what the frame claims, so the claim is looked at first. One without a claim is not
        # ours. The window is what it would keep of the past: never more than there is content.
        if frame.content_size != plain_size or frame.window_size > LIMIT or frame.dict_id:
            return None
        plain = zstandard.ZstdDecompressor().decompress(octets, allow_extra_data=False)
    except zstandard.ZstdError:
        return None
    return plain if len(plain) == plain_size else None
