"""What one piece of music costs by Mureka's price list of September 2026."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import urlsplit

_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
_CENTS = {
    "mureka-7.6": Decimal("3"),
    "mureka-8": Decimal("4.5"),
    "mureka-9": Decimal("4.5"),
    "mureka-9.5": Decimal("15"),
}
MODELS = tuple(_CENTS)
# `auto` and models unknown here are taken for the dearest, so that a budget is never overrun.
_DEAREST_CENTS = max(_CENTS.values())


def expected_cost_cents(model: str) -> Decimal:
    """The price in US cents of one piece by this model, songs and instrumentals alike."""
    return _CENTS.get(model, _DEAREST_CENTS)


def is_free(url: str) -> bool:
    """Whether it is the simulator that answers at this URL: Mureka itself is never this machine."""
    return urlsplit(url).hostname in _THIS_MACHINE


def has_price(model: str) -> bool:
    """Whether the price list names this model; `auto` it does not."""
    return model in _CENTS
