"""The limits of a stack that many tests share."""

# So many tracks are made in one run that a day's budget would be used up, and what one test leaves
# unanswered at Mureka must not take the places of the next one's tracks.
LIFT_LIMITS = """
    update music.settings
    set paused = false, max_concurrent = null, max_concurrent_per_user = null,
        daily_budget_cents = null, daily_budget_cents_per_user = null,
        daily_budget_cents_of_guests = null, on_unknown_submission = default
    where id
"""
