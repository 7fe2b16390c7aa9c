"""The commands and their options, declared with click; each hands over to `gate.run` and returns an exit code.

`run` also has one `--<category>-only` for every category of the manifest that the command line names, so the manifest
is read before the options are parsed.
"""

import re
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from gate import __version__
from gate.errors import UsageError

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


def _config(function: Any) -> Any:
    return click.option(
        "-c",
        "--config",
        "config",
        default="gates.yaml",
        show_default=True,
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The manifest.",
    )(function)


def _output(function: Any) -> Any:
    return click.option(
        "--output",
        "output",
        default=None,
        metavar="DIR",
        type=click.Path(path_type=Path, file_okay=False),
        help="Where runs are kept. [default: reports/ beside the manifest]",
    )(function)


def _profile(function: Any) -> Any:
    return click.option("--profile", default=None, metavar="NAME", help="Lay this profile over the manifest.")(function)


def _jobs(function: Any) -> Any:
    return click.option(
        "--jobs",
        type=click.IntRange(1, 256),
        default=None,
        metavar="N",
        help="How many suites may run side by side. [default: the number of cores]",
    )(function)


@click.group(context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="gate", message="%(prog)s %(version)s")
def gate() -> None:
    """Decide whether a release may go to production.

    A GO means that everything that was promised ran, finished and met its limits.

    \b
      gate run                          run everything, write the report, exit 0 only on GO
      gate run --performance-only       one category
      gate run --suite redis_pubsub     one suite
      gate report latest --format md    the report again, in another format
    """


class _RunCommand(click.Command):
    """`run` with the options that the manifest's categories add."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["gate.categories"] = _categories(args)
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        if "gate.category_options" not in ctx.meta:
            ctx.meta["gate.category_options"] = [
                click.Option(
                    [f"--{category.replace('_', '-')}-only", f"only_{category}"],
                    is_flag=True,
                    help=f"Run the suites of category {category} (the same as --category {category}).",
                )
                for category in ctx.meta.get("gate.categories", ())
            ]
        return [*super().get_params(ctx), *ctx.meta["gate.category_options"]]


def _categories(args: list[str]) -> tuple[str, ...]:
    """Categories of the manifest that `args` name. A broken manifest is reported, unless help is asked for."""
    from gate.errors import GateError
    from gate.run import declaration

    path, profile = Path("gates.yaml"), None
    for index, arg in enumerate(args):
        following = args[index + 1] if index + 1 < len(args) else None
        if arg in ("-c", "--config") and following:
            path = Path(following)
        elif match := re.fullmatch(r"--config=(.+)|-c(.+)", arg):
            path = Path(match[1] or match[2])
        elif arg == "--profile" and following:
            profile = following
        elif match := re.fullmatch(r"--profile=(.+)", arg):
            profile = match[1]
    try:
        return declaration.categories(declaration.load(path, profile))
    except GateError:
        if "-h" in args or "--help" in args:
            return ()
        raise


@gate.command(cls=_RunCommand, context_settings=_CONTEXT)
@_config
@click.option("--suite", "suites", multiple=True, metavar="NAME", help="Run this suite; may be repeated.")
@click.option("--category", "categories", multiple=True, metavar="C", help="Run this category; may be repeated.")
@click.option("-k", "keyword", default=None, metavar="EXPR", help="Run only tests that match (pytest -k).")
@_profile
@click.option("--duration", default=None, metavar="D", help="How long suites with a duration run, e.g. 60s, 4h, 24h.")
@_jobs
@click.option("--fail-fast", is_flag=True, help="Start nothing more once a suite blocks the release.")
@click.option("--dry-run", is_flag=True, help="Print what would run, in which order, beside what; run nothing.")
@click.option("--quiet", is_flag=True, help="Print the decision alone.")
@click.option("--list-suites", is_flag=True, help="List the suites of the manifest and end.")
@click.option("--require-clean", is_flag=True, help="End with 12 instead of 0 when waivers were needed.")
@_output
def run(
    config: Path,
    suites: tuple[str, ...],
    categories: tuple[str, ...],
    keyword: str | None,
    profile: str | None,
    duration: str | None,
    jobs: int | None,
    output: Path | None,
    **flags: bool,
) -> int:
    """Run the suites, judge the evidence, write the report.

    \b
    Exit codes: 0 GO · 10 NO_GO · 11 INCONCLUSIVE · 12 waivers were needed (--require-clean) · 2 usage or manifest
                70 gate itself broke · 130/143 interrupted (the report is written all the same)

    \b
    Examples:
      gate run
      gate run --suite database_persistence --suite redis_pubsub
      gate run --performance-only --quiet
      gate run --profile nightly --output /var/lib/gate
    """
    from gate import terminal
    from gate.run import declaration, release

    manifest = declaration.load(config, profile)
    if flags.pop("list_suites"):
        terminal.say(terminal.list_suites(manifest))
        return 0
    only = [name.removeprefix("only_") for name, chosen in flags.items() if name.startswith("only_") and chosen]
    selection = declaration.selection(
        suites=suites,
        categories=(*categories, *only),
        keyword=keyword,
        duration=duration,
        jobs=jobs,
        fail_fast=flags["fail_fast"],
    )
    plan = declaration.plan(manifest, selection, root=_root(config, output))
    if flags["dry_run"]:
        terminal.say(declaration.describe(plan))
        return 0
    with closing(terminal.choose(quiet=flags["quiet"], stream=sys.stdout)) as progress:
        record = release.run(plan, project_dir=config.resolve().parent, root=_root(config, output), progress=progress)
    return release.exit_code(record, require_clean=flags["require_clean"])


@gate.command(name="list", context_settings=_CONTEXT)
@_config
@_profile
def list_(config: Path, profile: str | None) -> int:
    """List the suites of the manifest with their categories and promises."""
    from gate import terminal
    from gate.run import declaration

    terminal.say(terminal.list_suites(declaration.load(config, profile)))
    return 0


@gate.command(context_settings=_CONTEXT)
@_config
@_profile
def check(config: Path, profile: str | None) -> int:
    """Check the manifest and show every problem at once, with its place."""
    from gate import terminal
    from gate.run import declaration

    manifest = declaration.load(config, profile)
    thresholds = sum(len(suite.thresholds) for suite in manifest.suites)
    terminal.say(f"{config}: {len(manifest.suites)} suites, {thresholds} thresholds, no problems")
    return 0


@gate.command(context_settings=_CONTEXT)
def schema() -> int:
    """Print the JSON Schema of the manifest, for editors.

    \b
    Example:
      gate schema > gates.schema.json
      and as first line of gates.yaml:  # yaml-language-server: $schema=gates.schema.json
    """
    import json

    from gate import manifest, terminal

    terminal.say(json.dumps(manifest.schema(), indent=2, ensure_ascii=False))
    return 0


@gate.command(context_settings=_CONTEXT)
@_config
@click.argument("paths", nargs=-1)
@click.option("--force", is_flag=True, help="Replace an existing manifest.")
@click.option("--run", "measured", is_flag=True, help="Run the tests once, and propose their count and budgets.")
def init(config: Path, paths: tuple[str, ...], *, force: bool, measured: bool) -> int:
    """Write a first manifest for the tests in PATHS (found by themselves when not given).

    \b
    Examples:
      gate init
      gate init tests/unit tests/integration --run
    """
    from gate import terminal
    from gate.run import starter

    with closing(terminal.choose(quiet=False, stream=sys.stderr)) as progress:
        written = starter.write_manifest(config, paths, force=force, measured=measured, progress=progress)
    terminal.say(written)
    return 0


@gate.command(context_settings=_CONTEXT)
@click.argument("run", default="latest")
@click.option(
    "-c",
    "--config",
    "config",
    default=None,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Judge under this manifest instead of the run's own.",
)
@_profile
@click.option(
    "--record",
    "target",
    default=None,
    metavar="FILE",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Write the record there; - for standard output.",
)
@click.option("--quiet", is_flag=True, help="Print the decision alone.")
@_output
def judge(
    run: str, config: Path | None, profile: str | None, target: Path | None, output: Path | None, *, quiet: bool
) -> int:
    """Decide again from the stored evidence of RUN (an id, a folder or `latest`) without running anything.

    The exit code is that of the decision. Says whether the record came out the same, byte for byte.

    \b
    Examples:
      gate judge
      gate judge 20261121T081500Z-1f3a5c -c stricter.yaml
      gate judge latest --record - | jq .decision
    """
    from gate import terminal
    from gate.run import stored

    again = stored.judge(_reports(output), run, config=config, profile=profile)
    if target is not None and str(target) == "-":
        terminal.say(again.text)
    else:
        if target is not None:
            stored.write(target, again.text)
        if not quiet:
            terminal.say(again.comparison)
        with closing(terminal.choose(quiet=quiet, stream=sys.stdout)) as progress:
            progress.decided(again.record, again.run_dir)
    return again.exit_code


@gate.command(context_settings=_CONTEXT)
@click.argument("run", default="latest")
@click.option(
    "--format", "form", type=click.Choice(["html", "md", "json", "junit", "github"]), default="html", show_default=True
)
@click.option(
    "-o",
    "--to",
    "target",
    default=None,
    metavar="FILE",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Where to write it; - for standard output. [default: standard output]",
)
@_output
def report(run: str, form: str, target: Path | None, output: Path | None) -> int:
    """Render the report of RUN (an id, a folder or `latest`) in a format.

    \b
    Examples:
      gate report --format md
      gate report latest --format html -o release.html
    """
    from gate import terminal
    from gate.run import stored

    text = stored.render(_reports(output), run, form)
    if target is None or str(target) == "-":
        terminal.say(text)
    else:
        stored.write(target, text)
    return 0


@gate.command(context_settings=_CONTEXT)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_config
@_profile
@click.option("--suite", "suites", multiple=True, metavar="NAME", help="Only drills that expect findings of it.")
@_jobs
@click.option(
    "--baseline", default=None, metavar="RUN", help="Take this GO run of the same commit as the one without a fault."
)
@click.option("--require-all", is_flag=True, help="End with 10 when a limit that blocks has no drill.")
@click.option("--list", "listed", is_flag=True, help="List the drills with what they expect and end.")
@click.option("--quiet", is_flag=True, help="Print the outcome alone.")
@_output
def drill(
    names: tuple[str, ...],
    config: Path,
    profile: str | None,
    suites: tuple[str, ...],
    jobs: int | None,
    baseline: str | None,
    output: Path | None,
    **flags: bool,
) -> int:
    """Prove that the gate can fail: inject each fault NAME (all when none is given) and demand its findings.

    First the suites run without a fault and must be GO. Then each drill runs alone; it is caught when every finding
    that it expects has failed and the decision is not GO.

    \b
    Exit codes: 0 all caught, no false alarm · 10 a drill was missed, or a suite fails without a fault
                11 something is not known · 2 usage or manifest · 130/143 interrupted (the matrix is still written)

    \b
    Examples:
      gate drill
      gate drill drop_ticks lost_message
      gate drill --suite redis_pubsub --require-all
    """
    from gate import terminal
    from gate.run import declaration
    from gate.run import drill as drills

    manifest = declaration.load(config, profile)
    chosen = drills.choose(manifest, names, suites)
    if flags["listed"]:
        terminal.say(terminal.list_drills(manifest, chosen))
        return 0
    setting = drills.Setting(
        project_dir=config.resolve().parent,
        root=_root(config, output),
        jobs=jobs,
        suites=suites,
        require_all=flags["require_all"],
        baseline=baseline,
    )
    progress = terminal.choose_drills(quiet=flags["quiet"], stream=sys.stdout)
    return drills.carry_out(manifest, chosen, setting, progress).exit_code


def _root(config: Path, output: Path | None) -> Path:
    return output if output is not None else config.resolve().parent / "reports"


def _reports(output: Path | None) -> Path:
    root = output if output is not None else Path("reports")
    if output is not None and not root.is_dir():
        raise UsageError(f"there is no folder {root}", hint="--output names the folder that holds the runs")
    return root
