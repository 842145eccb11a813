"""The words for everything that can go wrong between us and a supplier's server.

Each function returns a SupplierError to raise. Facts go in, a sentence comes out; no secret is ever an argument.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from portal.connectors.masking import masked_text
from portal.errors import Problem, SupplierError
from portal.records import Secret

_HEADLINE_ROOM = 59


def _failure(code: str, headline: str, body: str, act: str = "", at: str = "", said: str = "", permanent: bool = False) -> SupplierError:
    return SupplierError(Problem(code, headline, body, act, at, said), permanent)


def _named(words: str, name: str, *, longest: int = _HEADLINE_ROOM) -> str:
    """`words` with {} replaced by `name`, whose middle is left out where the headline would grow too long."""
    room = longest - len(words) + 2
    if len(name) > room:
        kept = (room - 1) // 2
        name = f"{name[: room - 1 - kept]}…{name[-kept:]}"
    return words.replace("{}", name)


def quoted(text: str, secrets: Iterable[Secret] = ()) -> str:
    """What a server said, on one line, at most 200 characters, every secret replaced by ***."""
    text = masked_text(text, secrets)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]


def some(names: Iterable[str], most: int = 8) -> str:
    """The first names of a list in words: "/in, /out and 3 more"."""
    known = [name if len(name) <= 40 else f"{name[:24]}…{name[-14:]}" for name in names]
    if len(known) <= most:
        return ", ".join(known)
    return f"{', '.join(known[:most])} and {len(known) - most:,} more"


# reaching the other side


def host_unknown(host: str, temporary: bool = False) -> SupplierError:
    """The name service knows no such name, or gives no answer now (temporary)."""
    if temporary:
        return _failure(
            "host_unknown", _named("We cannot look up {} now", host), "The name service gave no answer.", "Try again", "run_again"
        )
    return _failure(
        "host_unknown", _named("We cannot find {}", host), "The name does not exist.", "Edit host", "connection", permanent=True
    )


def host_unusable(host: str, why: str) -> SupplierError:
    """What was typed cannot be a host name."""
    return _failure(
        "host_unknown", _named("{} is not a host name", host or "An empty text"), why, "Edit host", "connection", permanent=True
    )


def address_refused(address: str, host: str) -> SupplierError:
    """The egress guard keeps an address closed."""
    named = "" if host == address else f"{_named('{}', host, longest=80)} leads there. "
    return _failure(
        "address_refused",
        _named("{} is inside this server's network", address),
        f"{named}Addresses like this are closed unless the operator opens them (EGRESS_ALLOW).",
        "How to open it",
        "connection",
        permanent=True,
    )


def port_unusable(port: object) -> SupplierError:
    """Not a number from 1 to 65535."""
    headline = _named("{} is not a port number", str(port))
    return _failure("port_closed", headline, "Ports are whole numbers from 1 to 65535.", "Edit port", "connection", permanent=True)


def port_closed(port: int, ours: str) -> SupplierError:
    """The server refused the connection; `ours` is the address we came from."""
    ask = f" Ask them to allow {ours}." if ours else ""
    body = f"The server is there but port {port} is closed, often a firewall.{ask}"
    return _failure("port_closed", f"Nothing answers on port {port}", body, "Copy a message", "connection")


def no_way(port: int, address: str, why: str) -> SupplierError:
    """Our own network cannot get there."""
    body = f"This server's network has no way to {address}: {why}."
    return _failure("port_closed", f"Nothing answers on port {port}", body, "Try again", "run_again")


def timed_out(host: str, seconds: float, doing: str, ours: str = "") -> SupplierError:
    """Nothing came for so many seconds."""
    ask = f" A firewall may drop our requests: ask them to allow {ours}." if ours else ""
    body = f"We waited {seconds:.0f} seconds while {doing}.{ask}"
    return _failure("timed_out", _named("{} does not answer", host), body, "Try again", "run_again")


def connection_lost(host: str, doing: str, said: str = "") -> SupplierError:
    """The line ended before the work did."""
    return _failure(
        "connection_lost",
        _named("{} ended the connection", host),
        f"It stopped while {doing}. Nothing was used.",
        "Try again",
        "run_again",
        said,
    )


def protocol_error(headline: str, body: str, said: str = "", permanent: bool = False) -> SupplierError:
    """The other side does not do what its protocol says."""
    return _failure("protocol_error", headline, body, "Edit connection", "connection", said, permanent)


def passive_refused(said: str) -> SupplierError:
    """An FTP server that opens no data port for us."""
    body = "We fetch files in passive mode only, and the server refused that. Ask the supplier to switch it on."
    return protocol_error("The server offers no passive mode", body, said, permanent=True)


# who it is


def host_key_unknown(host: str, key_type: str, fingerprint: str) -> SupplierError:
    """First contact: the merchant has to confirm the key."""
    body = f"Its {key_type} key is {fingerprint}. Compare it with what the supplier gave you. We sent no password."
    return _failure("host_key_unknown", _named("Is this really {}?", host), body, "Compare the key", "host_key", permanent=True)


def host_key_changed(host: str, what: str = "key") -> SupplierError:
    """Another key or certificate than the trusted one."""
    body = f"The {what} you trusted is gone. It can be a server move, or someone in between. We sent no password and stopped."
    return _failure("host_key_changed", _named("{} has a new identity", host), body, "Compare the keys", "host_key", permanent=True)


def certificate_name(host: str, names: Iterable[str]) -> SupplierError:
    """The certificate is for other names."""
    known = some(names, 4) or "no name at all"
    body = f"It is for {known}, not {_named('{}', host, longest=80)}. We sent no password."
    return _failure(
        "certificate_name", "The certificate belongs to another name", body, "Use the name on the certificate", "connection", permanent=True
    )


def certificate_ended(ended: datetime) -> SupplierError:
    """The certificate is past its end."""
    body = "Only the supplier can renew it. We sent no password."
    return _failure(
        "certificate_ended", f"Their certificate ended on {ended.day} {ended:%b %Y}", body, "Copy a message", "connection", permanent=True
    )


def certificate_early(begins: datetime) -> SupplierError:
    """The certificate is before its start."""
    headline = f"Their certificate starts only on {begins.day} {begins:%b %Y}"
    body = "Check the clocks of both servers. We sent no password."
    return _failure("certificate_ended", headline, body, "Copy a message", "connection", permanent=True)


def certificate_untrusted(fingerprint: str, issuer: str) -> SupplierError:
    """No authority that this machine trusts issued the certificate."""
    body = f"It was issued by {issuer or 'nobody named'}. Its fingerprint is {fingerprint}. Compare it with what the supplier gave you."
    headline = "Nobody we trust vouches for this certificate"
    return _failure("certificate_untrusted", headline, body, "Compare the certificate", "host_key", permanent=True)


def tls_refused(body: str, said: str = "", sent: bool = False) -> SupplierError:
    """No encryption, or none that is safe enough. `sent`: it showed itself only after the password."""
    headline, what = "No safe encryption with this server", "We read no file." if sent else "We sent no password."
    return _failure("tls_refused", headline, f"{body} {what}", "Edit connection", "connection", said, permanent=True)


def plain_not_allowed(what: str) -> SupplierError:
    """A credential would go unencrypted, and the merchant has not accepted that."""
    headline = f"{what} is not switched on"
    body = "Anyone on the path could read the password and files. Choose encryption, or tick that you accept this."
    return _failure("plain_not_allowed", headline, body, "Edit connection", "connection", permanent=True)


# signing in


def sign_in_refused(host: str, user: str, said: str = "", trusted: bool = True) -> SupplierError:
    """The user or the password is wrong."""
    known = " and it is the server you trusted" if trusted else ""
    body = f"We reached {_named('{}', host, longest=60)}{known}, but it refused user {_named('{}', user, longest=40)}."
    headline = "The server did not accept the password"
    return _failure("sign_in_refused", headline, body, "Enter the password again", "connection", said, permanent=True)


def no_key(store_gives: bool, removed: bool = False) -> SupplierError:
    """There is nothing to sign in with, so nothing was sent. `store_gives`: the supplier can hand a key over by itself; `removed`: it
    did, and its app was removed since."""
    if removed:
        body = "The token ended with that, so nothing was sent. The stock stays as it last came. Install the app again."
        return _failure("sign_in_ended", "The app was removed in the store", body, "Sign in again", "approval", permanent=True)
    body = "Enter it, or let the store give us one. Nothing was sent." if store_gives else "Enter it. Nothing was sent."
    act, at = ("Let the store give us a key", "approval") if store_gives else ("Enter the key", "connection")
    return _failure("not_set_up", "There is no key yet", body, act, at, permanent=True)


def sign_in_other(headline: str, body: str, said: str = "", code: str = "sign_in_refused") -> SupplierError:
    """Signing in cannot work this way at all."""
    return _failure(code, headline, body, "Edit connection", "connection", said, permanent=True)


def user_locked(user: str, said: str) -> SupplierError:
    """The server says that the user is locked."""
    headline = _named("The server has locked user {}", user)
    return _failure(
        "user_locked", headline, "We stopped trying to avoid a longer lock.", "Copy a message", "connection", said, permanent=True
    )


def key_refused(user: str, fingerprint: str) -> SupplierError:
    """The server does not accept our key for this user."""
    body = f"The key we offered for user {_named('{}', user, longest=40)} ({fingerprint}) is not on their list."
    return _failure("key_refused", "The server does not know this key", body, "Copy our public key", "connection", permanent=True)


def key_unreadable(body: str) -> SupplierError:
    """The private key or its passphrase cannot be used."""
    return _failure("key_unreadable", "We cannot read this private key", body, "Edit connection", "connection", permanent=True)


# folders and files


def folder_missing(folder: str, there: Iterable[str]) -> SupplierError:
    """No such folder; `there` are the folders that exist nearby."""
    seen = some(there)
    body = f"We can sign in and see: {seen}." if seen else "We can sign in, and see no folders."
    return _failure("folder_missing", _named("The folder {} is not there", folder), body, "Choose a folder", "file", permanent=True)


def permission_denied(what: str, said: str = "") -> SupplierError:
    """The server has it and does not hand it out."""
    body = "We can sign in, but this user may not read it. Only the supplier can change that."
    return _failure("permission_denied", _named("We may not read {}", what), body, "Copy a message", "connection", said, permanent=True)


def file_missing(headline: str, body: str) -> SupplierError:
    """No file by that name or pattern now."""
    return _failure("file_missing", headline, body, "See the folder", "file")


def file_growing(name: str, was: int | None, size: int | None) -> SupplierError:
    """The file changed while we looked at it."""
    sizes = f" from {was:,} to {size:,} bytes" if was is not None and size is not None and was != size else ""
    body = f"It changed{sizes} while we looked. We did not use it and try again by ourselves."
    return _failure("file_growing", _named("{} is still being written", name), body, "Try now", "run_again")


def unfinished(name: str, why: str) -> SupplierError:
    """The file does not count as finished yet."""
    body = f"It does not count as finished: {why}. We did not use it and try again by ourselves."
    return _failure("file_growing", _named("{} is still being written", name), body, "Try now", "run_again")


def not_put_away(why: str, said: str = "") -> SupplierError:
    """A file that was read could not be moved, renamed or deleted; `why` is the end of a sentence."""
    return _failure("permission_denied", "The file could not be put away", why, said=said)


def not_written(place: str, why: str = "the server refused it", said: str = "") -> SupplierError:
    """No file can be written there; `why` is the end of a sentence."""
    body = f"Writing into {_named('{}', place, longest=80)} failed: {why}. Nothing was sent. Ask the supplier to let you write there."
    return _failure("permission_denied", "The file could not be written there", body, "Edit file", "file", said, permanent=True)


def cut_upload(name: str, there: int | None, size_here: int) -> SupplierError:
    """The server has another number of bytes than were written, or tells none."""
    told = "does not tell" if there is None else f"has {there:,} of {size_here:,} bytes"
    body = f"It {told} of {_named('{}', name, longest=80)}, still under its temporary name. The supplier did not get it; we write it again."
    return _failure("protocol_error", "The file did not arrive whole", body, "Try again", "run_again")


def cut_download(got: int, announced: int | None) -> SupplierError:
    """Fewer bytes came than were announced."""
    of = f" of {size(announced)}" if announced is not None else ""
    amounts = f"{got:,} of {announced:,} bytes came." if announced is not None else f"{got:,} bytes came."
    headline = f"The file stopped at {size(got)}{of}"
    return _failure("cut_download", headline, f"{amounts} We did not use it. Your stock stays as it was.", "Try now", "run_again")


def cut_list(got: int, told: int, what: str) -> SupplierError:
    """A list ended before as many came as its server told; `what` is "item" or "page"."""
    body = f"The server told {told:,} {what}s and {got:,} came. We did not use them. Your stock stays as it was."
    return _failure("cut_download", f"The list stopped at {got:,} of {told:,} {what}s", body, "Try now", "run_again")


def cut_pages() -> SupplierError:
    """A page says that more follow, and not where."""
    body = "It says that more follow, and not where they are. We did not use it. Your stock stays as it was."
    return _failure("cut_download", "The list stopped before its end", body, "Try now", "run_again")


def no_answer(status: int) -> SupplierError:
    """An answer of success without a body, where a list belongs."""
    body = "A list without items would be an empty list in it, or a 204. We did not use it. Your stock stays as it was."
    return _failure("cut_download", "The server sent an empty answer", body, "Try now", "run_again", f"{status}")


def too_large(limit: int) -> SupplierError:
    """More bytes than the operator allows."""
    body = f"Files up to {size(limit)} are read here. The operator can raise the limit (MAX_FEED_MB). Nothing was used."
    return _failure("too_large", f"The file is larger than {size(limit)}", body, "Choose another file", "file", permanent=True)


def not_stored(why: str) -> SupplierError:
    """Our own disk did not take the file."""
    body = f"This server could not write it to its own disk: {why}. The operator has to make room. Nothing was used."
    return _failure("internal", "We could not store the file", body, "Try again", "run_again")


def too_many_entries(folder: str, most: int) -> SupplierError:
    """More files than a listing may have."""
    body = f"We list up to {most:,} files. Ask the supplier to move old files away, or choose another folder."
    return _failure("too_large", _named("{} holds too many files", folder), body, "Choose a folder", "file", permanent=True)


def size(count: int) -> str:
    """Bytes in the unit a person would say: 812 bytes, 31 kB, 48 MB."""
    for unit, factor in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)):
        if count >= factor:
            shown = count / factor
            return f"{shown:.1f} {unit}" if shown < 10 and count % factor else f"{shown:,.0f} {unit}"
    return f"{count} bytes"


# file links


def redirected(place: str, body: str) -> SupplierError:
    """The link answers with another address, which is not followed."""
    return _failure("redirected", _named("The link points on to {}", place), body, "Edit link", "connection", permanent=True)


def sheet_not_shared() -> SupplierError:
    """Google asks for a sign-in instead of handing the sheet out."""
    body = "Google asks for a sign-in. In the sheet, choose Share, then Anyone with the link."
    return _failure("permission_denied", "This Google Sheet is not shared", body, "Edit link", "connection", permanent=True)


def http_status(status: int, headline: str, body: str, said: str = "", permanent: bool = False) -> SupplierError:
    """Any other answer that is not the file."""
    found = _failure(
        "http_status",
        headline,
        body,
        "Edit connection" if status == 404 else "Edit link" if permanent else "Try again",
        "connection" if permanent or status == 404 else "run_again",
        said or f"{status}",
        permanent,
    )
    found.status = status
    return found


def question(headline: str, body: str, act: str, at: str) -> SupplierError:
    """Something that only the merchant can choose; nothing is broken."""
    return _failure("not_set_up", headline, body, act, at, permanent=True)
