from estimator.routing.rules import Place


def test_place_names_file_line_object_and_part() -> None:
    place = Place("routes.yaml", 41, "VirtualService", "shop", "web", "http[2].match[0]")
    assert str(place) == "routes.yaml:41: VirtualService shop/web, http[2].match[0]"


def test_place_of_an_object_has_no_part() -> None:
    assert str(Place("a.yaml", 1, "Gateway", "edge", "gw")) == "a.yaml:1: Gateway edge/gw"
