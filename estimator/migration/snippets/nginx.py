"""nginx: the share of a path that its upstream sends to the gateway (phase 1 to 2, without Apache).

Weighted round robin is smooth and exact, and `zone` lets all workers count together
(ngx_http_upstream_module). A server without a share is `down`. nginx chooses a location in this
order: `=`, then the longest prefix if it has `^~`, then the first regular expression, then the
longest prefix. Where a prefix that ends in a slash is proxied, it redirects the path without that
slash, unless the proxy_pass is in a nested location (ngx_http_core_module, location).
"""

from estimator.migration.snippets.path import MovedPath, PathKind
from estimator.migration.snippets.step import Backend, Snippet, Step

COMMAND = "nginx -t && nginx -s reload"


def nginx(step: Step) -> Snippet:
    """Return the upstream of the path, and the location that leads to it."""
    return Snippet(
        file=f"{step.path.name}.upstream.conf",
        text=_upstream(step),
        rollback=_upstream(step.undone),
        command=COMMAND,
        preparation=_preparation(step.path),
    )


def _upstream(step: Step) -> str:
    return "\n".join(
        (
            f"# {step.summary}.",
            f"upstream {step.path.name} {{",
            f"    zone {step.path.name} 64k;",
            f"    {_server(step.old, 100 - step.percent)}",
            f"    {_server(step.new, step.percent)}",
            "    keepalive 64;",
            "}",
            "",
        )
    )


def _server(backend: Backend, percent: int) -> str:
    share = f"weight={percent}" if percent else "down"
    return f"server {backend} {share};"


def _preparation(path: MovedPath) -> str:
    if path.kind is PathKind.EXACT:
        condition = f'= "{path.text}"'
    elif path.kind is PathKind.PREFIX:
        condition = f'^~ "{path.text}"'
    else:
        condition = f'~ "^{path.pattern}$"'
    proxy_pass = [f"proxy_pass http://{path.name};"]
    if path.kind is PathKind.PREFIX:
        proxy_pass = [
            "# Nested: otherwise nginx would redirect the path without its last slash.",
            'location ~ "^" {',
            f"    {proxy_pass[0]}",
            "}",
        ]
    return "\n".join(
        (
            f'# In `http {{ }}`: include "{path.name}.upstream.conf";',
            f"# In the `server {{ }}` of {path.template}: if a location takes exactly these paths",
            f"# today, change its proxy_pass to http://{path.name} and nothing else. If not,",
            "# add this one, with the other directives of the location that takes them today, such",
            "# as timeouts and `mirror`. No longer `^~` prefix and no earlier regular expression",
            "# may take them.",
            f"location {condition} {{",
            "    proxy_http_version 1.1;",
            '    proxy_set_header Connection "";',
            "    proxy_set_header Host $http_host;",
            "    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
            *(f"    {line}" for line in proxy_pass),
            "}",
            "",
        )
    )
