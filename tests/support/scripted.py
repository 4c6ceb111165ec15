"""Filters that do what a test says, and write down what they are told."""

from typing import Any

from shifter.filters.api import FactoryContext, FilterFactory, FilterStream, HttpFilter
from shifter.model import filters as model
from shifter.proxy.filterchain import FilterChain
from shifter.wire.events import RequestHead, ResponseHead
from tests.support.proxies import Proxy


class Scripted(HttpFilter):
    """``told`` has a word for each call, with the filter's name before it; ``does`` is what it does then, by the name of the
    method without ``on_``: a value to return, an exception to raise, or a function of what the method gets."""

    def __init__(self, name: str, stream: FilterStream, told: list[tuple[object, ...]], does: dict[str, Any]) -> None:
        self.name = name
        self.stream = stream
        self.told = told
        self.does = does

    def _act(self, what: str, default: object, *given: Any) -> Any:
        self.told.append((self.name, what, *(one for one in given if not isinstance(one, RequestHead | ResponseHead))))
        act = self.does.get(what, default)
        if isinstance(act, Exception):
            raise act
        return act(*given) if callable(act) else act

    def on_request_head(self, head: RequestHead, end: bool) -> Any:
        return self._act("request_head", None, head, end)

    def on_request_data(self, data: bytes, end: bool) -> Any:
        return self._act("request_data", data, data, end)

    def on_request_trailers(self, block: bytes) -> Any:
        return self._act("request_trailers", block, block)

    def on_response_head(self, head: ResponseHead, end: bool) -> Any:
        return self._act("response_head", None, head, end)

    def on_response_data(self, data: bytes, end: bool) -> Any:
        return self._act("response_data", data, data, end)

    @property
    def response_piece(self) -> int:
        return int(self.does.get("response_piece", 0))

    @property
    def replaces_trailers(self) -> bool:
        return bool(self.does.get("replaces_trailers", False))

    def on_response_trailers(self, block: bytes) -> Any:
        return self._act("response_trailers", block, block)

    def on_done(self) -> None:
        self._act("done", None)


class ScriptedFactory(FilterFactory[str]):
    """Makes `Scripted` filters called *config*; ``made`` are those it has made, ``overrides`` what it was told for each."""

    def __init__(self, config: str, context: FactoryContext, told: list[tuple[object, ...]], does: dict[str, Any]) -> None:
        super().__init__(config, context)
        self.told = told
        self.does = does
        self.made: list[Scripted] = []
        self.overrides: list[object] = []

    def filter_for(self, stream: FilterStream, override: object | None) -> HttpFilter | None:
        self.overrides.append(override)
        wanted = self.does.get("filter_for")
        if isinstance(wanted, Exception):
            raise wanted
        if wanted is False:
            return None
        one = Scripted(self.config, stream, self.told, self.does)
        self.made.append(one)
        return one


class Filtered(Proxy):
    """A proxy whose filters do as *scripts* say: ``Filtered(a={"request_head": Reply(403)}, b={})``, in this order."""

    def __init__(self, settings: dict[str, Any] | None = None, /, **scripts: dict[str, Any]) -> None:
        super().__init__(**(settings or {}))
        self.told: list[tuple[object, ...]] = []
        context = self.context()
        self.factories = {name: ScriptedFactory(name, context, self.told, does) for name, does in scripts.items()}
        chain = [model.HttpFilter(name, None, bool(does.get("disabled"))) for name, does in scripts.items()]
        self.runtime.filters = FilterChain(chain, list(self.factories.values()), self.runtime.settings.route_config)

    def words(self, *whats: str) -> list[str]:
        """What the filters were told, without the data; only *whats* when given."""
        return [f"{name} {what}" for name, what, *_ in self.told if not whats or what in whats]

    def over(self) -> None:
        """Check that every filter that was made heard the end once."""
        for name, factory in self.factories.items():
            assert self.words("done").count(f"{name} done") == len(factory.made)
