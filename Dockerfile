# syntax=docker/dockerfile:1
# One image serves every purpose: API, Ray head and workers, jobs, migrations. The command says what it runs, the environment what it connects to
# (docs/settings.md). It takes about 1.1 GB unpacked, mostly Ray, LLVM, Arrow, SciPy and QuantLib; tests enforce the budget.

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# ---------------------------------------------------------------------------------------------------------- dependencies
FROM ${PYTHON_IMAGE} AS dependencies

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /source
COPY requirements.lock ./
COPY cluster/image/install.sh cluster/image/
RUN cluster/image/install.sh dependencies /opt/riskray

# --------------------------------------------------------------------------------------------------------------- builder
FROM dependencies AS builder

# The build compiles kernels for this family on every machine, so the first shard compiles nothing on a processor unlike the builder's, and all
# nodes compute with the same instructions. x86-64-v3 is AVX2 and FMA (Haswell, 2013); for arm64 build with CPU_NAME=neoverse-n1.
ARG CPU_NAME=x86-64-v3
ENV NUMBA_CPU_NAME=${CPU_NAME} \
    NUMBA_CPU_FEATURES=""

COPY cluster/image/requirements-build.lock cluster/image/
COPY LICENSE pyproject.toml ./
COPY sql sql
COPY pricers pricers
COPY riskray riskray
COPY deployments deployments
RUN cluster/image/install.sh wheel dist \
    && cluster/image/install.sh application /opt/riskray dist \
    && cluster/image/install.sh warm /opt/riskray

# --------------------------------------------------------------------------------------------------------------- runtime
FROM ${PYTHON_IMAGE} AS runtime

ARG CPU_NAME=x86-64-v3
ARG VERSION=0
ARG REVISION=unknown
ARG CREATED=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="riskray" \
      org.opencontainers.image.description="Every measure of every position, priced on Ray, stored in Postgres exactly once" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"

# The user is a number, so that Kubernetes can see that it is not root.
RUN groupadd --gid 1000 riskray \
    && useradd --uid 1000 --gid riskray --create-home --shell /usr/sbin/nologin riskray \
    && install --directory --owner=riskray --group=riskray /var/lib/riskray

COPY --from=dependencies /opt/riskray /opt/riskray
COPY --from=builder /opt/riskray/application /opt/riskray/application
COPY --from=builder /opt/riskray/lib/python3.11/site-packages/riskray.pth /opt/riskray/lib/python3.11/site-packages/riskray.pth
# numba reads its cache only from a folder that it could write to.
COPY --from=builder --chown=1000:1000 /opt/riskray/kernels /opt/riskray/kernels

# Sets RAY_AUTH_MODE explicitly, because Ray's default depends on its version.
ENV PATH=/opt/riskray/application/bin:/opt/riskray/bin:$PATH \
    NUMBA_CACHE_DIR=/opt/riskray/kernels \
    NUMBA_CPU_NAME=${CPU_NAME} \
    NUMBA_CPU_FEATURES="" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RAY_AUTH_MODE=token \
    RAY_USAGE_STATS_ENABLED=0 \
    RAY_ENABLE_UV_RUN_RUNTIME_ENV=0 \
    RISKRAY_DATA_DIRECTORY=/var/lib/riskray

WORKDIR /var/lib/riskray
USER 1000:1000
EXPOSE 8800 8265 6379 8080
# Checks a container that serves the API. Other containers override it (compose.yaml), and Kubernetes has its own probes.
HEALTHCHECK --interval=10s --timeout=10s --start-period=120s --retries=6 CMD ["riskray", "status", "--json"]
CMD ["riskray", "--help"]
