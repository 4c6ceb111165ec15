"""The pages of releases as a browser shows them: in all states from a stand-in, and of a real release that a person leads."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from shifter.cli.release_watch import command as watch
from tests.live.test_page import CONTRAST, DUPLICATES, HEADINGS, NAMELESS, traffic
from tests.support.backend import Backend
from tests.support.chromium import CHROMIUM, Browser, Tab
from tests.support.fake_releases import FakeReleases, fake_releases
from tests.support.proxy import Proxy, bootstrap, cluster, listener, route
from tests.support.release_scenes import KINDS, differing, forgotten, hostile, release, story

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")

NAME = "checkout-2026-11"


DOCUMENT = """
name: from-the-page
route: {virtual_host: all, prefix: /}
baseline: old
canary: new
each_step: {min: 1s, max: 2s, undecided: advance}
steps:
- weight: 20
- weight: 50
  gate: {manual: true, name: second-look}
- {weight: 100, hold_back: 10, for: 600s}
"""


def words(id_: str) -> str:
    return f"document.getElementById({id_!r}).textContent"


def for_everybody(tab: Tab) -> None:
    """Everything has a name, headings skip no level, and nothing is too wide or too faint."""
    assert tab.ask(NAMELESS) == []
    assert tab.ask(DUPLICATES) == []
    levels = tab.ask(HEADINGS)
    assert levels[0] == 1
    assert all(two <= one + 1 for one, two in pairwise(levels))
    for width in (1440, 360):
        tab.size(width)
        assert tab.ask("document.documentElement.scrollWidth") <= width
        for scheme in ("light", "dark"):
            tab.media(prefers_color_scheme=scheme)
            assert tab.ask(CONTRAST) == []
    tab.size(1440)
    tab.media(prefers_color_scheme="light")


def all_states(fake: FakeReleases, tab: Tab) -> None:
    for kind in KINDS:
        told = differing(release(kind))
        fake.show(told)
        tab.until(f"{words('state')} === {kind!r}")
        shown = told["reason"] if kind in ("braked", "rolling back", "rolled back", "succeeded", "aborted") else told["verdict"]
        assert tab.ask(words("verdict")) == shown.replace("->", "→")
        verbs = [verb for verb in told["verbs"] if verb not in ("approve", "reject")]
        assert sorted(tab.ask("[...document.querySelectorAll('#verbs button')].map(one => one.dataset.verb)")) == sorted(verbs)
        assert tab.ask("document.getElementById('gate').hidden") == (kind != "gated")
        if kind in ("gated", "rolled back"):
            for_everybody(tab)
    assert tab.ask("document.querySelectorAll('#steps > li').length") == 5
    assert tab.ask("document.querySelectorAll('#metrics .metric').length") == 4


def figures(fake: FakeReleases, tab: Tab) -> None:
    fake.show(differing(release("observing")))
    tab.until(f"{words('state')} === 'observing'")
    tile = "document.querySelector('[data-metric=errors]')"
    assert tab.ask(f"[...{tile}.querySelectorAll('.now strong')].map(one => one.textContent)") == ["0.67 %", "0.64 %"]
    assert tab.ask(f"{tile}.querySelector('.difference strong').textContent") == "−0.03 points"
    assert tab.ask(f"{tile}.querySelector('.difference').dataset.state") == "good"
    assert tab.ask(f"{tile}.querySelectorAll('.chart .line').length") == 2
    assert "between −0.21 points and +0.19 points" in tab.ask(f"{tile}.querySelector('.difference svg').getAttribute('aria-label')")
    gauges = "[...document.querySelectorAll('#gauges [role=meter]')].map(one => one.getAttribute('aria-valuetext'))"
    assert tab.ask(gauges) == ["1.6; 100 is enough", "2.4; 100 is enough", "0.8; 100 is enough", "2.0; 100 is enough"]
    assert "52 differ" in tab.ask(words("differences-words"))
    assert tab.ask("document.querySelectorAll('#changes li').length") == 4


def harm(fake: FakeReleases, tab: Tab) -> None:
    fake.show(hostile(release("observing")))
    tab.until(f"{words('verdict')}.includes('onerror')")
    assert tab.ask("document.querySelectorAll('main img').length") == 0


def changes(fake: FakeReleases, tab: Tab) -> None:
    """Nothing is done before it is confirmed; a refusal is shown, and the token asked for."""
    fake.show(release("gated"))
    tab.until("!document.getElementById('gate').hidden")
    tab.ask("document.querySelector('#verbs [data-verb=promote]').click()")
    assert tab.ask("[...document.querySelectorAll('dialog option')].map(one => one.value)") == ["", "100", "full"]
    assert tab.ask(NAMELESS) == []
    tab.press("Escape", 27)
    tab.until("!document.getElementById('confirm').open")
    assert fake.asked == []
    fake.refusal = {"status": 409, "title": "does not fit", "detail": "the gate is open already", "state": "gated", "verbs": []}
    tab.ask("document.querySelector('#gate [data-verb=approve]').click()")
    tab.ask("document.querySelector('dialog [name=by]').value = 'ann'; document.querySelector('dialog [name=why]').value = 'looks good'")
    tab.press("Enter", 13, "\r")
    tab.until("document.querySelector('dialog .said').textContent === 'the gate is open already'")
    assert fake.heard(1)[:2] == (f"/v1/releases/{NAME}/gates/second-look/approve", {"by": "ann", "why": "looks good"})
    fake.refusal = None
    fake.token = "secret"
    tab.ask("document.querySelector('dialog [type=submit]').click()")
    tab.until("document.querySelector('dialog .said').textContent.includes('token') && !document.getElementById('token-form').hidden")
    tab.ask("document.getElementById('confirm').close(); document.getElementById('token').value = 'secret'")
    tab.ask("document.getElementById('token-form').requestSubmit()")
    fake.hang_up()
    tab.until("document.getElementById('link').dataset.state === 'live' && document.getElementById('token-form').hidden")
    tab.ask("document.querySelector('#gate [data-verb=reject]').click()")
    assert tab.ask("document.activeElement.textContent") == "Cancel"
    tab.ask("document.querySelector('dialog [type=submit]').click()")
    tab.until("!document.getElementById('confirm').open")
    assert fake.heard(2)[0] == f"/v1/releases/{NAME}/gates/second-look/reject"


def the_end(fake: FakeReleases, tab: Tab) -> None:
    """A stream that ends is come back to; what is long gone is told of by its story."""
    points = "document.querySelector('[data-metric=p99] .line').getAttribute('d').length"
    before = tab.ask(points)
    fake.hang_up()
    tab.until("document.getElementById('link').dataset.state === 'again'")
    tab.until("document.getElementById('link').dataset.state === 'live'")
    assert tab.ask(points) >= before * 0.9
    fake.show(forgotten(release("rolled back")))
    tab.until("document.getElementById('metrics').closest('section').hidden")
    assert tab.ask("document.querySelectorAll('#changes li').length") == 4


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


def test_the_pages_in_all_states(browser: Browser) -> None:
    with fake_releases() as fake:
        tab = browser.open(f"http://{fake.address}/release/{NAME}")
        tab.until("document.getElementById('missing') && !document.getElementById('missing').hidden")
        told = release("observing")
        fake.show(told, *story(told))
        tab.until("document.body.dataset.ready")
        tab.complaints.clear()  # there was no such release
        all_states(fake, tab)
        figures(fake, tab)
        harm(fake, tab)
        assert tab.complaints == []
        changes(fake, tab)
        the_end(fake, tab)
        fake.token = ""
        tab = browser.open(f"http://{fake.address}/release")
        tab.until("document.querySelector('#releases li')")
        assert tab.ask("document.querySelector('#releases a').getAttribute('href')") == f"/release/{NAME}"
        tab.until(f"{words('none')}.includes('shifter release start')")
        for_everybody(tab)


def start(tab: Tab) -> None:
    """Begin a release from its page: a mistake is shown, then the plan, then it is begun."""
    tab.until("document.body?.dataset.ready")
    tab.until("!document.getElementById('none').hidden && document.getElementById('document').value.includes('canary')")
    tab.ask(f"document.getElementById('document').value = {DOCUMENT.replace('canary: new', 'canary: knew')!r}")
    tab.ask("document.getElementById('start').requestSubmit()")
    tab.until("document.querySelector('#plan.bad pre')?.textContent.includes('knew')")
    assert tab.ask("document.getElementById('begin').hidden")
    tab.ask(f"document.getElementById('document').value = {DOCUMENT!r}; document.getElementById('by').value = 'ann'")
    tab.ask("document.getElementById('start').requestSubmit()")
    tab.until("!document.getElementById('begin').hidden")
    assert tab.ask("[...document.querySelectorAll('#plan tbody th')].map(one => one.textContent)") == ["20 %", "50 %", "100 %"]
    tab.complaints.clear()  # of the mistake
    tab.ask("document.getElementById('begin').click()")


def confirmed(tab: Tab, button: str, why: str) -> None:
    """Click *button*, and once more when that is asked for."""
    tab.ask(f"document.querySelector({button!r}).click()")
    tab.ask(f"document.querySelector('dialog [name=why]').value = {why!r}; document.querySelector('dialog [type=submit]').click()")
    tab.until("!document.getElementById('confirm').open")


def test_a_release_that_a_person_leads(tmp_path: Path, browser: Browser) -> None:
    with Backend("one") as one, Backend("two") as two, Proxy(tmp_path) as proxy:
        clusters = [cluster("old", one.port), cluster("new", two.port)]
        proxy.start(bootstrap(proxy.admin, [listener(proxy.port, [route("/", "old")])], clusters))
        with traffic(proxy.port):
            tab = browser.open(f"http://127.0.0.1:{proxy.admin}/release")
            start(tab)

            # the weight moves by itself, until the gate
            tile = "[...document.querySelectorAll('#figures dt')].find(one => one.textContent === 'New version gets')"
            gets = f"{tile}?.nextSibling.firstChild.textContent"
            tab.until(f"location.pathname === '/release/from-the-page' && {gets} === '20 %'")
            tab.until(f"{gets} === '50 %'")
            tab.until("document.getElementById('gate') && !document.getElementById('gate').hidden")
            assert words_of(tab, "state") == "gated"
            tab.until("Number(document.querySelector('#exposure tr:last-child td').textContent) > 10")
            tab.until("document.querySelectorAll('[data-metric=p50] .line').length === 2")

            other = browser.open(f"http://127.0.0.1:{proxy.admin}/")
            other.until("document.querySelector('#releases-list a')?.getAttribute('href') === '/release/from-the-page'")

            tab.call("Page.bringToFront")  # what nobody can see is not drawn

            confirmed(tab, "#gate [data-verb=approve]", "looks good")
            tab.until(f"{gets} === '90 %'")
            tab.until("document.getElementById('changes').textContent.includes('looks good')")
            assert tab.ask("document.getElementById('gate').hidden")

            confirmed(tab, "#verbs [data-verb=abort]", "enough")
            tab.until(f"document.getElementById('state').textContent === 'aborted' && {gets} === '0 %'")
            tab.until("document.getElementById('changes').textContent.includes('by ann · “enough”')")
            for_everybody(tab)
            other.call("Page.bringToFront")
            other.until("document.getElementById('releases').hidden")
            assert tab.complaints == other.complaints == []
        result = CliRunner().invoke(watch, ["--admin", f"127.0.0.1:{proxy.admin}", "from-the-page"])
        assert (result.exit_code, "aborted by ann (enough)" in result.stdout) == (2, True)


def words_of(tab: Tab, id_: str) -> object:
    return tab.ask(words(id_))
