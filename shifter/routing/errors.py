"""What this room raises: `RoutingError` while a configuration is compiled, `RequestRefused` while a request is looked at."""


class ShifterError(Exception):
    """Something about routes cannot be done."""


class RoutingError(ShifterError):
    """A part of a route table that cannot be compiled; the text says why, for a configuration report."""


class RequestRefused(ShifterError):
    """A request that is answered at once.

    ``status`` is what the client is told, ``detail`` one of Envoy's ``%RESPONSE_CODE_DETAILS%`` words or ours in its style.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
