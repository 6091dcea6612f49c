# One image for `interlock serve`, `interlock guard` and the command line. helm/interlock runs it.
#
# Every package comes from requirements.lock, with its hash checked. The lock also holds what tests and checks need: it is
# downloaded here, because a hash can only be checked of all that is named, and only what the product needs is installed.

FROM python:3.11-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY requirements.lock ./
RUN python -m pip download --quiet --require-hashes --only-binary :all: --requirement requirements.lock --dest /wheels

COPY pyproject.toml README.md LICENSE ./
COPY analysis ./analysis
COPY gates ./gates
COPY controller ./controller
COPY api ./api
# From the checked files alone: no index is asked, also not for what builds the package.
RUN python -m venv /opt/interlock \
 && /opt/interlock/bin/python -m pip install --quiet --no-index --find-links /wheels '.[postgres]' \
 && /opt/interlock/bin/python -m pip uninstall --quiet --yes pip setuptools \
 && /opt/interlock/bin/python -m compileall -q /opt/interlock/lib

FROM python:3.11-slim

# The numbers are those of the chart's podSecurityContext: Kubernetes checks runAsNonRoot by number only.
RUN groupadd --gid 65532 interlock \
 && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin interlock \
 && install --directory --owner 65532 --group 65532 --mode 0700 /var/lib/interlock
COPY --from=build /opt/interlock /opt/interlock

ENV PATH=/opt/interlock/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
WORKDIR /var/lib/interlock
VOLUME /var/lib/interlock
EXPOSE 8460
ENTRYPOINT ["interlock"]
CMD ["serve", "--data-dir", "/var/lib/interlock"]
