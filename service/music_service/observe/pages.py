"""The pages of a worker: whether it is alive, whether it is ready, and its metrics.

GET /healthz   200 as long as the event loop turns
GET /readyz    200 where a track inserted now would be made, else 503: the worker's status
GET /metrics   Prometheus' text format; 501 without the extra
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from music_service.observe.endpoint import Page, Pages

if TYPE_CHECKING:
    from music_service.observe.metrics import Metrics

_MISSING = "There are no metrics without their package: pip install '.[metrics]' in the checkout"


def pages_of(status: Callable[[], dict[str, Any]], metrics: Metrics | None) -> Pages:
    """The pages of a worker.

    Args:
        status: the worker at this moment; see `Worker.status`.
        metrics: None where the extra is not installed.
    """

    def readiness() -> Page:
        now = status()
        return Page.of_json(503 if now["reasons"] else 200, now)

    return {
        "/healthz": lambda: Page.of_text(200, "alive"),
        "/readyz": readiness,
        "/metrics": lambda: _numbers(metrics),
    }


def _numbers(metrics: Metrics | None) -> Page:
    if metrics is None:
        return Page.of_text(501, _MISSING)
    from music_service.observe.metrics import CONTENT_TYPE  # noqa: PLC0415  an extra

    return Page(200, metrics.render(), CONTENT_TYPE)
