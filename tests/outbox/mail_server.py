"""A small SMTP server on loopback whose ledger is what it accepted, and which can break off at a named step."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Mail:
    """`breaks_at`: helo, rcpt, data, body (before it was accepted) or accepted (after). `answers`: {step: line} instead of the usual."""

    port: int = 0
    breaks_at: str = ""
    answers: dict[str, str] = field(default_factory=dict)
    accepted: list[bytes] = field(default_factory=list)
    seen: int = 0


@contextmanager
def mail_server() -> Iterator[Mail]:
    """A server for as long as the block lasts."""
    mail = Mail()

    class Line(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(ConnectionResetError):  # whoever sent was killed
                self.talk()

        def talk(self) -> None:
            mail.seen += 1
            self.say("220 mail.example")
            while line := self.rfile.readline():
                word = line.split()[0].upper().decode().partition(":")[0]
                step = {"EHLO": "helo", "RCPT": "rcpt", "DATA": "data", "MAIL": "mail"}.get(word, word.lower())
                if mail.breaks_at == step:
                    return
                self.say(mail.answers.get(step) or ("354 go on" if step == "data" else "250 mail.example"))
                if step == "data" and "data" not in mail.answers and not self.body():
                    return

        def body(self) -> bool:
            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line[1:] if line.startswith(b"..") else line)
            if mail.breaks_at == "body" or not line:  # a line that broke off hands nothing over
                return False
            if "body" not in mail.answers:
                mail.accepted.append(b"".join(lines))
            if mail.breaks_at == "accepted":
                return False
            self.say(mail.answers.get("body", "250 queued as 7"))
            return True

        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Line) as server:
        server.daemon_threads = True
        mail.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield mail
        server.shutdown()
        thread.join(5)
