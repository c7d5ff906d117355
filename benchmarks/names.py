"""DNS for the benchmarks: one dnsmasq with a zone of ours, on loopback, and the resolv.conf that leads there.

Postfix asks what /etc/resolv.conf names, at port 53; so dnsmasq listens there, on an address that nobody else uses, and
the file is laid over the machine's for Postfix alone (`private`).
"""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping

ADDRESS = "127.0.53.9"
PORT = 53
SMTP = 25  # the only port that some peers look for exchangers at
EXCHANGER = "127.0.0.11"


def missing() -> str:
    """Why it cannot run here; "" when it can."""
    if shutil.which("dnsmasq") is None:
        return "dnsmasq is not there: run make test-tools"
    for kind, address, port in ((socket.SOCK_DGRAM, ADDRESS, PORT), (socket.SOCK_STREAM, EXCHANGER, SMTP)):
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(port == SMTP))
            try:
                sock.bind((address, port))
            except OSError as error:
                return f"{address}:{port} cannot be had: {error.strerror}"
    return ""


@contextlib.contextmanager
def zone(folder: pathlib.Path, exchangers: Mapping[str, str], addresses: Mapping[str, str]) -> Iterator[pathlib.Path]:
    """`exchangers`: domain -> host; `addresses`: host -> address. Yields the resolv.conf."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["no-resolv", "no-hosts", "bind-interfaces", "local=/test/", "cache-size=10000", "user=root"]
    lines += [f"listen-address={ADDRESS}", f"port={PORT}", "dns-forward-max=1000"]
    lines += [f"mx-host={domain},{host},10" for domain, host in exchangers.items()]
    lines += [f"host-record={host},{address}" for host, address in addresses.items()]
    (folder / "dnsmasq.conf").write_text("\n".join([*lines, ""]))
    resolv = folder / "resolv.conf"
    resolv.write_text(f"nameserver {ADDRESS}\n")
    program = shutil.which("dnsmasq")
    assert program is not None
    server = subprocess.Popen(
        [program, "--keep-in-foreground", f"--conf-file={folder}/dnsmasq.conf", "--pid-file="],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(server)
        yield resolv
    finally:
        server.kill()
        server.wait()


def _await(server: subprocess.Popen[bytes], timeout: float = 10.0) -> None:
    """Until it answers over TCP."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection((ADDRESS, PORT), 1):
            return
        if server.poll() is not None:
            raise RuntimeError(f"dnsmasq ended with {server.returncode}")
        time.sleep(0.02)
    raise RuntimeError("dnsmasq does not answer")
