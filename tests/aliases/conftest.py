"""So that the tests here find `aliaskit`: the mode of import that we use adds nothing to the path."""

from __future__ import annotations

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
