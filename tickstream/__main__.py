"""`python -m tickstream`: the door. Serves all parts or one of them, or issues a token."""

import argparse
import os
import sys

from tickstream import service, settings, tokens

_PARTS = {
    "exchange": "stream the ticks and order books of a simulated market",
    "ingest": "take ticks, keep one-minute bars, find patterns, publish both",
    "api": "answer REST requests for patterns, bars and watchlists",
    "broadcast": "send each user the patterns that they asked for, over WebSocket",
}


def main() -> int:
    arguments = _parse()
    if arguments.command == "token":
        return _token(arguments)
    chosen: tuple[str, ...] = (arguments.command,)
    if arguments.command == "serve":
        chosen = tuple(part for part in settings.PARTS if part in arguments.part or not arguments.part)
    try:
        return service.run(settings.read(parts=chosen), chosen)
    except settings.SettingsError as error:
        sys.stderr.write(f"tickstream: {error}\n")
        return 2


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tickstream", description="A small real-time market-data system.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="all of the following in one process, or those that are named")
    serve.add_argument("part", nargs="*", type=_part)
    for part, what in _PARTS.items():
        commands.add_parser(part, help=what)
    token = commands.add_parser("token", help="issue a token, signed with TICKSTREAM_TOKEN_SECRET")
    token.add_argument("user")
    token.add_argument("--scope", action="append", choices=tokens.SCOPES, help="may be repeated; all by default")
    token.add_argument("--lifetime", type=float, default=3600.0, metavar="SECONDS")
    return parser.parse_args()


def _part(name: str) -> str:
    if name not in _PARTS:
        raise argparse.ArgumentTypeError(f"no part {name!r}; allowed: {', '.join(_PARTS)}")
    return name


def _token(arguments: argparse.Namespace) -> int:
    secret = os.environ.get("TICKSTREAM_TOKEN_SECRET", "")
    if len(secret.encode()) < tokens.SECRET_BYTES:
        sys.stderr.write(f"tickstream: TICKSTREAM_TOKEN_SECRET needs at least {tokens.SECRET_BYTES} characters\n")
        return 2
    scopes = tuple(arguments.scope or tokens.SCOPES)
    try:
        token = tokens.issue(secret, arguments.user, scopes, lifetime_s=arguments.lifetime)
    except ValueError as error:
        sys.stderr.write(f"tickstream: {error}\n")
        return 2
    sys.stdout.write(token + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
