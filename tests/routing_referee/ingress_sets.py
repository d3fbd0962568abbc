"""Generates Ingresses that get in each other's way, and requests near to their paths."""

from random import Random
from typing import Any

HOSTS = ("a.test", "b.test", "*.w.test")
PATHS = (
    *("/", "/", "/foo", "/foo", "/foo/", "/Foo", "/fo", "/foo/bar", "/foo/bar/", "/foobar"),
    *("/a.b", "/v1/x", "/v1", "/é"),
)
REGEXES = {
    "/foo(/|$)(.*)": "/foo/d",
    "/v[0-9]+/(.*)": "/v2/e",
    "/fo{2}": "/foo",
    "/(foo|bar)/?(.*)": "/bar/f",
    "/x|/y": "/y",
    "/[A-Z]{3}$": "/abc",
    r"/v\d+\.(?:\w+?)(o*)": "/v3.foo",
    r"/a\\.b": "/a.b",
    "^/foo/?$": "/foo",
    "/(?i:F)oo(bar)?(x)?": "/foobar",
    "/é+(.)": "/éé/x",
    "/(?!foo).*": "/bar",
}
"""Each with a path that it takes. What RE2 refuses must not be judged."""
TARGETS = ("/", "/$1", "/$2", "/x/$2", "/foo", "/q?a=$1", "/x?", "/n$3$1/")
ENDS = ("", "", "", "/", "bar", "/bar", "/bar/", "/b%20c", "/b+c", "/%2e", "/%C3%A9", "/a%2Fb")
QUERIES = ("", "", "", "?q=1", "?", "?a=%20/../b")
MUTATIONS = (
    *(("/", "//"), ("/", "/./"), ("/", "/z/../"), ("o", "%6f"), ("/f", "%2Ff"), ("f", "F")),
    *(("foo", "FOO"), ("/", "/%2e%2e/"), ("a", "%zz"), ("o", "%3F"), ("o", "%23"), ("o", "%25")),
)


def ingress_set(random: Random) -> list[dict[str, Any]]:
    """Return one to four Ingresses."""
    return [_ingress(random, number) for number in range(random.randint(1, 4))]


def _ingress(random: Random, number: int) -> dict[str, Any]:
    annotations = {}
    if random.random() < 0.15:
        annotations["use-regex"] = "true"
    if random.random() < 0.2:
        annotations["rewrite-target"] = random.choice(TARGETS)
    if random.random() < 0.08:
        annotations["app-root"] = "/foo"
    if random.random() < 0.06:
        annotations["permanent-redirect"] = "https://new.test$request_uri"
    if random.random() < 0.1:
        annotations["server-alias"] = "alias.test"
    has_regexes = bool({"use-regex", "rewrite-target"} & set(annotations))
    pool = (*PATHS, *REGEXES) if has_regexes else PATHS
    rules = []
    for _ in range(random.randint(1, 2)):
        paths = [
            {
                "path": (path := random.choice(pool)),
                "pathType": _path_type(random, path),
                "backend": _backend(f"s{number}-{random.randint(0, 3)}"),
            }
            for _ in range(random.randint(1, 4))
        ]
        rule = {"host": random.choice(HOSTS), "http": {"paths": paths}}
        if random.random() < 0.15:
            del rule["host"]
        rules.append(rule)
    spec: dict[str, Any] = {"ingressClassName": "nginx", "rules": rules}
    if random.random() < 0.15:
        spec["defaultBackend"] = _backend(f"s{number}-default")
        if random.random() < 0.5:
            del spec["rules"]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": f"i{number}",
            "namespace": "shop",
            "creationTimestamp": f"2026-01-0{random.randint(1, 3)}T00:00:00Z",
            "annotations": {
                f"nginx.ingress.kubernetes.io/{key}": value for key, value in annotations.items()
            },
        },
        "spec": spec,
    }


def _path_type(random: Random, path: str) -> str:
    if path in REGEXES:
        return "ImplementationSpecific"
    return random.choice(("Prefix", "Prefix", "Exact", "ImplementationSpecific"))


def _backend(name: str) -> dict[str, Any]:
    return {"service": {"name": name, "port": {"number": 80}}}


def near_request(random: Random, documents: list[dict[str, Any]]) -> tuple[str, str]:
    """Return host and target."""
    rules = [rule for each in documents for rule in each["spec"].get("rules", [])]
    host, path = "other.test", "/foo"
    if rules:
        rule = random.choice(rules)
        host = rule.get("host", "other.test").replace("*", random.choice(("x", "X-1", "x.y")))
        path = random.choice([entry["path"] for entry in rule["http"]["paths"]])
    if random.random() < 0.1:
        host = random.choice(("alias.test", "A.test:80", "other.test"))
    path = REGEXES.get(path, path)
    path = path.removesuffix("/") if random.random() < 0.2 else path
    path = (path or "/") + random.choice(ENDS)
    for _ in range(random.choice((0, 0, 1, 2))):
        old, new = random.choice(MUTATIONS)
        path = path.replace(old, new, 1)
    return host, path.replace("é", random.choice(("%C3%A9", "%c3%a9", "é"))) + random.choice(
        QUERIES
    )
