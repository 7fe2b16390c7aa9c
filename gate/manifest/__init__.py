"""YAML text → `Manifest`, or every problem at once with its line and column.

Owns the story of reading: text → tree (`source`), shape (`shape`), defaults and profiles (`overlay`), then suites,
services, thresholds, waivers and drills with the rules across keys. Promises that it never touches the disk, that each
profile is checked whether chosen or not, and that a text yields either a manifest or a `ManifestError`, nothing else.
"""

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError

from gate.errors import ManifestError, Problem, UsageError, clip, did_you_mean
from gate.manifest.consents import Declared, build_drill, build_waivers
from gate.manifest.overlay import merged, with_defaults
from gate.manifest.problems import Problems
from gate.manifest.services import build_service, check_cycles
from gate.manifest.shape import DrillKeys, Keys, RootKeys, ServiceKeys, SuiteKeys, WaiverKeys, duration_s, json_schema
from gate.manifest.source import Path, Source, load
from gate.manifest.suites import build_suite
from gate.model import Drill, Manifest, Service, Suite, Waiver

__all__ = ["duration_s", "read", "schema"]

_K = TypeVar("_K", bound=Keys)


def read(text: bytes, file: str, profile: str | None = None) -> Manifest:
    """The manifest written in `text`, with `profile` laid over it; `file` is its name in messages.

    Raises ManifestError with all problems in the order of the file, UsageError for a profile that is not declared.
    """
    source = load(text, file)
    reading = _Reading(source)
    built = reading.base()
    by_profile = {name: reading.overlaid(name, built) for name in reading.names("profiles")}
    declared = reading.declared([built, *by_profile.values()])
    waivers = reading.waivers(declared)
    drills = {
        name: reading.drills(name, configured, declared) for name, configured in ((None, built), *by_profile.items())
    }
    if reading.problems:
        raise ManifestError(
            tuple(sorted(reading.problems, key=lambda problem: (problem.place.line, problem.place.column)))
        )
    if profile is not None and profile not in by_profile:
        known = f"profiles are {' '.join(by_profile)}" if by_profile else f"{file} declares no profiles"
        raise UsageError(f"unknown profile {clip(profile)}{did_you_mean(profile, by_profile)}", hint=known)
    chosen = by_profile[profile] if profile is not None else built
    return Manifest(
        version=1,
        project=reading.plain["project"],
        file=file,
        digest=hashlib.sha256(text).hexdigest(),
        profile=profile,
        profiles=tuple(by_profile),
        services=tuple(chosen.services.values()),
        suites=tuple(chosen.suites.values()),
        drills=drills[profile],
        waivers=waivers,
    )


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a manifest, for editors."""
    return json_schema()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Built:
    """Services and suites as the base or one profile gives them; a part with a wrong shape is left out."""

    services: Mapping[str, Service] = field(default_factory=dict)
    suites: Mapping[str, Suite] = field(default_factory=dict)


class _Reading:
    """One text on its way to a manifest. `problems` grows; nothing is raised before everything has been looked at."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._broken = {(problem.place.line, problem.place.column) for problem in source.problems}
        self._found: list[Problem] = list(source.problems)
        self.plain: dict[str, Any] = self._plain()
        self._sound = _pruned(self._plain(), self._check_shape())

    def _plain(self) -> dict[str, Any]:
        plain = self._source.root.plain() if self._source.root else None
        return plain if isinstance(plain, dict) else {}

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(self._found)

    def _check_shape(self) -> Iterable[Path]:
        """Adds what is wrong with the shape; returns the paths at fault."""
        found = Problems(self._source)
        faults: Iterable[Path] = ()
        if self._source.root is None or self._source.root.kind != "mapping":
            if not self._found:
                found.add((), "found no keys", "a manifest begins with `version: 1`")
        else:
            try:
                RootKeys.model_validate(self.plain)
            except ValidationError as error:
                faults = found.add_shape(error)
        self._keep(found)
        return faults

    def _keep(self, found: Problems) -> None:
        """Takes over new problems; what stands where the YAML itself is refused has been said already."""
        known = {(problem.path, problem.message) for problem in self._found}
        for problem, inherited in found:
            at = (problem.place.line, problem.place.column)
            same = {(path, problem.message) for path in (problem.path, inherited)}
            if at not in self._broken and known.isdisjoint(same):
                self._found.append(problem)

    def names(self, *path: str) -> tuple[str, ...]:
        """The keys of the mapping at `path`, whatever is wrong inside them."""
        return tuple(_at(self.plain, *path))

    def _parts(self, model: type[_K], *path: str, over: str | None = None) -> Iterable[tuple[str, _K]]:
        """What the file declares at `path` with a sound shape, by name; with `over`, what that profile makes of it."""
        below = _at(self._sound, *path)
        above = _at(self._sound, "profiles", over, *path) if over else below
        for name, plain in above.items():
            whole = merged(below.get(name, {}), plain) if over else plain
            if model is SuiteKeys:
                whole = with_defaults(_at(self._sound, "defaults"), whole)
            try:
                yield name, model.model_validate(whole)
            except ValidationError:
                # What was pruned here was needed; that it is wrong has been said.
                continue

    def base(self) -> _Built:
        found = Problems(self._source)
        known = self.names("services")
        services = {
            name: build_service(name, keys, known, found) for name, keys in self._parts(ServiceKeys, "services")
        }
        check_cycles({name: service.needs for name, service in services.items()}, found)
        suites = {name: build_suite(name, keys, known, found) for name, keys in self._parts(SuiteKeys, "suites")}
        self._keep(found)
        return _Built(services=services, suites=suites)

    def overlaid(self, profile: str, base: _Built) -> _Built:
        """The base with a profile over it; problems point at the profile's own lines."""
        found = Problems(self._source, ("profiles", profile))
        services, suites = dict(base.services), dict(base.suites)
        known = tuple(dict.fromkeys((*self.names("services"), *self.names("profiles", profile, "services"))))
        for name, service in self._parts(ServiceKeys, "services", over=profile):
            services[name] = build_service(name, service, known, found)
        if services != base.services:
            check_cycles({name: service.needs for name, service in services.items()}, found)
        for name, suite in self._parts(SuiteKeys, "suites", over=profile):
            if name not in self.names("suites") and not (suite.paths or suite.command):
                message = f"unknown suite {clip(name)}{did_you_mean(name, self.names('suites'))}"
                found.add(("suites", name), message, "a suite that a profile adds has `paths` or `command`", key=True)
                continue
            suites[name] = build_suite(name, suite, known, found)
        self._keep(found)
        return _Built(services=services, suites=suites)

    def declared(self, built: Iterable[_Built]) -> Declared:
        """The findings that the base and all profiles can have."""
        suites = [suite for one in built for suite in one.suites.values()]
        return Declared(dict.fromkeys((*self.names("suites"), *(suite.name for suite in suites))), suites)

    def waivers(self, declared: Declared) -> tuple[Waiver, ...]:
        found = Problems(self._source)
        keys = [WaiverKeys.model_validate(waiver) for waiver in self._sound.get("waivers", ())]
        waivers = build_waivers(keys, declared, found)
        self._keep(found)
        return waivers

    def drills(self, profile: str | None, built: _Built, declared: Declared) -> tuple[Drill, ...]:
        """The drills against what the base (`profile` None) or one profile declares."""
        found = Problems(self._source)
        drills = tuple(
            build_drill(
                name,
                keys,
                declared,
                known=self.names("services"),
                services=self._overridden(name, profile, built),
                problems=found,
            )
            for name, keys in self._parts(DrillKeys, "drills")
        )
        self._keep(found)
        return drills

    def _overridden(self, drill: str, profile: str | None, built: _Built) -> tuple[Service, ...]:
        """The services that a drill changes, whole; problems point at the drill's own lines."""
        found = Problems(self._source, ("drills", drill))
        known = tuple(built.services)
        services: dict[str, Service] = {}
        for name, plain in _at(self._sound, "drills", drill, "services").items():
            if name not in self.names("services"):
                # Of the base, so that the drill means the same under every profile.
                message = f"unknown service {clip(name)}{did_you_mean(name, self.names('services'))}"
                allowed = f"allowed are {' '.join(self.names('services'))}" if built.services else "none is declared"
                found.add(("services", name), message, allowed, key=True)
                continue
            below = _at(self._sound, "services").get(name, {})
            if profile is not None:
                below = merged(below, _at(self._sound, "profiles", profile, "services").get(name, {}))
            try:
                keys = ServiceKeys.model_validate(merged(below, plain))
            except ValidationError:
                continue  # what was pruned here was needed; that it is wrong has been said
            services[name] = build_service(name, keys, known, found)
        if services:
            check_cycles({name: service.needs for name, service in {**built.services, **services}.items()}, found)
        self._keep(found)
        return tuple(services.values())


def _at(plain: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """The mapping at `path`, empty when there is none."""
    here: Any = plain
    for step in path:
        here = here.get(step) if isinstance(here, dict) else None
    return here if isinstance(here, dict) else {}


def _pruned(plain: dict[str, Any], faults: Iterable[Path]) -> dict[str, Any]:
    """`plain` without what is at fault, so that everything else can still be looked at.

    A list goes as a whole: without one item the places of the others would be wrong.
    """
    for fault in faults:
        keys = [str(step) for step in itertools.takewhile(lambda step: isinstance(step, str), fault)]
        if keys:
            _at(plain, *keys[:-1]).pop(keys[-1], None)
    return plain
