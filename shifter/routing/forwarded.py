"""What the connection manager does to a request before it is routed (``HttpConnectionManager``, Envoy's ``mutateRequestHeaders``).

Rule 1. Conditions of routes see the fields as they are after this.
Rule 2. Nothing that a client sends in ``x-envoy-*`` control fields is believed, unless its address is internal: in one of the
        ranges of ``internal_address_config``, and the only one that ``x-forwarded-for`` tells. No address is internal unless
        it is configured to be, as in Envoy since 1.33.
Rule 3. The usual request carries none of the fields that matter here; its codec says so (`FORWARDING_FLAGS`), and all it
        costs is one concatenation. ``expect`` and hop-by-hop fields were taken out by the codec.
Rule 4. Whether a client came by TLS is the connection's to say, whatever ``:scheme`` it sends; a trusted ``x-forwarded-proto`` says it
        better.
Rule 5. Settings that few use (``via``, internal addresses, ...) are looked at once: ``prepare`` is another function then.
"""

from collections.abc import Callable
from ipaddress import ip_address, ip_network

from shifter.model.http_connection_manager import ForwardClientCert, HttpConnectionManager, Underscores
from shifter.routing.errors import RequestRefused
from shifter.routing.server_header import appended_via
from shifter.routing.strip_port import HostForm, compile_host_form
from shifter.wire.events import (
    EXPECT_CONTINUE,
    FORWARDING_FLAGS,
    HAS_REQUEST_ID,
    HAS_UNDERSCORE,
    HAS_X_ENVOY,
    HAS_XFF,
    HAS_XFP,
    TE_TRAILERS,
    UPGRADE,
    RequestHead,
    block_of,
    fields,
    first_value,
    values,
    without,
)

CONTROL_FIELDS = frozenset(
    b"x-envoy-expected-rq-timeout-ms x-envoy-force-trace x-envoy-hedge-on-per-try-timeout x-envoy-internal x-envoy-ip-tags "
    b"x-envoy-max-retries x-envoy-original-url x-envoy-retriable-header-names x-envoy-retriable-status-codes x-envoy-retry-grpc-on "
    b"x-envoy-retry-on x-envoy-upstream-alt-stat-name x-envoy-upstream-rq-per-try-timeout-ms x-envoy-upstream-rq-timeout-alt-response "
    b"x-envoy-upstream-rq-timeout-ms x-envoy-upstream-stream-duration-ms x-forwarded-client-cert".split()
)
"""Fields that only an internal client may send, and the certificate that somebody else has seen."""

EDGE_FIELDS = CONTROL_FIELDS | frozenset(
    b"x-envoy-decorator-operation x-envoy-downstream-service-cluster x-envoy-downstream-service-node x-envoy-external-address "
    b"x-envoy-original-host x-envoy-original-path".split()
)
"""Fields that nobody outside may send to an edge proxy (``use_remote_address``)."""

UNDERSCORE = "http1.unexpected_underscore"
"""``%RESPONSE_CODE_DETAILS%`` of a request that is refused for the name of a field."""

ALWAYS_DROPPED = frozenset((b"x-envoy-internal", b"x-forwarded-client-cert"))
"""Fields that do not go on even when an internal client sends them. What it asks for is taken out by its route
(`routing.caller_wishes`)."""

CLIENT_CERTIFICATE = b"x-forwarded-client-cert"
_REMEMBERED_PEERS = 4096
_SCHEMES = {b"http": b"http", b"https": b"https"}

Prepare = Callable[[RequestHead, bytes, Callable[[], bytes]], None]


EXPECTED_TIMEOUT = b"x-envoy-expected-rq-timeout-ms"


def expected_timeout(timeout: float) -> bytes:
    """Return what a route with *timeout* (seconds, 0 for none) appends to a request's block, after `Forwarding.prepare`
    and before its header edits: the time the upstream may count on."""
    return b"\r\nx-envoy-expected-rq-timeout-ms: %d" % round(timeout * 1000) if timeout > 0 else b""


def address_from_right(chain: bytes, place: int) -> bytes | None:
    """Return the address at *place* (0 is the last) of an ``x-forwarded-for`` value; ``None`` if there is no valid one."""
    parts = chain.split(b",")
    if place >= len(parts):
        return None
    try:
        return str(ip_address(parts[-1 - place].strip(b" \t").decode("ascii"))).encode()
    except ValueError:
        return None


def _chain(block: bytes, name: bytes) -> bytes:
    return b",".join(filter(None, values(block, name)))


def is_loopback(address: bytes) -> bool:
    """Say whether *address*, as text, is one of this machine's loopback addresses."""
    return address.startswith(b"127.") or address == b"::1"


def _with_host(form: HostForm, prepare: Prepare) -> Prepare:
    """Return *prepare*, before which the host is given its *form*."""

    def formed(head: RequestHead, peer: bytes, request_id: Callable[[], bytes]) -> None:
        if head.method != b"CONNECT":  # whose port says where the tunnel goes
            head.authority = form(head.authority)
        prepare(head, peer, request_id)

    return formed


def _over_tls(prepare: Prepare) -> Prepare:
    """Return *prepare* for requests that come by TLS: those of HTTP/1 do not say so themselves."""

    def secured(head: RequestHead, peer: bytes, request_id: Callable[[], bytes]) -> None:
        if head.version != 20:
            head.scheme = b"https"
        prepare(head, peer, request_id)

    return secured


def _overwriting(scheme: bytes, prepare: Prepare) -> Prepare:
    """Return *prepare*, after which the request has *scheme*, whatever anybody says (``scheme_to_overwrite``)."""

    def overwritten(head: RequestHead, peer: bytes, request_id: Callable[[], bytes]) -> None:
        prepare(head, peer, request_id)
        head.scheme = scheme
        head.block = without(head.block, b"x-forwarded-proto") + b"\r\nx-forwarded-proto: " + scheme

    return overwritten


def _kept_certificate(details: ForwardClientCert, secure: bool) -> frozenset[bytes]:
    """Return the field of a client's certificate where one that came along is not simply dropped (`client_certificate`)."""
    believed = details is ForwardClientCert.ALWAYS_FORWARD_ONLY
    if secure and details in (ForwardClientCert.FORWARD_ONLY, ForwardClientCert.APPEND_FORWARD):
        believed = True  # if the client has shown one itself
    return frozenset((CLIENT_CERTIFICATE,)) if believed else frozenset()


class Forwarding:
    """The settings of one connection manager, compiled.

    *local_address* is the machine's own address as text; it stands for clients on loopback in ``x-forwarded-for``, as
    in Envoy. Without it they are shown as they are. *local_port* is the listener's. *secure*: clients come by TLS.
    """

    __slots__ = (
        "_always_dropped",
        "_append_xff",
        "_by_peer",
        "_client_proto",
        "_common",
        "_dropped",
        "_edge",
        "_generate_id",
        "_internal",
        "_internal_only",
        "_keep_id",
        "_local_address",
        "_passes_expect",
        "_port_line",
        "_proto_line",
        "_trusted_hops",
        "_underscores",
        "_via",
        "prepare",
        "upgradable",
    )

    def __init__(self, manager: HttpConnectionManager, local_address: bytes = b"", local_port: int = 0, secure: bool = False) -> None:
        self._edge = manager.use_remote_address
        self._append_xff = manager.use_remote_address and not manager.skip_xff_append
        self._trusted_hops = manager.xff_num_trusted_hops
        self._client_proto = not self._edge or self._trusted_hops > 0
        self._generate_id = manager.generate_request_id
        self._keep_id = not self._edge or manager.preserve_external_request_id or not manager.generate_request_id
        self._underscores = manager.headers_with_underscores
        self._passes_expect = manager.proxy_100_continue
        self.upgradable = False  # upgrades pass, for their routes to decide
        kept = _kept_certificate(manager.forward_client_cert, secure)
        self._dropped = (EDGE_FIELDS if self._edge else CONTROL_FIELDS) - kept
        self._always_dropped = ALWAYS_DROPPED - kept
        self._local_address = local_address
        self._by_peer: dict[bytes, bytes] = {}
        ending = b"\r\nx-request-id: " if self._generate_id and not self._edge else b""
        self._proto_line = b"\r\nx-forwarded-proto: " + (b"https" if secure else b"http")
        self._common = self._proto_line + ending
        self._via = manager.via
        self._port_line = b"\r\nx-forwarded-port: %d" % local_port if manager.append_x_forwarded_port else b""
        self._internal = [ip_network(one, strict=False) for one in manager.internal_addresses or ()]
        self._internal_only = manager.route_config.internal_only_headers
        more = self._via or self._port_line or self._internal or self._internal_only
        prepare: Prepare = self._prepare_more if more else self._prepare
        if secure:
            prepare = _over_tls(prepare)
        if manager.scheme_to_overwrite:
            prepare = _overwriting(manager.scheme_to_overwrite, prepare)
        form = compile_host_form(manager.strip_port, local_port, manager.strip_trailing_host_dot)
        self.prepare: Prepare = prepare if form is None else _with_host(form, prepare)
        """Edit ``head.block`` (and ``head.scheme``, which a trusted ``x-forwarded-proto`` decides).

        The second argument is the client's address as text, the third makes a new ``x-request-id``. Raises `RequestRefused`: 400
        for a name with an underscore where the listener says so, 403 for an upgrade, which nothing here allows.
        """

    def remote(self, head: RequestHead) -> bytes | None:
        """Return the client's ``address:port`` as ``x-forwarded-for`` of a prepared *head* tells it (the port is 0 then, as in
        Envoy); ``None`` where the connection's own is the one."""
        if self._edge:
            if not self._trusted_hops:
                return None
            place = self._trusted_hops - 1 + self._append_xff
        elif head.flags & HAS_XFF:
            place = self._trusted_hops
        else:
            return None
        address = address_from_right(_chain(head.block, b"x-forwarded-for"), place)
        if address is None:
            return None
        return b"[%b]:0" % address if b":" in address else address + b":0"

    def _prepare(self, head: RequestHead, peer: bytes, request_id: Callable[[], bytes]) -> None:
        if head.flags & FORWARDING_FLAGS:
            self._clean(head, self._dropped)
        self._forward(head, peer, request_id)

    def _prepare_more(self, head: RequestHead, peer: bytes, request_id: Callable[[], bytes]) -> None:
        internal = bool(self._internal) and self._is_internal(head, peer)
        if head.flags & FORWARDING_FLAGS:
            self._clean(head, self._always_dropped if internal else self._dropped)
        if not internal:
            for name in self._internal_only:
                head.block = without(head.block, name)
        if internal and self._edge:
            self._prepare_edge(head, peer, request_id, True)
        else:
            self._forward(head, peer, request_id)
        if internal:
            head.block += b"\r\nx-envoy-internal: true"
        if self._port_line:
            self._tell_port(head)
        if self._via:
            head.block = appended_via(head.block, self._via)

    def _is_internal(self, head: RequestHead, peer: bytes) -> bool:
        """Whether one address, an internal one, is all that is known of where *head* comes from."""
        address: bytes | None = peer
        if self._edge:
            if head.flags & HAS_XFF:
                return False
        else:
            chain = _chain(head.block, b"x-forwarded-for") if head.flags & HAS_XFF else b""
            if not chain or self._trusted_hops or b"," in chain:
                return False
            address = address_from_right(chain, 0)
        if address is None:
            return False
        known = ip_address(address.decode("ascii"))
        return any(known in network for network in self._internal)

    def _tell_port(self, head: RequestHead) -> None:
        """``append_x_forwarded_port``: what a trusted client says of it is believed, as with ``x-forwarded-proto``."""
        if head.block.rfind(b"\r\nx-forwarded-port: ") >= 0:
            if self._client_proto:
                return
            head.block = without(head.block, b"x-forwarded-port")
        head.block += self._port_line

    def _forward(self, head: RequestHead, peer: bytes, request_id: Callable[[], bytes]) -> None:
        if self._edge:
            self._prepare_edge(head, peer, request_id)
        elif not head.flags & (HAS_XFP | HAS_REQUEST_ID):
            if self._generate_id:
                head.block += self._common + request_id()
            else:
                head.block += self._common
        else:
            added = b"" if head.flags & HAS_XFP and self._take_proto(head) else self._proto_line
            if self._generate_id and not (head.flags & HAS_REQUEST_ID and self._has_id(head)):
                added += b"\r\nx-request-id: " + request_id()
            head.block += added

    def _prepare_edge(self, head: RequestHead, peer: bytes, request_id: Callable[[], bytes], internal: bool = False) -> None:
        flags = head.flags
        if not flags & (HAS_XFF | HAS_XFP | HAS_REQUEST_ID) and not internal:
            # nothing came along: all but the id depends on the client's address only
            known = self._by_peer.get(peer)
            if known is None:
                known = self._remember(peer)
            head.block += known + request_id() if self._generate_id else known
            return
        added = b""
        external = peer
        if flags & HAS_XFF or self._append_xff:
            chain = _chain(head.block, b"x-forwarded-for") if flags & HAS_XFF else b""
            if self._trusted_hops:
                external = address_from_right(chain, self._trusted_hops - 1) or peer
            if self._append_xff:
                shown = self._local_address or peer if is_loopback(peer) else peer
                if flags & HAS_XFF:
                    head.block = without(head.block, b"x-forwarded-for")
                added = b"\r\nx-forwarded-for: " + (chain + b"," + shown if chain else shown)
        if not (flags & HAS_XFP and self._take_proto(head)):
            added += self._common
        if not internal:
            added += b"\r\nx-envoy-external-address: " + external
        if not (flags & HAS_REQUEST_ID and self._has_id(head, internal)) and self._generate_id:
            added += b"\r\nx-request-id: " + request_id()
        head.block += added

    def _remember(self, peer: bytes) -> bytes:
        """Return what is added for a client at *peer* that sends none of these fields itself, but for the id."""
        shown = self._local_address or peer if is_loopback(peer) else peer
        known = b"\r\nx-forwarded-for: " + shown if self._append_xff else b""
        known += self._common + b"\r\nx-envoy-external-address: " + peer
        if self._generate_id:
            known += b"\r\nx-request-id: "
        if len(self._by_peer) >= _REMEMBERED_PEERS:
            self._by_peer.clear()
        self._by_peer[peer] = known
        return known

    def _clean(self, head: RequestHead, dropped: frozenset[bytes]) -> None:
        flags = head.flags
        if flags & UPGRADE and not self.upgradable:
            raise RequestRefused(403, "upgrade_failed")
        if flags & HAS_UNDERSCORE and self._underscores is not Underscores.ALLOW:
            if self._underscores is Underscores.REJECT_REQUEST:
                raise RequestRefused(400, UNDERSCORE)
            head.block = block_of((name, value) for name, value in fields(head.block) if b"_" not in name)
        if flags & HAS_X_ENVOY:
            head.block = block_of((name, value) for name, value in fields(head.block) if name not in dropped)
        if flags & TE_TRAILERS:
            head.block += b"\r\nte: trailers"
        if flags & EXPECT_CONTINUE and self._passes_expect and head.version != 10:
            head.flags &= ~EXPECT_CONTINUE  # the endpoint says whether to go on
            head.block += b"\r\nexpect: 100-continue"

    def _take_proto(self, head: RequestHead) -> bool:
        """Believe ``x-forwarded-proto`` where it is to be believed, else take it out; say whether it stays."""
        proto = _chain(head.block, b"x-forwarded-proto")
        if proto and self._client_proto:
            head.scheme = _SCHEMES.get(proto.lower(), head.scheme)
            return True
        head.block = without(head.block, b"x-forwarded-proto")
        return False

    def _has_id(self, head: RequestHead, keep: bool = False) -> bool:
        if (keep or self._keep_id) and first_value(head.block, b"x-request-id"):
            return True
        head.block = without(head.block, b"x-request-id")
        return False
