"""Hashes that the reading process and the run both take. Apart from the arrays, which a run need not load."""

from __future__ import annotations

from xxhash import xxh3_64_intdigest


def sku_hash(sku: str) -> int:
    """64 bits of XXH3 of a SKU's UTF-8."""
    digest: int = xxh3_64_intdigest(sku.encode("utf-8", "surrogatepass"))
    return digest
