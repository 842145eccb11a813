"""`python -m tests.faults.one_worker`: do the runs that wait in the database of the environment, once, and end. For strace to watch."""

from __future__ import annotations

from multiprocessing import Pipe

from portal import config
from tests.faults.worker import Order, import_feeds

if __name__ == "__main__":
    settings = config.read()
    heard, says = Pipe()
    import_feeds(Order(settings.database_url, str(settings.data_dir), chunk=100), says)
