"""Composition root. `python app.py` starts everything; `app` is for a web server, `huey` for a Huey consumer.

python app.py [all|web|worker|scheduler|demo]
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any

from portal import create_app, create_commands, early_digest, open_installation


def __getattr__(name: str) -> Any:
    """`app` and `huey` are made when they are asked for, so that importing this module does nothing."""
    if name == "app":
        return _commands() if _for_a_command() else create_app()
    if name == "huey":
        from tasks import huey

        open_installation()
        return huey
    raise AttributeError(name)


def _for_a_command() -> bool:
    """Whether Flask's command line asks, for a verb that needs no page."""
    return "flask" in Path(sys.argv[0]).parts[-2:] and not {"run", "routes", "shell"} & set(sys.argv[1:])


def _commands() -> Any:
    gc.set_threshold(20_000)  # what is loaded now stays: looking through it for circles is a tenth of the start
    if "import-feed" in sys.argv:
        early_digest.begin(sys.argv[-1])  # while the program is still being loaded
    return create_commands()


if __name__ == "__main__":
    from portal import parts

    sys.exit(parts.main(sys.argv[1:]))
