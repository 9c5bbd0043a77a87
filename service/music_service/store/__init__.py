"""Supabase as the worker sees it: queue, audio and feed; knows nothing of Mureka."""
