"""inbound/drop_file: what is written comes back, and what is torn or altered does not."""

from __future__ import annotations

from hashlib import blake2b

import pytest

from asyncmta.inbound.drop_file import Directions, Dropped, read, write
from asyncmta.inbound.injection import Reports

MESSAGE = Dropped(
    Directions("me@x.example", ("you@y.example", "ü@y.example"), Reports("NEVER", "HDRS", "id")),
    b"Subject: x\n\n\0\xff\n",
)


def signed(rest: bytes) -> bytes:
    return b"asyncmta drop 1 %d %b\n" % (len(rest), blake2b(rest, digest_size=16).hexdigest().encode()) + rest


@pytest.mark.parametrize("message", [MESSAGE, Dropped(Directions(None, ("a@b",)), b"")])
def test_what_is_written_comes_back(message: Dropped) -> None:
    assert read(write(message)) == message


def test_every_cut_and_every_flipped_bit_is_found() -> None:
    octets = write(MESSAGE)
    for at in range(len(octets)):
        assert isinstance(read(octets[:at]), str)
        assert isinstance(read(octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]), str)
    assert read(octets + b"x") == "it is not whole"


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        (b"", "its envelope cannot be read"),
        (b"{}\n", "its envelope cannot be read"),
        (b'{"sender":1,"recipients":[]}\n', "its envelope cannot be read"),
        (b'{"sender":null,"recipients":[],"uid":0}\n', "its envelope cannot be read"),
        (b"[" * 100_000 + b"\n", "its envelope cannot be read"),
        (b'{"sender":null,"recipients":["\xff"]}\n', "its envelope cannot be read"),
    ],
)
def test_an_envelope_that_is_none(rest: bytes, why: str) -> None:
    found = read(signed(rest))
    assert isinstance(found, str)
    assert found.startswith(why)
