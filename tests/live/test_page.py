"""The live page as a browser shows it: two versions with traffic, a change, a refused one, a restart; narrow and wide, light and dark."""

import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.backend import Backend
from tests.support.chromium import CHROMIUM, Browser, Tab
from tests.support.proxy import Config, Proxy, bootstrap, cluster, listener, route, split
from tests.support.wireclient import Wire

CARD = "document.querySelector('#cards .card')"

# Everything that can be worked with has a name, as browsers work names out; and headings do not skip a level.
NAMELESS = """[...document.querySelectorAll('button, input, select, textarea, a[href], summary, [role=region], [role=img], fieldset')]
  .filter(one => one.checkVisibility() && !(one.getAttribute('aria-label') ?? one.labels?.[0]?.textContent ?? (one.matches('fieldset')
    ? one.querySelector('legend')?.textContent : one.textContent)).trim()).map(one => one.outerHTML)"""
HEADINGS = "[...document.querySelectorAll('h1, h2, h3')].filter(one => one.checkVisibility()).map(one => Number(one.tagName[1]))"
DUPLICATES = "[...document.querySelectorAll('[id]')].map(one => one.id).filter((id, at, all) => all.indexOf(id) !== at)"

# The contrast of all text with what is behind it, as WCAG 2.2 defines it: 4.5 for AA.
CONTRAST = """(() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => {
    const [r, g, b] = colour.map(one => (one /= 255) <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = one => {
    for (; one; one = one.parentElement) {
      const colour = numbers(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return matchMedia('(prefers-color-scheme: dark)').matches ? [0, 0, 0] : [255, 255, 255];
  };
  const weak = [];
  for (const one of document.querySelectorAll('body *')) {
    const own = [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || !one.checkVisibility({ visibilityProperty: true }) || one.closest('svg, .unseen')) continue;
    const [a, b] = [light(numbers(getComputedStyle(one).color)), light(behind(one))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) weak.push(`${one.className} ${one.textContent.slice(0, 30)}`);
  }
  return weak;
})()"""


def config(proxy: Proxy, one: int, two: int, first: int, second: int) -> Config:
    routes = [split("/name", service1a=first, service1=second), route("/", "service1")]
    return bootstrap(proxy.admin, [listener(proxy.port, routes)], [cluster("service1", one), cluster("service1a", two), cluster("gone", 1)])


@contextmanager
def traffic(port: int) -> Iterator[None]:
    """Some hundred requests a second, of which a few cannot be answered while the proxy is away."""
    over = threading.Event()

    def ask() -> None:
        wire: Wire | None = None
        while not over.wait(random.uniform(0.005, 0.03)):
            try:
                wire = wire or Wire(port)
                wire.ask("GET", "/name/1")
            except OSError:
                if wire is not None:
                    wire.close()
                wire = None
        if wire is not None:
            wire.close()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def cells(version: str) -> str:
    """A script for the figures of *version* in its card, by their titles."""
    row = f"[...{CARD}.querySelectorAll('.versions tbody tr')].find(row => row.firstChild.textContent === {version!r})"
    return f"Object.fromEntries([...({row})?.querySelectorAll('td') ?? []].map(cell => [cell.dataset.label, cell.textContent]))"


def shows_both(tab: Tab) -> None:
    for version in ("service1", "service1a"):
        tab.until(f"Number(({cells(version)})['Requests/s']) > 0")
        told = tab.ask(cells(version))
        assert told["Errors"] == "0 %"
        assert told["Healthy"] == "1 of 1"
        assert all(told[name].endswith("ms") for name in ("p50", "p90", "p99"))


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")
def test_the_live_page(tmp_path: Path) -> None:
    with Backend("one") as one, Backend("two") as two, Proxy(tmp_path / "shifter") as proxy, Browser(tmp_path / "browser") as browser:

        def weights(first: int, second: int) -> Config:
            return config(proxy, one.port, two.port, first, second)

        proxy.start(weights(25, 75))
        with traffic(proxy.port):
            tab = browser.open(f"http://127.0.0.1:{proxy.admin}/")
            tab.until("document.body?.dataset.ready")
            shows_both(tab)
            assert tab.ask(f"({cells('service1a')}).Weight") == "25 (25 %)"

            # it moves
            line = f"{CARD}.querySelector('.chart .line').getAttribute('d')"
            before = tab.ask(f"[{line}, ({cells('service1')})['Requests/s']]")
            tab.until(f"{line} !== {json.dumps(before[0])} && ({cells('service1')})['Requests/s'] !== {json.dumps(before[1])}")

            # the picture, and the endpoints of a cluster by keyboard
            assert tab.ask("[...document.querySelectorAll('.node.endpoint code')].map(one => one.textContent)") == [
                f"127.0.0.1:{two.port}",
                f"127.0.0.1:{one.port}",
            ]
            assert tab.ask("document.querySelectorAll('.lines .flow').length") == 7
            tab.ask("document.querySelector('.toggle').focus()")
            tab.press("Enter", 13, "\r")
            tab.until(f"document.querySelector('.endpoints li')?.textContent.includes('127.0.0.1:{one.port}')")

            # a change, and one that is refused
            proxy.reload(weights(50, 50))
            tab.until(f"({cells('service1a')}).Weight === '50 (50 %)'")
            tab.until("document.querySelector('#changes .kind.config')")
            tab.until(f"{CARD}.querySelectorAll('.chart .mark.config').length === 5")
            proxy.refuse("static_resources: {clusters: [{name: x, wieght: 1}]}\n")
            tab.until("!document.getElementById('problems').hidden")
            assert "unknown field" in tab.ask("document.getElementById('problems').textContent")

            # other weights, set from the page
            tab.ask(f"{CARD}.querySelector('.controls > button').click()")
            tab.ask(f"{CARD}.querySelector('input[name=service1a]').value = '1'; {CARD}.querySelector('input[name=why]').value = 'a test'")
            tab.ask(f"{CARD}.querySelector('form').requestSubmit()")
            tab.until(f"{CARD}.querySelector('.said').textContent.includes('service1a 50 % → 1.9')")
            assert tab.ask(NAMELESS) == []
            assert tab.ask(f"({cells('service1a')}).Weight") == "50 (50 %)"
            tab.ask("document.activeElement.click()")
            tab.until(f"({cells('service1a')}).Weight.startsWith('1 ')")
            tab.until("document.getElementById('changes').textContent.includes('“a test”')")

            # the configuration
            tab.ask("document.querySelector('#configuration details').open = true")
            tab.until("document.querySelector('#configuration pre').textContent.includes('service1a')")

            # the filter
            tab.ask("document.getElementById('filter').value = 'gon'; document.getElementById('filter').dispatchEvent(new Event('input'))")
            tab.until("document.getElementById('clusters-count').textContent === '1'")
            assert tab.ask("document.querySelectorAll('#cards .card').length") == 0
            tab.ask("document.getElementById('filter').value = ''; document.getElementById('filter').dispatchEvent(new Event('input'))")
            tab.until(CARD)

            # for everybody
            assert tab.ask(NAMELESS) == []
            assert tab.ask(DUPLICATES) == []
            levels = tab.ask(HEADINGS)
            assert levels[0] == 1
            assert all(two <= one + 1 for one, two in pairwise(levels))
            for width in (1440, 760, 360):
                tab.size(width)
                assert tab.ask("document.documentElement.scrollWidth") <= width
                assert tab.ask(f"[...{CARD}.querySelectorAll('.chart .line')].every(one => one.checkVisibility())")
                for scheme in ("light", "dark"):
                    tab.media(prefers_color_scheme=scheme)
                    assert tab.ask(CONTRAST) == []
            tab.size(1440)
            assert tab.complaints == []

            # a restart: the same page goes on, and keeps what it had
            points = tab.ask(f"{line}.split('L').length")
            proxy.stop()
            tab.until("document.getElementById('link').dataset.state === 'again'")
            assert tab.ask("document.getElementById('link-words').textContent") == "reconnecting"
            proxy.start(weights(10, 90))
            tab.until("document.getElementById('link').dataset.state === 'live'")
            tab.until(f"({cells('service1a')}).Weight === '10 (10 %)'")
            tab.until("document.querySelector('#changes .kind.restart')")
            shows_both(tab)
            assert tab.ask(f"{line}.split(/[ML]/).length") > points
            assert [one for one in tab.complaints if "ERR_" not in one] == []  # no connection, while there was nobody
