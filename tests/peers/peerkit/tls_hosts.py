"""Postfix, Exim and OpenSMTPD with TLS, and Exim with AUTH: OpenSSL, GnuTLS, and one that is broken."""

from __future__ import annotations

import os
import pathlib

import trustme

from peerkit.exim_host import EximHost
from peerkit.hosts import Host
from peerkit.opensmtpd_host import OpensmtpdHost
from peerkit.postfix_host import PostfixHost

LOGIN, PASSWORD = "me@exim.test", "p4ss-w0rd"
AUTHENTICATORS = f"""
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and {{{{eq{{$auth2}}{{{LOGIN}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and {{{{eq{{$auth1}}{{{LOGIN}}}}}{{eq{{$auth2}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{{LOGIN}}}{{{PASSWORD}}}fail}}
  server_set_id = $auth1
"""


class WithTls(Host):
    """`authority` has signed for `localhost`."""

    def __init__(self, authority: trustme.CA) -> None:
        super().__init__()
        self._issued = authority.issue_cert("localhost")

    def write(self, name: str, owner: int = 0) -> tuple[pathlib.Path, pathlib.Path]:
        """The chain and its key."""
        chain, key = self.home / f"{name}.pem", self.home / f"{name}.key"
        chain.write_bytes(b"".join(blob.bytes() for blob in self._issued.cert_chain_pems))
        self._issued.private_key_pem.write_to_path(key)
        key.chmod(0o600)
        if owner:
            os.chown(key, owner, owner)
        return chain, key


class TlsPostfix(WithTls, PostfixHost):
    def command(self) -> list[str]:
        command = super().command()
        chain, key = self.write("tls")
        with (self.home / "etc" / "main.cf").open("a") as main:
            main.write(f"smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {chain}\nsmtpd_tls_key_file = {key}\n")
            main.write("smtpd_tls_loglevel = 1\n")
        with (self.home / "etc" / "master.cf").open("a") as master:
            master.write("tlsmgr unix - - n 1000? 1 tlsmgr\n")
        return command


class TlsExim(WithTls, EximHost):
    def command(self) -> list[str]:
        command = super().command()
        chain, key = self.write("tls", owner=64010)
        config = self.home / "etc" / "exim4.conf"
        main = f"tls_advertise_hosts = *\ntls_certificate = {chain}\ntls_privatekey = {key}\ntls_resumption_hosts = *\n"
        said = config.read_text().replace("tls_advertise_hosts =\n", main)
        config.write_text(said + AUTHENTICATORS)
        return command


class TlsOpensmtpd(WithTls, OpensmtpdHost):
    """Debian's 6.8.0p2 with OpenSSL 3 ends each handshake with an internal error, whatever the key: a real server whose
    STARTTLS is broken."""

    def command(self) -> list[str]:
        command = super().command()
        chain, key = self.write("tls")
        config = self.home / "smtpd.conf"
        said = config.read_text().replace("hostname opensmtpd.test", 'hostname opensmtpd.test tls pki "own"')
        config.write_text(f'pki "own" cert "{chain}"\npki "own" key "{key}"\n{said}')
        return command
