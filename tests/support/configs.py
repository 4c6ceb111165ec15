"""A configuration in today's spelling to plant mistakes in, and how to plant one."""

from dataclasses import dataclass

from shifter.config import Loaded, Place, load

HCM_TYPE = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER_TYPE = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
FILE_LOG_TYPE = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
UPSTREAM_TYPE = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
CARES_TYPE = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"

GOOD = f"""\
static_resources:
  listeners:
  - name: front
    address:
      socket_address:
        address: 127.0.0.1
        port_value: 8000
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": {HCM_TYPE}
          codec_type: AUTO
          stat_prefix: ingress_http
          route_config:
            name: local_route
            virtual_hosts:
            - name: backend
              domains: ["*"]
              routes:
              - match:
                  prefix: /service/1
                  headers:
                  - name: x-canary-version
                    string_match:
                      exact: service1a
                route:
                  cluster: service1a
              - match:
                  prefix: /service/1
                route:
                  weighted_clusters:
                    clusters:
                    - name: service1a
                      weight: 25
                    - name: service1
                      weight: 75
              - match:
                  prefix: /old
                redirect:
                  path_redirect: /new
              - match:
                  path: /hello
                direct_response:
                  status: 200
                  body:
                    inline_string: hello
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              "@type": {ROUTER_TYPE}
  clusters:
  - name: service1
    connect_timeout: 0.25s
    type: STRICT_DNS
    lb_policy: ROUND_ROBIN
    load_assignment:
      cluster_name: service1
      endpoints:
      - lb_endpoints:
        - endpoint:
            address:
              socket_address:
                address: service1.test
                port_value: 80
  - name: service1a
    connect_timeout: 0.25s
    type: STATIC
    load_assignment:
      cluster_name: service1a
      endpoints:
      - lb_endpoints:
        - endpoint:
            address:
              socket_address:
                address: 127.0.0.2
                port_value: 80
admin:
  address:
    socket_address:
      address: 127.0.0.1
      port_value: 8001
"""

NAME = "front.yaml"


@dataclass(frozen=True)
class Planted:
    """A text with something odd in it, and where."""

    text: str
    place: Place


def plant(old: str, new: str) -> Planted:
    """Replace *old* (its first occurrence) in the good configuration; ``«…»`` in *new* is where a caret belongs."""
    assert old in GOOD
    return marked(GOOD.replace(old, new, 1))


def with_route(match: str = "prefix: /x", action: str = "direct_response: {status: 200}") -> str:
    """Return the good configuration with one route (flow style): this one."""
    start, end = GOOD.index("              - match:"), GOOD.index("          http_filters:")
    return f"{GOOD[:start]}              - {{match: {{{match}}}, {action}}}\n{GOOD[end:]}"


def with_manager(fields: str) -> str:
    """Return the good configuration with more fields (flow style, one a line) in its connection manager."""
    line = "          stat_prefix: ingress_http\n"
    return GOOD.replace(line, line + "".join(f"          {field}\n" for field in fields.splitlines()), 1)


def with_cluster(fields: str) -> str:
    """Return the good configuration with one more cluster, `added`, that has *fields* (flow style)."""
    return GOOD.replace("admin:\n", f"  - {{name: added, {fields}}}\nadmin:\n", 1)


def marked(text: str) -> Planted:
    """Return *text* without the marks ``«…»`` of a caret, and the place that they mark."""
    before, _, rest = text.partition("«")
    inside, _, after = rest.partition("»")
    return Planted(before + inside + after, Place(NAME, before.count("\n") + 1, len(before) - before.rfind("\n"), len(inside)))


def load_good(*changes: tuple[str, str]) -> Loaded:
    """Load the good configuration with some of its text replaced; it must still be good."""
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    loaded = load(text, NAME)
    assert loaded.bootstrap is not None, loaded.problems
    return loaded
