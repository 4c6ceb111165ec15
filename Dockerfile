# shifter with the tutorial's configuration and demo services; docker-compose.yml runs four of it.

# The full image has a C compiler, for the compiled head parser. What is installed below does not need one.
FROM python:3.11 AS build
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
COPY --from=build /wheels /wheels
# `twistd --help` writes the list of plugins, which nobody but root may write here.
RUN pip install --no-cache-dir /wheels/*.whl \
    && twistd --help >/dev/null \
    && useradd --system --no-create-home shifter
WORKDIR /opt/shifter
COPY etc etc
COPY demo demo
USER shifter
EXPOSE 8000
CMD ["twistd", "-n", "--pidfile=", "shifter", "--config", "/opt/shifter/etc/front.yaml"]
