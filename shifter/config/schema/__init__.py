"""What may stand in a configuration: pydantic models in Envoy's v3 spelling, with types and ranges."""
