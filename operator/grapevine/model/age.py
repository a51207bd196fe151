"""How long ago, as far as anybody could have heard it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Age:
    """What tells whether something is still in use; all of it survives a restart."""

    sources: tuple[str, ...] = ()
    """What has seen it, sorted: `packet`, `dnstap`, `log`, `pcap`."""
    rhythm_ms: int = 0
    """The longest usual pause between two sightings; 0 where it was seen once."""
    heard_ms: int = 0
    """How long since the last sighting a source that has seen it was listening."""


NEW = Age()
"""Of what was not seen by anything yet."""
