"""So that the tests here find `aliaskit` (the mode of import that we use adds nothing to the path), and have a folder
with a short name: faults quote the beginning of what is wrong, in which a path may stand."""

from __future__ import annotations

import pathlib
import sys
import tempfile
from collections.abc import Iterator

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))


@pytest.fixture
def tmp_path() -> Iterator[pathlib.Path]:
    with tempfile.TemporaryDirectory(prefix="a-") as folder:
        yield pathlib.Path(folder)
