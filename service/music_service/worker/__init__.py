"""The loop that turns pending rows into playable tracks."""
