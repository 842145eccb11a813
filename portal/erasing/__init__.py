"""A person's data is erased: found, shown with counts, overwritten by a run, and again in whatever is restored from before.

typed ─▶ orders and texts that hold it, counted ─▶ run: fields become (erased), numbers and quantities stay ─▶ marks: keyed hashes, no text
                                                                        database restored from before ─▶ the marks find it once more
"""
