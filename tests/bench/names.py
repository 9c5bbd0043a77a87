"""The sides of a comparison, by the names that tables and pictures give them."""

from __future__ import annotations

OURS, PROCRASTINATE, PGQUEUER, POLLING = "music-service", "Procrastinate", "PgQueuer", "polling"
WITH_RECEIPTS = "PgQueuer, task id kept"
LISTEN = "bare LISTEN"
