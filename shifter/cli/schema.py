"""``shifter schema``: the configuration's JSON Schema, for editors."""

import json

import click

from shifter.config.json_schema import json_schema


@click.command("schema")
def command() -> None:
    """Print a JSON Schema of the configuration, with which editors complete and check it.

    Keep it in a file, `shifter schema > shifter.schema.json`, and begin a configuration with
    `# yaml-language-server: $schema=shifter.schema.json`.
    """
    click.echo(json.dumps(json_schema(), indent=1, ensure_ascii=False))
