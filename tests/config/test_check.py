"""What fits together and what does not."""

import pytest

from shifter.config import Judge, load
from tests.support.configs import FILE_LOG_TYPE, GOOD, NAME, UPSTREAM_TYPE, plant


@pytest.mark.parametrize(
    "where",
    [
        "                  safe_regex: {regex: «'/('»}\n",
        "                  prefix: /x\n                  headers: [{name: a, string_match: {safe_regex: {regex: «'/('»}}}]\n",
    ],
)
def test_patterns_are_judged_by_who_matches_them(where: str) -> None:
    planted = plant("                  prefix: /old\n", where)
    asked: list[bytes] = []

    def judge(pattern: bytes) -> str | None:
        asked.append(pattern)
        return "missing )"

    [problem] = load(planted.text, NAME, Judge(regex_problem=judge)).problems
    assert (problem.message, problem.place) == ("this regular expression cannot be used: missing )", planted.place)
    assert asked == [b"/("]
    assert load(planted.text, NAME, Judge(regex_problem=lambda pattern: None)).problems == []


@pytest.mark.parametrize(
    "log",
    [
        'format: «"%NOPE%"»',
        'log_format: {text_format: «"%NOPE%"»}',
        'log_format: {text_format_source: {inline_string: «"%NOPE%"»}}',
    ],
)
def test_formats_are_judged_by_who_writes_them(log: str) -> None:
    typed = f'{{"@type": {FILE_LOG_TYPE}, path: /dev/null, {log}}}'
    line = "          stat_prefix: ingress_http\n"
    planted = plant(line, f"{line}          access_log: [{{name: a, typed_config: {typed}}}]\n")
    judge = Judge(format_problem=lambda line: f"what is {line}", template_problem=lambda line: f"what is {line}")
    [problem] = load(planted.text, NAME, judge).problems
    assert (problem.message, problem.place) == ("this format cannot be used: what is %NOPE%", planted.place)
    assert load(planted.text, NAME, Judge(format_problem=lambda line: None, template_problem=lambda line: None)).problems == []


def access_log(typed: str) -> list[str]:
    line = "          stat_prefix: ingress_http\n"
    text = GOOD.replace(line, f"{line}          access_log: [{{name: a, typed_config: {typed}}}]\n")
    return [problem.message for problem in load(text, NAME).problems]


def test_access_logs_need_what_they_are_about() -> None:
    stream = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"
    assert access_log(f'{{"@type": {FILE_LOG_TYPE}}}') == ["`path` is missing: which file to write"]
    assert access_log(f'{{"@type": {stream}, path: /x}}') == ["this access log has no `path`"]
    assert access_log(f'{{"@type": {stream}}}') == []
    unread = f'{{"@type": {stream}, log_format: {{text_format_source: {{filename: /x}}}}}}'
    assert access_log(unread) == ["files cannot be read here"]


def test_files_are_read_once_and_their_size_counts() -> None:
    asked: list[str] = []

    def read(name: str) -> bytes:
        asked.append(name)
        return b"x" * 5000

    planted = plant("inline_string: hello", "filename: «hello.txt»")
    [problem] = load(planted.text, NAME, Judge(files=read)).problems
    assert (problem.message, problem.place) == ("this body has 5000 bytes, at most 4096 are allowed", planted.place)
    assert asked == ["hello.txt"]


def test_a_file_that_cannot_be_read() -> None:
    def read(name: str) -> bytes:
        raise FileNotFoundError(2, "No such file or directory")

    planted = plant("inline_string: hello", "filename: «hello.txt»")
    [problem] = load(planted.text, NAME, Judge(files=read)).problems
    assert (problem.message, problem.place) == ("`hello.txt` cannot be read: No such file or directory", planted.place)


def test_a_limit_for_bodies_can_be_raised() -> None:
    text = GOOD.replace("            name: local_route\n", "            max_direct_response_body_size_bytes: 10\n")
    assert load(text, NAME).problems == []
    text = GOOD.replace("            name: local_route\n", "            max_direct_response_body_size_bytes: 4\n")
    assert [problem.message for problem in load(text, NAME).problems] == ["this body has 5 bytes, at most 4 are allowed"]


def test_weights_that_are_too_heavy_together() -> None:
    text = GOOD.replace("weight: 25", "weight: 4294967295")
    assert [problem.message for problem in load(text, NAME).problems] == [
        "the weights add up to 4294967370, at most 4294967295 is possible"
    ]


def test_total_weight_that_is_the_sum_makes_it_right() -> None:
    text = GOOD.replace("weight: 25", "weight: 5").replace(
        "                    clusters:\n", "                    total_weight: 80\n                    clusters:\n"
    )
    assert load(text, NAME).problems == []


def test_listeners_may_share_the_port_that_is_any_port() -> None:
    listener = GOOD[GOOD.index("  - name: front\n") : GOOD.index("\n  clusters:\n") + 1].replace("port_value: 8000", "port_value: 0")
    nameless = listener.replace("- name: front\n    address", "- address")
    more = listener.replace("name: front", "name: second") + nameless + nameless
    text = GOOD.replace("\n  clusters:\n", f"\n{more}  clusters:\n", 1)
    loaded = load(text, NAME)
    assert loaded.problems == [] and loaded.bootstrap is not None
    assert [listener.name for listener in loaded.bootstrap.listeners] == ["front", "second", "127.0.0.1:0", "127.0.0.1:0#2"]


def test_names_of_listeners_are_unique() -> None:
    listener = GOOD[GOOD.index("  - name: front\n") : GOOD.index("\n  clusters:\n") + 1].replace("port_value: 8000", "port_value: 9000")
    problems = load(GOOD.replace("\n  clusters:\n", "\n" + listener + "  clusters:\n", 1), NAME).problems
    assert [problem.message for problem in problems] == ["a second listener is named `front`"]


def test_second_virtual_host_of_a_name_is_told_but_taken() -> None:
    host = "            - {name: backend, domains: [a.test]}\n"
    loaded = load(GOOD.replace("          http_filters:\n", host + "          http_filters:\n"), NAME)
    assert [str(problem.level) for problem in loaded.problems] == ["warning"] and loaded.bootstrap is not None


def test_old_protocol_options_have_no_effect_beside_new_ones() -> None:
    options = f'{{"@type": {UPSTREAM_TYPE}, explicit_http_config: {{http_protocol_options: {{}}}}}}'
    planted = plant(
        "    connect_timeout: 0.25s\n",
        "    «http2_protocol_options»: {}\n"
        f"    typed_extension_protocol_options: {{envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {options}}}\n",
    )
    loaded = load(planted.text, NAME)
    [problem] = loaded.problems
    assert problem.message == "`http2_protocol_options` has no effect beside `typed_extension_protocol_options`"
    assert problem.place == planted.place and loaded.bootstrap is not None
    assert loaded.bootstrap.clusters[0].protocol.name == "HTTP1"


def test_dns_servers_are_asked_at_addresses() -> None:
    planted = plant("    connect_timeout: 0.25s\n", "    dns_resolvers: [{socket_address: {address: «ns.test», port_value: 53}}]\n")
    [problem] = load(planted.text, NAME).problems
    assert (problem.message, problem.place) == ("a DNS server is asked at an IP address, not at `ns.test`", planted.place)


def test_a_cluster_without_endpoints_is_told() -> None:
    planted = plant("\n  clusters:\n", "\n  clusters:\n  - {name: «empty», type: STRICT_DNS}\n")
    [problem] = load(planted.text, NAME).problems
    assert (problem.level, problem.place) == ("warning", planted.place)


def test_nobody_can_connect() -> None:
    loaded = load("static_resources: {}", NAME)
    assert [problem.message for problem in loaded.problems] == ["there are no `listeners`, so nobody can connect"]
    assert loaded.bootstrap is not None
