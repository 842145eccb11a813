"""The served OpenAPI document against the running API, by schemathesis: made-up requests, good and bad, within bounds."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from portal.api.document import OPERATIONS
from portal.api.limits import buckets
from portal.api.routes import refusals
from portal.api_tokens import OF_SOURCE
from portal.models import ApiToken, Merchant, Order, Source
from tests.ordered import ask, place

pytestmark = pytest.mark.one_database

EACH = 8  # requests of each kind for an operation
LIMITS = settings(
    max_examples=EACH, deadline=None, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def schema(app: Any, merchant: Merchant, make_source: Any) -> Any:
    """The document as it is served, from an application with an order and a request in it."""
    ask(place(merchant), make_source(), sending="sent")  # the tokens of one source are of this one
    app.testing = False  # errors are answers, as they are for programs
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
def test_every_operation_answers_as_the_document_says(schema: Any, caller: Any, mode: GenerationMode) -> None:
    of_workspace, of_source, tried = caller().secret, caller(Source.get()).secret, 0
    for operation in OPERATIONS:
        secret = of_source if operation.scope in OF_SOURCE else of_workspace
        described = schema[f"{operation.path}"][operation.method]

        @LIMITS
        @given(case=described.as_strategy(generation_mode=mode))
        def call(case: Any) -> None:
            nonlocal tried
            buckets.forget()
            refusals.forget()
            tried += 1
            case.call_and_validate(headers={"Authorization": f"Bearer {secret}"})  # noqa: B023 - called in its own turn

        call()
    assert tried >= len(OPERATIONS) and ApiToken.select().count() == 2


def test_the_check_can_fail(schema: Any, caller: Any, monkeypatch: Any) -> None:
    secret = caller().secret
    monkeypatch.setattr("portal.api.acts.ACTS", {"list_orders": lambda *_: Order.get(Order.id == -1)})

    @LIMITS
    @given(case=schema["/orders"]["GET"].as_strategy(generation_mode=GenerationMode.POSITIVE))
    def call(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {secret}"})

    with pytest.raises(BaseException, match="(?i)server error|status"):
        call()
