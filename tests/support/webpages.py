"""A resource of twisted.web that routes of tests are served by."""

from typing import Any, ClassVar

from twisted.web.pages import notFound
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request


class Pages(Resource):
    """What the tests ask for. ``waiting`` are the requests that nobody has answered yet."""

    waiting: ClassVar[list[Any]] = []

    def getChild(self, path: bytes, request: Any) -> Any:
        return {
            b"echo": Echo(),
            b"form": Form(),
            b"status": Status(),
            b"wait": Wait(),
            b"broken": Broken(),
            b"long": Long(),
            b"short": Short(),
        }.get(path, notFound())


class Echo(Resource):
    isLeaf = True

    def render(self, request: Any) -> bytes:
        request.setHeader(b"x-seen", request.getHeader(b"x-asked") or b"nothing")
        request.setHeader(b"connection", b"close")
        body = request.content.read()
        return b"%b %b %b" % (request.method, request.uri, body)


class Wait(Resource):
    isLeaf = True

    def render(self, request: Request) -> int:
        Pages.waiting.append(request)
        return NOT_DONE_YET


class Broken(Resource):
    isLeaf = True

    def render(self, request: Request) -> bytes:
        raise RuntimeError("out of paper")


class Form(Resource):
    isLeaf = True

    def render(self, request: Any) -> bytes:
        return repr(request.args).encode()


class Status(Resource):
    isLeaf = True

    def render(self, request: Any) -> bytes:
        request.setResponseCode(int(request.args[b"code"][0]))
        return b"as you wish"


class Long(Resource):
    isLeaf = True

    def render(self, request: Any) -> int:
        request.setHeader(b"content-length", b"3")
        request.write(b"abcHTTP/1.1 200 OK")
        request.finish()
        return NOT_DONE_YET


class Short(Long):
    def render(self, request: Any) -> int:
        request.setHeader(b"content-length", b"3")
        request.write(b"ab")
        request.finish()
        return NOT_DONE_YET


pages = Pages()
