"""Whether Mureka takes the key, has money left, and allows what the fleet wants at once."""

from __future__ import annotations

from dataclasses import dataclass

from music_service.doctor.findings import Finding, ok, skipped, warning, wrong
from music_service.errors import (
    ErrorCode,
    MusicServiceError,
    ProviderBlockedError,
    RateLimitedError,
)
from music_service.mureka.client import Billing, connect_mureka
from music_service.mureka.prices import expected_cost_cents, has_price
from music_service.redact import address

_LIMITS = "update music.settings set max_concurrent = {} where id;"
_TOP_UP = "Top up the account on Mureka's API platform; the key is good."


@dataclass(frozen=True, slots=True)
class Mureka:
    """How Mureka is reached, and the model that is asked for."""

    key: str
    url: str
    model: str


async def check_account(mureka: Mureka, fleet_limit: int | None, *, known: bool) -> list[Finding]:
    """Ask for the bill, which is free.

    Args:
        mureka: key, URL and model.
        fleet_limit: `max_concurrent` in `music.settings`; None for no limit.
        known: whether that could be read.
    """
    model = _check_model(mureka.model)
    try:
        async with connect_mureka(mureka.key, mureka.url) as client:
            billing = await client.billing()
    except ProviderBlockedError as error:
        return [wrong("mureka", str(error), _remedy(error)), model]
    except RateLimitedError as error:
        fix = "Nothing is to be done; ask the doctor again in a minute."
        return [warning("mureka", str(error), fix), model]
    except MusicServiceError as error:
        fix = "Check MUREKA_API_URL and this machine's way to the internet; else wait."
        return [wrong("mureka", str(error), fix), model]
    return [
        ok("mureka", f"Mureka at {address(mureka.url)} takes the key."),
        _check_balance(billing, mureka.model),
        _check_concurrency(billing, fleet_limit) if known else _not_compared(billing),
        model,
    ]


def _remedy(error: ProviderBlockedError) -> str:
    """What lifts a refusal: money, another key, or another address."""
    if error.code is ErrorCode.QUOTA_EXHAUSTED:
        return _TOP_UP
    if "API key" in str(error):
        return "Create a key on Mureka's API platform and set MUREKA_API_KEY."
    return "Check MUREKA_API_URL, and what the account may do on Mureka's API platform."


def _check_balance(billing: Billing, model: str) -> Finding:
    left, price = billing.balance_cents, float(expected_cost_cents(model))
    tracks = int(max(left, 0) // price)
    found = f"{left:.0f} US cents are left: {tracks} track{'s' * (tracks != 1)} by {model}."
    if left < price:
        return wrong("balance", found, _TOP_UP)
    return ok("balance", found)


def _check_concurrency(billing: Billing, fleet_limit: int | None) -> Finding:
    allowed = billing.concurrent_request_limit
    if not allowed:
        return ok("concurrency", "Mureka does not say how many tasks it allows at once.")
    wanted = "any number of" if fleet_limit is None else str(fleet_limit)
    found = f"The account allows {allowed} tasks at once; music.settings allows {wanted}."
    if fleet_limit is None or fleet_limit > allowed:
        return warning(
            "concurrency",
            f"{found} Workers keep to the account's limit.",
            f"Leave it, or run in the SQL editor: {_LIMITS.format(allowed)}",
        )
    return ok("concurrency", found)


def _not_compared(billing: Billing) -> Finding:
    allowed = billing.concurrent_request_limit or "an unknown number of"
    return skipped("concurrency", f"The account allows {allowed} tasks at once; see migrations.")


def _check_model(model: str) -> Finding:
    if has_price(model):
        return ok("model", f"{model} costs {expected_cost_cents(model)} US cents a track.")
    return warning(
        "model",
        f'The price of "{model}" is not known; budgets count the dearest, '
        f"{expected_cost_cents(model)} US cents.",
        "Set MUREKA_MODEL to a model of the price list in the README.",
    )
