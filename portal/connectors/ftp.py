"""FTP with explicit TLS, implicit TLS or, only where the merchant accepted it, none."""

from __future__ import annotations

import contextlib
import ftplib
import re
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

from portal.connectors import problems
from portal.connectors.folders import MOST_ENTRIES, FolderConnector, Look, plain_name, port_of
from portal.connectors.ftp_listing import list_entry, mlsd_entry, moment
from portal.connectors.ftp_session import Session, is_ragged
from portal.connectors.network import IO_SECONDS, Target
from portal.connectors.spool import CHUNK, Spool
from portal.connectors.steps import Finding, Steps, reaching, resolve
from portal.connectors.tls import Identity
from portal.errors import SupplierError
from portal.records import FileEntry, Secret

_LOCKED = re.compile(r"\block(?:ed|out)|too many (?:failed|login|bad|wrong)|account.{0,20}(?:disabled|suspended|blocked)", re.IGNORECASE)
_NOT_KNOWN = ("500", "501", "502", "504")


class FtpConnector(FolderConnector):
    """A supplier's FTP server. `settings["security"]`: explicit, implicit, or plain together with `plain_ok`."""

    faults = (OSError, EOFError, ftplib.Error)
    _session: Session | None = None
    _home_path = "/"
    _inside = ""
    _has_mlsd = False

    def _is_open(self) -> bool:
        return self._session is not None

    def _home(self) -> str:
        return self._home_path

    def close(self) -> None:
        """Say goodbye and end the connection."""
        session, self._session, self._inside = self._session, None, ""
        if session is None:
            return
        if session.sock is not None:  # a refused handshake closed it already
            with contextlib.suppress(*self.faults):  # a courtesy only; the line may be dead already
                session.putcmd("QUIT")
        session.close()

    def _open(self, steps: Steps) -> None:
        self.close()
        try:
            target = self._connect(steps)
            with steps.step("identity") as found, self._told("agreeing on encryption"):
                self._identify(target, found)
            with steps.step("sign_in") as found, self._told("signing in"):
                self._sign_in()
                found.detail = f"Signed in as {self.user}"
        except BaseException:
            self.close()
            raise

    def _connect(self, steps: Steps) -> Target:
        self._security = str(self.settings.get("security") or "explicit")
        if self._security == "plain" and self.settings.get("plain_ok") not in (True, "true", "on", "1"):
            with steps.step("address"):
                raise problems.plain_not_allowed("Plain FTP")
        target = resolve(steps, self.guard, self.host, port_of(self.settings, 990 if self._security == "implicit" else 21))
        self.host = target.host
        self._identity = None if self._security == "plain" else Identity(target.host, self.trusted_key)
        with reaching(steps, target):
            self._session = Session(self.guard.open(target), self.guard, self._identity)
        return target

    # who it is

    def _identify(self, target: Target, found: Finding) -> None:
        session = self._live()
        if self._identity is None:
            session.greet()
            found.detail = "Plain FTP: nothing proves who answers"
        elif self._security == "implicit":
            session.use(self._identity.wrap(session.detach(), lambda: self.guard.open(target), found))
            session.greet()
        else:
            session.greet()
            _ask_for_tls(session)
            session.use(self._identity.wrap(session.detach(), lambda: self._second_look(target), found))
        found.facts.update(server=problems.quoted(session.welcome or ""))

    def _second_look(self, target: Target) -> socket.socket:
        """Another connection at the point where TLS begins, to read a certificate that was refused."""
        look = Session(self.guard.open(target), self.guard, None)
        look.greet()
        _ask_for_tls(look)
        return look.detach()

    # signing in

    def _sign_in(self) -> None:
        session, password = self._live(), self.secrets.get("password") or Secret("")
        if re.search(r"[\r\n\0]", self.user + password.reveal()):
            raise problems.sign_in_other("The user or password holds a line break", "FTP cannot send that. Enter them again.")
        sent = False
        try:
            answer = session.sendcmd(f"USER {self.user}")
            if answer[0] == "3":
                sent = True
                answer = session.sendcmd(f"PASS {password.reveal()}")
        except ftplib.error_perm as error:
            raise self._refusal(self._said(error), sent) from None
        if answer[0] != "2":
            raise problems.sign_in_other(
                "The server wants a second proof", "After the password it asks for an account.", self._quote(answer)
            )
        self._prepare(session)

    def _refusal(self, said: str, sent: bool) -> SupplierError:
        if self._identity is None and re.search(r"encrypt|\b(tls|ssl)\b", said, re.IGNORECASE):
            return problems.tls_refused("This server only lets users in over TLS. Choose explicit or implicit TLS.", said, sent)
        if _LOCKED.search(said):
            return problems.user_locked(self.user, said)
        return problems.sign_in_refused(self.host, self.user, said, trusted=self._identity is not None)

    def _prepare(self, session: Session) -> None:
        """Protect the data channel before any data, then binary mode and what the server can do."""
        if self._identity is not None:
            try:
                session.protect()
            except ftplib.error_perm as error:
                raise problems.tls_refused("It encrypts the sign-in but not the files.", self._said(error), sent=True) from error
        session.voidcmd("TYPE I")
        features = _features(session)
        self._has_mlsd = "MLST" in features or "MLSD" in features
        if "UTF8" in features:
            with contextlib.suppress(ftplib.Error):  # many servers have it always on and refuse to be told
                session.voidcmd("OPTS UTF8 ON")
        self._home_path = "/" + session.pwd().lstrip("/")

    # folders and files

    def _enter(self, folder: str) -> Session:
        session = self._live()
        if self._inside != folder:
            try:
                session.voidcmd(f"CWD {folder}")
            except ftplib.error_perm as error:
                raise _missing_or_denied(error) from error
            self._inside = folder
        return session

    def _entries(self, folder: str) -> list[FileEntry]:
        session = self._enter(folder)
        now = datetime.now(UTC).replace(tzinfo=None)
        if self._has_mlsd:
            found = [mlsd_entry(line) for line in session.listing_lines("MLSD")]
        else:
            found = [list_entry(line, now) for line in self._old_listing(session)]
        entries = [entry for entry in found if entry and plain_name(entry.name)]
        if len(entries) > MOST_ENTRIES:
            raise problems.too_many_entries(folder, MOST_ENTRIES)
        return entries

    def _old_listing(self, session: Session) -> list[str]:
        try:
            return session.listing_lines("LIST")
        except ftplib.error_perm as error:
            if str(error)[:3] == "522":
                raise
            # some servers answer 550 for a folder without files
            if str(error).startswith("550") and re.search(r"no files|not found|empty", str(error), re.IGNORECASE):
                return []
            raise _missing_or_denied(error) from error

    def _look(self, folder: str, name: str) -> Look:
        session = self._enter(folder)
        size = self._ask(session, f"SIZE {name}")
        when = self._ask(session, f"MDTM {name}")
        if size.isdigit() and moment(when):
            return Look(int(size), moment(when))
        entry = next((one for one in self._entries(folder) if one.name == name), None)
        if entry is None:
            raise FileNotFoundError(name)
        return Look(int(size) if size.isdigit() else entry.size, moment(when) or entry.modified)

    def _ask(self, session: Session, command: str) -> str:
        """The answer to SIZE or MDTM; "" from a server that does not know the command."""
        try:
            answer = session.sendcmd(command)
        except ftplib.error_perm as error:
            if str(error)[:3] in _NOT_KNOWN:
                return ""
            raise _missing_or_denied(error) from error
        return answer[3:].strip() if answer[:3] == "213" else ""

    def _receive(self, folder: str, name: str, spool: Spool) -> Look:
        session = self._enter(folder)
        try:
            opened = session.transfercmd(f"RETR {name}")
        except ftplib.error_perm as error:
            if str(error)[:3] == "522":
                raise
            raise _missing_or_denied(error) from error
        try:
            with opened:
                whole = _pour(opened, spool)
        except BaseException:
            self.close()  # the answer to RETR is still to come, and the next command would take it for its own
            raise
        self._end_of_transfer(session, spool, whole)
        return self._look(folder, name)

    def _move(self, folder: str, name: str, target: str) -> None:
        with self._put_in_words():
            self._enter(folder).rename(name, target)

    def _remove(self, folder: str, name: str) -> None:
        with self._put_in_words():
            self._enter(folder).delete(name)

    def _store(self, folder: str, name: str, content: bytes) -> None:
        session = self._enter(folder)
        try:
            opened = session.transfercmd(f"STOR {name}")
        except ftplib.error_perm as error:
            if str(error)[:3] == "522":
                raise
            raise _denied(error) or FileNotFoundError(str(error)) from error
        try:
            with opened:
                opened.sendall(content)
                if isinstance(opened, ssl.SSLSocket):
                    opened.unwrap()  # its goodbye, without which the server cannot tell the end from a cut
            session.voidresp()
        except BaseException:
            self.close()  # the answer to STOR may still come, and the next command would take it for its own
            raise

    def _there(self, folder: str, name: str) -> bool:
        try:
            self._enter(folder).sendcmd(f"RNFR {name}")  # the one question that no server answers from a listing
        except ftplib.error_perm as error:
            if denied := _denied(error):
                raise denied from error
            if str(error)[:3] in _NOT_KNOWN:
                raise
            return False
        return True

    @contextlib.contextmanager
    def _put_in_words(self) -> Iterator[None]:
        """A refusal to change a file: many servers say only that it failed, so their words are the reason."""
        try:
            yield
        except ftplib.error_perm as error:
            said = self._said(error)
            raise _denied(error) or problems.not_put_away(f"the server said “{said}”", said) from error

    def _end_of_transfer(self, session: Session, spool: Spool, whole: bool) -> None:
        """A server may say "226 complete" after a cut line, so the length decides where it is known."""
        short = spool.announced is not None and spool.size < spool.announced
        try:
            session.voidresp()
        except self.faults as error:
            if not short:
                raise
            self.close()
            raise problems.cut_download(spool.size, spool.announced) from error
        if short or (spool.announced is None and not whole):
            raise problems.cut_download(spool.size, spool.announced)

    def _live(self) -> Session:
        if self._session is None:
            raise EOFError
        return self._session

    def _quote(self, text: str) -> str:
        return problems.quoted(text, self.secrets.values())

    def _translate(self, error: Exception, doing: str) -> SupplierError:
        said = self._said(error) if isinstance(error, ftplib.Error) else ""
        if isinstance(error, TimeoutError):
            return problems.timed_out(self.host, IO_SECONDS, doing)
        if said.startswith("522"):
            return problems.tls_refused("It did not accept the encryption of the data channel.", said, sent=True)
        if isinstance(error, ftplib.error_perm):
            return problems.protocol_error("The server could not do that", f"It refused while {doing}.", said)
        if isinstance(error, (ftplib.error_proto, ftplib.error_reply)):
            body = "Something answers, but not in the language of FTP. Check the port; SFTP uses 22 and is another protocol."
            return problems.protocol_error("This is not an FTP server", body, said)
        return problems.connection_lost(self.host, doing, said)


def _ask_for_tls(session: Session) -> None:
    try:
        session.voidcmd("AUTH TLS")
    except ftplib.error_perm as error:
        raise problems.tls_refused("It offers no encryption on this port.", problems.quoted(str(error))) from error


def _features(session: Session) -> set[str]:
    try:
        answer = session.sendcmd("FEAT")
    except ftplib.error_perm:
        return set()
    return {line.split()[0].upper() for line in answer.splitlines()[1:] if line.startswith(" ") and line.split()}


def _missing_or_denied(error: ftplib.error_perm) -> OSError:
    return _denied(error) or FileNotFoundError(str(error))


def _denied(error: ftplib.error_perm) -> PermissionError | None:
    denied = re.search(r"denied|not allowed|privilege|permission", str(error), re.IGNORECASE)
    return PermissionError(str(error)) if denied else None


def _pour(opened: socket.socket, spool: Spool) -> bool:
    """All bytes of a data channel. False when TLS ended without its goodbye."""
    try:
        while chunk := opened.recv(CHUNK):
            spool.write(chunk)
    except ssl.SSLError as error:
        if not is_ragged(error):
            raise
        return False
    except ConnectionError:
        return False
    return True
