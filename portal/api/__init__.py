"""The JSON API: one table of operations (`document`), judged and answered by `routes`; the same domain functions as the pages."""
