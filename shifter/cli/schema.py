"""``shifter schema``: the JSON Schema of the configuration, or of a release, for editors."""

import json

import click

from shifter.config.json_schema import json_schema, release_schema


@click.command("schema")
@click.option("--release", is_flag=True, help="That of a release instead.")
def command(release: bool) -> None:
    """Print a JSON Schema of the configuration, with which editors complete and check it.

    Keep it in a file, `shifter schema > shifter.schema.json`, and begin a configuration with
    `# yaml-language-server: $schema=shifter.schema.json`.
    """
    click.echo(json.dumps(release_schema() if release else json_schema(), indent=1, ensure_ascii=False))
