"""Pages that have something done answer as Envoy's, and have it done once."""

import pytest

from tests.support.admin import Asker, FixedView


@pytest.mark.parametrize(
    ("target", "done"),
    [
        ("/drain_listeners", ("drain_listeners", False, False, False)),
        ("/drain_listeners?graceful", ("drain_listeners", True, False, False)),
        ("/drain_listeners?graceful=false&skip_exit&inboundonly", ("drain_listeners", True, True, True)),
        ("/healthcheck/fail", ("fail_health_checks", True)),
        ("/healthcheck/ok", ("fail_health_checks", False)),
        ("/quitquitquit", ("quit",)),
        ("/reopen_logs", ("reopen_logs",)),
        ("/reset_counters", ("reset_counters",)),
    ],
)
def test_actions(target: str, done: tuple[object, ...]) -> None:
    view = FixedView()
    answer = Asker(view).ask(target, "POST")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, "OK\n", "text/plain; charset=UTF-8")
    assert view.done == [done]
    assert Asker(view).ask(target).status == 405
    assert view.done == [done]
