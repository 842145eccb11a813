"""The outbox: what is to leave, its bytes as rendered once, each try, and what is known of where it is."""

from __future__ import annotations

from peewee import BigAutoField, BigIntegerField, BlobField, BooleanField, CharField, ForeignKeyField, IntegerField, SmallIntegerField

from portal.clock import now
from portal.models.accounts import Merchant
from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime, new_public_id
from portal.models.orders import FulfillmentRequest
from portal.models.sources import Source


class Submission(Table):
    """One thing that leaves for a source: a file or a pair of files, a call, a message or a document to be fetched.

    `kind`: orders or test. `transport`: sftp, ftp, rest, soap, shopify, webhook, email or pull. `witness`: a key of
    portal.outbox.witnesses.KINDS, fixed when it was made. `reference`: ours, at the supplier, unique per source
    among those that they may have.
    `state`: waiting ─▶ claimed ─▶ uploading ─▶ uploaded ─▶ sent ─▶ confirmed, or rejected, check_needed or cancelled.
    Every write of a worker says WHERE id=? AND token=?: `token` is new with each claim, `lease_until` its end.
    `tries`: claims so far. `looks`: look-ups after a doubt; `next_at`: when it is due next (a try, or a look).
    `problem`: {"code", "headline", "body", "server_said"}. `left_at`: the first moment from which bytes may have left.
    `confirm_by`: an acknowledgement or shipment is expected by then. `server`: where its first try went, as "host:port".
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
    source = ForeignKeyField(Source, backref="submissions", on_delete="CASCADE", index=False)
    kind = CharField(max_length=10, default="orders")
    transport = CharField(max_length=10)
    witness = CharField(max_length=20)
    reference = CharField(max_length=120)
    state = CharField(max_length=20, default="waiting")
    token = CharField(max_length=32, default="")
    lease_until = UtcTime(null=True)
    tries = IntegerField(default=0)
    looks = IntegerField(default=0)
    next_at = UtcTime(null=True)
    their_id = CharField(max_length=200, default="")
    problem = JsonText(null=True)
    left_at = UtcTime(null=True)
    sent_at = UtcTime(null=True)
    unknown_at = UtcTime(null=True)
    confirm_by = UtcTime(null=True)
    settled_by = CharField(max_length=254, default="")
    created_at = UtcTime(default=now)
    created_by = CharField(max_length=254, default="")
    server = CharField(max_length=300, default="")

    class Meta:
        indexes = ((("state", "next_at", "id"), False), (("source", "id"), False), (("source", "unknown_at"), False))


Submission.add_index(
    Submission.index(
        Submission.source,
        Submission.reference,
        unique=True,
        where=Submission.state.not_in(("cancelled", "rejected")),
        name="submission_reference",
    )
)


class SubmissionMember(Table):
    """A request in a submission: each generation of a request is in one."""

    id = BigAutoField()
    submission = ForeignKeyField(Submission, backref="members", on_delete="CASCADE")
    request = ForeignKeyField(FulfillmentRequest, backref="+", on_delete="CASCADE", index=False)
    generation = IntegerField()

    class Meta:
        table_name = "submission_member"
        indexes = ((("request", "generation"), True),)


class SubmissionPart(Table):
    """One file or body of a submission, its bytes as rendered before the first try; the same on each.

    `name`: of the file at the supplier, final by our reference. `temp_name`: what the present claim uploads it as.
    `state`: waiting, uploading, uploaded or sent. `erased_at`: since when the bytes are gone and only `size` and `sha256` are kept.
    """

    id = BigAutoField()
    submission = ForeignKeyField(Submission, backref="parts", on_delete="CASCADE", index=False)
    place = SmallIntegerField()
    folder = CharField(max_length=1000, default="")
    name = CharField(max_length=255, default="")
    content_type = CharField(max_length=100, default="")
    content = BlobField()
    size = BigIntegerField()
    sha256 = CharField(max_length=64)
    temp_name = CharField(max_length=300, default="")
    state = CharField(max_length=20, default="waiting")
    erased_at = UtcTime(null=True)

    class Meta:
        table_name = "submission_part"
        indexes = ((("submission", "place"), True),)


SubmissionPart.add_index(SubmissionPart.id, where=SubmissionPart.erased_at.is_null(), name="submission_part_kept")


class SendAttempt(Table):
    """One try, look-up or decision of a person. `kind`: try, look or person.

    `outcome`: "" while it is under way, else sent, refused, not_sent, unknown, found, absent, several, unclear, they_have_it or send_again.
    `steps`: [{"at", "words"}]: what left the machine and what came back, without secrets. `exchange_id`: the request and its answer.
    """

    id = BigAutoField()
    submission = ForeignKeyField(Submission, backref="attempts", on_delete="CASCADE", index=False)
    kind = CharField(max_length=10)
    token = CharField(max_length=32, default="")
    started_at = UtcTime(default=now)
    ended_at = UtcTime(null=True, index=True)
    outcome = CharField(max_length=20, default="")
    steps = JsonText(default=list)
    problem = JsonText(null=True)
    exchange_id = BigIntegerField(null=True)
    by = CharField(max_length=254, default="")
    may_have_left = BooleanField(default=False)

    class Meta:
        table_name = "send_attempt"
        indexes = ((("submission", "id"), False),)
