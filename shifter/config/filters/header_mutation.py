"""``envoy.filters.http.header_mutation``."""

from pydantic import Field

from shifter.config.build_common import Sources, header_options, string_matcher
from shifter.config.filters.base import FilterKind
from shifter.config.schema import core
from shifter.config.schema.base import Bool, Message, OneOf, Typed
from shifter.model import http_filter as model

_PACKAGE = "envoy.extensions.filters.http.header_mutation.v3."


class RemoveOnMatch(Message):
    """``HeaderMutation.RemoveOnMatch``: every field whose name fits."""

    envoy = "envoy.config.common.mutation_rules.v3.HeaderMutation.RemoveOnMatch"

    key_matcher: core.StringMatcher


class OneMutation(core.HeaderMutation):
    """``common.mutation_rules.v3.HeaderMutation``, whole."""

    one_of = (OneOf(("remove", "append", "remove_on_match"), required="this changes nothing"),)

    remove_on_match: RemoveOnMatch | None = None


class Mutations(Message):
    """``header_mutation.v3.Mutations``."""

    envoy = _PACKAGE + "Mutations"

    request_mutations: list[OneMutation] = Field(default_factory=list)
    response_mutations: list[OneMutation] = Field(default_factory=list)
    request_trailers_mutations: list[OneMutation] = Field(default_factory=list)
    response_trailers_mutations: list[OneMutation] = Field(default_factory=list)


class HeaderMutation(Typed):
    """``header_mutation.v3.HeaderMutation``."""

    envoy = _PACKAGE + "HeaderMutation"

    mutations: Mutations | None = None
    most_specific_header_mutations_wins: Bool = False


class HeaderMutationPerRoute(Typed):
    """``header_mutation.v3.HeaderMutationPerRoute``."""

    envoy = _PACKAGE + "HeaderMutationPerRoute"

    mutations: Mutations | None = None


def build(config: HeaderMutation, sources: Sources) -> model.HeaderMutation:
    """Return *config* as the model."""
    return model.HeaderMutation(_mutations(config.mutations), config.most_specific_header_mutations_wins)


def build_per_route(config: HeaderMutationPerRoute, sources: Sources) -> model.HeaderMutation:
    """Return what a route says as the model."""
    return model.HeaderMutation(_mutations(config.mutations))


def _mutations(config: Mutations | None) -> model.Mutations:
    if config is None:
        return model.Mutations()
    return model.Mutations(
        request=tuple(map(_mutation, config.request_mutations)),
        response=tuple(map(_mutation, config.response_mutations)),
        request_trailers=tuple(map(_mutation, config.request_trailers_mutations)),
        response_trailers=tuple(map(_mutation, config.response_trailers_mutations)),
    )


def _mutation(config: OneMutation) -> model.Mutation:
    if config.append is not None:
        return header_options([config.append])[0]
    if config.remove is not None:
        return config.remove.lower().encode()
    assert config.remove_on_match is not None
    return string_matcher(config.remove_on_match.key_matcher)


KIND = FilterKind("envoy.filters.http.header_mutation", HeaderMutation, build, HeaderMutationPerRoute, build_per_route)
