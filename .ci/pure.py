"""Prints the pure files of pyproject.toml for `coverage report --include`."""

import tomllib
from pathlib import Path

settings = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
print(",".join(f"asyncmta/{path}" for path in settings["tool"]["asyncmta"]["pure"]))
