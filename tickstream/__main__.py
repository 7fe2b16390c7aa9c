"""`python -m tickstream ingest`: the service's door."""

import argparse
import sys

from tickstream import service, settings


def main() -> int:
    parser = argparse.ArgumentParser(prog="tickstream", description="A small real-time market-data system.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("ingest", help="take ticks over WebSocket, keep one-minute bars, publish their changes")
    parser.parse_args()
    try:
        chosen = settings.read()
    except settings.SettingsError as error:
        sys.stderr.write(f"tickstream: {error}\n")
        return 2
    return service.run(chosen)


if __name__ == "__main__":
    sys.exit(main())
