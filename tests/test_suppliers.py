"""The Supplier Directory's files: each one loads, and a slip in one is named by file and key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portal import supplier_check, suppliers
from portal.connectors import PROTOCOLS
from portal.errors import NotFound
from portal.mapping import rules as mapping_rules
from portal.suppliers import operations
from portal.suppliers.schema import ACCOUNT_KEYS, OPERATIONS

FILES = sorted(Path(suppliers.__file__).parent.glob("*.toml"))
SLUGS = [path.stem for path in FILES]
SAMPLES = Path(__file__).parent / "suppliers"
DEMO = "demo-distributor"

GOOD = """
name = "Northwind"
region = "United States"
categories = ["Home"]
protocol = "http"
methods = ["File link"]
summary = "Furniture."
steps = ["Copy the link."]
letter = "Hello"
minutes = 5
limits = []
place = 99

[supports]
inventory = true
orders = false
shipments = false

[cannot]
orders = "A link can only be read."
shipments = "There are no shipment files."

[download_hosts]
"files.northwind.example" = "*.cdn.northwind.example"

[[needs]]
what = "The link"
who = "Their IT contact"

[[settings]]
key = "url"
label = "Link"
required = true

[[settings]]
key = "auth"
label = "Sign in with"
kind = "choice"
default = "none"
options = [{ value = "none", label = "Nothing" }, { value = "basic", label = "User and password" }]

[[settings]]
key = "password"
label = "Password"
kind = "password"
secret = true
shown_when = "auth=basic"
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "northwind.toml"
        path.write_text(text, "utf-8")
        return path

    return write


FIRST = ["sftp-file", "ftp-file", "http-file", "rest-api", "file-upload"]

# the files that are there


@pytest.mark.parametrize("path", FILES, ids=SLUGS)
def test_every_file_loads_as_what_it_says(path):
    one, table = suppliers.load(path), tomllib.loads(path.read_text("utf-8"))
    assert one.slug == path.stem and suppliers.find(one.slug).name == one.name == table["name"]
    assert one.protocol in PROTOCOLS or one.protocol in ("upload", "webhook")
    assert [setting.key for setting in one.settings] == [setting["key"] for setting in table.get("settings", [])]
    for text in (one.name, one.region, one.summary, one.letter.strip(), *one.methods, *one.categories, *one.steps):
        assert text and isinstance(text, str)
    assert one.needs and all(need.what and need.who for need in one.needs) and one.minutes > 0


@pytest.mark.parametrize("slug", SLUGS)
def test_what_a_supplier_cannot_do_is_said_and_what_it_can_is_not_denied(slug):
    one = suppliers.find(slug)
    assert set(one.supports) == set(OPERATIONS) and one.supports["inventory"]
    assert {name for name, able in one.supports.items() if not able} == set(one.cannot)
    assert all(sentence.endswith(".") and "Connect the supplier by" in sentence for sentence in one.cannot.values())


def test_which_methods_can_send_orders_and_get_shipments():
    able = {slug: tuple(suppliers.find(slug).supports[name] for name in ("orders", "shipments")) for slug in SLUGS}
    assert {slug: both for slug, both in able.items() if any(both)} == {
        DEMO: (True, True), "sftp-file": (True, True), "ftp-file": (True, True), "http-file": (False, True),
        "google-sheets": (False, True), "dropbox-file": (False, True), "woocommerce": (True, True),
        "shopify": (True, True), "bigcommerce": (True, True), "rest-api": (True, True),
        "webhook": (False, True), "soap-service": (True, True), "promostandards": (True, True),
    }  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=SLUGS)
def test_an_entry_made_from_documentation_names_it_and_tells_that_nobody_tried_it(path):
    named = path.read_text("utf-8").startswith("# Facts: ")
    told = [limit for limit in suppliers.find(path.stem).limits if "not yet tried with a live account" in limit]
    assert named == bool(told) and all("public documentation of" in limit for limit in told)


@pytest.mark.parametrize("slug", SLUGS)
def test_each_secret_is_sealed_and_has_no_value_in_the_file(slug):
    one = suppliers.find(slug)
    hidden = {setting.key for setting in one.settings if setting.kind in ("password", "key_pair")}
    assert hidden <= one.secret_keys <= one.setting_keys
    assert all(not one.setting(key).default for key in one.secret_keys), "without the demo running nothing is filled in"


def test_settings_are_read_with_their_kind_default_options_and_condition():
    one = suppliers.find("ftp-file")
    security, plain_ok, port = one.setting("security"), one.setting("plain_ok"), one.setting("port")
    assert (security.kind, security.default, [option.value for option in security.options]) == (
        "choice", "explicit", ["explicit", "implicit", "plain"],
    )  # fmt: skip
    assert security.options[2].hint == "Anyone on the path can read the password and files"
    assert (plain_ok.kind, plain_ok.required, port.default) == ("check", True, "21")
    assert one.secret_keys == {"password"}
    with pytest.raises(KeyError):
        one.setting("nothing")


@pytest.mark.parametrize(
    ("slug", "values", "shown"),
    [
        ("ftp-file", {"security": "plain"}, {"plain_ok"}),
        ("ftp-file", {"security": "explicit"}, set()),
        ("ftp-file", {}, set()),
        ("http-file", {"auth": "none"}, set()),
        ("http-file", {"auth": "basic"}, {"user", "password"}),
        ("http-file", {"auth": "header"}, {"header_name", "header_value"}),
        ("sftp-file", {"auth": "password"}, {"password"}),
        ("sftp-file", {"auth": "private_key"}, {"private_key", "passphrase"}),
        ("sftp-file", {"auth": "our_key"}, {"our_key"}),
    ],
)
def test_a_conditional_field_belongs_to_the_form_only_while_its_choice_is_made(slug, values, shown):
    conditional = [setting for setting in suppliers.find(slug).settings if setting.shown_when]
    assert shown <= {setting.key for setting in conditional if setting.applies(values)}
    other = {"password", "user", "private_key", "passphrase", "our_key", "header_name", "header_value"} - shown
    assert not other & {setting.key for setting in conditional if setting.applies(values)}


def test_downloads_of_google_and_dropbox_may_go_to_one_host_and_no_other_supplier_has_such_a_host():
    dropbox = dict.fromkeys(["www.dropbox.com", "dl.dropboxusercontent.com"], "*.dropboxusercontent.com")
    assert dict(suppliers.find("http-file").download_hosts) == {"docs.google.com": "*.googleusercontent.com", **dropbox}
    assert [slug for slug in SLUGS if suppliers.find(slug).download_hosts] == ["http-file"]


def test_the_directory_is_in_its_order_and_knows_no_other_slug():
    order = [(one.place, one.name) for one in suppliers.listing()]
    assert order == sorted(order) and {one.slug for one in suppliers.listing()} == {*SLUGS} - {DEMO}
    methods = [one.slug for one in suppliers.listing() if "Connect something else" in one.categories]
    assert [slug for slug in methods if slug in FIRST] == FIRST, "the methods go from files to everything else"
    for slug in ("nothing", "", "../schema", "SFTP-FILE"):
        with pytest.raises(NotFound):
            suppliers.find(slug)


# what each of them asks and makes of the answers


@pytest.mark.parametrize("slug", SLUGS)
def test_its_sample_documents_prove_it(slug):
    report = supplier_check.check(suppliers.find(slug), SAMPLES / slug)
    assert report.wrong == [] and report.said


@pytest.fixture
def sample() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / "rest-api" / "get_inventory.json").read_text("utf-8"))
    return found


_LIES = {
    "another path": (("exchanges", 0, "request", "path"), "/v2/products", "path is '/v1/products', not '/v2/products'"),
    "another query": (("exchanges", 1, "request", "query"), {}, "query is {'limit': '2', 'offset': '2'}, not {}"),
    "another header": (("exchanges", 0, "request", "headers"), {"X-Key": "1"}, "header X-Key is ''"),
    "another method": (("exchanges", 0, "request", "method"), "POST", "method is 'GET', not 'POST'"),
    "a body that is not sent": (("exchanges", 0, "request", "body"), {"a": 1}, "body is None"),
    "one request fewer": (("exchanges", 1), None, "request 2: GET /v1/products?limit=2&offset=2 was not expected"),
    "one request more": (("exchanges", 1, "answer", "body", "data"), [], "The list stopped at 2 of 3 items"),
    "another place": (("base",), "https://api.elsewhere.example/v1", "place: it asks https://api.northwind.example/v1"),
    "other items": (("items",), [], "the items are [{"),
    "an answer that is an error": (("exchanges", 0, "answer", "status"), 404, "The address is not there"),
    "another error": (("errors", 0, "code"), "http_status", "error 401: it is sign_in_refused, not http_status"),
    "other words": (("errors", 1, "says"), "hello", "error 403: it is http_status"),
    "an error that is none": (("errors", 0, "answer"), {"body": {"data": []}}, "error 200: it is no failure"),
    "no errors": (("errors",), [], "no sample of an answer that is one"),
}


@pytest.mark.parametrize("lie", _LIES)
def test_a_sample_that_is_not_kept_is_found(sample, tmp_path, lie):
    place, value, words = _LIES[lie]
    inner: Any = sample
    for one in place[:-1]:
        inner = inner[one]
    if value is None:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    (tmp_path / "get_inventory.json").write_text(json.dumps(sample), "utf-8")
    assert words in "; ".join(supplier_check.check(suppliers.find("rest-api"), tmp_path).wrong)


def test_an_entry_without_samples_is_not_proved(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert "no sample documents" in supplier_check.check(suppliers.find("sftp-file"), folder).wrong[0]
    (tmp_path / "readme.md").write_text("soon")
    assert ["NAME.items.json" in one for one in supplier_check.check(suppliers.find("sftp-file"), tmp_path).wrong] == [True]
    assert supplier_check.check(suppliers.find("rest-api"), tmp_path).wrong == ["get_inventory: get_inventory.json is missing"]


def test_a_file_that_becomes_something_else_is_found(tmp_path):
    (tmp_path / "stock.csv").write_text("sku,qty\nA,1\n")
    (tmp_path / "stock.csv.items.json").write_text('[{"sku": "A", "quantity": 2}]')
    (tmp_path / "gone.csv.items.json").write_text("[]")
    wrong = supplier_check.check(suppliers.find("sftp-file"), tmp_path).wrong
    assert any('stock.csv: the items are [{"sku": "A", "quantity": 1}]' in one for one in wrong) and any("gone.csv" in one for one in wrong)


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ('children_path = "', 'items = "data["\nchildren_path = "', "get_inventory: items: This is neither a path"),
        ('children_path = "', 'join2_key = "a["\nchildren_path = "', "get_inventory: join2_key: This is neither a path"),
        ('children_path = "', 'paging = "scroll"\nchildren_path = "', "get_inventory: paging 'scroll' is not one of"),
        ('{ do = "number" }', '{ do = "magic" }', "get_inventory: mapping: quantity: Choose a change from the list"),
        ('field = "po"', 'field = "a["', "send_orders: witness.field: This is neither a path"),
    ],
)
def test_what_the_schema_cannot_see_is_found(written, tmp_path, right, wrong, words):
    assert right in STORE
    found = supplier_check.check(suppliers.load(written(STORE.replace(right, wrong, 1))), tmp_path).wrong
    assert any(words in one for one in found), found


def test_the_verb_tells_what_is_proved_and_what_is_wrong(app, written):
    run = app.test_cli_runner().invoke
    good = run(args=["check-supplier", "rest-api", "--samples", str(SAMPLES / "rest-api"), "--json"])
    assert good.exit_code == 0 and json.loads(good.output) == {
        "supplier": "rest-api", "wrong": [], "proved": {"get_inventory": "request, place, answer and 3 errors"},
    }  # fmt: skip
    bare = run(args=["check-supplier", str(written(GOOD))])
    assert bare.exit_code == 1 and "WRONG There are no sample documents in tests/suppliers/northwind" in bare.output
    slip = run(args=["check-supplier", str(written(GOOD.replace("minutes", "minuets")))])
    assert (slip.exit_code, slip.output) == (4, "northwind.toml: unknown key 'minuets'\n")
    assert run(args=["check-supplier", "nobody"]).output == "There is no supplier nobody.\n"


# slips


def test_the_file_that_the_slips_are_made_in_is_good(written):
    one = suppliers.load(written(GOOD))
    assert (one.slug, one.place, one.limits, one.needs_demo) == ("northwind", 99, (), False)
    assert one.setting("password").applies({"auth": "basic"}) and one.download_hosts["files.northwind.example"]


_SLIPS = {
    "a key that is not known": ('region = "', 'regoin = "', "unknown key 'regoin'"),
    "a needed key left out": ("minutes = 5\n", "", "minutes is missing"),
    "an empty text": ('summary = "Furniture."', 'summary = ""', "summary is empty"),
    "a text for a number": ("minutes = 5", 'minutes = "5"', "minutes must be a int, not '5'"),
    "a number for a text": ('name = "Northwind"', "name = 7", "name must be a str, not 7"),
    "a switch for a number": ("place = 99", "place = true", "place must be a int, not True"),
    "a text for a list": ('categories = ["Home"]', 'categories = "Home"', "categories must be a list, not 'Home'"),
    "a number in a list of texts": ('steps = ["Copy the link."]', "steps = [7]", "steps must hold only str, not 7"),
    "a list in a list of texts": ('methods = ["File link"]', 'methods = [["File link"]]', "methods must hold only str, not ['File link']"),
    "a protocol we do not speak": ('protocol = "http"', 'protocol = "gopher"', "protocol 'gopher' is not one of ftp, http, rest"),
    "an operation that is none": ("inventory = true", "inventory = true\nreturns = true", "supports: unknown key 'returns'"),
    "an operation left out": ("shipments = false\n", "", "supports: shipments is missing"),
    "an operation in words": ("inventory = true", 'inventory = "yes"', "supports: inventory must be a bool, not 'yes'"),
    "a lack without its sentence": ('orders = "A link can only be read."\n', "", "cannot.orders must hold a sentence"),
    "a sentence without its lack": ("orders = false", "orders = true", "cannot.orders must hold a sentence exactly when"),
    "a sentence for no operation": ('orders = "A', 'returns = "No."\norders = "A', "cannot: unknown key 'returns'"),
    "a need without who has it": ('who = "Their IT contact"\n', "", "needs: who is missing"),
    "a need with another key": ('who = "Their IT contact"', 'who = "IT"\nwhen = "now"', "needs: unknown key 'when'"),
    "a table that is not known": ("[[needs]]", "[[wants]]", "unknown key 'wants'"),
    "a setting's unknown key": ('label = "Link"', 'label = "Link"\nplaceholder = "x"', "settings.url: unknown key 'placeholder'"),
    "a setting without a label": ('label = "Link"\n', "", "settings.url: label is missing"),
    "a setting without a key": ('key = "url"\n', "", "settings.?: key is missing"),
    "a setting's wrong type": ("required = true", 'required = "yes"', "settings.url: required must be a bool, not 'yes'"),
    "a setting of no kind": ('label = "Link"', 'label = "Link"\nkind = "slider"', "settings.url: kind 'slider' is not one of"),
    "a number as default": ('default = "none"', "default = 0", "settings.auth: default must be a str, not 0"),
    "a default that is no option": ('default = "none"', 'default = "nothing"', "settings.auth: default 'nothing' is not"),
    "a choice without options": ("options = [", "# options = [", "settings.auth: options belong to a choice"),
    "options of a text": ('kind = "choice"\n', "", "settings.auth: options belong to a choice"),
    "an option's unknown key": ('label = "Nothing"', 'label = "Nothing", help = "x"', "settings.auth: options: unknown key 'help'"),
    "an option without a label": (', label = "Nothing"', "", "settings.auth: options: label is missing"),
    "an option that is a text": ('[{ value = "none", label = "Nothing" }, ', '["none", ', "settings.auth: options must hold only dict"),
    "a password that is not sealed": ("secret = true\n", "", "settings.password: a password must be secret"),
    "a secret with a value": ("secret = true", 'secret = true\ndefault = "hunter2"', "settings.password: a secret has no default"),
    "a condition on no choice": ('"auth=basic"', '"auth=oauth"', "settings.password: shown_when 'auth=oauth' names no choice"),
    "a condition on no setting": ('"auth=basic"', '"security=plain"', "settings.password: shown_when 'security=plain' names no choice"),
    "a key used twice": ('key = "password"', 'key = "url"', "settings: a key is used twice"),
    "a download host that is no text": ('"*.cdn.northwind.example"', "7", "download_hosts: files.northwind.example must be a str, not 7"),
    "a file that is no TOML": ('name = "Northwind"', "name = Northwind", "(at line 2"),
}  # fmt: skip


@pytest.mark.parametrize("slip", _SLIPS)
def test_a_slip_is_named_with_its_file_and_key(written, slip):
    right, wrong, words = _SLIPS[slip]
    assert right in GOOD
    with pytest.raises(ValueError) as caught:
        suppliers.load(written(GOOD.replace(right, wrong, 1)))
    assert str(caught.value).startswith("northwind.toml: ") and words in str(caught.value)


STORE = (
    (
        GOOD.replace('protocol = "http"', 'protocol = "rest"')
        .replace("orders = false", "orders = true")
        .replace('orders = "A link can only be read."\n', "")
    )
    + """
[[settings]]
key = "store"
label = "Store"

[fixed]
base = "https://{store}.northwind.example"

[operations.get_inventory]
path = "/{store}/items"
body = '{ "page": {page} }'
children_path = "/items/{sku.id}/parts"

[[operations.get_inventory.mapping]]
field = "sku"
columns = ["sku", "parent.sku"]
join = "-"

[[operations.get_inventory.mapping]]
field = "quantity"
columns = ["units"]
steps = [{ do = "number" }]

[[operations.get_inventory.mapping]]
custom = "Colour"
columns = ["colour"]

[[operations.get_inventory.mapping]]
warehouse = "East"
columns = ["east"]

[[operations.get_inventory.mapping]]
field = "condition"
fixed = "new"

[operations.send_orders]
path = "/orders"

[operations.send_orders.witness]
path = "/orders"
query = "po={reference}"
field = "po"
proves = "listed"
settle_seconds = 60
"""
)


def test_a_warehouse_for_each_column_that_begins_alike(written):
    each = '[[operations.get_inventory.mapping]]\nwarehouse = "*"\ncolumns = ["at *"]\nsteps = [{ do = "units" }]\n\n'
    text = STORE.replace("[operations.send_orders]\n", f"{each}[operations.send_orders]\n")
    one = suppliers.load(written(text)).operations["get_inventory"]
    rules = one.rules(["sku", "at Main Street", "at Harbor", "attic", "at ", f"at {'x' * 81}"])
    assert [(place["name"], place["column"]) for place in rules["warehouses"]] == [
        ("Main Street", "at Main Street"),
        ("Harbor", "at Harbor"),
    ]
    assert "at *" not in one.columns and rules["warehouses"][0]["steps"] == [{"do": "units"}]
    assert one.rules(["sku", *(f"at {n}" for n in range(operations.MOST_WAREHOUSES + 1))])["warehouses"] == []
    assert (operations.MOST_WAREHOUSES, operations.LONGEST_NAME) == (mapping_rules.MOST_WAREHOUSES, mapping_rules.LONGEST_NAME)
    with pytest.raises(ValueError, match="a warehouse for each column has one column that ends"):
        suppliers.load(written(text.replace('["at *"]', '["at"]')))


def test_an_operation_is_laid_over_what_is_fixed_and_filled_in(written):
    one = suppliers.load(written(STORE))
    whole = one.whole({"store": "north", "auth": "basic", "most_pages": 4})
    assert (whole["base"], whole["path"], whole["operation"]) == ("https://north.northwind.example", "/north/items", "get_inventory")
    assert whole["body"] == '{ "page": {page} }' and whole["children_path"] == "/items/{sku.id}/parts", "the request fills these in"
    assert whole["columns"] == ("sku", "parent.sku", "units", "colour", "east") and whole["most_pages"] == 4
    order = one.whole({"store": "north"}, operation="send_orders")
    assert (order["path"], order["operation"], order["witness"]["field"]) == ("/orders", "send_orders", "po") and order["columns"] == ()
    none = one.whole({"store": "north"}, operation="get_shipments")
    assert none == {"store": "north", "base": "https://north.northwind.example"}, "an operation that is not there has no path"


def test_a_default_mapping_is_cut_to_the_columns_that_are_there(written):
    known = suppliers.load(written(STORE)).operations["get_inventory"]
    rules = known.rules(["sku", "units", "colour", "east"])
    assert rules["fields"] == {
        "sku": {"columns": ["sku"], "steps": [], "join": "-"}, "quantity": {"columns": ["units"], "steps": [{"do": "number"}]},
        "condition": {"columns": [], "steps": [], "fixed": "new"},
    }  # fmt: skip
    assert rules["custom"] == [{"name": "Colour", "columns": ["colour"], "steps": []}]
    assert rules["warehouses"] == [{"name": "East", "column": "east", "steps": []}]
    assert suppliers.find("sftp-file").whole({"host": "h"}) == {"host": "h"} and "warehouse_rows" not in rules


_OPERATION_SLIPS = {
    "an operation that is none": ("[operations.get_inventory]", "[operations.get_stock]", "operations.get_stock is none of get_inv"),
    "a key that is not known": ('path = "/{store}/items"', 'paht = "/items"', "operations.get_inventory: unknown key 'paht'"),
    "a number for a text": ('path = "/{store}/items"', "path = 7", "operations.get_inventory: path must be a str, not 7"),
    "a name that nobody fills in": ("{store}/items", "{shop}/items", "operations.get_inventory.path names 'shop', which is no setting"),
    "a secret in a request": ("{store}/items", "{password}/items", "get_inventory.path names 'password', which is no setting, or a secr"),
    "what is asked for as well": ('key = "store"', 'key = "path"', "operations.get_inventory.path is a setting too"),
    "a field that is none": ('field = "sku"', 'field = "skew"', "mapping: there is no field 'skew'"),
    "a rule for nothing": ('field = "sku"\n', "", "mapping: each one has a field, a custom name or a warehouse"),
    "a rule for two things": ('field = "sku"', 'field = "sku"\ncustom = "x"', "mapping: each one has a field"),
    "a rule from nothing": ('columns = ["units"]\n', "", "mapping: columns or a fixed text are missing"),
    "a step that does nothing": ('{ do = "number" }', '{ number = "yes" }', "mapping: steps must be a list of tables"),
    "a rule's unknown key": ('join = "-"', 'glue = "-"', "mapping: unknown key 'glue'"),
    "a mapping of orders": (
        "[[operations.get_inventory.mapping]]\ncustom",
        "[[operations.send_orders.mapping]]\ncustom",
        "mapping belongs",
    ),
    "orders without a witness": (
        "[operations.send_orders.witness]",
        "[operations.get_inventory.witness]",
        "has a witness, and nothing else",
    ),
    "a witness of nothing that looks": ('proves = "listed"', 'proves = "nothing"', "witness: path and field are there exactly when"),
    "a witness that proves odd things": ('proves = "listed"', 'proves = "all"', "witness: proves 'all' is not one of"),
    "a witness's unknown key": ('field = "po"', 'feild = "po"', "witness: unknown key 'feild'"),
    "a protocol that takes none": ('protocol = "rest"', 'protocol = "sftp"', "operations.get_inventory: unknown key 'path'"),
}


@pytest.mark.parametrize("slip", _OPERATION_SLIPS)
def test_a_slip_in_an_operation_is_named(written, slip):
    right, wrong, words = _OPERATION_SLIPS[slip]
    assert right in STORE
    with pytest.raises(ValueError) as caught:
        suppliers.load(written(STORE.replace(right, wrong, 1)))
    assert str(caught.value).startswith("northwind.toml: ") and words in str(caught.value)


@pytest.mark.parametrize("table", ["needs", "settings"])
def test_a_text_where_a_table_belongs_is_named(written, table):
    text = GOOD.replace("[supports]", f'{table} = ["the link"]\n[supports]', 1)
    start = text.index(f"[[{table}]]")
    text = text[:start] + (text[text.index("[[settings]]") :] if table == "needs" else "")
    with pytest.raises(ValueError, match=f"northwind.toml: {table} must hold only dict, not 'the link'"):
        suppliers.load(written(text))


def test_a_file_that_is_not_utf8_is_named(written):
    path = written(GOOD)
    path.write_bytes(GOOD.replace("Furniture", "M\xf6bel").encode("latin-1"))
    with pytest.raises(ValueError, match=r"northwind\.toml: "):
        suppliers.load(path)


# the demo's account


def account_of(pid: int) -> dict[str, Any]:
    texts = {key: f"the {key}" for key in ACCOUNT_KEYS}
    return {**texts, "sftp_port": 8022, "http_port": 8023, "pid": pid}


def put(path: Path, account: object) -> Path:
    path.write_text(account if isinstance(account, str) else json.dumps(account), "utf-8")
    return path


def listed(account: Path | None) -> bool:
    return DEMO in [one.slug for one in suppliers.listing(account)]


def test_the_demo_is_listed_only_while_its_process_lives(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        account = put(tmp_path / "account.json", account_of(process.pid))
        assert listed(account) and suppliers.listing(account)[0].slug == DEMO, "it comes first"
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not listed(account), "a dead process that nobody has collected yet does not run"
    assert not listed(account), "the file that a killed demo leaves behind does not bring it back"
    assert suppliers.read_account(account) == {}


def test_the_demos_values_are_filled_in_while_it_runs(tmp_path):
    account = put(tmp_path / "account.json", account_of(os.getpid()))
    running, still = suppliers.find(DEMO, account), suppliers.find(DEMO)
    assert (running.setting("host").default, running.setting("port").default) == ("the sftp_host", "8022")
    assert running.setting("password").default == "the password" and running.setting("password").secret
    assert any("the fingerprint" in step for step in running.steps)
    assert not any("{" in text for text in (*running.steps, *still.steps, *(one.default for one in (*running.settings, *still.settings))))
    assert still.setting("password").default == still.setting("host").default == ""
    assert suppliers.find("sftp-file", account) == suppliers.find("sftp-file"), "no other supplier learns of it"


@pytest.mark.parametrize(
    "account", ["", "{", "[]", "null", '{"pid": 1}', b"\xff\xfe", "pid as text", "pid left out", "no pid at all", "group", "everyone"]
)
def test_an_account_file_that_is_none_lists_no_demo(tmp_path, account):
    path, whole = tmp_path / "account.json", account_of(os.getpid())
    if isinstance(account, bytes):
        path.write_bytes(account)
    elif account == "pid left out":
        put(path, {key: value for key, value in whole.items() if key != "pid"})
    else:
        odd = {"pid as text": "twelve", "no pid at all": None, "group": 0, "everyone": -1}
        put(path, {**whole, "pid": odd[account]} if account in odd else account)
    assert not listed(path) and suppliers.read_account(path) == {}


def test_without_an_account_file_there_is_no_demo(tmp_path):
    assert not listed(None) and not listed(tmp_path / "account.json") and not listed(tmp_path / "nowhere" / "account.json")
    assert suppliers.find(DEMO, tmp_path / "account.json").needs_demo, "a source that uses it still finds its name"


@pytest.mark.parametrize("label, words", [
    ("Address of the WSDL", "address of the WSDL"), ("API key", "API key"), ("Admin API access token", "admin API access token"),
])  # fmt: skip
def test_a_label_keeps_its_capitals_inside_a_sentence(label: str, words: str) -> None:
    assert suppliers.Setting("x", label).in_words == words


OURS = {"shopify", DEMO}
"""Entries whose secret is made by the merchant, or is no secret."""


@pytest.mark.parametrize("slug", SLUGS)
def test_a_letter_is_one_to_send_and_asks_for_secrets_by_a_safe_way(slug: str) -> None:
    one = suppliers.find(slug)
    words = " ".join(one.letter.split())
    assert words.startswith("Hello, ") and (slug == DEMO or words.endswith("Thank you")), slug
    if any(setting.secret for setting in one.settings) and slug not in OURS:
        assert "by a safe way" in words or "(by a safe way)" in words, slug
