"""Which of several workers (pytest-xdist, `-n`) runs what of tests/peers: the long first, so that none is left over at
the end; and files whose tests share what takes long to make as a whole.

Of groups by a mark (`--dist loadgroup`) pytest-xdist 3.8 knows nothing under pytest 9.2: it runs each test anywhere.
"""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

SHARED = {
    "test_clients.py": "one MTA that wants a login",
    "test_container.py": "an image",
    "test_reload_keys.py": "an MTA that is told of each key",
    "test_tables.py": "an MTA with tables",
    "test_tls_servers.py": "a provider with certificates",
    "test_web_page.py": "10,000 messages and a browser",
    "test_web_views.py": "plots that have something to show and a browser",
}
"""Files with fixtures of the module; on several workers they would be made again."""

LONG = (
    "test_documented.py::test_a_page[docs/container.md]",
    "test_web_page.py",
    "test_receivers.py",
    "test_web_views.py",
    "test_container.py",
    "test_clients.py",
    "test_tables.py",
    "test_documented.py",
    "test_bench_smoke.py",
    "test_maildir.py",
    "test_kill.py",
    "test_stats.py",
    "test_life.py",
    "test_operating.py",
)


class Sharing(LoadScopeScheduling):
    """A scope is what one worker runs as a whole: a file of `SHARED`, or one test."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        self.config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file.rpartition("/")[2] in SHARED else nodeid

    def _assign_work_unit(self, node: WorkerController) -> None:
        self.workqueue.move_to_end(min(self.workqueue, key=_place), last=False)
        super()._assign_work_unit(node)


def _place(scope: str) -> int:
    return next((place for place, name in enumerate(LONG) if f"/{name}" in f"/{scope}"), len(LONG))
