"""Supabase Storage on this machine: files on disk, their rows and policies in Postgres.

Source: observed on the Supabase Storage API with storage3 2.34.1 and supabase-js. `tests/contract`
asserts the same of both.
"""

from local_supabase.storage.api import StorageApi

__all__ = ["StorageApi"]
