"""All configuration, from the environment or a file `.env`. Names are the same everywhere."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import secrets
import socket
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from music_service.environment import GivenValues
from music_service.errors import ConfigurationError
from music_service.network import network_problems
from music_service.redact import keep_secret

_NO_HOST = re.compile(r"[\s\\^`{|}<>\"%]")
_CONFIG = SettingsConfigDict(
    extra="ignore",
    env_ignore_empty=True,
    defer_build=True,  # a command needs one of the classes here
)


_MISSING, _PLACES = " is not set", "the environment or into a file .env"
# Stands for the key where SUPABASE_SECRET_KEYS has none, so that the key is complained about.
_NO_DEFAULT = "{}"


def _unique_worker_id() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _FromEnvironment(BaseSettings):
    model_config = _CONFIG

    @model_validator(mode="before")
    @classmethod
    def _keys_of_the_platform_win(cls, given: dict[str, Any]) -> dict[str, Any]:
        keys = given.get("supabase_secret_keys")
        return given | {"SUPABASE_SECRET_KEY": _default_of(keys)} if keys else given

    @model_validator(mode="after")
    def _keep_secrets(self) -> Self:
        """Whoever echoes a key, it is replaced before it is shown."""
        for value in dict(self).values():
            if isinstance(value, SecretStr):
                for secret in _secrets_in(value.get_secret_value().strip()):
                    keep_secret(secret)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What the code gives, then the environment and the file, both read by us."""
        return (init_settings, GivenValues(settings_cls))

    @classmethod
    def load(cls) -> Self:
        """Read the environment and `.env`.

        Raises:
            ConfigurationError: something is missing or malformed; the text names all of it.
        """
        found = network_problems()
        try:
            settings = cls()
        except ValidationError as error:
            found = _sentences(error) | found
        if found:
            raise ConfigurationError(_in_one(found)) from None
        return settings

    @classmethod
    def problems(cls) -> dict[str, str]:
        """What is missing or malformed: a sentence for each name."""
        try:
            cls()
        except ValidationError as error:
            return _sentences(error)
        return {}

    @classmethod
    def is_given(cls) -> bool:
        """Whether nothing is missing; what is there may still be malformed."""
        try:
            cls()
        except ValidationError as error:
            return not any(detail["type"] == "missing" for detail in error.errors())
        return True


class ProjectSettings(_FromEnvironment):
    """How to reach the Supabase project as its backend."""

    supabase_url: str = Field(description="The project's URL.")
    supabase_secret_keys: SecretStr | None = Field(
        None, description="The secret keys as the platform hands them out; `default` is used."
    )
    supabase_secret_key: SecretStr = Field(
        validation_alias=AliasChoices("SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY"),
        description="The project's secret key, or the legacy service_role key.",
    )
    supabase_public_url: str | None = Field(
        None, description="The project's URL as apps reach it; unset: the same."
    )
    music_bucket: str = Field("music-tracks", description="The Storage bucket for the audio.")
    music_bucket_public: bool = Field(
        True, description="Whether the bucket is public, so that `file_url` can be set."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe messages that are logged."
    )
    log_format: Literal["console", "json"] | None = Field(
        None, description="`console` or `json`; unset: `json` when not on a terminal."
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("supabase_url", "supabase_public_url")
    @classmethod
    def _is_a_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        return _root(_checked_url(value, "https:// (the Project URL in the dashboard)"))

    @field_validator("supabase_secret_key")
    @classmethod
    def _is_secret(cls, value: SecretStr) -> SecretStr:
        key = value.get_secret_value().strip()
        if key == _NO_DEFAULT:
            raise ValueError(
                "is not to be had from SUPABASE_SECRET_KEYS, which wins where it is set; it must "
                'look like {"default":"sb_secret_…"}'
            )
        if not (key.isascii() and key.isprintable()):
            raise ValueError("holds characters that no key has")
        if key.startswith("sb_publishable_") or _role(key) in ("anon", "authenticated"):
            raise ValueError("is the public key of the project; the service needs the secret one")
        if not key.startswith("sb_secret_") and _role(key) != "service_role":
            raise ValueError("is neither an sb_secret_ key nor a service_role key")
        return SecretStr(key)

    @classmethod
    def check_whole(cls) -> None:
        """Raise ConfigurationError where a project is named by half: URL or key is missing."""
        try:
            cls()
        except ValidationError as error:
            missing = [d for d in error.errors(include_input=False) if d["type"] == "missing"]
            if len(missing) == 1:
                raise ConfigurationError(_in_one(_sentences(error))) from None


class MurekaSettings(_FromEnvironment):
    """How to reach Mureka, and which model is asked for."""

    mureka_api_key: SecretStr = Field(description="The key of the Mureka account.")
    mureka_api_url: str = Field("https://api.mureka.ai", description="Where Mureka answers.")
    mureka_model: str = Field(
        "mureka-9", description="The pinned model; `auto` costs three times as much."
    )
    mureka_stream: bool = Field(True, description="Publish `stream_url` while generating.")
    mureka_timeout_seconds: Seconds = Field(600, description="Deadline of one generation.")
    mureka_poll_seconds: Seconds = Field(
        4,
        gt=0,
        allow_inf_nan=False,
        description="The usual time between two polls of a generation.",
    )

    @field_validator("mureka_api_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        # A key that cannot be a header would fail only when a call is submitted.
        key = value.get_secret_value().strip()
        if not key or not (key.isascii() and key.isprintable()):
            raise ValueError("holds characters that no Mureka key has")
        return SecretStr(key)

    @field_validator("mureka_api_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        return _checked_url(value, "https://").rstrip("/")


class Settings(ProjectSettings, MurekaSettings):
    """Everything that a worker needs to know."""

    music_max_concurrent: int = Field(
        10, ge=1, le=1000, description="Generations at once in this worker."
    )
    music_lease_seconds: Seconds = Field(30, description="How long a claim lasts without renewal.")
    music_sweep_seconds: Seconds = Field(
        15,
        gt=0,
        allow_inf_nan=False,
        description="Time between two sweeps for what no event announced, jittered.",
    )
    worker_id: str = Field(
        default_factory=_unique_worker_id,
        min_length=1,
        description="The name of this process; unique, by default host-pid-random.",
    )
    health_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port of health and metrics; unset: `PORT`, and without that none.",
    )
    port: int | None = Field(
        None, ge=1, le=65535, description="The same, as platforms hand it out."
    )
    health_host: str = Field(
        "127.0.0.1", min_length=1, description="The address on which that port listens."
    )
    otel_exporter_otlp_endpoint: str | None = Field(
        None, description="Where traces go, by OTLP over HTTP; unset: nowhere."
    )

    @property
    def served_port(self) -> int | None:
        """The port of health and metrics; None for none."""
        return self.health_port or self.port

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _is_an_endpoint(cls, value: str | None) -> str | None:
        return None if value is None else _checked_url(value, "http:// or https://").rstrip("/")


class GivenSettings(_FromEnvironment):
    """What is given, right or wrong: `music-service doctor` checks each on its own."""

    supabase_url: str
    supabase_secret_keys: SecretStr | None = None
    supabase_secret_key: SecretStr = Field(
        validation_alias=AliasChoices("SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY")
    )
    music_bucket: str = ProjectSettings.model_fields["music_bucket"].default
    music_bucket_public: bool = ProjectSettings.model_fields["music_bucket_public"].default
    mureka_api_key: SecretStr = SecretStr("")
    mureka_api_url: str = MurekaSettings.model_fields["mureka_api_url"].default
    mureka_model: str = MurekaSettings.model_fields["mureka_model"].default

    @field_validator("supabase_url")
    @classmethod
    def _is_root(cls, value: str) -> str:
        return _root(value)


def _checked_url(url: str, beginning: str) -> str:
    """The address; raises ValueError, whose text never holds any of it, if it is none."""
    url = url.strip()
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError(f"must start with {beginning}")
    try:
        parts = urlsplit(url)
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_place = False
    if not has_place or not url.isascii() or _NO_HOST.search(parts.netloc):
        raise ValueError("is not an address: it needs a host, and a port must be a number")
    if parts.hostname == "supabase.com":
        raise ValueError("is the dashboard's address; the project's is https://<ref>.supabase.co")
    if "@" in parts.netloc:
        raise ValueError("holds a user name or a password; leave them out of the address")
    if parts.query or parts.fragment:
        raise ValueError("goes on after a ? or a #; leave that out of the address")
    return url


def _root(url: str) -> str:
    return url.strip().rstrip("/").removesuffix("/rest/v1")


def _default_of(keys: object) -> str:
    """The key named `default` in a JSON object; `_NO_DEFAULT` where there is none."""
    try:
        found = json.loads(str(keys))
    except ValueError:
        return _NO_DEFAULT
    key = found.get("default") if isinstance(found, dict) else None
    return key if isinstance(key, str) and key.strip() else _NO_DEFAULT


def _secrets_in(value: str) -> list[str]:
    """The value, and each of the keys where it is a JSON object of them."""
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    keys = found.values() if isinstance(found, dict) else ()
    return [value, *(key for key in keys if isinstance(key, str))]


def _role(key: str) -> str | None:
    """The role in a legacy key, whose signature only the project can check."""
    parts = key.split(".")
    if len(parts) != 3:
        return None
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        claims = json.loads(base64.urlsafe_b64decode(padded))
    except (binascii.Error, ValueError):
        return None
    return claims.get("role") if isinstance(claims, dict) else None


def _sentences(error: ValidationError) -> dict[str, str]:
    """What is wrong with each setting, without the value: it may be a secret."""
    found: dict[str, str] = {}
    for detail in error.errors(include_input=False, include_url=False):
        name = str(detail["loc"][0]).upper()
        if detail["type"] == "missing":
            sentence = f"{name}{_MISSING}; put it into {_PLACES}."
        else:
            reason = detail["msg"].removeprefix("Value error, ")
            sentence = f"{name} {reason[0].lower()}{reason[1:]}."
        found.setdefault(name, sentence)
    return found


def _in_one(found: dict[str, str]) -> str:
    """All that is wrong in one text; what is missing shares a sentence."""
    missing = [name for name, text in found.items() if text.startswith(f"{name}{_MISSING}")]
    rest = [text for name, text in found.items() if name not in missing]
    if len(missing) > 1:
        names = f"{', '.join(missing[:-1])} and {missing[-1]}"
        return " ".join([f"{names} are not set; put them into {_PLACES}.", *rest])
    return " ".join([*(found[name] for name in missing), *rest])
