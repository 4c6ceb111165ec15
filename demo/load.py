"""Users of the tutorial's stack: a few clients that go on asking for one path, and count what they get.

    python demo/load.py --port 8000 --rate 120

Each has a connection that it keeps, and the same time between two requests, whatever the answers take. Every ten seconds a line says
how it goes; they ask until they are told to end.
"""

import argparse
import time
from collections import Counter
from http.client import HTTPConnection, HTTPException
from threading import Thread

CLIENTS = 8
PATIENCE = 15.0
SAY_EVERY = 10.0


def ask(port: int, path: str, pause: float, first: float, answers: Counter[str]) -> None:
    """Ask for *path* once every *pause* seconds from the time *first* on."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    due = first
    while True:
        time.sleep(max(0.0, due - time.monotonic()))
        due = max(due + pause, time.monotonic() - pause)  # what was missed is not made up for
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            answers[str(answer.status)] += 1
        except (OSError, HTTPException):
            connection.close()
            answers["none"] += 1


def main() -> None:
    arguments = argparse.ArgumentParser(description="Ask for one path over and over.")
    arguments.add_argument("--port", type=int, default=8000)
    arguments.add_argument("--path", default="/service/1")
    arguments.add_argument("--rate", type=float, default=100.0, help="requests a second (default: %(default)g)")
    options = arguments.parse_args()
    answers: Counter[str] = Counter()
    pause = CLIENTS / options.rate
    begin = time.monotonic()
    for number in range(CLIENTS):
        said = (options.port, options.path, pause, begin + number / options.rate, answers)
        Thread(target=ask, args=said, daemon=True).start()
    while True:
        time.sleep(SAY_EVERY)
        print(" ".join(f"{status}: {count:,}" for status, count in sorted(answers.items())), flush=True)


if __name__ == "__main__":
    main()
