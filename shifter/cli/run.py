"""``shifter run``: serve in the foreground, without having to know twistd."""

import sys

import click


@click.command("run")
@click.option("-c", "--config", required=True, type=click.Path(), help="Configuration file, in Envoy's spelling (YAML or JSON).")
@click.option("--dns-resolver", metavar="HOST:PORT", help="Name server for clusters that do not name their own.")
@click.option("--admin-token-file", metavar="FILE", help="Has the token that the admin listener wants [default: $SHIFTER_ADMIN_TOKEN].")
@click.option("--state-dir", metavar="DIRECTORY", help="Keeps what is set while it runs, and what was changed [default: $STATE_DIRECTORY].")
@click.option("--drain-time-s", type=click.IntRange(0), help="Seconds that requests under way have at the end [default: 30].")
@click.option("--drain-strategy", type=click.Choice(["gradual", "immediate"]), help="How clients are told to go [default: gradual].")
@click.option("--parent-shutdown-time-s", type=click.IntRange(0), help="Seconds that a process has to go when it has handed over.")
@click.option("--json", "as_json", is_flag=True, help="Write the log as JSON, an event a line.")
def command(config: str, dns_resolver: str | None, state_dir: str | None, as_json: bool, **others: object) -> None:
    """Serve a configuration until Ctrl-C or SIGTERM: the same as `twistd -n --pidfile= shifter --config FILE`."""
    from twisted.scripts.twistd import run as twistd

    resolver = ["--dns-resolver", dns_resolver] if dns_resolver else []
    state = ["--state-dir", state_dir] if state_dir else []
    given = [word for name, value in others.items() if value is not None for word in (f"--{name.replace('_', '-')}", str(value))]
    logger = ["--logger=shifter.service.printed_log.json_lines"] if as_json else []
    sys.argv = ["twistd", "-n", "--pidfile=", *logger, "shifter", "--config", config, *resolver, *state, *given]
    twistd()
