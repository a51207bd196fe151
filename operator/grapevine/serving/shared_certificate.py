"""The serving certificate of this process: shared through a Secret, trusted through a ConfigMap, replaced in time.

`rotation` decides, `certificates` makes; here is what is read and written, and the live TLS context. Both replicas run
it: whoever writes first wins, the other one reads again.
"""

import asyncio
import logging
import os
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from grapevine.model.errors import GrapevineError, PermanentInputError, RetryableError
from grapevine.model.metric import Metric
from grapevine.serving.certificates import data_of, material_of, new_pair
from grapevine.serving.rotation import Material, Schedule, ServingPair, advance

CA_KEY = "ca.crt"
ATTEMPTS = 5
"""Writes against another replica before the next period's turn."""
RETRY_S = 5.0

_log = logging.getLogger(__name__)


class SecretStore(Protocol):
    """The Secret both replicas share."""

    async def read(self) -> tuple[Mapping[str, bytes], str]:
        """Return data and version."""

    async def write(self, data: Mapping[str, bytes], version: str) -> bool:
        """Replace the data; False where it is no longer of that version."""


class CaPublisher(Protocol):
    """Where senders find whom to trust."""

    async def publish(self, data: Mapping[str, str]) -> None:
        """Have the ConfigMap hold `data`."""


class ServingCertificate:
    """Keeps `context` able to serve. `refresh` once before it is used, then `run`."""

    def __init__(
        self,
        secret: SecretStore,
        publishers: Sequence[CaPublisher],
        names: frozenset[str],
        schedule: Schedule,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take what is shared, the DNS names to serve, and a clock of seconds since the epoch."""
        self._secret = secret
        self._publishers = publishers
        self._names = names
        self._schedule = schedule
        self._clock = clock
        self._serving: ServingPair | None = None
        self._changes = 0
        self._failures = 0
        self.context = server_context()
        """For the listener; a new certificate is used by the next handshake."""

    async def refresh(self) -> None:
        """Read, replace what is due, publish, load: in this order, so that nothing is served that nobody trusts.

        Raises:
            RetryableError: the API server does not answer.
            PermanentInputError: the Secret is missing, or RBAC forbids.
        """
        material = await self._shared()
        for publisher in self._publishers:
            await publisher.publish({CA_KEY: material.published()})
        if material.current is not None and material.current != self._serving:
            load_pair(self.context, material.current)
            self._serving = material.current
            self._changes += 1
            _log.info("serving certificate loaded", extra={"names": sorted(self._names), "until_s": int(self._until_s)})

    async def run(self) -> None:
        """Refresh until cancelled; while that fails, what was loaded last is served."""
        warned = False
        while True:
            await asyncio.sleep(RETRY_S if warned and self._schedule.check_s > RETRY_S else self._schedule.check_s)
            try:
                await self.refresh()
                warned = False
            except GrapevineError as error:
                self._failures += 1
                if not warned:
                    _log.warning("serving certificate not refreshed", extra={"reason": str(error)})
                warned = True

    def metrics(self) -> list[Metric]:
        """Return until when the certificate serves, and what became of it."""
        return [
            Metric(
                "grapevine_tls_expiry_timestamp_seconds",
                "gauge",
                "End of the certificate that is served.",
                {"": self._until_s},
            ),
            Metric(
                "grapevine_tls_certificates", "counter", "Certificates loaded since the start.", {"": self._changes}
            ),
            Metric(
                "grapevine_tls_refresh_failures",
                "counter",
                "Looks at Secret and ConfigMap that failed.",
                {"": self._failures},
            ),
        ]

    @property
    def _until_s(self) -> float:
        return self._serving.until_s if self._serving is not None else 0.0

    async def _shared(self) -> Material:
        """Return what the Secret holds once it holds what it should now."""
        for _ in range(ATTEMPTS):
            data, version = await self._secret.read()
            held = material_of(data)
            due = advance(held, self._names, self._clock(), self._schedule, self._make)
            if due == held or await self._secret.write(data_of(due), version):
                return due
        raise RetryableError("the Secret of the serving certificate keeps changing; is something else writing it?")

    def _make(self) -> ServingPair:
        return new_pair(self._names, self._clock(), self._schedule.lifetime_s)


def server_context() -> ssl.SSLContext:
    """Return a context that serves nothing yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3  # both ends are ours
    context.num_tickets = 0  # senders keep their connections; a ticket would outlive a rotation
    return context


def load_pair(context: ssl.SSLContext, pair: ServingPair) -> None:
    """Have the context serve the pair. OpenSSL takes files only: this one is in memory and has no name.

    Raises:
        PermanentInputError: OpenSSL does not take it, for a key that is too weak, say.
    """
    descriptor = os.memfd_create("grapevine-serving", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, (pair.certificate_pem + pair.key_pem).encode())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    except ssl.SSLError as error:
        raise PermanentInputError(
            f"the certificate in the Secret cannot be served: {error.reason or error}; remove the Secret's data"
        ) from error
    finally:
        os.close(descriptor)
