"""Supabase Storage on this machine: files on disk, their rows and policies in Postgres."""

from local_supabase.storage.api import StorageApi

__all__ = ["StorageApi"]
