"""Which class makes which filter, and what is wrong before one is made."""

from shifter.config.filters import KINDS
from shifter.filters.registry import FACTORIES, filter_problem, make_factory
from shifter.model.http_filter import BasicAuth, CompressorPerRoute, JwtAuthentication, JwtProvider
from tests.support.filters import Bench


def test_every_filter_that_can_be_configured_can_be_made() -> None:
    assert len(FACTORIES) == len(KINDS) >= 12


def test_a_factory_is_that_of_its_configuration() -> None:
    config = BasicAuth({b"ann": bytes(20)})
    factory = make_factory(config, Bench().context)
    assert type(factory) is FACTORIES[BasicAuth] and factory.config is config


def test_what_only_the_factory_can_tell_is_told_before() -> None:
    assert filter_problem(BasicAuth({})) is None
    assert "no JWK set" in (filter_problem(JwtAuthentication({"p": JwtProvider(b"nothing")})) or "")
    assert filter_problem(CompressorPerRoute()) is None
