# `mirror` and `estimate` in one image, run by a user who owns nothing but two directories.
FROM python:3.12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev
WORKDIR /src
COPY pyproject.toml setup.py constraints.txt README.md ./
COPY mirror mirror
COPY estimator estimator
RUN python -m venv /opt/kagami \
    && /opt/kagami/bin/pip install --no-cache-dir --constraint constraints.txt setuptools mypy \
    && KAGAMI_COMPILE=1 /opt/kagami/bin/pip install --no-cache-dir --no-build-isolation \
        --constraint constraints.txt . \
    && /opt/kagami/bin/pip uninstall --yes mypy setuptools

FROM python:3.12-slim
COPY --from=build /opt/kagami /opt/kagami
# /run/mirror holds the socket that nginx connects to, /var/lib/mirror the series. A volume that is
# mounted there for the first time takes over this owner.
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin mirror \
    && install --directory --owner=mirror --group=mirror /run/mirror /var/lib/mirror
ENV PATH=/opt/kagami/bin:$PATH PYTHONUNBUFFERED=1
USER mirror
WORKDIR /var/lib/mirror
# Drains: requests in flight are finished.
STOPSIGNAL SIGTERM
ENTRYPOINT ["mirror"]
CMD ["serve", "-c", "/etc/mirror/mirror.yaml"]
