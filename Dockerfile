# Stage 1 installs exactly what uv.lock says into one virtual environment; stage 2 carries that and nothing else.
# The base is named by its tag; give it with its digest where it shall be one and the same for good (docs/security.md).
ARG BASE=python:3.11-slim
FROM ${BASE} AS build

RUN pip install --no-cache-dir "uv>=0.13,<0.14"
ENV UV_PROJECT_ENVIRONMENT=/opt/brokergw \
    UV_PYTHON_DOWNLOADS=never \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy
WORKDIR /build

# Dependencies change seldom, so they are a layer of their own.
COPY pyproject.toml uv.lock README.md ./
RUN uv sync --frozen --no-dev --no-install-project

COPY generated generated
COPY src src
RUN uv sync --frozen --no-dev --no-editable


FROM ${BASE}

# A numeric user lets Kubernetes see that it is not root.
RUN groupadd --gid 10001 brokergw \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/brokergw --shell /usr/sbin/nologin brokergw \
 && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/brokergw
COPY --from=build /opt/brokergw /opt/brokergw

# Bytecode is compiled already and everything else is written below the volume, so the root may be read-only.
ENV PATH=/opt/brokergw/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    BROKERGW_LISTEN=0.0.0.0:50051 \
    BROKERGW_METRICS_LISTEN=0.0.0.0:9464 \
    BROKERGW_DATA_DIR=/var/lib/brokergw
WORKDIR /var/lib/brokergw
VOLUME /var/lib/brokergw
USER 10001:10001
EXPOSE 50051 9464

HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["python", "-m", "brokergw.app.probe"]

# The exec form makes the gateway process 1, so that SIGTERM reaches it and it drains.
STOPSIGNAL SIGTERM
ENTRYPOINT ["brokergw"]
CMD ["serve"]
