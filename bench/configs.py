"""One description of the work (`work.Work`) as a configuration for each proxy.

Envoy and shifter read the same file. Where a proxy's defaults would let it do less or more than Envoy does, the
configuration evens it out: all write x-forwarded-for, x-forwarded-proto and x-request-id, keep connections to the
backend, never retry, write access logs in chunks where they can, and have one worker. Path normalisation, which shifter
does by default and Envoy does not, is written out, so that Envoy does it too.
"""

import json
from typing import Final

import yaml

from bench.work import Route, Work

_HCM: Final = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER: Final = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
_FILE_LOG: Final = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
_HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_TLS: Final = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
_TCP_PROXY: Final = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
_FOREVER: Final = "7200s"


def _socket(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _envoy_route(route: Route) -> dict[str, object]:
    match: dict[str, object] = {"prefix": route.prefix}
    if route.header is not None:
        name, value = route.header
        match["headers"] = [{"name": name, "string_match": {"exact": value}}]
    if len(route.clusters) == 1:
        return {"match": match, "route": {"cluster": route.clusters[0][0]}}
    clusters = [{"name": name, "weight": weight} for name, weight in route.clusters]
    return {"match": match, "route": {"weighted_clusters": {"clusters": clusters}}}


def _envoy_cluster(name: str, port: int, h2: bool) -> dict[str, object]:
    many = 100_000
    cluster: dict[str, object] = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "ROUND_ROBIN",
        "circuit_breakers": {"thresholds": [{"max_connections": many, "max_pending_requests": many, "max_requests": many}]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _socket(port)}}]}]},
    }
    if h2:
        options = {"@type": f"type.googleapis.com/{_HTTP_OPTIONS}", "explicit_http_config": {"http2_protocol_options": {}}}
        cluster["typed_extension_protocol_options"] = {_HTTP_OPTIONS: options}
    return cluster


def envoy(work: Work) -> str:
    """The bootstrap that Envoy and shifter both run."""
    manager: dict[str, object] = {
        "@type": _HCM,
        "stat_prefix": "ingress",
        "codec_type": "AUTO",
        "use_remote_address": True,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
        "route_config": {
            "name": "bench",
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [_envoy_route(route) for route in work.routes]}],
        },
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}}],
    }
    if work.access_log is not None:
        log = {"@type": _FILE_LOG, "path": str(work.access_log)}
        manager["access_log"] = [{"name": "envoy.access_loggers.file", "typed_config": log}]
    chain: dict[str, object] = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    if work.tcp:
        clusters = [{"name": name, "weight": weight} for name, weight in work.routes[-1].clusters]
        proxy = {"@type": _TCP_PROXY, "stat_prefix": "ingress", "weighted_clusters": {"clusters": clusters}}
        chain = {"filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}]}
    if work.tls is not None:
        file = {"filename": str(work.tls)}
        common = {"alpn_protocols": ["http/1.1"], "tls_certificates": [{"certificate_chain": file, "private_key": file}]}
        chain["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": {"@type": _TLS, "common_tls_context": common}}
    document = {
        "static_resources": {
            "listeners": [{"name": "bench", "address": _socket(work.port), "filter_chains": [chain]}],
            "clusters": [_envoy_cluster(name, port, work.h2_up) for name, port in work.backends.items()],
        }
    }
    return yaml.safe_dump(document, sort_keys=False)


def nginx_frame(work_directory: str, http: str) -> str:
    """What every nginx of the benchmark has around its ``http`` section's own lines: one worker, nothing in /var."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"  {kind}_temp_path {work_directory}/{kind};" for kind in kinds)
    return f"""daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {work_directory}/nginx.pid;
error_log {work_directory}/error.log crit;
events {{ worker_connections 19000; }}
http {{
{temporary}
  server_tokens off;
  keepalive_requests 2000000000;
  keepalive_timeout {_FOREVER};
  client_header_timeout {_FOREVER};
  client_max_body_size 0;
  tcp_nodelay on;
{http}}}
"""


def nginx(work: Work) -> str:
    """nginx as a proxy. The header match is a ``map``, the split ``split_clients`` over the request id."""
    upstreams = "\n".join(
        f"  upstream {name} {{ server 127.0.0.1:{port}; keepalive 256; keepalive_requests 2000000000; keepalive_timeout {_FOREVER}; }}"
        for name, port in work.backends.items()
    )
    variables: list[str] = []
    locations: list[str] = []
    prefixes: dict[str, list[Route]] = {}
    for route in work.routes:
        prefixes.setdefault(route.prefix, []).append(route)
    for number, (prefix, routes) in enumerate(prefixes.items()):
        target = ""
        for step, route in enumerate(reversed(routes)):  # the last one is what remains when no header matched
            if len(route.clusters) > 1:
                *shares, (last, _) = route.clusters
                split = " ".join(f"{weight}% {name};" for name, weight in shares)
                here = f"$split{number}_{step}"
                variables.append(f'  split_clients "$request_id" {here} {{ {split} * {last}; }}')
            else:
                here = route.clusters[0][0]
            if route.header is not None:
                header, value = route.header
                chosen = f"$chosen{number}_{step}"
                source = "$http_" + header.replace("-", "_")
                variables.append(f"  map {source} {chosen} {{ {value} {here}; default {target}; }}")
                here = chosen
            target = here
        locations.append(f"    location ^~ {prefix} {{ proxy_pass http://{target}; }}")
    log = "off" if work.access_log is None else f"{work.access_log} combined buffer=64k flush=1s"
    listen = f"{'http2 ' if work.h2_down else ''}{'ssl ' if work.tls else ''}backlog=8192"
    if work.tls is not None:
        variables.append(f"  ssl_certificate {work.tls};\n  ssl_certificate_key {work.tls};\n  ssl_protocols TLSv1.2 TLSv1.3;")
    lines = "\n".join((upstreams, *variables))
    return nginx_frame(
        str(work.directory),
        f"""  access_log {log};
{lines}
  proxy_http_version 1.1;
  proxy_next_upstream off;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_set_header X-Request-ID $request_id;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme;
  server {{
    listen 127.0.0.1:{work.port} {listen};
{chr(10).join(locations)}
  }}
""",
    )


def _haproxy_tcp(work: Work) -> str:
    servers = "\n".join(f"  server {name} 127.0.0.1:{work.backends[name]} weight {weight}" for name, weight in work.routes[-1].clusters)
    return f"""global
  nbthread 1
  maxconn 12000
  no strict-limits
defaults
  mode tcp
  timeout connect 1s
  timeout client {_FOREVER}
  timeout server {_FOREVER}
  retries 0
listen bench
  bind 127.0.0.1:{work.port}
  balance roundrobin
{servers}
"""


def haproxy(work: Work) -> str:
    """HAProxy. A split is one backend with weighted servers; the log goes to standard output, which is a file."""
    if work.tcp:
        return _haproxy_tcp(work)
    h2 = " proto h2" if work.h2_up else ""
    rules: list[str] = []
    backends: list[str] = []
    for number, route in enumerate(work.routes):
        condition = f"{{ path_beg {route.prefix} }}"
        if route.header is not None:
            name, value = route.header
            condition += f" {{ req.hdr({name}) -m str {value} }}"
        rules.append(f"  use_backend route{number} if {condition}")
        servers = "\n".join(
            f"  server {name} 127.0.0.1:{work.backends[name]} weight {weight}{h2} pool-max-conn -1" for name, weight in route.clusters
        )
        backends.append(f"backend route{number}\n  balance roundrobin\n{servers}")
    log = "" if work.access_log is None else "  log global\n  option httplog\n"
    return f"""global
  nbthread 1
  maxconn 12000
  no strict-limits
  tune.idle-pool.shared off
  log stdout format raw local0 info
defaults
  mode http
  timeout connect 1s
  timeout client {_FOREVER}
  timeout server {_FOREVER}
  timeout http-keep-alive {_FOREVER}
  http-reuse always
  option forwardfor
  retries 0
frontend bench
{log}  bind 127.0.0.1:{work.port}{" proto h2" if work.h2_down else ""}{f" ssl crt {work.tls}" if work.tls else ""}
  unique-id-format %{{+X}}o\\ %ci:%cp_%fi:%fp_%Ts_%rt:%pid
  unique-id-header X-Request-ID
  http-request set-header X-Forwarded-Proto {"https" if work.tls else "http"}
{chr(10).join(rules)}
{chr(10).join(backends)}
"""


def peer(work: Work) -> str:
    """The Python peers' configuration: JSON with ``port``, ``backends`` and ``routes``."""
    routes = [{"prefix": route.prefix, "header": route.header, "clusters": route.clusters} for route in work.routes]
    return json.dumps({"port": work.port, "backends": dict(work.backends), "routes": routes}, indent=1)
