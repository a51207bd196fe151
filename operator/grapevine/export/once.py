"""A map sent once: what `grapevine run --otlp` does."""

import threading
import time

from grapevine.export.sender import Sender
from grapevine.export.settings import TelemetrySettings
from grapevine.export.snapshot import Snapshot
from grapevine.export.telemetry import connect_otlp
from grapevine.model.errors import GrapevineError


def send_once(settings: TelemetrySettings, snapshot: Snapshot) -> str:
    """Send every live edge, stamped now: a back end discards spans as old as a capture. Return what was sent where.

    Raises:
        GrapevineError: the collector did not take it; the text names it and says why.
        PermanentInputError: a certificate or key cannot be read.
    """
    wire = connect_otlp(settings)
    try:
        sender = Sender(settings, wire, clock_ns=time.time_ns, wait=threading.Event().wait)
        sender.tick(snapshot)
        sender.finish()  # the first points of a series say only where it begins
    finally:
        wire.close()
    urls = ", ".join(signal.url for signal in (settings.traces, settings.metrics) if signal)
    if reason := sender.why_not():
        raise GrapevineError(f"{urls}: the telemetry was not taken: {reason}")
    return f"{sum(seen.is_live for seen in snapshot.edges)} edges sent to {urls}"
