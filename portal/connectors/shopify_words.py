"""What Shopify's refusals mean, in a merchant's words. Statuses and codes: shopify.dev, "Response status and error codes"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from portal.connectors import api_auth, oauth, problems
from portal.connectors.caller import Answer, Caller
from portal.errors import Problem, SupplierError

_STATUSES: Mapping[int, tuple[str, str, bool]] = {
    402: ("The store is frozen", "Shopify froze it, most often for an unpaid bill. Its owner can settle that in the store's admin.", True),
    404: ("There is no such store", "Shopify knows no store by this address, or it was closed. Check the store address.", True),
    423: (
        "The store is locked",
        "Shopify locked it, for too many requests or for a check of the account. Its owner can ask Shopify.",
        False,
    ),
    430: ("Shopify's protection turned us away", "It took our request for harmful. Ask Shopify's support with the details below.", True),
}  # status: headline, body, whether trying again cannot help
_SCOPE = re.compile(r"`((?:read|write)_[a-z_]{2,60})`")


def refused(answer: Answer, caller: Caller, settings: Mapping[str, Any]) -> SupplierError:
    """An answer whose status is no success."""
    error = _refused(answer, caller, settings)
    error.status = answer.status
    return error


def _refused(answer: Answer, caller: Caller, settings: Mapping[str, Any]) -> SupplierError:
    said = said_by(answer.body, caller, f"{answer.status} {answer.reason}")
    signs_in = settings.get("auth") == "code"
    if answer.status == 401 and signs_in:
        return oauth.ended("Shopify does not accept our sign-in any more; the app may have been removed from the store.", said)
    if answer.status == 401:
        return problems.sign_in_other(
            "Shopify does not accept the token", "It was taken back, or belongs to another store. Enter it again.", said
        )
    if answer.status == 403 and b"Non-expiring" in answer.body:
        if signs_in:
            return oauth.ended("Shopify takes only sign-ins that renew themselves from this app. Sign in once more.", said)
        body = "Shopify takes only tokens that end from this app. Choose “Signing in at Shopify” instead."
        return problems.sign_in_other("Shopify does not take this token any more", body, said)
    if answer.status == 403:
        missing = _SCOPE.findall(answer.body.decode("utf-8", "replace"))
        if missing:
            return lacks(missing, said, signs_in)
        return _failure("The app may not do this", "Give it the scopes of “What you need”.", said, True)
    if answer.status in _STATUSES:
        headline, body, permanent = _STATUSES[answer.status]
        return _failure(headline, body, said, permanent)
    if answer.status >= 500:
        return problems.http_status(answer.status, "Shopify could not answer", "The fault is on its side. We try again by ourselves.", said)
    return api_auth.refused(answer, caller, "")


def lacks(scopes: Iterable[str], said: str = "", signs_in: bool = False) -> SupplierError:
    """The app was not given scopes that are needed. `signs_in`: by a person's sign-in, which can be made again."""
    named = problems.some(dict.fromkeys(scopes), 4)
    body = f"It was not given {named or 'what this needs'}. Add that in the app's settings at Shopify, then sign in or install it again."
    headline = f"The app lacks {named}"[:59] if named else "The app lacks a scope"
    act, at = ("Sign in again", "sign_in") if signs_in else ("Edit connection", "connection")
    return SupplierError(Problem("permission_denied", headline, body, act, at, said), permanent=True)


def scopes_of(errors: Sequence[Mapping[str, Any]]) -> list[str]:
    """The access scopes that ACCESS_DENIED errors name, each once."""
    told = [f"{_text(one, 'message')} {_text(_extensions(one), 'requiredAccess')}" for one in errors if code_of(one) == "ACCESS_DENIED"]
    return list(dict.fromkeys(scope for text in told for scope in _SCOPE.findall(text)))


def code_of(error: Mapping[str, Any]) -> str:
    """The code of one GraphQL error, "" when it has none."""
    return _text(_extensions(error), "code")


def of_errors(errors: Sequence[Mapping[str, Any]], caller: Caller, version: str, signs_in: bool = False) -> SupplierError:
    """GraphQL errors inside a 200. `signs_in`: by a person's sign-in, which can be made again."""
    said = problems.quoted("; ".join(_text(one, "message") for one in errors), caller.secrets.values())
    codes = {code_of(one) for one in errors}
    if "ACCESS_DENIED" in codes:
        return lacks(scopes_of(errors), said, signs_in)
    if "SHOP_INACTIVE" in codes:
        return _failure(
            "The store is not active", "Shopify answers only for stores that are. Its owner can see why in the admin.", said, True
        )
    if "MAX_COST_EXCEEDED" in codes:
        body = "One question costs more than Shopify allows even for a single item. Choose fewer locations."
        return _failure("Shopify finds our question too costly", body, said, True)
    if "THROTTLED" in codes:
        return _failure(
            "Shopify asked us to slow down", "Its limit for this app and store is used up for now. Nothing was done.", said, False
        )
    if "INTERNAL_SERVER_ERROR" in codes:
        return _failure("Shopify could not answer", "The fault is on its side. We try again by ourselves. Nothing was used.", said, False)
    body = f"It did not understand what we ask in version {version}. Nothing was used."
    return _failure("Shopify did not accept our question", body, said, True)


def user_errors(told: Any) -> Sequence[Mapping[str, Any]]:
    """The userErrors that a mutation answered with. Raises protocol_error where they are not in their documented form."""
    errors = told.get("userErrors") if isinstance(told, Mapping) else None
    if not isinstance(errors, list | None) or not all(_is_user_error(one) for one in errors or ()):
        raise unreadable("It tells errors in a form that we do not know.")
    return errors or ()


def _is_user_error(one: Any) -> bool:
    """UserError: message, field (names, or null) and, of some, a code."""
    if not isinstance(one, Mapping) or not isinstance(one.get("message"), str) or not isinstance(one.get("code"), str | None):
        return False
    field = one.get("field")
    return field is None or (isinstance(field, list) and all(isinstance(name, str) for name in field))


def unreadable(why: str) -> SupplierError:
    """An answer of success that says nothing which we understand."""
    return problems.protocol_error("The answer cannot be read", f"{why} Nothing was used.")


def of_user_errors(errors: Sequence[Mapping[str, Any]], caller: Caller, headline: str) -> SupplierError:
    """A mutation that answered with userErrors (see user_errors): a failure, though the status is 200."""
    told = [f"{one.get('code') or ''} {'.'.join(one.get('field') or ())} {one['message']}".strip() for one in errors]
    said = problems.quoted("; ".join(told), caller.secrets.values())
    words = str(errors[0]["message"] or "It gave no reason").rstrip(".")
    return _failure(headline, f"{problems.quoted(words, caller.secrets.values())}. Nothing was changed.", said, True)


def said_by(body: bytes, caller: Caller, before: str) -> str:
    """The first words of an answer, secrets and web pages left out."""
    text = body[:400].decode("utf-8", "replace").strip()
    return problems.quoted(before if text.startswith("<") else f"{before} {text}", caller.secrets.values())


def _failure(headline: str, body: str, said: str, permanent: bool) -> SupplierError:
    act, at = ("Edit connection", "connection") if permanent else ("Try again", "run_again")
    return SupplierError(Problem("http_status", headline, body, act, at, said), permanent)


def _extensions(error: Mapping[str, Any]) -> Mapping[str, Any]:
    found = error.get("extensions")
    return found if isinstance(found, Mapping) else {}


def _text(told: Mapping[str, Any], name: str) -> str:
    found = told.get(name)
    return found if isinstance(found, str) else ""
