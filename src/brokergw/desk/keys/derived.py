"""Keys that the gateway makes for the steps of its own sweeps."""

import uuid


def derived_key(*parts: str) -> str:
    """Make the key of one step: always the same for the same parts."""
    digest = uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(parts)).int
    # The layout of version 4, so that the key passes wherever a client's own does.
    return str(uuid.UUID(int=digest, version=4))
