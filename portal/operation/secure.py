"""What keeps a portal from starting in production: settings that everybody knows, or that let others read what is private."""

from __future__ import annotations

import stat

from portal.config import Config
from portal.errors import Refused
from portal.operation import checks


def require(settings: Config, debug: bool = False, serves: bool = True) -> None:
    """Nothing in trial; with PRODUCTION=1 raises Refused naming everything that has to change. `serves`: it answers browsers."""
    if found := refusals(settings, debug, serves) if settings.production else []:
        raise Refused("PRODUCTION=1, but: " + " ".join(found))


def refusals(settings: Config, debug: bool = False, serves: bool = True) -> list[str]:
    """A sentence for each thing that has to change before others may reach this portal."""
    found = []
    if debug:
        found.append("Debugging is on, which lets a browser run programs here: unset FLASK_DEBUG.")
    if serves and not settings.public_url:
        found.append("PUBLIC_URL is empty: say where the portal is reached, such as https://portal.example.com.")
    if serves and not settings.proxies:
        found.append("PROXIES is 0, so browsers would speak plain HTTP with it: put a proxy with TLS in front and set PROXIES=1.")
    if checks.database_password(settings) in checks.KNOWN_PASSWORDS:
        found.append("The database's password is one that everybody tries: change it, and DATABASE_URL.")
    if settings.owner_password and checks.is_weak(settings.owner_password):
        found.append("OWNER_PASSWORD is too easily guessed: choose another, or leave it empty.")
    key = settings.secret_key_file
    if key.exists() and key.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        found.append(f"{key} can be read by others of this machine: chmod 600 it.")
    return found
