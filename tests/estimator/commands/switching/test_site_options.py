from collections.abc import Sequence
from typing import Any

import click
import pytest
from click.testing import CliRunner

from estimator.commands.switching.site_options import site_options, sites_of
from estimator.errors import InputError
from estimator.migration.order.moves import PERCENTS, Front, Routing, Sites
from estimator.migration.snippets.step import Backend
from estimator.routing.table import RouteTable


def read(*arguments: str, new_routes: Sequence[RouteTable] = ()) -> Sites:
    found: list[Sites] = []

    @click.command()
    @site_options
    def command(**options: Any) -> None:
        found.append(sites_of(options, new_routes))

    CliRunner().invoke(command, arguments, catch_exceptions=False)
    return found[0]


def test_defaults_are_those_of_the_deployment() -> None:
    sites = read()
    assert (sites.swarm, sites.gateway) == (
        Backend("127.0.0.1", 8080),
        Backend("127.0.0.1", 30081),
    )
    assert (sites.front, sites.routing, sites.percents) == (
        *(Front.APACHE, Routing.VIRTUAL_SERVICE, PERCENTS),
    )


def test_every_option_reaches_its_site() -> None:
    addresses = [
        "--swarm",
        "a:1",
        "--ingressgateway",
        "b:2",
        "--app-on-swarm",
        "c:3",
        "--app",
        "d:4",
    ]
    sites = read(*addresses, "--steps", "10,100", "--host", "a.example", "--host", "b.example")
    shown = [str(each) for each in (sites.swarm, sites.gateway, sites.swarm_service, sites.service)]
    assert shown == ["a:1", "b:2", "c:3", "d:4"]
    assert sites.percents == (10, 100)
    assert sites.attachment.hosts == ("a.example", "b.example")


def test_http_routes_belong_to_the_gateway_that_was_read() -> None:
    attachment = read(new_routes=[RouteTable("web", "edge", 80, ())]).attachment
    assert (attachment.gateway, attachment.gateway_namespace) == ("web", "edge")


@pytest.mark.parametrize("words", ["5,1", "0,5", "5,5", "5,101", "5,x", "", "-5", "5.5"])
def test_steps_are_rising_percentages(words: str) -> None:
    with pytest.raises(InputError, match="--steps: expected rising whole percentages") as error:
        read("--steps", words)
    assert f"got {words!r}" in str(error.value)


def test_every_problem_is_named_at_once() -> None:
    options = ["--app", "nowhere", "--app-on-swarm", 'a";b:1', "--namespace", "A", "--steps", "x"]
    with pytest.raises(InputError) as raised:
        read(*options)
    assert [problem.source for problem in raised.value.problems] == [
        *("--app-on-swarm", "--app", "--namespace, --host", "--steps"),
    ]
