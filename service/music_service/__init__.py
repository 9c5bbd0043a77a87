"""Music generation for apps built on Supabase: insert a row, get a playable track."""
