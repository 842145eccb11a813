"""Log lines of a process. A net below the `Secret` type: what looks like a credential is blotted out, in tracebacks too."""

from __future__ import annotations

import logging
import re
import sys

NOISY = ("huey", "waitress", "paramiko", "asyncssh", "urllib3")
IN_ADDRESS = re.compile(r"(\w+://[^\s/:@]*):[^\s/@]+@")
NAMES = r"password|passphrase|secret|authorization|token|api[_-]?key"
AFTER_NAME = re.compile(rf"(?i)(\b(?:{NAMES})[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|(?:basic |bearer )?\S+)")
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


class Blotting(logging.Formatter):
    """Formats a line and takes credentials out of it."""

    def format(self, record: logging.LogRecord) -> str:
        """The finished line, as it may be shown to anybody who reads logs."""
        return blotted(super().format(record))


def blotted(text: str) -> str:
    """`text` with passwords in addresses, values after words such as password= and private keys replaced by ***."""
    text = PRIVATE_KEY.sub("*** private key ***", text)
    return AFTER_NAME.sub(r"\1***", IN_ADDRESS.sub(r"\1:***@", text))


def to_stderr() -> None:
    """Send this process's log lines to standard error; chatty libraries only from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Blotting("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
