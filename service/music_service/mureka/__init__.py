"""The provider: client, wire models and error classes; knows nothing of Supabase."""
