"""``shifter run``: serve in the foreground, without having to know twistd."""

import sys

import click


@click.command("run")
@click.option("-c", "--config", required=True, type=click.Path(), help="Configuration file, in Envoy's spelling (YAML or JSON).")
@click.option("--dns-resolver", metavar="HOST:PORT", help="Name server for clusters that do not name their own.")
def command(config: str, dns_resolver: str | None) -> None:
    """Serve a configuration until Ctrl-C or SIGTERM: the same as `twistd -n --pidfile= shifter --config FILE`."""
    from twisted.scripts.twistd import run as twistd

    resolver = ["--dns-resolver", dns_resolver] if dns_resolver else []
    sys.argv = ["twistd", "-n", "--pidfile=", "shifter", "--config", config, *resolver]
    twistd()
