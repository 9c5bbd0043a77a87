"""Supabase Storage on this machine: files on disk, their rows and policies in Postgres."""

from service.embedded.storage.api import StorageApi

__all__ = ["StorageApi"]
