"""The shim seen from Python: compiling it, the block of shared memory, and what is read out of it.

The laboratory (one process) makes the block and reads it; a child of the hatchery (another one, with the shim
preloaded) arms it. What the shim counted survives the child, however it died.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import pathlib
import subprocess
from dataclasses import dataclass

SOURCE = pathlib.Path(__file__).with_name("shim.c")
KINDS = ("open", "create", "write", "fdatasync", "fsync", "rename", "link", "unlink", "truncate", "fallocate", "close")
KINDS += ("mkdir", "send")
NOTHING, KILL, FAIL, SHORT, HALF = range(5)
CALLS, SYNCS = 16384, 64


class _Call(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_int32), ("path", ctypes.c_char * 96))


class _Sync(ctypes.Structure):
    _fields_ = (
        ("retry", ctypes.c_int32),
        ("error", ctypes.c_int32),
        ("time", ctypes.c_int64),
        ("good_size", ctypes.c_int64),
        ("path", ctypes.c_char * 256),
    )


class _Block(ctypes.Structure):
    _fields_ = (
        ("count", ctypes.c_int64),
        ("nth", ctypes.c_int64),
        ("action", ctypes.c_int32),
        ("error", ctypes.c_int32),
        ("again", ctypes.c_int32),
        ("again_mask", ctypes.c_uint32),
        ("struck", ctypes.c_int32),
        ("struck_kind", ctypes.c_int32),
        ("struck_time", ctypes.c_int64),
        ("syncs", ctypes.c_int32),
        ("pad", ctypes.c_int32),
        ("sync", _Sync * SYNCS),
        ("call", _Call * CALLS),
    )


BLOCK_SIZE = ctypes.sizeof(_Block)


@dataclass(frozen=True)
class Strike:
    """What is to happen at the `nth` call (from 1 on). `again`: to how many calls after it too (-1: all), of the kinds
    in `again_kinds`."""

    nth: int = 0
    action: int = NOTHING
    error: int = 0
    again: int = 0
    again_kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class FailedSync:
    """A sync that was made to fail, or (`retry`) one that was made on a file after its sync had failed."""

    path: str
    retry: bool
    error: int
    time: float
    good_size: int


class Block:
    """The shared memory of one hatchery."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        with open(path, "wb") as file:
            file.truncate(BLOCK_SIZE)
        with open(path, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), BLOCK_SIZE)
        self._block = _Block.from_buffer(self._memory)

    def reset(self, strike: Strike) -> None:
        """For the next child; the one before has ended."""
        ctypes.memset(ctypes.addressof(self._block), 0, BLOCK_SIZE)
        block = self._block
        block.nth, block.action, block.error, block.again = strike.nth, strike.action, strike.error, strike.again
        block.again_mask = sum(1 << KINDS.index(kind) for kind in strike.again_kinds)

    @property
    def count(self) -> int:
        return int(self._block.count)

    @property
    def is_for_good(self) -> bool:
        """Do calls go on failing after the first?"""
        return bool(self._block.struck and self._block.again)

    @property
    def is_meant_for_good(self) -> bool:
        """Will they, once the call is reached?"""
        return bool(self._block.again < 0)

    @property
    def struck(self) -> str:
        """The kind and path of the call that was struck; empty: it was never reached."""
        block = self._block
        if not block.struck:
            return ""
        return f"{KINDS[block.struck_kind]} {self._path(block.nth)}"

    def calls(self) -> list[tuple[str, str]]:
        """Kind and path of each call, in order."""
        return [
            (KINDS[self._block.call[at].kind], self._path(at + 1)) for at in range(min(int(self._block.count), CALLS))
        ]

    def _path(self, number: int) -> str:
        return str(self._block.call[number - 1].path.decode(errors="replace")) if number <= CALLS else "?"

    def syncs(self) -> list[FailedSync]:
        return [
            FailedSync(it.path.decode(errors="replace"), bool(it.retry), it.error, it.time / 1e9, it.good_size)
            for it in self._block.sync[: min(int(self._block.syncs), SYNCS)]
        ]


def build(folder: pathlib.Path) -> pathlib.Path:
    """Compile it there; FileNotFoundError when there is no compiler."""
    library = folder / "shim.so"
    command = ["gcc", "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the shim does not compile:\n{done.stderr}")
    return library


def arm(root: str) -> None:
    """In the child: count from here what is done below `root`."""
    library = ctypes.CDLL(os.environ["LD_PRELOAD"])
    library.lab_block_size.restype = ctypes.c_size_t
    if library.lab_block_size() != BLOCK_SIZE:
        raise RuntimeError("shim.py and shim.c disagree about the block")
    if library.lab_arm(root.encode()) != 0:
        raise RuntimeError("the shim could not be armed")


def forget() -> None:
    """In the child: what failed so far belongs to a life that is over."""
    ctypes.CDLL(os.environ["LD_PRELOAD"]).lab_forget()
