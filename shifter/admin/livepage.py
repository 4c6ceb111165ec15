"""The live page ``/``, the pages of releases, and the files in ``live/`` that they are made of.

Rule 1. The files are served as they are; nothing is put into them. All figures come over ``/events`` and ``/v1/releases/NAME/events``, all
        else over other pages. So the page of a release is the same for each, whether there is such a one or not.
Rule 2. They are no secret, so they are had without a token; the page asks for one when what it asks for needs it.
Rule 3. The page may load from here only, be framed by nobody, and run no script and no style that stands in a document.
"""

from functools import cache, partial
from hashlib import sha256
from importlib.resources import files

from twisted.internet.defer import Deferred, succeed

from shifter.admin.page import HTML, Command, Page, Query
from shifter.admin.view import AdminView

POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'"
)
"""The ``content-security-policy`` of the page and its files."""

_HEADERS = (
    ("content-security-policy", POLICY),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
)
_TYPES = {
    "html": HTML,
    "css": "text/css; charset=UTF-8",
    "js": "text/javascript; charset=UTF-8",
    "svg": "image/svg+xml; charset=UTF-8",
}
_PAGES = {"/": "index.html", "/release": "releases.html", "/release/{name}": "release.html"}


@cache
def _files() -> dict[str, str]:
    folder = files("shifter.admin").joinpath("live")
    return {one.name: one.read_text("utf-8") for one in sorted(folder.iterdir(), key=lambda one: one.name) if _ending(one.name) in _TYPES}


def _ending(name: str) -> str:
    return name.rpartition(".")[2]


@cache
def version() -> str:
    """Return a name for what all files say: a page that was loaded from others knows by it that it is old."""
    return sha256("\0".join(f"{name}\0{text}" for name, text in _files().items()).encode()).hexdigest()[:12]


def _file(name: str, view: AdminView, query: Query) -> Deferred[Page]:
    return succeed(Page(_files()[name], _TYPES[_ending(name)], headers=_HEADERS))


COMMANDS = (
    Command("/", "Admin home page", partial(_file, _PAGES["/"]), open=True),
    Command("/release", "page of all releases", partial(_file, _PAGES["/release"]), open=True),
    Command("/release/{name}", "page of a release, while it goes on", partial(_file, _PAGES["/release/{name}"]), open=True),
    *(
        Command(f"/live/{name}", "part of the page at /", partial(_file, name), listed=False)
        for name in (
            *("live.css", "icon.svg", "main.js", "stream.js", "store.js", "dom.js", "format.js"),
            *(
                "chart.js",
                "overview.js",
                "picture.js",
                "cards.js",
                "clusters.js",
                "changes.js",
                "configuration.js",
                "tones.js",
                "weights.js",
                "session.js",
            ),
            *(
                "release.css",
                "release.js",
                "release-details.js",
                "release-evidence.js",
                "release-metrics.js",
                "release-plan.js",
                "release-steps.js",
                "release-verbs.js",
                "release-words.js",
                "releases.js",
            ),
        )
    ),
)
