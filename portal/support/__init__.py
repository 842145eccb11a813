"""Support staff: who they are, what they find and mend for a merchant, and what they look at as its people do.

staff (own sign-in, own guard) ─▶ finding ─▶ fixing · resets · views (read-only, or with the merchant's grant) · outages · fleet

Every act stands in the merchant's own audit log; no credential is ever readable here.
"""
