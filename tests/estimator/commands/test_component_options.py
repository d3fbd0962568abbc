import pytest

from estimator.commands.component_options import Description, description_of, new_component
from estimator.errors import InputError
from estimator.table.load_points import Kind, LoadPoint, Resources

NOTHING = Description(None, (), {})
POINTS = [
    LoadPoint(1, 1, 100.0, {"app": Resources(912.3, 2**20 + 1)}),
    LoadPoint(2, 1, 50.0, {"app": Resources(400.0, 3 * 2**20)}),
]


def test_options_describe_a_component() -> None:
    described = description_of("gateway", ["/a/*"], ["app=1,512Mi"])
    component = new_component("api", described, POINTS)
    assert (component.kind, component.templates) == (Kind.GATEWAY, ("/a/*",))
    assert component.requests == {"app": Resources(1000, 512 * 2**20)}
    assert component.assumed == ()


def test_requests_are_the_highest_measured_amounts() -> None:
    component = new_component("api", NOTHING, POINTS)
    assert component.requests == {"app": Resources(920, 3 * 2**20)}
    assert (component.kind, component.routes, len(component.points)) == (Kind.POD, ("*",), 2)
    assert component.assumed == ("requests", "routes")


def test_what_nobody_stated_is_assumed() -> None:
    routes = description_of(None, ["*"], [])
    assert new_component("api", routes, POINTS).assumed == ("requests",)
    requests = description_of(None, [], ["app=1,512Mi"])
    assert new_component("api", requests, POINTS).assumed == ("routes",)


def test_name_makes_a_gateway() -> None:
    assert new_component("istio-ingressgateway", NOTHING, POINTS).kind is Kind.GATEWAY


def test_no_option_says_nothing() -> None:
    assert description_of(None, [], []) == NOTHING
    assert NOTHING.is_empty
    assert not description_of("pod", [], []).is_empty


def test_everything_malformed_is_listed() -> None:
    with pytest.raises(InputError) as refused:
        description_of("pod", ["echo"], ["app=fast,1Mi", "app"])
    assert [str(problem).partition(":")[0] for problem in refused.value.problems] == [
        "--route",
        "--request",
        "--request",
    ]
