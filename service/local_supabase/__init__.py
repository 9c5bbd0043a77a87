"""A whole Supabase and a Mureka simulator on this machine, for development and tests."""
