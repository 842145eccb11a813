"""Every GraphQL document that goes to Shopify, for one version of its Admin API. Pure text; tests prove each against its schema."""

from __future__ import annotations

VERSION = "2026-10"
"""Stable from 2026-10-01 to 2027-10-16 (shopify.dev, "About Shopify API versioning")."""

STORE = """
query Store {
  shop { name myshopifyDomain currencyCode }
  currentAppInstallation { accessScopes { handle } }
}"""

COUNT = """
query Count { productVariantsCount(limit: null) { count precision } }"""

LOCATIONS = """
query Locations($after: String) {
  locations(first: 100, after: $after, includeLegacy: true, includeInactive: true) {
    nodes { id name isActive }
    pageInfo { hasNextPage endCursor }
  }
}"""

_VARIANT = """id sku barcode title price inventoryPolicy inventoryQuantity updatedAt
      product { id title vendor status }"""
_LEVEL = """location { id name } quantities(names: ["available"]) { name quantity }"""
_COST = "unitCost { amount currencyCode }"


def _whole(cost: bool) -> str:
    return f"""{_VARIANT}
      inventoryItem {{
        id tracked {_COST if cost else ""}
        inventoryLevels(first: $levels) {{ nodes {{ {_LEVEL} }} pageInfo {{ hasNextPage endCursor }} }}
      }}"""


def variants(cost: bool) -> str:
    """A page of variants, each with its first levels. `cost`: with what a unit costs the store, a permission of its own."""
    return f"""
query Variants($first: Int!, $after: String, $levels: Int!) {{
  productVariants(first: $first, after: $after, sortKey: ID) {{
    nodes {{ {_whole(cost)} }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}"""


def variants_by_id(cost: bool) -> str:
    """The same of some variants; null for one that is gone."""
    return f"""
query VariantsById($ids: [ID!]!, $levels: Int!) {{ nodes(ids: $ids) {{ ... on ProductVariant {{ {_whole(cost)} }} }} }}"""


CHANGED_VARIANTS = """
query ChangedVariants($after: String, $filter: String!) {
  productVariants(first: 250, after: $after, query: $filter, sortKey: ID) { nodes { id } pageInfo { hasNextPage endCursor } }
}"""

CHANGED_LEVELS = """
query ChangedLevels($place: ID!, $after: String, $filter: String!) {
  location(id: $place) {
    inventoryLevels(first: 50, after: $after, query: $filter) {
      nodes { item { variants(first: 5) { nodes { id } } } }
      pageInfo { hasNextPage endCursor }
    }
  }
}"""

LEVELS = f"""
query Levels($item: ID!, $after: String) {{
  inventoryItem(id: $item) {{
    inventoryLevels(first: 100, after: $after) {{ nodes {{ {_LEVEL} }} pageInfo {{ hasNextPage endCursor }} }}
  }}
}}"""


def all_variants(cost: bool) -> str:
    """The query of a bulk operation: all variants with all their levels, which come as lines of their own."""
    return f"""
{{
  productVariants {{
    edges {{ node {{
      {_VARIANT}
      inventoryItem {{
        id tracked {_COST if cost else ""}
        inventoryLevels {{ edges {{ node {{ id {_LEVEL} }} }} }}
      }}
    }} }}
  }}
}}"""


BULK_START = """
mutation BulkStart($query: String!) {
  bulkOperationRunQuery(query: $query, groupObjects: false) {
    bulkOperation { id status }
    userErrors { code field message }
  }
}"""

BULK_STATE = """
query BulkState($id: ID!) {
  bulkOperation(id: $id) { id status errorCode objectCount rootObjectCount url partialDataUrl }
}"""

BULK_CANCEL = """
mutation BulkCancel($id: ID!) {
  bulkOperationCancel(id: $id) { bulkOperation { id status } userErrors { field message } }
}"""

_LINES = "lineItems(first: 100) { nodes { id sku quantity variant { id } } pageInfo { hasNextPage endCursor } }"

ORDER_CREATE = (
    """
mutation OrderCreate($order: OrderCreateOrderInput!, $options: OrderCreateOptionsInput) {
  orderCreate(order: $order, options: $options) {
    order { id name sourceIdentifier LINES }
    userErrors { code field message }
  }
}"""
).replace("LINES", _LINES)

ORDERS_BY_SOURCE = """
query OrdersBySource($filter: String!) {
  orders(first: 10, query: $filter, sortKey: CREATED_AT, reverse: true) {
    nodes { id name sourceIdentifier createdAt cancelledAt }
  }
}"""

ORDER = "query Order($id: ID!) { order(id: $id) { id name sourceIdentifier cancelledAt LINES } }".replace("LINES", _LINES)
"""The lines of one order: of ten at once they would cost more than a query may."""

SKUS = """
query Skus($filter: String!, $after: String) {
  productVariants(first: 100, after: $after, query: $filter) {
    nodes { id sku product { status } }
    pageInfo { hasNextPage endCursor }
  }
}"""

ALL = {
    "store": STORE, "count": COUNT, "locations": LOCATIONS, "variants": variants(True), "variants without cost": variants(False),
    "variants by id": variants_by_id(True), "variants by id without cost": variants_by_id(False),
    "changed variants": CHANGED_VARIANTS, "changed levels": CHANGED_LEVELS,
    "levels": LEVELS, "bulk start": BULK_START, "bulk state": BULK_STATE, "bulk cancel": BULK_CANCEL,
    "bulk query": all_variants(True), "bulk query without cost": all_variants(False), "order": ORDER_CREATE,
    "orders by source": ORDERS_BY_SOURCE, "order's lines": ORDER, "skus": SKUS,
}  # fmt: skip
"""All of them by name."""
