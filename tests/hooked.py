"""A source with an address of ours, and a sender that signs as its supplier does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import time
from typing import Any

import tasks
from portal import deliveries, webhooks
from portal.models import Connection, Integration, Run, Source, WebhookDelivery
from tests.connecting import WHO, fresh

_numbers = itertools.count(1)


class Sender:
    """The supplier's program. Its secret is the one that the source's page would show."""

    def __init__(self, client: Any, source: Source, **settings: Any) -> None:
        self.client, self.source = client, source
        if not Integration.select().where(Integration.source == source).exists():
            Integration.create(source=source, kind="get_inventory_primary", enabled=True)
        Source.update(supplier=source.supplier or "webhook").where(Source.id == source.id).execute()
        self.source = fresh(source)
        self.save(**{"signature": "standard", **settings})

    def save(self, **settings: Any) -> None:
        """What was chosen on the connect page."""
        kept, _ = Connection.get_or_create(source=self.source, defaults={"settings": {}})
        before = dict(kept.settings)
        Connection.update(settings=settings).where(Connection.id == kept.id).execute()
        webhooks.saved(self.source, before, settings, WHO)

    @property
    def hook(self) -> Any:
        return webhooks.find(self.source)

    @property
    def path(self) -> str:
        return f"/hooks/{webhooks.token_of(self.hook)}"

    @property
    def secret(self) -> str:
        return webhooks.good_secrets(self.hook, self.hook.made_at)[0][1].reveal()

    def signed(self, body: bytes, event: str = "", at: float | None = None, secret: str = "", **more: str) -> dict[str, str]:
        """Headers of a Standard Webhooks delivery."""
        event, stamp = event or f"msg_of_itself_{next(_numbers)}", str(int(time.time() if at is None else at))
        key = base64.b64decode((secret or self.secret).removeprefix("whsec_"))
        digest = hmac.new(key, f"{event}.{stamp}.".encode() + body, hashlib.sha256).digest()
        told = {"webhook-id": event, "webhook-timestamp": stamp, "webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}
        return {**told, "content-type": "application/json", **more}

    def post(self, body: bytes, headers: dict[str, str], below: str = "", path: str = "", **more: Any) -> Any:
        """Send it, as a program does: no cookie, no token of a form."""
        return self.client.open((path or self.path) + below, method="POST", data=body, headers=headers, **more)

    def send(self, told: Any, event: str = "", below: str = "", **more: str) -> Any:
        """Send JSON, signed."""
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        return self.post(body, self.signed(body, event, **more), below)

    def send_unnamed(self, told: Any, below: str = "") -> Any:
        """Send JSON as one signs (`signature="hmac"`) who gives events no id."""
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        digest = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        return self.post(body, {"x-signature": digest, "content-type": "application/json"}, below)

    def deliveries(self, *states: str) -> list[WebhookDelivery]:
        """What lies here, oldest first."""
        rows = WebhookDelivery.select().where(WebhookDelivery.source == self.source).order_by(WebhookDelivery.id)
        return [row for row in rows if not states or row.state in states]


def worked() -> list[Run]:
    """What a worker does in one turn; the runs of it."""
    before = {run.id for run in Run.select()}
    tasks.do_runs.call_local()
    deliveries.settle()
    return [run for run in Run.select().order_by(Run.id) if run.id not in before]


def answer_of(response: Any) -> tuple[int, str]:
    """(status, code) of an answer, which has the one shape that all have."""
    told = response.get_json()
    assert sorted(told) == ["code", "status"] and told["status"] == ("taken" if response.status_code < 300 else "refused")
    return response.status_code, told["code"]
