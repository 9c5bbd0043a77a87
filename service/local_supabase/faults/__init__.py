"""Trouble on request, for tests: lost requests, refused uploads, a deaf Realtime, an odd Mureka."""
