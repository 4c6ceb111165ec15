"""Header edits: Envoy's order, its four ways to add, and what may not be touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.route import AppendAction, HeaderMutations, HeaderValueOption
from shifter.observe.logformat import LogEntry
from shifter.routing.errors import RoutingError
from shifter.routing.headers import FRAMING, HeaderEditor, name_problem
from shifter.routing.match import JOINED
from shifter.wire.events import block_of, fields

APPEND = AppendAction.APPEND_IF_EXISTS_OR_ADD
IF_ABSENT = AppendAction.ADD_IF_ABSENT
OVERWRITE = AppendAction.OVERWRITE_IF_EXISTS_OR_ADD
IF_EXISTS = AppendAction.OVERWRITE_IF_EXISTS

Pairs = list[tuple[bytes, bytes]]


def add(text: str, action: AppendAction = APPEND, keep_empty: bool = False) -> HeaderValueOption:
    name, _, value = text.partition("=")
    return HeaderValueOption(name.encode(), value.encode(), action, keep_empty)


def pairs(text: str) -> Pairs:
    return [(name.encode(), value.encode()) for name, _, value in (word.partition("=") for word in text.split())]


class Exchange:
    """A `Subject`: ``GET /p?q=1`` of ``front.test``, by the route ``way`` to the cluster ``blue``."""

    def describe(self) -> LogEntry:
        entry = LogEntry(1795409043.328, b"GET", b"/p?q=1", b"front.test")
        entry.status = 200
        entry.cluster = "blue"
        entry.route = "way"
        entry.request_block = entry.response_block = b"\r\nstale: 1"
        return entry


SUBJECT = Exchange()


def edited(text: str, *levels: HeaderMutations) -> str:
    """The request fields *text* after *levels*, as words."""
    edit = HeaderEditor(levels).request
    block = block_of(pairs(text))
    return b" ".join(name + b"=" + value for name, value in fields(edit(block, SUBJECT) if edit is not None else block)).decode()


FOUR = (add("x-a=new", APPEND), add("x-i=new", IF_ABSENT), add("x-o=new", OVERWRITE), add("x-x=new", IF_EXISTS))
SENT = "x-a=1 x-a=2 x-i=1 x-i=2 x-o=1 x-z=z x-o=2 x-x=1 x-x=2"


def test_the_four_ways_to_add() -> None:
    level = HeaderMutations(request_add=FOUR)
    assert edited("", level) == "x-o=new x-a=new x-i=new"
    assert edited(SENT, level) == "x-a=1 x-a=2 x-i=1 x-i=2 x-z=z x-o=new x-x=new x-a=new"
    assert edited("x-i= x-x=", level) == "x-i= x-o=new x-x=new x-a=new"


def test_an_empty_value_is_not_added_unless_it_is_to_be_kept() -> None:
    names = (("x-a", APPEND), ("x-i", IF_ABSENT), ("x-o", OVERWRITE), ("x-x", IF_EXISTS))
    empty = HeaderMutations(request_add=tuple(add(f"{name}=", action) for name, action in names))
    assert edited(SENT, empty) == SENT
    assert HeaderEditor([empty]).request is None
    kept = HeaderMutations(request_add=tuple(add(f"{name}=", action, True) for name, action in names))
    assert edited("", kept) == "x-o= x-a= x-i="
    assert edited(SENT, kept) == "x-a=1 x-a=2 x-i=1 x-i=2 x-z=z x-o= x-x= x-a="


def level(name: str, **more: tuple[bytes, ...]) -> HeaderMutations:
    added = (add(f"x-l={name}"), add(f"x-o={name}", OVERWRITE), add(f"x-i={name}", IF_ABSENT))
    return HeaderMutations(request_add=added, request_remove=more.get("remove", ()))


def test_levels_work_from_the_most_specific_to_the_least() -> None:
    levels = [
        level("entry", remove=(b"x-rm-entry",)),
        level("route", remove=(b"X-RM-route",)),
        level("vhost"),
        level("rc", remove=(b"x-rm-rc",)),
    ]
    assert edited("", *levels) == "x-l=entry x-i=entry x-l=route x-l=vhost x-o=rc x-l=rc"
    sent = "x-l=client x-o=client x-i=client x-rm-entry=1 x-rm-route=1 x-rm-rc=1"
    assert edited(sent, *levels) == "x-l=client x-i=client x-l=entry x-l=route x-l=vhost x-o=rc x-l=rc"


def test_a_level_removes_before_it_adds_and_what_the_one_before_added() -> None:
    own = HeaderMutations(request_add=(add("x-self=added"),), request_remove=(b"x-self",))
    assert edited("x-self=1", own) == "x-self=added"
    assert edited("x-self=1", own, HeaderMutations(request_remove=(b"x-self",))) == ""


def test_conditions_of_a_level_do_not_see_its_own_additions() -> None:
    twice = HeaderMutations(request_add=(add("x-i=1", IF_ABSENT), add("x-i=2", IF_ABSENT), add("x-n=1"), add("x-n=2", IF_EXISTS)))
    assert edited("", twice) == "x-i=1 x-i=2 x-n=1"


@pytest.mark.parametrize("name", ["accept", "user-agent", "x-forwarded-for", "x-request-id", "content-type", "authorization"])
def test_appending_to_a_field_that_envoy_keeps_once_joins_it(name: str) -> None:
    assert name.encode() in JOINED
    assert edited(f"{name}=1 x-a=1", HeaderMutations(request_add=(add(f"{name}=new"),))) == f"x-a=1 {name}=1,new"
    assert edited("x-a=1", HeaderMutations(request_add=(add(f"{name}=new"),))) == f"x-a=1 {name}=new"
    assert edited("cookie=a cookie=b", HeaderMutations(request_add=(add("cookie=c"),))) == "cookie=a cookie=b cookie=c"


def test_requests_and_responses_have_their_own_edits() -> None:
    editor = HeaderEditor([HeaderMutations(response_add=(add("X-Served-By=shifter"), add("set-cookie=n")), response_remove=(b"x-gone",))])
    assert editor.request is None
    assert editor.response is not None
    block = block_of(pairs("set-cookie=a x-gone=1 set-cookie=b"))
    assert editor.response(block, SUBJECT) == block_of(pairs("set-cookie=a set-cookie=b x-served-by=shifter set-cookie=n"))
    stamped = HeaderEditor([HeaderMutations(response_add=(add("x-envoy-upstream-service-time=9"), add("date=then")))])
    assert stamped.response is not None
    assert stamped.response(block_of(pairs("x-envoy-upstream-service-time=0")), SUBJECT) == block_of(
        pairs("x-envoy-upstream-service-time=0,9 date=then")
    )


def test_levels_that_do_nothing_cost_nothing() -> None:
    for levels in ([], [HeaderMutations(), HeaderMutations()]):
        editor = HeaderEditor(levels)
        assert (editor.request, editor.response) == (None, None)


@pytest.mark.parametrize(
    "name", [*sorted(FRAMING), b"host", b"Host", b":path", b":authority", b"", b"x y", b"a:b", "xé".encode(), b"a\r\nb"]
)
def test_fields_that_hold_a_message_together_cannot_be_added(name: bytes) -> None:
    option = (HeaderValueOption(name, b"1"),)
    for mutations in (HeaderMutations(request_add=option), HeaderMutations(response_add=option)):
        with pytest.raises(RoutingError):
            HeaderEditor([mutations])


@pytest.mark.parametrize("name", [b"content-length", b"Content-Length", b"host", b":path", b"x y"])
def test_fields_that_hold_a_message_together_cannot_be_removed(name: bytes) -> None:
    for mutations in (HeaderMutations(request_remove=(name,)), HeaderMutations(response_remove=(name,))):
        with pytest.raises(RoutingError):
            HeaderEditor([mutations])


def test_removing_what_is_never_there_is_no_mistake() -> None:
    assert name_problem(b"connection", removed=True) is None
    assert edited("x-a=1", HeaderMutations(request_remove=(b"Connection", b"transfer-encoding"))) == "x-a=1"


@pytest.mark.parametrize("value", [b"a\r\nb", b"a\nb", b"a\rb", b"a\0b", b"\x7f"])
def test_values_with_control_characters_are_refused(value: bytes) -> None:
    with pytest.raises(RoutingError):
        HeaderEditor([HeaderMutations(request_add=(HeaderValueOption(b"x-a", value),))])


def test_blanks_around_a_value_are_not_sent() -> None:
    assert edited("", HeaderMutations(request_add=(HeaderValueOption(b"x-a", b" v\t"), HeaderValueOption(b"x-b", b"  ")))) == "x-a=v"


NAMES = st.sampled_from([b"x-a", b"x-b", b"x-a-b", b"accept"])
VALUES = st.sampled_from([b"", b"1", b"22"])
OPTIONS = st.builds(HeaderValueOption, NAMES, VALUES, st.sampled_from(AppendAction), st.booleans())
LEVELS = st.builds(
    HeaderMutations, request_add=st.lists(OPTIONS, max_size=4).map(tuple), request_remove=st.lists(NAMES, max_size=2).map(tuple)
)


def plain(sent: Pairs, mutations: HeaderMutations) -> Pairs:
    """One level, word by word."""
    now = [(name, value) for name, value in sent if name not in mutations.request_remove]
    present = {name for name, _ in now}
    additions = [option for option in mutations.request_add if option.value or option.keep_empty_value]
    for option in additions:
        if option.action is OVERWRITE or (option.action is IF_EXISTS and option.name in present):
            now = [pair for pair in now if pair[0] != option.name] + [(option.name, option.value)]
    for option in additions:
        if option.action is APPEND or (option.action is IF_ABSENT and option.name not in present):
            same = [value for name, value in now if name == option.name]
            if option.name == b"accept" and same:
                now = [pair for pair in now if pair[0] != option.name] + [(option.name, b",".join([*same, option.value]))]
            else:
                now.append((option.name, option.value))
    return now


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6), st.lists(LEVELS, max_size=3))
def test_edits_equal_the_plain_reading(sent: Pairs, levels: list[HeaderMutations]) -> None:
    expected = sent
    for mutations in levels:
        expected = plain(expected, mutations)
    edit = HeaderEditor(levels).request
    assert (edit(block_of(sent), SUBJECT) if edit is not None else block_of(sent)) == block_of(expected)


def test_a_value_is_a_format() -> None:
    added = HeaderMutations(request_add=(add("x-to=%UPSTREAM_CLUSTER%/%ROUTE_NAME%"), add("x-of=50%%"), add("x-q=[%REQ(x-in):2%]")))
    assert edited("x-in=hello", added) == "x-in=hello x-to=blue/way x-of=50% x-q=[he]"


def test_a_format_that_yields_nothing_adds_nothing_unless_it_is_to_be_kept() -> None:
    nothing = "%REQ(x-none)%"
    every = tuple(add(f"x-{action.name[-5:].lower()}={nothing}", action) for action in AppendAction)
    assert edited("x-exists=1 x-to=1", HeaderMutations(request_add=every)) == "x-exists=1 x-to=1"
    kept = (add(f"x-a={nothing}", APPEND, True), add(f"x-o={nothing}", OVERWRITE, True))
    assert edited("x-o=1", HeaderMutations(request_add=kept)) == "x-o= x-a="


def test_formats_see_what_was_removed_and_what_other_levels_did_but_not_what_their_own_level_adds() -> None:
    own = HeaderMutations(
        request_add=(add("x-new=%REQ(x-in)%", OVERWRITE), add("x-copy=%REQ(x-new?x-was)%")), request_remove=(b"x-in", b"x-was")
    )
    assert edited("x-in=1 x-was=2", own) == ""
    outer = HeaderMutations(request_add=(add("x-seen=%REQ(x-new)%"),))
    assert edited("x-a=1", HeaderMutations(request_add=(add("x-new=%PROTOCOL%"),)), outer) == "x-a=1 x-new=HTTP/1.1 x-seen=HTTP/1.1"
    assert edited("", HeaderMutations(request_add=(add("x-stale=%REQ(stale)%"),))) == ""


def test_formats_of_responses_see_the_answer_as_it_is_by_then() -> None:
    editor = HeaderEditor([HeaderMutations(response_add=(add("x-a=%RESP(x-up)%/%RESPONSE_CODE%"),), response_remove=(b"x-gone",))])
    assert editor.response is not None
    assert editor.response(b"\r\nx-up: 7\r\nx-gone: 1", SUBJECT) == b"\r\nx-up: 7\r\nx-a: 7/200"


@pytest.mark.parametrize("value", [b"%NOTHING%", b"50%", b"%REQ%", b"%REQ(a b)%", b"%CEL(1)%"])
def test_values_that_are_no_formats_are_refused(value: bytes) -> None:
    with pytest.raises(RoutingError):
        HeaderEditor([HeaderMutations(request_add=(HeaderValueOption(b"x-a", value),))])


@given(st.lists(st.tuples(st.sampled_from([b"x-a", b"x-b"]), st.sampled_from([b"%REQ(x-a)%", b"%REQ(:path)%", b"<%REQ(x-b?x-a):3%>"]))))
def test_edits_with_formats_leave_a_block_that_can_be_read(options: Pairs) -> None:
    levels = [
        HeaderMutations(request_add=tuple(HeaderValueOption(name, value, action) for name, value in options))
        for action in (APPEND, OVERWRITE)
    ]
    edit = HeaderEditor(levels).request
    block = b"\r\nx-a: \x07one\ttwo"
    made = edit(block, SUBJECT) if edit is not None else block
    assert block_of(fields(made)) == made
    assert made.count(b"\r") == made.count(b"\n") == made.count(b"\r\n")
