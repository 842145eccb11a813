"""Bytes of what was sent, once nothing can come of them any more: erased after some days, their length and SHA-256 stay.

ended submission ─ every request in it is finished ─ nothing happened to them for KEEP_SENT_DAYS ─▶ the bytes go, the digest stays
"""

from __future__ import annotations

from datetime import datetime, timedelta

from portal import clock, config
from portal.models import bulk, database

CHUNK = 500
ENDED = "('sent', 'confirmed', 'rejected', 'cancelled')"
_OLD = f"""SELECT p.id FROM submission_part p JOIN submission s ON s.id = p.submission_id
    WHERE p.erased_at IS NULL AND p.id > ? AND s.state IN {ENDED} AND coalesce(s.sent_at, s.created_at) < ?
    AND NOT EXISTS (SELECT 1 FROM submission_member m JOIN fulfillment_request q ON q.id = m.request_id WHERE m.submission_id = s.id AND (
        q.changed_at >= ? OR EXISTS (SELECT 1 FROM request_line l WHERE l.request_id = q.id AND l.open + l.acknowledged > 0)))
    ORDER BY p.id LIMIT {CHUNK}"""


def prune(now: datetime | None = None) -> int:
    """Erase the bytes that are old and of finished requests, some at a time; how many files and bodies."""
    now = now or clock.now()
    before, after, gone = now - timedelta(days=config.current().keep_sent_days), 0, 0
    while ids := [row[0] for row in bulk.run(_OLD, (after, before, before)).fetchall()]:
        empty = b""
        with database.atomic():
            sql = f"UPDATE submission_part SET content = ?, erased_at = ? WHERE id {bulk.any_of()} AND erased_at IS NULL"
            gone += int(bulk.run(sql, (empty, now, bulk.as_list(ids))).rowcount)
        after = ids[-1]
        bulk.pause()
    return gone
