"""The load generators: wrk for HTTP/1.1 in a closed loop, h2load for HTTP/2 and for a fixed rate.

Rule 1: what a generator prints is parsed here and nowhere else, and an output that is not understood is an error, never
a zero. Rule 2: answers other than 2xx and broken connections are errors and are not counted as requests.
Rule 3: percentiles come from every single response (wrk's histogram; h2load's log of all responses).
"""

import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.process import BenchError, run_pinned
from bench.scenarios import Kind, Scenario
from bench.work import CANARY, CANARY_HEADER

BROWSER: Final = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept-Language": "en-GB,en;q=0.8",
    "Cookie": "session=6f1c4a9b2d8e47d0a3; theme=dark",
}
VARIED_REQUESTS: Final = 20_000
_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Result:
    """What a generator saw: good answers, errors, the seconds it took, and percentiles in seconds."""

    requests: int
    errors: int
    seconds: float
    p50: float
    p99: float


def seconds_of(text: str) -> float:
    """``1.26ms`` and the like in seconds."""
    found = re.fullmatch(r"([\d.]+)(us|ms|s|m|h)", text)
    if found is None:
        raise BenchError(f"not a duration: {text!r}")
    return float(found[1]) * _SECONDS[found[2]]


def parse_wrk(output: str) -> Result:
    """The figures of ``wrk --latency``."""
    total = re.search(r"(\d+) requests in (\S+),", output)
    middle = re.search(r"^\s+50%\s+(\S+)$", output, re.MULTILINE)
    high = re.search(r"^\s+99%\s+(\S+)$", output, re.MULTILINE)
    if total is None or middle is None or high is None:
        raise BenchError(f"wrk said: {output.strip()[-300:]}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    bad_answers = int(refused[1]) if refused else 0
    bad_sockets = sum(map(int, broken.groups())) if broken else 0
    return Result(
        requests=int(total[1]) - bad_answers,
        errors=bad_answers + bad_sockets,
        seconds=seconds_of(total[2]),
        p50=seconds_of(middle[1]),
        p99=seconds_of(high[1]),
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which *share* of the ordered values lie (nearest rank); 0 of nothing."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def parse_h2load(output: str, log: Iterable[str]) -> Result:
    """The figures of ``h2load``. *log* has a line per response: start, status, and duration in microseconds."""
    finished = re.search(r"finished in ([\d.]+(?:us|ms|s|m|h)),", output)
    requests = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", output)
    if finished is None or requests is None:
        raise BenchError(f"h2load said: {output.strip()[-300:]}")
    good: list[float] = []
    bad = int(requests[2]) + int(requests[3])
    for line in log:
        _start, status, micros = line.split()
        if status.startswith("2"):
            good.append(int(micros) * 1e-6)
        else:
            bad += 1
    good.sort()
    return Result(len(good), bad, seconds_of(finished[1]), percentile(good, 0.50), percentile(good, 0.99))


def varied_script(path: str, authority: str, count: int = VARIED_REQUESTS) -> str:
    """A wrk script with *count* different requests: path, query, user agent, cookie and trace context vary.

    One in ten carries the header that the ninth route asks for.
    """
    fixed = "".join(f"      [{name!r}] = {value!r},\n" for name, value in BROWSER.items() if name not in ("User-Agent", "Cookie"))
    return f"""local requests, at = {{}}, 0
local function hex() return string.format("%08x%08x", math.random(0, 2147483647), math.random(0, 2147483647)) end
function init(args)
  math.randomseed(7)
  for i = 1, {count} do
    local id, span = hex() .. hex(), hex()
    local headers = {{
{fixed}      ["Host"] = "{authority}",
      ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/" .. (100 + i % 40) .. ".0 Safari/537.36",
      ["Cookie"] = "session=" .. id .. "; theme=dark",
      ["traceparent"] = "00-" .. id .. "-" .. span .. "-01",
    }}
    if i % 10 == 0 then headers["{CANARY_HEADER}"] = "{CANARY}" end
    requests[i] = wrk.format("GET", "{path}/items/" .. i .. "?q=" .. string.sub(id, 1, 6), headers)
  end
end
function request() at = at % {count} + 1; return requests[at] end
"""


def upload_script(size: int) -> str:
    """A wrk script that posts *size* bytes."""
    return f'wrk.method = "POST"\nwrk.body = string.rep("x", {size})\nwrk.headers["Content-Type"] = "application/octet-stream"\n'


def missing(scenario: Scenario) -> str:
    """Why this scenario's load cannot be made here, or an empty string."""
    tool = _tool(scenario)
    package = {"wrk": "wrk", "h2load": "nghttp2-client"}[tool]
    return "" if shutil.which(tool) else f"{tool} is not installed (Debian: {package})"


def _tool(scenario: Scenario) -> str:
    return "h2load" if scenario.h2_down or scenario.kind is Kind.OPEN else "wrk"


def drive(scenario: Scenario, port: int, seconds: int, cpu: int, directory: Path) -> Result:
    """Put the scenario's load on *port* for whole *seconds*, from *cpu*. BenchError when the generator fails."""
    url = f"{'https' if scenario.tls else 'http'}://127.0.0.1:{port}{scenario.path}"
    sent = {**BROWSER, "Connection": "close"} if scenario.renewed else BROWSER
    headers = [part for name, value in sent.items() for part in ("-H", f"{name}: {value}")]
    patience = seconds + 20.0
    if _tool(scenario) == "h2load":
        log = directory / "h2load.log"
        log.unlink(missing_ok=True)  # h2load appends
        how = ["--h1", f"--rps={scenario.rate // scenario.connections}"] if scenario.kind is Kind.OPEN else [f"-m{scenario.streams}"]
        argv = ["h2load", "-t1", f"-c{scenario.connections}", f"-D{seconds}", f"--log-file={log}", *how, *headers, url]
        output = run_pinned(argv, cpu, patience)
        with log.open(encoding="ascii") as lines:
            return parse_h2load(output, lines)
    argv = ["wrk", "-t1", f"-c{scenario.connections}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
    script = directory / "load.lua"
    if scenario.varied:
        script.write_text(varied_script(scenario.path, "front.example:8000"), encoding="ascii")
        argv += ["-s", str(script)]
    else:
        argv += headers
    if scenario.upload_bytes:
        script.write_text(upload_script(scenario.upload_bytes), encoding="ascii")
        argv += ["-s", str(script)]
    return parse_wrk(run_pinned([*argv, url], cpu, patience))
