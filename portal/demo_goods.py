"""The demo supplier's range: 5,000 made-up items that a real distributor could have, and how they change each minute.

build(seed) ─ change(items, random) each minute ─ render(items) ─ CSV
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

SEED = 20_251_101
COUNT = 5_000

HEADER = (
    "item_no", "parent_item", "title", "description", "brand", "upc", "mfr_part_no", "qty_east", "qty_west", "qty_avail",
    "your_cost", "list_price", "msrp", "map_price", "weight_lb", "length_in", "width_in", "height_in", "department", "category",
    "subcategory", "image_1", "image_2", "condition", "status",
)  # fmt: skip

_BRANDS = (
    ("Harrow & Finch", "HF"), ("Tidewell", "TW"), ("Northbeam", "NB"), ("Casa Ormond", "CO"), ("Pinegrove", "PG"), ("Brightwater", "BW"),
    ("Oakline", "OL"), ("Kestrel Works", "KW"), ("Luma", "LM"), ("Vestri", "VS"), ("Fjällby", "FB"), ("Stonemill", "SM"),
)  # fmt: skip

# department, category, subcategory, nouns, typical cost in cents, typical weight in hundredths of a pound
_RANGE = (
    ("Home", "Kitchen", "Cookware", ("Skillet", "Saucepan", "Stock Pot", "Dutch Oven", "Griddle"), 2_450, 480),
    ("Home", "Kitchen", "Storage", ("Canister", "Bread Box", "Spice Rack", "Food Container Set"), 1_120, 210),
    ("Home", "Bath", "Towels", ("Bath Towel", "Hand Towel", "Washcloth Set", "Bath Mat"), 780, 130),
    ("Home", "Lighting", "Lamps", ("Table Lamp", "Floor Lamp", "Desk Lamp", "Wall Sconce"), 3_300, 620),
    ("Garden", "Tools", "Hand Tools", ("Pruner", "Trowel", "Hand Fork", "Loppers", "Weeder"), 940, 150),
    ("Garden", "Outdoor Living", "Planters", ("Planter", "Hanging Basket", "Window Box"), 1_650, 540),
    ("Hardware", "Fasteners", "Screws", ('Deck Screw 3"', 'Wood Screw 1-1/2"', "Machine Screw Set"), 410, 105),
    ("Hardware", "Power Tools", "Drills", ("Drill Driver", "Hammer Drill", "Impact Driver"), 5_900, 410),
    ("Pet", "Dogs", "Leads", ("Lead", "Collar", "Harness"), 620, 45),
    ("Office", "Desk", "Organizers", ("Letter Tray", "Drawer Organizer", "Monitor Stand", "Cable Box"), 1_340, 260),
)
_WORDS = ("Classic", "Heritage", "Pro", "Compact", "Everyday", "Deluxe", "Studio", "Field", "Coastal", "Modern")
_COLORS = ("Black", "White", "Sage", "Navy", "Rust", "Sand", "Steel", "Natural")
_SIZES = ("Small", "Medium", "Large")


@dataclass(frozen=True)
class Item:
    """One line of the feed. Money in cents, weight in hundredths of a pound, sides in tenths of an inch."""

    sku: str
    parent: str
    title: str
    brand: str
    upc: str
    part: str
    east: int
    west: int
    cost: int
    weight: int
    sides: tuple[int, int, int]
    place: tuple[str, str, str]
    status: str = "Active"


def build(count: int = COUNT, seed: int = SEED) -> list[Item]:
    """The range at its start, the same for each seed: 3 rows without SKU, 5 wrong UPC check digits, 2 negative quantities."""
    random = Random(seed)
    items = [item for _, item in zip(range(count), _families(random), strict=False)]
    return _spoil(items, random)


def _families(random: Random, number: int = 10_000) -> Iterator[Item]:
    """Products in one to nine variants by color and size, without end."""
    while True:
        number += random.randint(1, 3)
        brand, code = random.choice(_BRANDS)
        department, category, subcategory, nouns, cost, weight = random.choice(_RANGE)
        name = f"{brand} {random.choice(_WORDS)} {random.choice(nouns)}"
        cost, weight = round(cost * random.uniform(0.5, 2.2)), round(weight * random.uniform(0.6, 1.8))
        colors, sizes = random.sample(_COLORS, random.choice((1, 1, 2, 3))), _SIZES[: random.choice((1, 1, 2, 3))]
        parent = f"{code}-{number}"
        for color in colors:
            for step, size in enumerate(sizes):
                suffix = f"-{color[:3].upper()}{size[0]}" if len(colors) * len(sizes) > 1 else ""
                yield Item(
                    sku=parent + suffix,
                    parent=parent if suffix else "",
                    title=f"{name}, {color}, {size}" if suffix else name,
                    brand=brand,
                    upc=_upc(random),
                    part=f"{code}{number}{color[0]}{step}",
                    east=_quantity(random),
                    west=_quantity(random),
                    cost=round(cost * (1 + 0.25 * step)),
                    weight=round(weight * (1 + 0.4 * step)),
                    sides=(random.randint(20, 240), random.randint(20, 160), random.randint(10, 120)),
                    place=(department, category, subcategory),
                )


def _quantity(random: Random) -> int:
    return 0 if random.random() < 0.18 else min(random.randint(0, 60) + round(random.expovariate(1 / 25)), 999)


def _upc(random: Random) -> str:
    digits = f"0{random.randint(10_000, 99_999)}{random.randint(0, 99_999):05d}"
    return digits + check_digit(digits)


def check_digit(digits: str) -> str:
    """The twelfth digit of a UPC for its first eleven (GS1 General Specifications, section 7.9)."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(digits))
    return str(-total % 10)


def _spoil(items: list[Item], random: Random) -> list[Item]:
    """The mistakes that every real feed has."""
    chosen = random.sample(range(len(items)), 10)
    for place in chosen[:3]:
        items[place] = replace(items[place], sku="")
    for place in chosen[3:8]:
        upc = items[place].upc
        items[place] = replace(items[place], upc=upc[:-1] + str((int(upc[-1]) + 1) % 10))
    for place in chosen[8:]:
        items[place] = replace(items[place], east=-random.randint(1, 5), west=0)
    return items


def change(items: list[Item], random: Random) -> list[Item]:
    """One minute later: about 1 % of the quantities and prices moved; now and then an item is new, another gone."""
    later = list(items)
    for place in random.sample(range(len(later)), max(1, len(later) // 100)):
        later[place] = _moved(later[place], random)
    if random.random() < 0.2:
        later.append(next(_families(random, number=random.randint(60_000, 99_000))))
    if random.random() < 0.2:
        del later[random.randrange(len(later))]
    return later


def _moved(item: Item, random: Random) -> Item:
    if item.east < 0:
        return item
    if random.random() < 0.2:
        return replace(item, cost=max(50, round(item.cost * random.uniform(0.93, 1.08))))
    return replace(item, east=max(0, item.east + random.randint(-6, 4)), west=_quantity(random) if random.random() < 0.3 else item.west)


def render(items: Sequence[Item]) -> bytes:
    """The feed as UTF-8 CSV with a header row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(HEADER)
    writer.writerows(_cells(item) for item in items)
    return text.getvalue().encode()


def _cells(item: Item) -> tuple[str, ...]:
    retail = item.cost * 2 + 99 - item.cost * 2 % 100
    color = item.title.rpartition(", ")[0].rpartition(", ")[2] if item.parent else ""
    description = (
        f"{item.title} by {item.brand}. " + (f"Color: {color}. " if color else "") + f"Ships from our warehouses; {item.place[2].lower()}."
    )
    picture = f"https://images.demo-distributor.example/{item.part.lower()}"
    return (
        item.sku, item.parent, item.title, description, item.brand, item.upc, item.part,
        str(item.east), str(item.west), str(item.east + item.west),
        _decimal(item.cost), _decimal(retail - 200 if retail > 1_000 else retail), _decimal(retail), _decimal(round(retail * 0.85)),
        _decimal(item.weight), *(f"{side / 10:.1f}" for side in item.sides), *item.place,
        f"{picture}-1.jpg", f"{picture}-2.jpg", "New", item.status,
    )  # fmt: skip


def _decimal(hundredths: int) -> str:
    return f"{hundredths // 100}.{hundredths % 100:02d}"


SHIPMENTS = (
    b"po_number,item_no,qty_shipped,carrier,tracking_no,ship_date\r\n"
    b"SAMPLE-1001,HF-10001,1,UPS,1Z999AA10123456784,2025-11-03\r\n"
    b"SAMPLE-1001,TW-10004,2,UPS,1Z999AA10123456784,2025-11-03\r\n"
    b"SAMPLE-1002,KW-10010,1,FedEx,794600000000,2025-11-04\r\n"
)
