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

ORDER_CANCEL = """
mutation OrderCancel($id: ID!) {
  orderCancel(
    orderId: $id, reason: OTHER, restock: true, notifyCustomer: false, refundMethod: {originalPaymentMethodsRefund: false}
    staffNote: "It has other lines than were ordered."
  ) { job { id done } orderCancelUserErrors { code field message } }
}"""
"""Cancels in the background (shopify.dev, orderCancel): the order itself says when it is done. No money is moved; the stock goes back."""

ORDERS_BY_SOURCE = """
query OrdersBySource($filter: String!) {
  orders(first: 10, query: $filter, sortKey: CREATED_AT, reverse: true) {
    nodes { id name sourceIdentifier createdAt cancelledAt }
  }
}"""

ORDER = "query Order($id: ID!) { order(id: $id) { id name sourceIdentifier cancelledAt LINES } }".replace("LINES", _LINES)
"""The lines of one order: of ten at once they would cost more than a query may."""

PARCELS = """
query Parcels($id: ID!) {
  node(id: $id) {
    ... on Order {
      id
      fulfillments(first: 20) {
        id status createdAt
        trackingInfo(first: 10) { company number }
        fulfillmentLineItems(first: 40) { nodes { quantity lineItem { id sku } } pageInfo { hasNextPage } }
      }
    }
  }
}"""
"""One order at a time: what a query may cost is counted by the lines that it could bring."""

SKUS = """
query Skus($filter: String!, $after: String) {
  productVariants(first: 100, after: $after, query: $filter) {
    nodes { id sku product { status } }
    pageInfo { hasNextPage endCursor }
  }
}"""

_ADDRESS = "name firstName lastName company address1 address2 city province provinceCode zip country countryCodeV2 phone"
_LINE = "id sku name currentQuantity unfulfilledQuantity requiresShipping discountedUnitPriceSet { shopMoney { amount } }"

CHANGED_ORDERS = f"""
query ChangedOrders($first: Int!, $after: String, $filter: String!) {{
  orders(first: $first, after: $after, query: $filter, sortKey: UPDATED_AT) {{
    nodes {{
      id legacyResourceId name updatedAt createdAt cancelledAt test displayFinancialStatus displayFulfillmentStatus currencyCode
      currentTotalPriceSet {{ shopMoney {{ amount }} }} note poNumber email phone shippingLine {{ title }}
      shippingAddress {{ {_ADDRESS} }} billingAddress {{ {_ADDRESS} }}
      lineItems(first: 20) {{ nodes {{ {_LINE} }} pageInfo {{ hasNextPage endCursor }} }}
    }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}"""

ORDER_LINES = f"""
query OrderLines($id: ID!, $after: String) {{
  order(id: $id) {{ lineItems(first: 100, after: $after) {{ nodes {{ {_LINE} }} pageInfo {{ hasNextPage endCursor }} }} }}
}}"""

ORDER_TRACKINGS = """
query OrderTrackings($id: ID!) {
  order(id: $id) {
    fulfillments(first: 50) {
      id status trackingInfo(first: 10) { number }
      fulfillmentLineItems(first: 15) { nodes { quantity lineItem { id } } pageInfo { hasNextPage endCursor } }
    }
  }
}"""

PARCEL_LINES = """
query ParcelLines($id: ID!, $after: String) {
  fulfillment(id: $id) {
    fulfillmentLineItems(first: 100, after: $after) { nodes { quantity lineItem { id } } pageInfo { hasNextPage endCursor } }
  }
}"""

LEFT_TO_FULFIL = """
query LeftToFulfil($id: ID!, $after: String) {
  order(id: $id) {
    fulfillmentOrders(first: 10, after: $after) {
      nodes {
        id status
        lineItems(first: 40) { nodes { id remainingQuantity lineItem { id } } pageInfo { hasNextPage endCursor } }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}"""

MORE_TO_FULFIL = """
query MoreToFulfil($id: ID!, $after: String) {
  fulfillmentOrder(id: $id) {
    lineItems(first: 100, after: $after) { nodes { id remainingQuantity lineItem { id } } pageInfo { hasNextPage endCursor } }
  }
}"""

FULFIL = """
mutation Fulfil($fulfillment: FulfillmentInput!) {
  fulfillmentCreate(fulfillment: $fulfillment) { fulfillment { id status } userErrors { field message } }
}"""

CORRECT_TRACKING = """
mutation CorrectTracking($id: ID!, $tracking: FulfillmentTrackingInput!, $notify: Boolean) {
  fulfillmentTrackingInfoUpdate(fulfillmentId: $id, trackingInfoInput: $tracking, notifyCustomer: $notify) {
    fulfillment { id status } userErrors { field message }
  }
}"""

_WARE = """id sku price product { id }
      inventoryItem {
        id tracked duplicateSkuCount
        inventoryLevel(locationId: $place) { isActive quantities(names: ["available"]) { name quantity } }
      }"""

WARES_BY_SKU = f"""
query WaresBySku($filter: String!, $after: String, $place: ID!) {{
  productVariants(first: 50, after: $after, query: $filter) {{
    nodes {{ {_WARE} }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}"""

WARES_BY_ID = f"""
query WaresById($ids: [ID!]!, $place: ID!) {{ nodes(ids: $ids) {{ ... on ProductVariant {{ {_WARE} }} }} }}"""

SET_UNITS = """
mutation SetUnits($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id }
    userErrors { code field message }
  }
}"""
"""The key is demanded from 2026-04 on (shopify.dev, inventorySetQuantities)."""

SET_PRICES = """
mutation SetPrices($product: ID!, $variants: [ProductVariantsBulkInput!]!) {
  productVariantsBulkUpdate(productId: $product, variants: $variants, allowPartialUpdates: true) {
    productVariants { id price }
    userErrors { code field message }
  }
}"""

ALL = {
    "store": STORE, "count": COUNT, "locations": LOCATIONS, "variants": variants(True), "variants without cost": variants(False),
    "variants by id": variants_by_id(True), "variants by id without cost": variants_by_id(False),
    "changed variants": CHANGED_VARIANTS, "changed levels": CHANGED_LEVELS,
    "levels": LEVELS, "bulk start": BULK_START, "bulk state": BULK_STATE, "bulk cancel": BULK_CANCEL,
    "bulk query": all_variants(True), "bulk query without cost": all_variants(False),
    "order": ORDER_CREATE, "cancel an order": ORDER_CANCEL,
    "orders by source": ORDERS_BY_SOURCE, "order's lines": ORDER, "skus": SKUS, "parcels": PARCELS,
    "changed orders": CHANGED_ORDERS, "order lines": ORDER_LINES,
    "order trackings": ORDER_TRACKINGS, "parcel lines": PARCEL_LINES, "left to fulfil": LEFT_TO_FULFIL, "more to fulfil": MORE_TO_FULFIL,
    "fulfil": FULFIL, "correct tracking": CORRECT_TRACKING,
    "wares by sku": WARES_BY_SKU, "wares by id": WARES_BY_ID, "set units": SET_UNITS, "set prices": SET_PRICES,
}  # fmt: skip
"""All of them by name."""
