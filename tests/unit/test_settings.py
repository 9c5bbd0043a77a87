"""Configuration: what is taken, what is refused, and that no secret is ever shown."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from music_service.errors import ConfigurationError
from music_service.settings import GivenSettings, MurekaSettings, ProjectSettings, Settings

SECRET = "sb_secret_topsecret"


def legacy_key(role: str) -> str:
    """A key as old projects have them; nobody here checks its signature."""
    claims = base64.urlsafe_b64encode(json.dumps({"role": role}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{claims}.c2lnbmVk"


class Environment:
    """The environment of one test, with all that is required and nothing else."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        for name in Settings.model_fields:
            patch.delenv(name.upper(), raising=False)
        patch.delenv("SUPABASE_SERVICE_ROLE_KEY", raising=False)
        self.set(
            SUPABASE_URL="https://ref.supabase.co",
            SUPABASE_SECRET_KEY=SECRET,
            MUREKA_API_KEY="op_x",
        )

    def set(self, **values: str) -> None:
        for name, value in values.items():
            self._patch.setenv(name, value)

    def unset(self, name: str) -> None:
        self._patch.delenv(name)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    monkeypatch.chdir(tmp_path)  # no .env of the project
    return Environment(monkeypatch)


def complaint() -> str:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load()
    return str(caught.value)


def test_what_is_required_is_enough(environment: Environment) -> None:
    settings = Settings.load()
    assert settings.supabase_url == "https://ref.supabase.co"
    assert settings.mureka_api_url == "https://api.mureka.ai"
    assert settings.mureka_model == "mureka-9"
    assert settings.health_port is None


def test_the_port_of_the_platform_is_taken_where_none_of_our_own_is_set(
    environment: Environment,
) -> None:
    environment.set(PORT="5000")
    assert (Settings.load().served_port, Settings.load().health_host) == (5000, "127.0.0.1")
    environment.set(HEALTH_PORT="8080", HEALTH_HOST="0.0.0.0")
    assert (Settings.load().served_port, Settings.load().health_host) == (8080, "0.0.0.0")
    environment.set(HEALTH_PORT="")
    assert Settings.load().served_port == 5000


@pytest.mark.parametrize("name", ["SUPABASE_URL", "SUPABASE_SECRET_KEY", "MUREKA_API_KEY"])
def test_what_is_missing_is_named_with_the_way_to_give_it(
    environment: Environment, name: str
) -> None:
    environment.unset(name)
    assert complaint() == (f"{name} is not set; put it into the environment or into a file .env.")


@pytest.mark.parametrize("name", ["SUPABASE_URL", "SUPABASE_SECRET_KEY", "MUREKA_API_KEY"])
def test_an_empty_variable_is_not_set(environment: Environment, name: str) -> None:
    environment.set(**{name: ""})
    assert complaint().startswith(f"{name} is not set;")


MALFORMED = [
    ("SUPABASE_URL", "ref.supabase.example"),
    ("SUPABASE_URL", "https://"),
    ("SUPABASE_PUBLIC_URL", "api.example"),
    ("SUPABASE_SECRET_KEY", "no-key-at-all"),
    ("SUPABASE_SECRET_KEY", "a.b.c"),
    ("SUPABASE_SECRET_KEY", "a.!!!!.c"),
    ("MUREKA_API_URL", "ftp://mureka.example"),
    ("MUREKA_STREAM", "perhaps"),
    ("MUREKA_TIMEOUT_SECONDS", "-17"),
    ("MUREKA_POLL_SECONDS", "often"),
    ("MUSIC_BUCKET_PUBLIC", "perhaps"),
    ("MUSIC_MAX_CONCURRENT", "1001"),
    ("MUSIC_MAX_CONCURRENT", "2.5"),
    ("MUSIC_LEASE_SECONDS", "-17"),
    ("MUSIC_SWEEP_SECONDS", "seldom"),
    ("LOG_LEVEL", "loud"),
    ("LOG_FORMAT", "xml"),
    ("HEALTH_PORT", "65537"),
    ("PORT", "http"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
]


@pytest.mark.parametrize(("name", "value"), MALFORMED)
def test_what_is_malformed_is_named_in_one_sentence_without_its_value(
    environment: Environment, name: str, value: str
) -> None:
    environment.set(**{name: value})
    text = complaint()
    assert re.fullmatch(rf"{name} [a-z][^\n]*[^.]\.", text)
    assert value not in text.replace("https:// (", "")


@pytest.mark.parametrize(
    "name",
    [
        "MUREKA_TIMEOUT_SECONDS",
        "MUREKA_POLL_SECONDS",
        "MUSIC_LEASE_SECONDS",
        "MUSIC_SWEEP_SECONDS",
    ],
)
@pytest.mark.parametrize("value", ["0", "nan", "inf"])
def test_a_time_is_a_positive_and_finite_number(
    environment: Environment, name: str, value: str
) -> None:
    environment.set(**{name: value})
    assert complaint().startswith(f"{name} ")


def test_the_error_holds_the_value_nowhere(environment: Environment) -> None:
    environment.set(SUPABASE_SECRET_KEY="hunter2")
    with pytest.raises(ConfigurationError) as caught:
        Settings.load()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "hunter2" not in repr(caught.value)


def test_the_secret_key_wins_over_the_service_role_key(environment: Environment) -> None:
    environment.set(SUPABASE_SERVICE_ROLE_KEY=legacy_key("service_role"))
    assert Settings.load().supabase_secret_key.get_secret_value() == SECRET


@pytest.mark.parametrize("is_empty", [True, False], ids=["empty", "unset"])
def test_without_a_secret_key_the_service_role_key_is_used(
    environment: Environment, is_empty: bool
) -> None:
    if is_empty:
        environment.set(SUPABASE_SECRET_KEY="")
    else:
        environment.unset("SUPABASE_SECRET_KEY")
    environment.set(SUPABASE_SERVICE_ROLE_KEY=legacy_key("service_role"))
    key = Settings.load().supabase_secret_key.get_secret_value()
    assert key == legacy_key("service_role")


@pytest.mark.parametrize("others", [True, False], ids=["with the others", "alone"])
def test_the_keys_that_the_platform_hands_out_win(environment: Environment, others: bool) -> None:
    if others:
        environment.set(SUPABASE_SERVICE_ROLE_KEY=legacy_key("service_role"))
    else:
        environment.unset("SUPABASE_SECRET_KEY")
    environment.set(SUPABASE_SECRET_KEYS='{"default":"sb_secret_platform","ci":"sb_secret_ci"}')
    assert Settings.load().supabase_secret_key.get_secret_value() == "sb_secret_platform"
    assert GivenSettings.load().supabase_secret_key.get_secret_value() == "sb_secret_platform"
    assert ProjectSettings.is_given()
    assert "sb_secret" not in repr(Settings.load())


@pytest.mark.parametrize(
    "keys",
    [
        "sb_secret_hunter2",
        '{"default":"sb_secret_hunter2"',
        '{"ci":"sb_secret_hunter2"}',
        '{"default":["sb_secret_hunter2"]}',
        '{"default":""}',
        '["sb_secret_hunter2"]',
        "{}",
    ],
)
def test_keys_of_the_platform_without_a_default_are_refused_in_a_sentence(
    environment: Environment, keys: str
) -> None:
    environment.set(SUPABASE_SECRET_KEYS=keys)
    assert re.fullmatch(r"SUPABASE_SECRET_KEY [^\n]*SUPABASE_SECRET_KEYS[^\n]*\.", complaint())
    assert "hunter2" not in complaint()
    assert Settings.problems().keys() == {"SUPABASE_SECRET_KEY"}
    GivenSettings.load()  # the doctor has more to say than that


def test_empty_keys_of_the_platform_are_not_set(environment: Environment) -> None:
    environment.set(SUPABASE_SECRET_KEYS="")
    assert Settings.load().supabase_secret_key.get_secret_value() == SECRET


def test_the_public_address_is_one_of_its_own_only_where_it_is_set(
    environment: Environment,
) -> None:
    assert Settings.load().supabase_public_url is None
    environment.set(SUPABASE_PUBLIC_URL="https://api.example.com/rest/v1/")
    assert Settings.load().supabase_public_url == "https://api.example.com"


@pytest.mark.parametrize(
    "key", ["sb_publishable_abc", legacy_key("anon"), legacy_key("authenticated")]
)
def test_a_public_key_is_refused_and_called_so(environment: Environment, key: str) -> None:
    environment.set(SUPABASE_SECRET_KEY=key)
    assert complaint() == (
        "SUPABASE_SECRET_KEY is the public key of the project; the service needs the secret one."
    )


@pytest.mark.parametrize(
    ("name", "field"),
    [("SUPABASE_SECRET_KEY", "supabase_secret_key"), ("MUREKA_API_KEY", "mureka_api_key")],
)
def test_a_key_is_taken_without_the_space_around_it(
    environment: Environment, name: str, field: str
) -> None:
    environment.set(**{name: "sb_secret_pasted\n"})
    key: SecretStr = getattr(Settings.load(), field)
    assert key.get_secret_value() == "sb_secret_pasted"


@pytest.mark.parametrize("key", ["op_ß", "op_one\nop_two", "   "])
def test_a_key_that_cannot_be_sent_is_refused_before_any_order(
    environment: Environment, key: str
) -> None:
    environment.set(MUREKA_API_KEY=key)
    assert complaint().startswith("MUREKA_API_KEY ")


def test_a_secret_is_shown_in_no_way(environment: Environment) -> None:
    environment.set(MUREKA_API_KEY="op_topsecret")
    settings = Settings.load()
    for shown in (str(settings), repr(settings), str(settings.model_dump()), f"{settings}"):
        assert "topsecret" not in shown


def test_fractions_of_a_second_are_taken(environment: Environment) -> None:
    environment.set(MUSIC_LEASE_SECONDS="0.5", MUREKA_POLL_SECONDS="0.05")
    settings = Settings.load()
    assert (settings.music_lease_seconds, settings.mureka_poll_seconds) == (0.5, 0.05)


@pytest.mark.parametrize(
    "url",
    [
        "https://ref.supabase.co",
        "https://ref.supabase.co/",
        "https://ref.supabase.co/rest/v1",
        "https://ref.supabase.co/rest/v1/",
    ],
)
def test_the_address_may_be_pasted_in_any_form(environment: Environment, url: str) -> None:
    environment.set(SUPABASE_URL=url)
    assert Settings.load().supabase_url == "https://ref.supabase.co"


def test_a_file_fills_what_the_environment_leaves_open(
    environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("MUREKA_MODEL=mureka-8\nMUSIC_BUCKET=from-file\n")
    environment.set(MUSIC_BUCKET="from-environment")
    settings = Settings.load()
    assert (settings.mureka_model, settings.music_bucket) == ("mureka-8", "from-environment")


def test_every_process_has_a_name_of_its_own_even_on_one_machine(environment: Environment) -> None:
    assert Settings.load().worker_id != Settings.load().worker_id


def test_a_part_is_given_when_nothing_of_it_is_missing(environment: Environment) -> None:
    environment.unset("MUREKA_API_KEY")
    environment.set(SUPABASE_URL="malformed")
    assert ProjectSettings.is_given()
    assert not MurekaSettings.is_given()
