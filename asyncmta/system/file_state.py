"""What tells a file from what it was: for whoever reads a file again when it has changed.

Links are followed, so that a link that leads elsewhere now is a change; a file that is not there has a state too.
Blocks on the disk. Never: content.
"""

from __future__ import annotations

import os

FileState = tuple[int, ...]


def file_state(path: str) -> FileState:
    """Equal for two looks between which nothing has happened to the file."""
    try:
        facts = os.stat(path)
    except OSError as error:
        return (error.errno or 0,)
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
