"""Everything of a merchant as one zip: a folder of tables in the trade's words, a README, and the raw files where they were asked for."""
