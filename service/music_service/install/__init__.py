"""The service put into an app's Supabase folder: migrations, settings, and the next step."""
