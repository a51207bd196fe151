"""The log of one pod as the API server streams it: what to ask for, and the lines that are new. Sans-IO.

`GET /api/v1/namespaces/NS/pods/NAME/log?follow=true&timestamps=true` of the core API
(https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/), asked in HTTP/1.0: its body ends with
the connection and is not chunked.

A stream begins at the end of the log. It breaks when the API server, kubelet or the container goes; the next one is
asked for from the second of the last line on, the finest that `sinceTime` knows. What came already is left out by the
time before each line, to the nanosecond; of several lines with the last time, as many as came.
"""

import re
import time
from collections.abc import Sequence
from typing import Final

from grapevine.capture.http1 import MAX_HEAD_BYTES, Server, parse_head
from grapevine.capture.sources.corelog import StampReader
from grapevine.capture.sources.logfile import LineSplitter
from grapevine.wire.schema import DnsPod

MAX_REASON_BYTES: Final = 2_048
"""What is kept of the body of a refusal."""
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_OK: Final = 200


class PodLog:
    """One pod's log, over as many streams as it takes."""

    def __init__(self, pod: DnsPod, container: str = "") -> None:
        """Take the pod, and the container's name where it has several.

        Raises:
            ValueError: a name is none of Kubernetes'.
        """
        for name in (pod.namespace, pod.name, container or "any"):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name[:80]!r} is no name of a Kubernetes object")
        self.pod = pod
        self._container = container
        self._stamps = StampReader()
        self._lines = LineSplitter()
        self._head: bytes | None = b""
        """What came of the reply's head; None behind it."""
        self._last_ns: int | None = None
        """Time of the line that came last, over all streams; None before the first."""
        self._at_last = 0
        """Lines that came with that time."""
        self._left_out = 0
        """Lines with that time that the present stream has repeated."""
        self._is_repeating = False
        self.status = 0
        """HTTP status of the present stream; 0 before its head has come."""
        self.reason = b""
        """Body of a reply with another status than 200, as far as it is kept."""

    def request(self, server: Server, token: str) -> bytes:
        """Return what to send on a new connection; what comes back goes to `feed`. An empty token is left out."""
        self._lines = LineSplitter()
        self._head, self.status, self.reason = b"", 0, b""
        self._is_repeating, self._left_out = self._last_ns is not None, 0
        query = "follow=true&timestamps=true"
        if self._container:
            query += f"&container={self._container}"
        if self._last_ns is None:
            query += "&tailLines=0"
        else:
            since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._last_ns // 10**9))
            query += f"&sinceTime={since}"
        path = f"{server.base_path}/api/v1/namespaces/{self.pod.namespace}/pods/{self.pod.name}/log?{query}"
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        return f"GET {path} HTTP/1.0\r\nHost: {server}\r\n{authorization}Accept: */*\r\n\r\n".encode("ascii")

    def feed(self, data: bytes) -> tuple[list[bytes], int]:
        """Return the new lines that `data` ends, each with its time before it, and how many came again.

        Raises:
            ValueError: the reply is no HTTP.
        """
        if self._head is not None:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                if len(head) > MAX_HEAD_BYTES:
                    raise ValueError("the reply's header is too long")
                return [], 0
            self._head = None
            self.status, headers = parse_head(head)
            if self.status == _OK and "transfer-encoding" in headers:
                raise ValueError("the reply is chunked; something between us and the API server rewrites it")
        if self.status != _OK:
            self.reason = (self.reason + data)[:MAX_REASON_BYTES]
            return [], 0
        lines = self._lines.feed(data)
        new = [line for line in lines if self._is_new(line)]
        return new, len(lines) - len(new)

    def _is_new(self, line: bytes) -> bool:
        at_ns = self._stamps.try_read_ns(line[: line.find(b" ")].decode("latin-1"))
        if at_ns is None:  # of kubelet's own: that it cannot follow any more
            return True
        last_ns = self._last_ns
        if self._is_repeating and last_ns is not None and at_ns <= last_ns:
            if at_ns < last_ns:
                return False
            if self._left_out < self._at_last:
                self._left_out += 1
                return False
        self._is_repeating = self._is_repeating and at_ns == last_ns
        self._at_last = self._at_last + 1 if at_ns == last_ns else 1
        self._left_out = self._at_last
        self._last_ns = at_ns
        return True


def parse_pods(text: str) -> Sequence[DnsPod]:
    """Return the pods in `NAMESPACE/NAME,…`.

    Raises:
        ValueError: not such a list.
    """
    pods = []
    for each in text.split(","):
        namespace, _, name = each.strip().partition("/")
        PodLog(pod := DnsPod(namespace, name, ""))
        pods.append(pod)
    return pods
