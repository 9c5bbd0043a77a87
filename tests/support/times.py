"""The times of a stack whose refusals tests need not wait for."""

from __future__ import annotations

from local_supabase.times import Times

QUICK = Times(
    refused_upgrade_seconds=0.05,
    refused_join_seconds=0.1,
    unreachable_database_seconds=2.0,
    cold_subscription_seconds=(0.0, 0.0),
    warm_subscription_seconds=(0.0, 0.0),
    resubscription_seconds=(0.0, 0.0),
    poll_seconds=0.03,
    idle_poll_seconds=0.1,
    first_reconnect_seconds=0.2,
    longest_reconnect_seconds=0.5,
)
