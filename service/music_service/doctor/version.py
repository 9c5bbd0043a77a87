"""Whether the database and this version of the service fit together."""

from __future__ import annotations

from music_service.doctor.findings import Finding, ok, skipped, warning, wrong
from music_service.doctor.probe import Probe
from music_service.errors import ContractError
from music_service.store.schema_version import SchemaVersion


async def check_version(probe: Probe) -> Finding:
    """Compare what the database says of itself with what this version knows."""
    answer = await probe.call_read_only("music_schema_version", {})
    try:
        found = SchemaVersion.read(answer.body)
    except ContractError:
        return skipped("version", "The database does not say the version of its schema.")
    for judged, finding in ((found.misfit, wrong), (found.difference, warning)):
        if judged is not None:
            reason, remedy = judged
            return finding("version", f"{reason}.", f"{remedy[0].upper()}{remedy[1:]}.")
    return ok("version", f"The schema has version {found.version}, which this service is made for.")
