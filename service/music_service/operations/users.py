"""The app's users, as the project's Auth knows them."""

from __future__ import annotations

from supabase_auth import AsyncGoTrueAdminAPI
from supabase_auth.errors import AuthError

from music_service.errors import ConfigurationError, TransientError
from music_service.store.client import ProjectClient

_USERS_PER_PAGE = 200


async def user_id(client: ProjectClient, email: str) -> str:
    """The id of the user with this address.

    Raises:
        ConfigurationError: there is none.
        TransientError: the users cannot be listed.
    """
    admin = AsyncGoTrueAdminAPI(
        url=f"{client.url}/auth/v1", headers=client.headers, http_client=client.http
    )
    page = 1
    while True:
        try:
            users = await admin.list_users(page, _USERS_PER_PAGE)
        except (AuthError, ValueError) as error:  # ValueError: no list of users came
            raise TransientError(
                f"The users of {client.url} cannot be listed ({type(error).__name__}); "
                "check SUPABASE_URL and whether the project is running."
            ) from error
        for user in users:
            if (user.email or "").lower() == email.lower():
                return str(user.id)
        if len(users) < _USERS_PER_PAGE:
            raise ConfigurationError(f"There is no user with the e-mail address {email}.")
        page += 1
