# Two stages: the first has a C compiler, and installs the pinned libraries and the package; the second has those and
# Python, and no tools.
# What changes least comes first, so that a change in asyncmta alone installs nothing anew. docs/container.md.
FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# For asyncmta/system/_appending.c (hatch_build.py).
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
COPY requirements.txt ./
RUN python -m venv /opt/asyncmta \
 && /opt/asyncmta/bin/pip install --require-hashes -r requirements.txt
# The wheel is built with the pinned hatchling, in a virtual environment that stays in this stage.
COPY requirements-build.txt ./
RUN python -m venv /tmp/build \
 && /tmp/build/bin/pip install --require-hashes -r requirements-build.txt
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY asyncmta asyncmta
RUN /tmp/build/bin/pip wheel --no-deps --no-build-isolation -w /tmp/wheel . \
 && /opt/asyncmta/bin/pip install --no-deps /tmp/wheel/*.whl \
 && /opt/asyncmta/bin/python -m compileall -q /opt/asyncmta

FROM python:3.11-slim
LABEL org.opencontainers.image.title="asyncmta" \
      org.opencontainers.image.description="A mail transfer agent: one process, a journal that is synced before every 250" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT"
# The root directory may be read-only: the one place that is written to is the volume, which has the spool and the
# mailboxes. It is of group 0 and open to it, so that any uid works that has this group, as OpenShift gives them out.
COPY --from=build /opt/asyncmta /opt/asyncmta
RUN install -d -o 10025 -g 0 -m 0770 /var/spool/asyncmta \
 && install -d -m 0755 /etc/asyncmta \
 && ln -s /opt/asyncmta/bin/sendmail /opt/asyncmta/bin/newaliases /usr/sbin/ \
 && ln -s /opt/asyncmta/bin/mailq /usr/bin/
# Only what a container needs other than elsewhere. ASYNCMTA_COMPAT: the variables of boky/postfix are understood, where
# ours are not set; so no port is said here, which is 2525, or 587 with those.
ENV PATH=/opt/asyncmta/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ASYNCMTA_COMPAT=boky \
    ASYNCMTA_SPOOL=/var/spool/asyncmta/queue \
    ASYNCMTA_LOCAL__MAILDIR=/var/spool/asyncmta/mail/{domain}/{local_part} \
    ASYNCMTA_LISTENER__0__ADDRESS=0.0.0.0
WORKDIR /var/spool/asyncmta
VOLUME /var/spool/asyncmta
USER 10025:0
EXPOSE 2525 587
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["asyncmta", "health"]
ENTRYPOINT ["asyncmta"]
CMD ["serve"]
