"""What becomes of answers that the proxy itself gives, from the checked schema to the frozen model."""

from shifter.config.build_common import Sources, header_options, substitution_format
from shifter.config.build_log_filter import log_filter
from shifter.config.schema import local_reply as schema
from shifter.model.http_connection_manager import LocalReplyConfig, ResponseMapper


def local_reply_config(config: schema.LocalReplyConfig | None, sources: Sources) -> LocalReplyConfig | None:
    """Return *config* as the model; ``None`` when there is none."""
    if config is None:
        return None
    return LocalReplyConfig(tuple(_mapper(mapper, sources) for mapper in config.mappers), substitution_format(config.body_format, sources))


def _mapper(config: schema.ResponseMapper, sources: Sources) -> ResponseMapper:
    return ResponseMapper(
        filter=log_filter(config.filter),
        status_code=config.status_code,
        body=sources.data(config.body) if config.body is not None else None,
        body_format=substitution_format(config.body_format_override, sources),
        headers=header_options(config.headers_to_add),
    )
