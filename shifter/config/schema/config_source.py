"""``core.v3.ConfigSource``: where what is not in the configuration itself is found: endpoints, secrets, and whole resources."""

from enum import Enum
from typing import Annotated

from shifter.config.schema.base import Choice, Ignored, Message, Name, OneOf, word


class WatchedDirectory(Message):
    """``core.v3.WatchedDirectory``."""

    envoy = "envoy.config.core.v3.WatchedDirectory"

    path: Name
    watch_modify: Ignored = None


class PathConfigSource(Message):
    """``core.v3.PathConfigSource``. However the file is watched, changes are seen."""

    envoy = "envoy.config.core.v3.PathConfigSource"

    path: Name
    watched_directory: WatchedDirectory | None = None
    poll_interval: Ignored = None


class ApiVersion(Enum):
    """``core.v3.ApiVersion``."""

    AUTO = "AUTO"
    V3 = "V3"


class ConfigSource(Choice):
    """``core.v3.ConfigSource``, of which there are files here. The first reading of a file waits for nobody."""

    envoy = "envoy.config.core.v3.ConfigSource"
    one_of = (OneOf(("path_config_source", "path"), ("api_config_source", "ads", "self"), "nothing says where the endpoints are told"),)

    path: Name | None = None
    path_config_source: PathConfigSource | None = None
    initial_fetch_timeout: Ignored = None
    resource_api_version: Annotated[ApiVersion, word(ApiVersion, "V2")] = ApiVersion.AUTO


class ResourceConfigSource(ConfigSource):
    """``core.v3.ConfigSource``, of clusters, listeners or routes."""

    one_of = (OneOf(("path_config_source", "path"), ("api_config_source", "ads", "self"), "nothing says which file that is"),)
