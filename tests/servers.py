"""Servers that are not of our making, started on loopback ports: OpenSSH's sshd and vsftpd, and certificates for them.

with system_user() as user, sshd(user) as server: …server.port, server.fingerprints…
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

SSHD, VSFTPD, REDIS = Path("/usr/sbin/sshd"), Path("/usr/sbin/vsftpd"), Path("/usr/bin/redis-server")
LOOPBACK = "127.0.0.1"


def needs(program: Path) -> None:
    """Skip where a program is missing on somebody's own machine; fail where CI should have it."""
    if not program.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{program} is missing; tests/system_packages.sh installs it")
        pytest.skip(f"{program} is missing")
    if os.geteuid() != 0:
        pytest.fail(f"{program} signs real users in, so this test has to run as root")


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class SystemUser:
    """A real account with a password. `home` is readable by the user's servers; files are put there by the test."""

    name: str
    password: str
    home: Path

    def put(self, path: str, content: bytes, modified: float | None = None) -> Path:
        """Write a file below the home, readable by the user."""
        place = self.home / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        account = pwd.getpwnam(self.name)
        for one in (place, *place.parents):
            if one == self.home or self.home not in one.parents:
                break
            os.chown(one, account.pw_uid, account.pw_gid)
        if modified is not None:
            os.utime(place, (modified, modified))
        return place


@contextlib.contextmanager
def system_user() -> Iterator[SystemUser]:
    """A user of this machine for as long as the block lasts."""
    needs(SSHD)
    name, password = f"qs{secrets.token_hex(4)}", secrets.token_hex(10)
    folder = Path(tempfile.mkdtemp(prefix="quayside-"))
    folder.chmod(0o755)
    home = folder / "home"
    _user_tool("useradd", "--create-home", "--home-dir", str(home), "--shell", "/bin/sh", name)
    try:
        home.chmod(0o755)
        subprocess.run(["chpasswd"], input=f"{name}:{password}", text=True, check=True)
        yield SystemUser(name, password, home)
    finally:
        _user_tool("userdel", "--force", name)
        shutil.rmtree(folder, ignore_errors=True)


def _user_tool(*command: str) -> None:
    """useradd and its kin lock /etc/passwd, and say so when another test holds the lock."""
    for _ in range(50):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0 or "lock" not in done.stderr:
            break
        time.sleep(0.2)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")


@dataclass
class Server:
    """A running server. `fingerprints` of its host keys by paramiko's key type."""

    port: int
    log: Path
    user: SystemUser
    fingerprints: dict[str, str] = field(default_factory=dict)

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text("utf-8", "replace")


@contextlib.contextmanager
def sshd(
    user: SystemUser, key_types: Sequence[str] = ("ed25519",), authorized: Sequence[str] = (), port: int | None = None, extra: str = ""
) -> Iterator[Server]:
    """OpenSSH's sshd for one user, by password and by the `authorized` public lines. Fresh host keys each time."""
    needs(SSHD)
    folder = Path(tempfile.mkdtemp(prefix="quayside-sshd-"))
    folder.chmod(0o755)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    port = port or free_port()
    server = Server(port, folder / "log", user)
    lines = [extra, f"Port {port}", f"ListenAddress {LOOPBACK}", "PidFile none", "UsePAM no", "StrictModes no", "LogLevel DEBUG2"]
    lines += ["UseDNS no"]
    lines += ["PasswordAuthentication yes", "KbdInteractiveAuthentication no", "Subsystem sftp internal-sftp", "MaxStartups 100"]
    for kind in key_types:
        key = folder / f"host_{kind}"
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(key)], check=True)
        shown = subprocess.run(["ssh-keygen", "-lf", f"{key}.pub"], capture_output=True, text=True, check=True).stdout.split()
        server.fingerprints[Path(f"{key}.pub").read_text().split()[0]] = shown[1]
        lines.append(f"HostKey {key}")
    (folder / "authorized").write_text("\n".join(authorized) + "\n")
    lines += [f"AuthorizedKeysFile {folder / 'authorized'}"]
    (folder / "config").write_text("\n".join(lines) + "\n")
    command = [str(SSHD), "-D", "-E", str(server.log), "-f", str(folder / "config")]
    with _running(command, folder, port, server.log):
        yield server


@contextlib.contextmanager
def vsftpd(
    user: SystemUser, certificate: Path | None = None, implicit: bool = False, reuse: bool = True, port: int | None = None, extra: str = ""
) -> Iterator[Server]:
    """vsftpd for one user, chrooted to the home. `certificate`: PEM with key and chain; None is plain FTP."""
    needs(VSFTPD)
    folder = Path(tempfile.mkdtemp(prefix="quayside-vsftpd-"))
    Path("/run/vsftpd/empty").mkdir(mode=0o755, parents=True, exist_ok=True)
    port = port or free_port()
    low = free_port()
    settings = {
        "listen": "YES", "listen_address": LOOPBACK, "listen_port": port, "background": "NO", "local_enable": "YES",
        "anonymous_enable": "NO", "write_enable": "YES", "pam_service_name": "vsftpd", "secure_chroot_dir": "/run/vsftpd/empty",
        "chroot_local_user": "YES", "allow_writeable_chroot": "YES", "seccomp_sandbox": "NO", "xferlog_enable": "YES",
        "log_ftp_protocol": "YES", "vsftpd_log_file": folder / "log", "xferlog_std_format": "NO", "pasv_min_port": min(low, 65_000),
        "pasv_max_port": min(low, 65_000) + 500, "utf8_filesystem": "YES", "local_umask": "022",
    }  # fmt: skip
    if certificate:
        settings |= {
            "ssl_enable": "YES", "rsa_cert_file": certificate, "rsa_private_key_file": certificate, "force_local_data_ssl": "YES",
            "force_local_logins_ssl": "YES", "require_ssl_reuse": "YES" if reuse else "NO", "ssl_ciphers": "HIGH",
            "implicit_ssl": "YES" if implicit else "NO", "debug_ssl": "YES",
        }  # fmt: skip
    (folder / "config").write_text("".join(f"{key}={value}\n" for key, value in settings.items()) + extra)
    (folder / "log").touch()
    with _running([str(VSFTPD), str(folder / "config")], folder, port, folder / "log"):
        yield Server(port, folder / "log", user)


@contextlib.contextmanager
def _running(command: list[str], folder: Path, port: int, log: Path) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        _wait_for(process, port, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(process: subprocess.Popen[str], port: int, log: Path) -> None:
    ends = time.monotonic() + 20
    while time.monotonic() < ends and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), 1):
            return
        time.sleep(0.05)
    said = process.stdout.read() if process.poll() is not None and process.stdout else ""
    pytest.fail(f"{process.args!r} did not start: {said} {log.read_text() if log.exists() else ''}")


class Authority:
    """A certificate authority of the test, and the certificates it issues, as PEM files with key and chain."""

    def __init__(self, folder: Path, name: str = "Quayside test authority") -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        build = _certificate(self._name, self._name, self._key.public_key(), -1, 30)
        build = build.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        build = build.add_extension(usage, critical=True)
        self._known = build.sign(self._key, hashes.SHA256())
        self.path = folder / f"{secrets.token_hex(4)}-ca.pem"
        self.path.write_bytes(self._known.public_bytes(serialization.Encoding.PEM))

    def issue(self, *names: str, from_day: float = -1, to_day: float = 30, self_signed: bool = False) -> Path:
        """A certificate for names and addresses; days count from today."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        alternatives = [x509.IPAddress(ipaddress.ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]
        build = _certificate(subject, subject if self_signed else self._name, key.public_key(), from_day, to_day)
        build = build.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        known = build.sign(key, hashes.SHA256()) if self_signed else build.sign(self._key, hashes.SHA256())
        path = self.folder / f"{secrets.token_hex(4)}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        path.write_bytes(private + known.public_bytes(serialization.Encoding.PEM))
        path.chmod(0o600)
        return path


def _certificate(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, start: float, end: float
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    build = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public).serial_number(x509.random_serial_number())
    )
    return build.not_valid_before(now + dt.timedelta(days=start)).not_valid_after(now + dt.timedelta(days=end))
