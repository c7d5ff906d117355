"""The whole fault table: every pair of a step and a fault, with what has to follow. Values only."""

from __future__ import annotations

from tests.faults.opening_table import OPENING
from tests.faults.transaction_table import TRANSACTION
from tests.faults.words import Pair

TABLE: tuple[Pair, ...] = OPENING + TRANSACTION
