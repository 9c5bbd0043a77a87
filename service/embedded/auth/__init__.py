"""The auth API of the embedded stack: users, sign-ins, tokens."""

from service.embedded.auth.api import AuthApi

__all__ = ["AuthApi"]
