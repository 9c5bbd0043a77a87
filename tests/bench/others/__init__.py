"""What the worker is compared with: two queues for Postgres, a polling loop, a bare LISTEN.

Each is a program of its own, as one would write it after the documents of its queue. A job of any
of them does the same: one paid call, then a poll every so often until the music is there.
"""
