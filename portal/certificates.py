"""When the certificate of a source's server ends: noted from every connection that is encrypted, so that a change needs no test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from portal.connectors import tls
from portal.models import Connection, Source


@contextmanager
def noted(source: Source) -> Iterator[None]:
    """Write down when the certificates end that are seen inside, the soonest of them; nothing where none was."""
    with tls.noticing() as seen:
        yield
    if seen:
        ends = min(one.ends for one in seen)
        other = Connection.certificate_ends.is_null() | (Connection.certificate_ends != ends)
        Connection.update(certificate_ends=ends).where(Connection.source == source, other).execute()
