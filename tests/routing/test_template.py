"""URI templates: as Envoy reads them, and equal to taking them apart by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.routing.errors import RoutingError
from shifter.routing.template import compile_template, compile_template_rewrite

PATHS = (
    "/ /a /ab /abc /a* /a** /*** /a*b /a/ /a/b /abc/d /ax/y /x /xay /xy /x/y /a-b /a.b /a/x /x/a /a/x/y /x/z/y /ab/c "
    "/a/b/c/d /axb /axb/y /ab/d /a/c/d/e /a=* /a=b /~!$&'()+,;:@ /a/b/c /xa/b /a/cb /** /* /*x /*x/ /ax* /axx /yx /x*y "
    "/a//b /xb/cy /xb/cy/z /x/ /xa/ /a./b /x1/2y/3 /xy/ /aab /a/ab/c /xab/c/"
)
"""What Envoy 1.40 was asked about each of the templates."""

FITTING = {
    "/a{b}": "/ab /abc /a* /a** /a*b /a-b /a.b /axb /a=* /a=b /ax* /axx /aab",
    "/{a}x/y": "/ax/y",
    "/*x": "/*x /axx /yx",
    "/a{b}c/{d}": "/abc/d",
    "/x{a=**}y": "/xay /xy /x/y /x/z/y /x*y /xb/cy",
    "/*/": "/a/ /*x/ /x/ /xa/ /xy/",
    "/**/": "/a/ /*x/ /x/ /xa/ /xy/ /xab/c/",
    "/{a=x/*/y}": "/x/z/y",
    "/{a=*/x}": "/a/x",
    "/%zz": "",
    "/a{b=c}": "",
    "/a/{b=c/d}/e": "/a/c/d/e",
    "/{a=**}b/{c=d}": "/ab/d",
    "/{a=**}/{b=c}": "/ab/c /a/b/c /a/ab/c",
    "/a/**": "/a/ /a/b /a/x /a/x/y /a/b/c/d /a/c/d/e /a/b/c /a/cb /a//b /a/ab/c",
    "/{a=x/**}": "/x/y /x/a /x/z/y /x/",
    "/ab{c=**}": "/ab /abc /abc/d /ab/c /ab/d",
    "/~!$&'()+,;:@": "/~!$&'()+,;:@",
    "/{a_}": "/a /ab /abc /a* /a** /*** /a*b /x /xay /xy /a-b /a.b /axb /a=* /a=b /~!$&'()+,;:@ /** /* /*x /ax* /axx /yx /x*y /aab",
    "/{a=*}": "/a /ab /abc /a* /a** /*** /a*b /x /xay /xy /a-b /a.b /axb /a=* /a=b /~!$&'()+,;:@ /** /* /*x /ax* /axx /yx /x*y /aab",
    "/**x": "/x /a/x /*x /axx /yx",
    "/{a=**}x/y": "/ax/y /x/y /a/x/y",
    "/x{a=*}/": "/xa/ /xy/",
    "/{a}./b": "/a./b",
    "/x{a}/{b}y/{c}": "/xb/cy/z /x1/2y/3",
    "/{a=x}y/": "/xy/",
}
"""Those that fitted."""


@pytest.mark.parametrize("template", FITTING)
def test_templates_fit_what_they_fit_in_envoy(template: str) -> None:
    compiled = compile_template(template.encode())
    assert " ".join(path for path in PATHS.split() if compiled.fits(path.encode())) == FITTING[template]


@pytest.mark.parametrize(
    ("template", "path", "found"),
    [
        ("/t/{a}/b/{c}", "/t/1/b/2", {"a": "1", "c": "2"}),
        ("/t/{a}/b/{c}", "/t/1/b", None),
        ("/w/{a=x/*}/y", "/w/x/1/y", {"a": "x/1"}),
        ("/w/{a=x/*}/y", "/w/x/1/2/y", None),
        ("/s/{a=**}.html", "/s/.html", {"a": ""}),
        ("/s/{a=**}.html", "/s/b/c.html.html", {"a": "b/c.html"}),
        ("/api/v{version}/users/{id}.json", "/api/v12/users/7.json", {"version": "12", "id": "7"}),
        ("/api/v{version}/users/{id}.json", "/api/v12/users/7.xml", None),
        ("/x{a}", "/x", None),
        ("/x{a}x", "/xxxx", {"a": "xx"}),
        ("/{a=*}", "/%20*=", {"a": "%20*="}),
        ("/{a}", '/"', None),
        ("/plain", "/plain", {}),
        ("/a.b+c", "/axb+c", None),
    ],
)
def test_variables_remember_what_they_stand_for(template: str, path: str, found: dict[str, str] | None) -> None:
    expected = None if found is None else {name: value.encode() for name, value in found.items()}
    assert compile_template(template.encode()).match(path.encode()) == expected


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("", "begin with /"), ("a", "begin with /"), ("/{a}/{a}", "twice"), ("/{a=}", "no pattern"), ("/{a", "without its }"),
        ("/a}", "character"), ("/{1a}", "name"), ("/{}", "name"), ("/{a-b}", "name"),
        ("/{" + "a" * 17 + "}", "name"), ("/{a}{b}", "character"),
        ("/**/*", "wildcard behind"), ("/**/{a}", "wildcard behind"), ("/{a=**}/{b}", "wildcard behind"), ("/{a=**/*}", "wildcard behind"),
        ("/x{a=**}/{b}", "wildcard behind"), ("/a//b", "empty segment"), ("//", "empty segment"), ("/{a=x/}", "empty segment"),
        ("/{a=/x}", "empty segment"), ("/a b", "character"), ("/a?b", "character"), ("/a#b", "character"), ("/[a]", "character"),
        ("/\u00e9", "character"), ("/{a}/{b}/{c}/{d}/{e}/{f}", "more than 5"), ("/*{a}", "character"), ("/x{a=b/c}y", "without its }"),
        ("/x{a/b", "without its }"), ("/*x/y", "not at its end"), ("/x{a}}", "character"), ("/a*", "within"), ("/{a=x*}", "within"),
        ("/{a}*", "within"), ("/***", "within"), ("/-{a}.{b}", "character"),
    ],
)  # fmt: skip
def test_templates_that_say_nothing_sensible_are_refused(template: str, why: str) -> None:
    with pytest.raises(RoutingError, match=why):
        compile_template(template.encode())


@pytest.mark.parametrize(
    ("template", "rewrite", "path", "rewritten"),
    [
        ("/users/{id}/{rest=**}", "/v2/{rest}/of/{id}", "/users/7/a/b", "/v2/a/b/of/7"),
        ("/users/{id}", "/{id}{id}.html", "/users/7", "/77.html"),
        ("/users/{id}", "/*", "/users/7", "/*"),
        ("/users/{id}", "/fixed", "/users/7", "/fixed"),
        ("/users/{id}", "/fixed", "/other", "/other"),
    ],
)
def test_rewrites(template: str, rewrite: str, path: str, rewritten: str) -> None:
    assert compile_template_rewrite(template.encode(), rewrite.encode())(path.encode()) == rewritten.encode()


@pytest.mark.parametrize(
    ("rewrite", "why"),
    [
        ("", "begin with /"), ("{id}", "begin with /"), ("/a//b", "empty segment"), ("/{id", "without its }"), ("/{other}", "no variable"),
        ("/{}", "no variable"), ("/a b", "character"), ("/a?b", "character"), ("/}", "character"),
    ],
)  # fmt: skip
def test_rewrites_that_cannot_be_made_are_refused(rewrite: str, why: str) -> None:
    with pytest.raises(RoutingError, match=why):
        compile_template_rewrite(b"/users/{id}", rewrite.encode())


def by_hand(items: list[str], path: str) -> bool:
    """Say whether *path* is what *items* stand for, one after the other."""
    if not items:
        return not path
    first, rest = items[0], items[1:]
    if first == "*":
        return any(by_hand(rest, path[end:]) for end in range(1, len(path) + 1) if "/" not in path[:end])
    if first == "**":
        return any(by_hand(rest, path[end:]) for end in range(len(path) + 1))
    return path.startswith(first) and by_hand(rest, path[len(first) :])


SEGMENTS = st.sampled_from(["a", "ab", "*", "{v}", "a{v}", "{v}b", "a{v}b"])


@given(st.lists(SEGMENTS, min_size=1, max_size=4), st.booleans(), st.text("/ab*", max_size=8))
def test_a_template_equals_its_parts(segments: list[str], open_ended: bool, path: str) -> None:
    named = [segment.replace("{v}", f"{{v{number}}}") for number, segment in enumerate(segments)]
    template = "/" + "/".join(named) + ("/**" if open_ended else "")
    items: list[str] = []
    for segment in segments:
        before, variable, after = segment.partition("{v}")
        items += ["/", *(["*"] if segment == "*" else [before, *(["*"] if variable else []), after])]
    assert compile_template(template.encode()).fits(b"/" + path.encode()) is by_hand(
        items + (["/", "**"] if open_ended else []), "/" + path
    )


@given(st.lists(SEGMENTS, min_size=1, max_size=4), st.lists(st.text("ab", min_size=1, max_size=2), max_size=4))
def test_what_the_variables_stood_for_makes_the_path_again(segments: list[str], words: list[str]) -> None:
    named = "/" + "/".join(segment.replace("{v}", f"{{v{number}}}") for number, segment in enumerate(segments))
    template = compile_template(named.encode())
    path = ("/" + "/".join(words)).encode()
    assert path.startswith(template.prefix) or not template.fits(path)
    if "*" not in named and template.fits(path):
        assert compile_template_rewrite(named.encode(), named.encode())(path) == path
