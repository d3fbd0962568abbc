"""Generates requests that are near the edges of the routes of a rule set.

A request takes one of the routes as its model and meets its conditions, or misses them by little:
a longer or a shorter path, other case, an escape, a slash more, a value that only starts alike.
"""

from random import Random
from urllib.parse import quote

from tests.routing_referee.rule_sets import (
    HEADERS,
    HOSTS,
    METHODS,
    PARAMETERS,
    PATH_PATTERNS,
    SEGMENTS,
    TEXT_PATTERNS,
    VALUES,
    Object,
    WireRequest,
    any_path,
    chance,
)

TAILS = ("", "", "", "/", "x", "/x", "/x/y", "//", "/.", "%2F", "?", "/a.js", "//x", ".", "/?a=b")
ODD_PATHS = (
    *("/", "//", "/.", "/..", "/../a", "/a/..", "/a/../..", "/a/./b", "/a//b", "/./a", "/a/%2e%2e"),
    *("/a%2Fb", "/a%2fb", "/a%5Cb", "/a\\b", "/%61", "/a%", "/a%zz", "/a%00b", "/a;v=1", "/a#f"),
    *(
        "/a?b#f",
        "/a+b",
        "/a%2Bb",
        "/a%20b",
        "/a%2",
        "/~a",
        "/a/%2E/b",
        "///",
        "/a/b/../../..",
        "/a,b",
    ),
    *("/a|b", "/{a}", "/a'b", '/a"b', "/<a>", "/a^b", "/a`b", "/[a]", "/%C3%A9", "/a!b", "/a$b&c"),
    *(
        "/a/...",
        "/a/..b",
        "/%2e%2e/a",
        "/a/%2E%2e/b",
        "//a/../b",
        "/a/b/%2e./",
        "/a//../b",
        "/@a:b",
    ),
)
# Parts of paths that mean something to one of the ways of normalising them.
PARTS = (
    *("/", "/", "/", "/", ".", "..", "/..", "/.", "//", "a", "a", "b", "%2e", "%2E", "%2f", "%2F"),
    *("%5c", "%5C", "\\", ";", ";x", "%", "%2", "%zz", "%61", "%7E", "%20", "%25", "%3B", "%C3%A9"),
    *(
        "~",
        "|",
        "^",
        "<",
        '"',
        "`",
        "{",
        "}",
        "+",
        ":",
        "@",
        "=",
        "&",
        "'",
        "(",
        "[",
        "]",
        "!",
        "*",
    ),
)
RARE_PARTS = ("%00", "\x7f", "é", "#")
QUERIES = ("", "?", "?&", "?v", "?v=", "?v=1&v=2", "?V=1", "?v==1", "?a=1;v=1", "?%76=1", "?v=%31")
AUTHORITIES = (
    *(*HOSTS, "other.test", "x.example.com", "a.b.example.com", "x.org", "example.com."),
    *("[::1]", "[::1]:80", "127.0.0.1"),
)


def near_request(random: Random, hosts: list[Object]) -> WireRequest:
    """Return one request; `hosts` are Envoy's virtual hosts of the rule set."""
    host = random.choice(hosts) if hosts else {"domains": ["*"], "routes": []}
    model = random.choice(host["routes"])["match"] if host["routes"] else {"prefix": "/"}
    texts = {header["name"]: header for header in model.get("headers", ())}
    method = random.choice(METHODS) if chance(random, 0.15) else "GET"
    if ":method" in texts and chance(random, 0.8):
        method = _value(random, texts[":method"]).upper()
    if method not in METHODS:
        # Envoy's parser refuses methods that it does not know, whatever the routes say.
        method = "POST"
    authority = _authority(random, host["domains"])
    if ":authority" in texts and chance(random, 0.5):
        authority = random.choice(("www.example.com", "www.example.com:80", "www.x.com"))
    if (host_asked := texts.get("Host")) and chance(random, 0.6):
        authority = host_asked["string_match"].get("exact", "www.example.com")
    target = _path(random, model) + _query(random, model)
    if chance(random, 0.02) and not authority.endswith((":", ":x", ":0080")):
        # The absolute form of a target names the host, and the field Host counts no more.
        scheme = random.choice(("http", "HTTP"))
        target, authority = f"{scheme}://{authority}{target}", random.choice(AUTHORITIES)
    headers = _headers(random, texts)
    return WireRequest(method, target, authority, headers, _hidden(random, headers))


def _hidden(random: Random, headers: tuple[tuple[str, str], ...]) -> frozenset[str]:
    names = {name.lower() for name, _ in headers} | set(HEADERS[:2])
    parts = ["headers", "method", "authority"]
    parts += [f"header {name}" for name in sorted(names)]
    parts += [f"parameter {name}" for name in PARAMETERS]
    return frozenset(random.sample(parts, random.randint(1, 2)))


def _authority(random: Random, domains: list[str]) -> str:
    host = (
        random.choice(domains) if domains and chance(random, 0.93) else random.choice(AUTHORITIES)
    )
    if host.startswith("*"):
        host = random.choice(("x", "www", "a.b", "")) + host[1:] or "any.test"
    if chance(random, 0.1):
        host = host.upper()
    if ":" not in host and chance(random, 0.15):
        host += random.choice((":80", ":8080", ":443", ":", ":0080", ":x"))
    return host


def _path(random: Random, model: Object) -> str:
    if chance(random, 0.07):
        return random.choice(ODD_PATHS)
    if chance(random, 0.07):
        parts = [random.choice(PARTS) for _ in range(random.randint(1, 9))]
        if chance(random, 0.1):
            parts.insert(random.randint(0, len(parts)), random.choice(RARE_PARTS))
        return "/" + "".join(parts)
    if "safe_regex" in model:
        path = random.choice(PATH_PATTERNS.get(model["safe_regex"]["regex"], ("/a",)))
    elif "path" in model:
        path = model["path"] + random.choice(("", "", "", "/", "x", "/x"))
    elif "path_separated_prefix" in model:
        path = model["path_separated_prefix"] + random.choice(TAILS)
    else:
        path = model["prefix"] + random.choice((*TAILS, any_path(random)))
    if not path.startswith("/"):
        path = "/" + path
    if chance(random, 0.3):
        path = _changed(random, path)
    return path


def _changed(random: Random, path: str) -> str:
    at = random.randrange(len(path))
    char = path[at]
    changed = (
        path.swapcase,
        path.upper,
        lambda: path[:at] + f"%{ord(char):02X}" + path[at + 1 :],
        lambda: path[:at] + f"%{ord(char):02x}" + path[at + 1 :],
        lambda: path.replace("/", "//", 2),
        lambda: path[:at] + "/." + path[at:] if char == "/" else path,
        lambda: path + "/../" + random.choice(SEGMENTS),
        lambda: "/" + random.choice(SEGMENTS) + "/.." + path,
        lambda: path.removesuffix("/"),
        lambda: path[: at + 1],
        lambda: path + "#fragment",
        lambda: (
            path.replace("/", "\\", 1)
            if path.count("/") < 2
            else path[0] + path[1:].replace("/", "\\")
        ),
        lambda: path[0] + path[1:].replace("/", "%2f"),
    )
    found = random.choice(changed)()
    return found if found.startswith("/") else "/" + found


def _value(random: Random, named: Object) -> str:
    """Return a value that meets the condition, or nearly."""
    matcher = named.get("string_match", {})
    if "safe_regex" in matcher:
        pattern = matcher["safe_regex"]["regex"]
        value = random.choice(TEXT_PATTERNS.get(pattern, ("GET", "POST", "get")))
    else:
        value = matcher.get("exact") or matcher.get("prefix") or random.choice(VALUES)
    if chance(random, 0.25):
        value = random.choice((value.swapcase(), value + "x", value[:-1], " " + value, value + "x"))
    return value


def _query(random: Random, model: Object) -> str:
    if not model.get("query_parameters") and chance(random, 0.6):
        return ""
    if chance(random, 0.15):
        return random.choice(QUERIES)
    pairs = []
    for named in model.get("query_parameters", ()):
        if chance(random, 0.85):
            value = quote(_value(random, named).strip(), safe="!-~", errors="surrogateescape")
            pairs.append(f"{named['name']}={value}")
        if chance(random, 0.15):
            pairs.append(f"{named['name']}={random.choice(VALUES[:-1]).replace(' ', '%20')}")
        if chance(random, 0.1):
            pairs.append(named["name"])
    if chance(random, 0.3):
        pairs.append(f"{random.choice(PARAMETERS)}={random.choice(('1', '', 'x'))}")
    if chance(random, 0.2):
        random.shuffle(pairs)
    return "?" + "&".join(pairs) if pairs else ""


def _headers(random: Random, texts: dict[str, Object]) -> tuple[tuple[str, str], ...]:
    fields: list[tuple[str, str]] = []
    for name, named in texts.items():
        if (
            name.startswith(":")
            or name == "Host"
            or any(name.lower() == other.lower() for other, _ in fields)
        ):
            continue
        if chance(random, 0.75):
            shown = name.title() if chance(random, 0.2) else name
            fields.append((shown, _value(random, named)))
        # Envoy keeps the fields of some names, such as User-Agent, in a form of its own.
        if chance(random, 0.1) and name.startswith("x-"):
            fields.append((name, random.choice(VALUES)))
    if not fields and chance(random, 0.15):
        fields.append((random.choice(HEADERS), random.choice(VALUES)))
    return tuple(fields)
