# Two stages: the first installs the pinned libraries and the package, the second has them and Python, and no tools.
FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.txt ./
RUN python -m venv /opt/asyncmta \
 && /opt/asyncmta/bin/pip install --require-hashes -r requirements.txt
COPY requirements-dev.txt pyproject.toml README.md LICENSE ./
COPY asyncmta asyncmta
# The wheel is built with the pinned hatchling, in a virtual environment that stays in this stage.
RUN python -m venv /tmp/build \
 && /tmp/build/bin/pip install --require-hashes -r requirements-dev.txt \
 && /tmp/build/bin/pip wheel --no-deps --no-build-isolation -w /tmp/wheel . \
 && /opt/asyncmta/bin/pip install --no-deps /tmp/wheel/*.whl \
 && /opt/asyncmta/bin/python -m compileall -q /opt/asyncmta

FROM python:3.11-slim
# The root directory may be read-only: the one place that is written to is the spool, which also holds the mailboxes.
COPY --from=build /opt/asyncmta /opt/asyncmta
RUN install -d -o 10025 -g 0 -m 0770 /var/spool/asyncmta \
 && ln -s /opt/asyncmta/bin/sendmail /opt/asyncmta/bin/newaliases /usr/sbin/ \
 && ln -s /opt/asyncmta/bin/mailq /usr/bin/
ENV PATH=/opt/asyncmta/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ASYNCMTA_SPOOL=/var/spool/asyncmta/queue \
    ASYNCMTA_LOCAL__MAILDIR=/var/spool/asyncmta/mail/{domain}/{local_part} \
    ASYNCMTA_LISTENER__0__ADDRESS=0.0.0.0 \
    ASYNCMTA_LISTENER__0__PORT=2525 \
    ASYNCMTA_RELAY__NETWORKS=127.0.0.0/8,::1/128
WORKDIR /var/spool/asyncmta
VOLUME /var/spool/asyncmta
USER 10025:0
EXPOSE 2525
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["asyncmta", "health"]
ENTRYPOINT ["asyncmta"]
CMD ["serve"]
