"""Support staff for tests: one person, and a client in which they are signed in."""

from __future__ import annotations

from typing import Any

import pyotp
import pytest

from portal.models import StaffPerson
from portal.support import staff
from tests.conftest import PASSWORD

EMAIL = "sam@quayside.example"


@pytest.fixture
def person(merchant: Any) -> StaffPerson:
    made, address = staff.add(EMAIL, PASSWORD)
    made.app = pyotp.parse_uri(address)
    return made


@pytest.fixture
def console(app: Any, person: StaffPerson) -> Any:
    """A client in which support staff is signed in."""
    client = app.test_client()
    answer = client.send_form("/staff/sign-in", {"email": EMAIL, "password": PASSWORD, "code": person.app.now()})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/staff"), answer.text
    return client
