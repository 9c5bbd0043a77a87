# A worker and nothing else: docker build -t music-service .
# What is installed is locked with hashes (scripts/lock); nothing is compiled, nothing resolved.

FROM python:3.13-slim AS build
WORKDIR /src
COPY deploy/build.lock deploy/worker.lock deploy/
RUN python -m pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: -r deploy/build.lock
RUN python -m venv --without-pip /opt/music-service
RUN python -m pip --python /opt/music-service/bin/python install --no-cache-dir --require-hashes --no-deps --only-binary :all: -r deploy/worker.lock
COPY pyproject.toml README.md LICENSE ./
COPY service service
COPY supabase supabase
RUN python -m hatchling build -t wheel -d /wheel
RUN python -m pip --python /opt/music-service/bin/python install --no-cache-dir --no-index --no-deps /wheel/music_service-*.whl

FROM python:3.13-slim
COPY --from=build /opt/music-service /opt/music-service
ENV PATH=/opt/music-service/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HEALTH_PORT=8080
USER 65532:65532
# The worker handles it: a paid call in flight gets up to 30 seconds to bring its receipt.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['HEALTH_PORT']), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["music-service"]
CMD ["run"]
