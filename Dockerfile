# Two images from one build: `mirror`, the sidecar (the default), and `estimate`. They run as a user
# that owns two directories and nothing else.
#
# The base must have apt and Python: the registry's image of Python, or a Debian with python3.
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
# Debian packages the headers and venv of Python separately.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev \
        $(test "$(command -v python3)" != /usr/bin/python3 || echo python3-dev python3-venv)
WORKDIR /src
COPY pyproject.toml setup.py constraints.txt README.md ./
COPY mirror mirror
COPY estimator estimator
# pip has its own environment, which is not copied into an image.
ENV PIP_NO_CACHE_DIR=1 PIP_CONSTRAINT=/src/constraints.txt PIP_BUILD_CONSTRAINT=/src/constraints.txt
RUN python3 -m venv /pip && python3 -m venv --without-pip /opt/kagami \
    && KAGAMI_COMPILE=1 /pip/bin/pip wheel --no-deps --wheel-dir /wheels . \
    && /pip/bin/pip --python /opt/kagami install /wheels/*.whl

FROM build AS build-estimate
RUN /pip/bin/pip --python /opt/kagami install "$(echo /wheels/*.whl)[estimate]"

FROM ${BASE} AS run
# /run/mirror holds the socket to which nginx connects, /var/lib/mirror the series. A new volume that
# is mounted there gets this owner.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin mirror \
    && install --directory --owner=mirror --group=mirror /run/mirror /var/lib/mirror
ENV PATH=/opt/kagami/bin:$PATH PYTHONUNBUFFERED=1
USER mirror
WORKDIR /var/lib/mirror

FROM run AS estimate
COPY --from=build-estimate /opt/kagami /opt/kagami
ENTRYPOINT ["estimate"]

FROM run AS mirror
COPY --from=build /opt/kagami /opt/kagami
# SIGTERM makes the sidecar drain, so requests in flight are finished.
STOPSIGNAL SIGTERM
ENTRYPOINT ["mirror"]
CMD ["serve", "-c", "/etc/mirror/mirror.yaml"]
