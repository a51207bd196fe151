# Grapevine's two images from one wheel, each an interpreter, the packages it needs and the libraries these load: no shell,
# no package manager, nothing to write to.
#
#   capture    what a node runs. Its interpreter carries cap_net_raw+ep: Kubernetes gives a non-root container no ambient
#              capability, and a file's is the one way to pass NET_RAW to it. It works under no_new_privs, and where the
#              container is not granted NET_RAW the kernel refuses to execute it.
#   operator   everything else, the sidecar included; no capability.
#
# The build asks no registry: the wheels, for the base's Python, are in out/wheels (`make image` puts them there).
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
COPY deploy/image/assemble.py out/wheels/ /build/
RUN python3 -m venv --copies /opt/grapevine

FROM build AS capture-build
RUN /opt/grapevine/bin/python3 -m pip install --quiet --no-index --find-links /build grapevine-operator \
 && python3 /build/assemble.py /opt/grapevine /root-of-image --net-raw

FROM build AS operator-build
RUN /opt/grapevine/bin/python3 -m pip install --quiet --no-index --find-links /build 'grapevine-operator[operator]' \
 && python3 /build/assemble.py /opt/grapevine /root-of-image

FROM scratch AS capture
ARG VERSION=unknown REVISION=unknown
LABEL org.opencontainers.image.title="grapevine capture" \
      org.opencontainers.image.description="Hears DNS responses on a node and sends what it heard to Grapevine's operator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=capture-build /root-of-image/ /
# glibc would give the sender's thread a heap of its own: 0.3 MiB
ENV MALLOC_ARENA_MAX=1
USER 65532:65532
ENTRYPOINT ["/opt/grapevine/bin/grapevine"]
CMD ["capture"]

FROM scratch AS operator
ARG VERSION=unknown REVISION=unknown
LABEL org.opencontainers.image.title="grapevine operator" \
      org.opencontainers.image.description="Learns from DNS which Kubernetes workload talks to which" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=operator-build /root-of-image/ /
USER 65532:65532
ENTRYPOINT ["/opt/grapevine/bin/grapevine"]
CMD ["operator"]
