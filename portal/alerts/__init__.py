"""Alerts: what needs a person, told once, until it is over.

clock or end of a run ─▶ find (a few set-wise queries per rule) ─▶ decide (pure) ─▶ alert rows and messages ─▶ e-mail, webhook, screen
"""
