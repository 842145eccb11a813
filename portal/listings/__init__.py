"""Listings: products as a channel shows them, with a price and a quantity by the channel's rules or their own, exported and fetched.

products ─▶ making (one, or many) ─▶ listing ─▶ offers (price and quantity, set-wise) ─▶ pages · CSV · feed link · push
"""
