"""A platform's own address for a store: turned from what people type, and every custom domain refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from portal import connection_values, suppliers
from portal.suppliers.native_hosts import RULE, Foreign, NativeHost, is_native, turned

NATIVE = NativeHost("shop", "{name}.platform.example", "Look in its settings.", also=("admin.example/store/{name}",))
HARBOR = "harbor-2.platform.example"
ENTRY = """
[native_host]
setting = "url"
address = "{name}.platform.example"
where = "Look in its settings."
also = ["admin.example/store/{name}"]
"""


@pytest.mark.parametrize(
    "typed",
    [
        HARBOR, f"https://{HARBOR}", f"http://{HARBOR}/", HARBOR.upper(), f"  {HARBOR} ", f"https://{HARBOR}/admin/products?x=1#top",
        "harbor-2", "admin.example/store/harbor-2", "https://admin.example/store/Harbor-2/settings?x=1",
    ],
)  # fmt: skip
def test_every_way_to_write_it_becomes_the_native_address(typed: str) -> None:
    assert turned(NATIVE, typed) == HARBOR


ATTACKS = {
    "a custom domain": "shop.example.com",
    "the native address as a path": f"evil.example/{HARBOR}",
    "the native address as a subdomain": f"{HARBOR}.evil.example",
    "the native address as a user": f"https://{HARBOR}@evil.example",
    "the native address as a user with a password": f"https://{HARBOR}:443@evil.example/",
    "the native address after a fragment": f"https://evil.example#@{HARBOR}",
    "the native address after a question": f"https://evil.example?{HARBOR}",
    "a backslash": f"{HARBOR}\\@evil.example",
    "a line break at the end": f"{HARBOR}\n",
    "a line break and a header": f"{HARBOR}\r\nHost: evil.example",
    "a tab": f"{HARBOR}\t.evil.example",
    "a zero": f"{HARBOR}\0.evil.example",
    "a coded zero": f"{HARBOR}%00.evil.example",
    "a coded dot": f"{HARBOR}%2eevil.example",
    "a blank inside": f"{HARBOR} .evil.example",
    "another letter that looks alike": "hаrbor-2.platform.example",
    "a wide letter": "ｈarbor-2.platform.example",
    "a dot of another script": "harbor-2.platform。example",
    "an invisible letter": "harbor\u200b-2.platform.example",
    "a level more": f"a.{HARBOR}",
    "no name": ".platform.example",
    "the platform itself": "platform.example",
    "a dash in front": "-harbor.platform.example",
    "another scheme": f"javascript:{HARBOR}",
    "no scheme but slashes": f"//{HARBOR}",
    "the platform's admin elsewhere": "admin.example.evil.example/store/harbor-2",
    "the admin without a store": "admin.example/store/",
    "the admin with more in the name": "admin.example/store/harbor-2.evil",
    "an address by number": "169.254.169.254",
    "brackets": f"[::1]/{HARBOR}",
    "far too long": "a" * 70 + ".platform.example",
}  # fmt: skip


@pytest.mark.parametrize("typed", ATTACKS.values(), ids=ATTACKS)
def test_everything_else_is_refused_and_nothing_is_filled_in(typed: str) -> None:
    with pytest.raises(Foreign) as refused:
        turned(NATIVE, typed)
    assert str(refused.value).startswith(RULE) and "Nothing was sent." in str(refused.value) and refused.value.proposal == ""
    assert not is_native(NATIVE, typed)


@pytest.mark.parametrize("typed", [f"{HARBOR}:8443", f"ana@{HARBOR}", f"{HARBOR}.", f"https://shop.example.com/login?shop={HARBOR}"])
def test_where_it_can_be_worked_out_it_is_filled_in_for_a_person_to_check(typed: str) -> None:
    with pytest.raises(Foreign, match="We filled in") as refused:
        turned(NATIVE, typed)
    assert refused.value.proposal == HARBOR


def test_the_address_that_was_in_use_is_offered_again() -> None:
    with pytest.raises(Foreign) as refused:
        turned(NATIVE, "shop.example.com", known=HARBOR)
    assert refused.value.proposal == HARBOR
    with pytest.raises(Foreign) as refused:
        turned(NATIVE, "shop.example.com", known="evil.example")
    assert refused.value.proposal == ""


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    path = tmp_path / "platform.toml"
    path.write_text((Path(suppliers.__file__).parent / "rest-api.toml").read_text("utf-8") + ENTRY.replace('"url"', '"base"'), "utf-8")
    return path


def test_a_form_with_a_native_host_judges_what_is_typed(entry: Path) -> None:
    supplier = suppliers.load(entry)
    assert supplier.native_host is not None and supplier.native_host.also == ("admin.example/store/{name}",)
    typed = {"base": "https://admin.example/store/harbor-2", "auth": "none", "path": "/items", "paging": "none"}
    form = connection_values.read(supplier, typed)
    assert form.values["base"] == HARBOR and f"was turned into {HARBOR}." in form.remarks[0] and not form.errors
    form = connection_values.read(supplier, {**typed, "base": "https://shop.example.com"}, {"base": HARBOR})
    assert form.errors["base"].startswith(RULE) and form.proposals == {"base": HARBOR}


@pytest.mark.parametrize(
    "right, wrong, words",
    [
        ('"{name}.platform.example"', '"platform.example"', "must hold {name} once"),
        ('setting = "base"', 'setting = "key"', "'key' is no setting, or a secret one"),
        ('setting = "base"', 'setting = "shop"', "'shop' is no setting"),
        ('where = "Look in its settings."\n', "", "where is missing"),
        ("also = [", 'name = "["\nalso = [', "name '[' is no pattern"),
        ("also = [", 'hosts = ["x"]\nalso = [', "unknown key 'hosts'"),
    ],
)  # fmt: skip
def test_a_slip_in_the_table_is_named(entry: Path, right: str, wrong: str, words: str) -> None:
    text = entry.read_text("utf-8")
    at = text.index("[native_host]")
    assert right in text[at:]
    entry.write_text(text[:at] + text[at:].replace(right, wrong, 1), "utf-8")
    with pytest.raises(ValueError) as caught:
        suppliers.load(entry)
    assert str(caught.value).startswith("platform.toml: native_host") and words in str(caught.value)
