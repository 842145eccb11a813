"""ftplib's FTP on sockets of the guard, with TLS sessions shared between control and data."""

from __future__ import annotations

import ftplib
import socket
import ssl

from portal.connectors import problems
from portal.connectors.network import IO_SECONDS, Guard
from portal.connectors.tls import Identity

MOST_LISTING_BYTES = 16_000_000
MOST_ANSWER_LINES = 500


class Session(ftplib.FTP):
    """One control connection. The host in a PASV answer is ignored: data goes to the control connection's address.

    `identity` None means plain FTP. Not yet greeted: `greet` and `secure` come first, in the server's order.
    """

    def __init__(self, opened: socket.socket, guard: Guard, identity: Identity | None) -> None:
        super().__init__(timeout=IO_SECONDS)
        self._guard, self._identity = guard, identity
        self.use(opened)

    def use(self, opened: socket.socket) -> None:
        """Take a (newly encrypted) control socket. Server text that is not UTF-8 is read with gaps, not refused."""
        opened.settimeout(IO_SECONDS)
        self.sock, self.af = opened, opened.family
        self.file = opened.makefile("r", encoding="utf-8", errors="replace")

    def detach(self) -> socket.socket:
        """Give the control socket away, with nothing of what was buffered."""
        opened = self._control
        if self.file is not None:
            self.file.close()
        self.sock = self.file = None
        return opened

    def greet(self) -> str:
        """Read the greeting. Raises ftplib.Error when it is none."""
        self.welcome = self.getresp()
        return self.welcome

    def getmultiline(self) -> str:
        """As ftplib's, but an answer ends some time, and "SSH-2.0-…" does not begin one of many lines. Raises ftplib.error_proto."""
        lines = [self.getline()]
        code, many = lines[0][:3], lines[0][3:4] == "-"
        while many and not (lines[-1][:3] == code and lines[-1][3:4] != "-"):
            if not code.isdigit() or len(lines) > MOST_ANSWER_LINES:
                raise ftplib.error_proto(lines[0])
            lines.append(self.getline())
        return "\n".join(lines)

    def protect(self) -> None:
        """Ask for an encrypted data channel. Raises ftplib.error_perm when the server has none."""
        self.voidcmd("PBSZ 0")
        self.voidcmd("PROT P")

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        """As ftplib's, but through the guard, and with the control connection's TLS session on the data channel.

        vsftpd and others refuse a data channel with a session of its own (`require_ssl_reuse`).
        """
        try:
            _, port = self.makepasv()
        except ftplib.error_perm as error:
            raise problems.passive_refused(problems.quoted(str(error))) from error
        opened = self._guard.companion(self._control, port, IO_SECONDS)
        try:
            if rest is not None:
                self.sendcmd(f"REST {rest}")
            answer = self.sendcmd(cmd)
            if answer[0] == "2":
                answer = self.getresp()
            if answer[0] != "1":
                raise ftplib.error_reply(answer)
            opened.settimeout(IO_SECONDS)
            if self._identity is not None:
                opened = self._identity.wrap_beside(opened, self._control)
        except BaseException:
            opened.close()
            raise
        return opened, None

    @property
    def _control(self) -> socket.socket:
        if self.sock is None:
            raise EOFError
        return self.sock

    def listing_lines(self, command: str) -> list[str]:
        """The lines of MLSD or LIST for the folder we are in. Raises ftplib.error_proto beyond 16 MB.

        One name that is not UTF-8 makes the whole session Latin-1, so that names go back as they came.
        """
        parts, total = [], 0
        with self.transfercmd(command) as opened:
            while part := opened.recv(65_536):
                parts.append(part)
                total += len(part)
                if total > MOST_LISTING_BYTES:
                    raise ftplib.error_proto("listing too long")
        self.voidresp()
        whole = b"".join(parts)
        try:
            return whole.decode(self.encoding).splitlines()
        except UnicodeDecodeError:
            self.encoding = "latin-1"
            return whole.decode("latin-1").split("\n")


def is_ragged(error: OSError) -> bool:
    """Whether TLS ended without its goodbye, as it does when a line is cut (and with careless servers)."""
    return isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError))
