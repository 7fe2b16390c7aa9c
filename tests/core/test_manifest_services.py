"""Services of a manifest: what starts them, what they need, and what is refused."""

import pytest

from tests.manifests import manifest_of, problems_of


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ("{}", "has nothing to start"),
        ("{provider: command}", "has nothing to start"),
        ("{provider: mysql}", "allowed are postgres redis command"),
        ("{provider: redis, command: [x]}", "`command` goes with `provider: command` only"),
        ('{provider: redis, ready: {tcp: "a:1"}}', "`ready` goes with `provider: command` only"),
        ("{command: x}", "write [x]"),
        ("{command: [-x]}", "'-x' is no program"),
        ("{command: [x], needs: [t, t]}", "'t' is here twice"),
        ("{command: [x], needs: [s2]}", "unknown service 's2'; did you mean s?"),
        ("{command: [x], needs: [s]}", "in a circle: s → s"),
        ("{command: [x], ready: {}}", "exactly one of http, tcp and log"),
        ('{command: [x], ready: {tcp: "a:1", log: up}}', "found tcp and log"),
        ('{command: [x], ready: {tcp: "a:0"}}', "is no host:port"),
        ('{command: [x], ready: {tcp: "a:65536"}}', "is no host:port"),
        ("{command: [x], ready: {tcp: a}}", "is no host:port"),
        ('{command: [x], ready: {http: "ftp://x"}}', "is no address"),
        ('{command: [x], ready: {log: "("}}', "is no regular expression"),
        ("{command: [x], ready: {http: 5}}", "where a text should stand"),
        ("{url: nowhere}", "is no address"),
        ("{url: 5}", "where a text should stand"),
    ],
)
def test_a_wrong_service_is_refused(service: str, words: str) -> None:
    (problem,) = problems_of(more=f"services: {{s: {service}, t: {{provider: redis}}}}")
    assert words in problem


def test_a_need_that_is_nearly_a_service_is_recognised() -> None:
    (problem,) = problems_of("paths: [t], needs: [postgrs]", "services: {postgres: {provider: postgres}}")
    assert "unknown service 'postgrs'; did you mean postgres?" in problem


def test_services_in_a_circle_are_one_problem_naming_the_circle() -> None:
    services = "services: {a: {command: [x], needs: [b]}, b: {command: [x], needs: [c]}, c: {command: [x], needs: [b]}}"
    (problem,) = problems_of(more=services)
    assert "b → c → b" in problem


def test_a_long_chain_of_services_is_no_circle() -> None:
    chain = "".join(f"  s{i}: {{command: [x], needs: [s{i + 1}]}}\n" for i in range(1500))
    assert len(manifest_of(more=f"services:\n{chain}  s1500: {{url: 'tcp://x'}}\n").services) == 1501


def test_somebody_elses_service_needs_only_its_address() -> None:
    (service,) = manifest_of(more='services: {api: {url: "https://staging.example"}}').services
    assert (service.url, service.provider, service.command) == ("https://staging.example", "command", ())
