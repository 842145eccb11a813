"""SFTP by paramiko. The host key is compared before anything that proves who we are is sent."""

from __future__ import annotations

import logging
import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import cast

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from portal.connectors import problems
from portal.connectors.folders import MOST_ENTRIES, FolderConnector, Look, plain_name, port_of
from portal.connectors.network import IO_SECONDS
from portal.connectors.sftp_wire import read_file, read_folder
from portal.connectors.spool import CHUNK, Spool
from portal.connectors.ssh_keys import new_key_pair, public_line, read_key
from portal.connectors.steps import Finding, Steps, reaching, resolve
from portal.errors import SupplierError
from portal.records import FileEntry, Secret

__all__ = ["SftpConnector", "new_key_pair", "public_line"]

_RSA = ("rsa-sha2-512", "rsa-sha2-256")

# paramiko logs whole tracebacks of remote faults; each of those reaches the merchant as words instead.
_QUIET = "portal.connectors.sftp.wire"
logging.getLogger(_QUIET).setLevel(logging.CRITICAL + 1)


class SftpConnector(FolderConnector):
    """A supplier's SFTP server. `settings["auth"]`: password, private_key or our_key, with the secret of that name."""

    faults = (OSError, EOFError, paramiko.SSHException)
    _transport: paramiko.Transport | None = None
    _sftp: paramiko.SFTPClient | None = None
    _home_path = "/"

    def _is_open(self) -> bool:
        return self._transport is not None and self._transport.is_active()

    def _home(self) -> str:
        return self._home_path

    def close(self) -> None:
        """End the session and its threads."""
        transport, self._sftp, self._transport = self._transport, None, None
        self._raw_names: dict[tuple[str, str], bytes] = {}
        if transport is not None:
            transport.close()
            transport.packetizer.complete_handshake()  # else its timer lives on after a handshake that broke
            transport.sock.close()
            transport.join(5)

    def _open(self, steps: Steps) -> None:
        self.close()
        try:
            self._connect(steps)
            with steps.step("identity") as found, self._told("agreeing on encryption"):
                self._identify(found)
            with steps.step("sign_in") as found, self._told("signing in"):
                self._sign_in()
                found.detail = f"Signed in as {self.user}"
        except BaseException:
            self.close()
            raise

    def _connect(self, steps: Steps) -> None:
        target = resolve(steps, self.guard, self.host, port_of(self.settings, 22))
        self.host = target.host
        with reaching(steps, target):
            opened = self.guard.open(target)
        self._transport = paramiko.Transport(opened)
        self._transport.daemon = True
        self._transport.set_log_channel(_QUIET)
        self._transport.banner_timeout = self._transport.handshake_timeout = self._transport.auth_timeout = IO_SECONDS

    # who it is

    def _identify(self, found: Finding) -> None:
        transport = self._live()
        self._prefer_trusted_type(transport)
        transport.start_client(timeout=IO_SECONDS)
        if not transport.initial_kex_done:
            raise TimeoutError
        key = transport.get_remote_server_key()
        found.facts.update(key_type=key.get_name(), fingerprint=key.fingerprint, server=problems.quoted(transport.remote_version))
        found.detail = f"{found.facts['server']}, {key.get_name()} {key.fingerprint}"
        self._compare(key, found)

    def _prefer_trusted_type(self, transport: paramiko.Transport) -> None:
        """Ask for the trusted key's type first, so that a server with several keys shows the one we know."""
        options = transport.get_security_options()
        trusted = str((self.trusted_key or {}).get("key_type", ""))
        first = tuple(one for one in (_RSA if trusted == "ssh-rsa" else (trusted,)) if one in options.key_types)
        options.key_types = first + tuple(one for one in options.key_types if one not in first)

    def _compare(self, key: paramiko.PKey, found: Finding) -> None:
        if not self.trusted_key:
            raise problems.host_key_unknown(self.host, key.get_name(), key.fingerprint)
        trusted_type, trusted = str(self.trusted_key.get("key_type", "")), str(self.trusted_key["fingerprint"])
        if (trusted_type, trusted) != (key.get_name(), key.fingerprint):
            found.facts.update(trusted_key_type=trusted_type, trusted_fingerprint=trusted)
            raise problems.host_key_changed(self.host)

    # signing in

    def _sign_in(self) -> None:
        auth = str(self.settings.get("auth") or "password")
        key = None if auth == "password" else self._key(auth)
        with self._refusals(key):
            if key is None:
                more = self._live().auth_password(self.user, self._secret("password").reveal())
            else:
                more = self._live().auth_publickey(self.user, key)
        if more:
            raise problems.sign_in_other(
                "The server wants a second proof", f"After the first it asks for {problems.some(more)}. Ask for a user with one."
            )
        self._start_files()

    def _key(self, auth: str) -> paramiko.PKey:
        return read_key(self._secret(auth), self.secrets.get("passphrase") if auth == "private_key" else None)

    def _secret(self, key: str) -> Secret:
        return self.secrets.get(key) or Secret("")

    @contextmanager
    def _refusals(self, key: paramiko.PKey | None) -> Iterator[None]:
        try:
            yield
        except paramiko.BadAuthenticationType as error:
            allowed = problems.some(error.allowed_types) or "nothing"
            raise _wrong_way(key is not None, allowed) from error
        except paramiko.AuthenticationException as error:
            if not self._live().is_active():
                raise problems.connection_lost(self.host, "signing in") from error
            if "timeout" in str(error).lower():
                raise problems.timed_out(self.host, IO_SECONDS, "signing in") from error
            if key is not None:
                raise problems.key_refused(self.user, key.fingerprint) from error
            raise problems.sign_in_refused(self.host, self.user) from error

    def _start_files(self) -> None:
        channel = None
        try:
            channel = self._live().open_session(timeout=IO_SECONDS)
            channel.settimeout(IO_SECONDS)
            channel.invoke_subsystem("sftp")
            self._sftp = paramiko.SFTPClient(channel)
            self._home_path = posixpath.normpath(self._sftp.normalize("."))
        except (paramiko.SSHException, EOFError, OSError) as error:
            ended = channel is not None and channel.closed  # a command in its place ended, before or after our first word
            if not self._live().is_active() or (isinstance(error, OSError) and not ended):
                raise
            body = f"User {self.user} can sign in, but the server opened no SFTP session. Only the supplier can switch that on."
            raise problems.protocol_error("This user has no file access", body, permanent=True) from error

    # folders and files

    def _entries(self, folder: str) -> list[FileEntry]:
        found = []
        for raw, attributes in read_folder(self._client(), folder.encode("utf-8", "surrogateescape")):
            name = _text(raw)
            if not plain_name(name):
                continue
            self._raw_names[folder, name] = raw
            found.append(_entry(name, attributes))
            if len(found) > MOST_ENTRIES:
                raise problems.too_many_entries(folder, MOST_ENTRIES)
        return found

    def _path(self, folder: str, name: str) -> bytes:
        raw = self._raw_names.get((folder, name), name.encode())
        return posixpath.join(folder.encode(), raw)

    def _look(self, folder: str, name: str) -> Look:
        return _seen(self._client().stat(self._path(folder, name)))

    def _receive(self, folder: str, name: str, spool: Spool) -> Look:
        with self._client().open(self._path(folder, name), "rb") as remote:
            before = _seen(remote.stat())
            for piece in read_file(self._client(), cast("bytes", remote.handle)):
                spool.write(piece)
            after = _seen(remote.stat())
        return after if after == before else Look(after.size, None)

    def _move(self, folder: str, name: str, target: str) -> None:
        self._client().rename(self._path(folder, name), self._path(*posixpath.split(target)))  # fails where the target is

    def _remove(self, folder: str, name: str) -> None:
        self._client().remove(self._path(folder, name))

    def _store(self, folder: str, name: str, content: bytes) -> None:
        with self._client().open(self._path(folder, name), "wx") as remote:  # never into a file that is there
            for start in range(0, len(content), CHUNK):
                remote.write(content[start : start + CHUNK])

    def _there(self, folder: str, name: str) -> bool:
        try:
            self._client().stat(self._path(folder, name))
        except FileNotFoundError:
            return False
        return True

    def _client(self) -> paramiko.SFTPClient:
        if self._sftp is None:
            raise EOFError
        return self._sftp

    def _live(self) -> paramiko.Transport:
        if self._transport is None:
            raise EOFError
        return self._transport

    def _translate(self, error: Exception, doing: str) -> SupplierError:
        if isinstance(error, TimeoutError):
            return problems.timed_out(self.host, IO_SECONDS, doing)
        if isinstance(error, IncompatiblePeer):
            body = "It only offers methods that can be broken today. Ask the supplier to update the server."
            return problems.protocol_error("The server's SSH is too old", body, self._said(error), permanent=True)
        if isinstance(error, paramiko.SSHException) and "banner" in str(error):
            return self._no_greeting(error)
        if isinstance(error, (EOFError, ConnectionError, paramiko.SSHException)) or (isinstance(error, OSError) and not self._is_open()):
            return problems.connection_lost(self.host, doing)
        return problems.protocol_error("The server could not do that", f"It failed while {doing}.", self._said(error))

    def _no_greeting(self, error: Exception) -> SupplierError:
        cause = error.__cause__ or error.__context__
        if isinstance(cause, TimeoutError):
            return problems.timed_out(self.host, IO_SECONDS, "waiting for its greeting")
        if isinstance(cause, (EOFError, ConnectionError)):
            return problems.connection_lost(self.host, "waiting for its greeting")
        body = "Something answers, but not in the language of SFTP. Check the port; FTP and web servers use others."
        return problems.protocol_error("This is not an SFTP server", body, self._said(error))


def _wrong_way(with_key: bool, allowed: str) -> SupplierError:
    if with_key:
        return problems.sign_in_other(
            "The server takes no keys", f"It offers: {allowed}. Choose another way to sign in.", code="key_refused"
        )
    return problems.sign_in_other("The server takes no passwords", f"It offers: {allowed}. Choose a key to sign in.")


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _entry(name: str, attributes: paramiko.SFTPAttributes) -> FileEntry:
    seen = _seen(attributes)
    return FileEntry(name, seen.size, seen.modified, stat.S_ISDIR(attributes.st_mode or 0))


def _seen(attributes: paramiko.SFTPAttributes) -> Look:
    moment = attributes.st_mtime
    return Look(attributes.st_size, None if moment is None else datetime.fromtimestamp(moment, UTC).replace(tzinfo=None))
