"""The rules about nginx's configuration, in the order of docs/preflight.md.

Their evidence: nginx's modules (ngx_http_mirror_module.c, ngx_http_proxy_module.c,
ngx_http_upstream.c, ngx_http_core_module.c), and measurements that deploy/nginx explains line by
line. All are about what stays true from version to version, unless the rule names the version.
"""

from mirror.preflight.findings import Rule, Severity


def _rule(severity: Severity, code: str, summary: str, why: str, instead: str) -> Rule:
    return Rule(severity, f"nginx.{code}", summary, why, instead)


UNREADABLE = _rule(
    "unknown",
    "unreadable",
    "A part of the configuration cannot be read",
    "What stands there is not judged, and nginx itself may refuse it.",
    "Run the check as a user that may read all files, and `nginx -t`; or give it the output of "
    "`nginx -T`.",
)
NOT_JUDGED = _rule(
    "note",
    "not_judged",
    "Something decides at run time that a file does not say",
    "`if`, scripts and variables that a request sets are not followed.",
    "Look at it yourself; a canary or the ledger of /status shows what really arrives.",
)
EXPRESSION = _rule(
    "unknown",
    "expression",
    "A regular expression of a location cannot be judged",
    "It decides which location serves a request, and Python cannot read it, or not in a bounded "
    "time. nginx itself answers 500 where an expression needs too many steps.",
    "Write the expression without nested repetitions such as `(a+)+`, or look yourself which "
    "location nginx takes.",
)
NOT_REACHED = _rule(
    "warning",
    "not_reached",
    "No location leads to the sidecar",
    "Nothing is mirrored or counted.",
    "Include the files of deploy/nginx as docs/configuration.md says, with an address of `listen`.",
)
MIRRORED = _rule(
    "note",
    "mirrored",
    "What is mirrored, and what is not",
    "A location without a `mirror`, or without the way through the sidecar, sends no copy.",
    "Look for one that is missing, and add the lines to it (docs/configuration.md).",
)
HOST_NOT_MIRRORED = _rule(
    "warning",
    "host_not_mirrored",
    "The server that takes --host mirrors nothing",
    "Requests for this host are neither mirrored nor counted, whatever another server does.",
    "Add the lines to this server, as docs/configuration.md says for a server that you have, and "
    "leave out a second one that listens on the same port.",
)
SHADOW_MIRRORS = _rule(
    "refused",
    "shadow_mirrors",
    "shadow.url is an address of this nginx, of a server that mirrors",
    "Each copy comes back as a request of production: the application serves it a second time, and "
    "the access log counts it.",
    "Set shadow.url to the NodePort of the new cluster's istio-proxy.",
)
WRONG_MODE = _rule(
    "refused",
    "wrong_mode",
    "nginx and the sidecar disagree about the mode",
    "A sidecar in mode sink answers production 204 without a body; one in mode inline sends the "
    "copies that nginx mirrors to production's application, a second time.",
    "Set `mode` to what nginx does: sink with `mirror`, inline with proxy_pass.",
)
MIRRORED_TWICE = _rule(
    "refused",
    "mirrored_twice",
    "nginx sends each request to the sidecar twice",
    "Every request is counted and mirrored twice, unless an id lets the sidecar recognise it.",
    "Leave one `mirror` directive, or the proxy_pass through the sidecar.",
)
PAST_THE_SIDECAR = _rule(
    "refused",
    "past_the_sidecar",
    "nginx also mirrors to the shadow itself",
    "The new cluster gets each request twice: once from nginx and once from the sidecar. Through "
    "the nginx of the gateway Pod, the copy is in the access log, too.",
    "Remove the other `mirror`; the sidecar alone sends to the shadow.",
)
OTHER_MIRROR = _rule(
    "warning",
    "other_mirror",
    "nginx also mirrors to another server",
    "If that leads to the same cluster, requests arrive there twice. A slow one delays production, "
    "whatever the sidecar does.",
    "Remove the other `mirror` unless it is meant.",
)
TO_PRODUCTION = _rule(
    "refused",
    "mirror_to_production",
    "The mirrored URI has no location of its own",
    "nginx serves the copy as a request of production: with each request the application gets a "
    "second one, for the URI of `mirror`.",
    "Include deploy/nginx/mirror-server.conf in the server, which has `location = /__mirror`.",
)
MIRROR_VARIABLE = _rule(
    "warning",
    "mirror_variable",
    "`mirror` with a variable",
    "nginx accepts it, and `nginx -t` too, but it takes the text as a path and mirrors nothing.",
    "Write the URI itself, such as `mirror /__mirror;`, and choose with locations.",
)
LOG_SUBREQUEST = _rule(
    "refused",
    "log_subrequest",
    "The copies are written to production's access log",
    "With log_subrequest on, each request has two lines with the same request line, so whatever "
    "counts lines counts twice.",
    "Set `log_subrequest off;` and `access_log off;` in the mirror location.",
)
ACCESS_LOG = _rule(
    "warning",
    "access_log",
    "The mirror location has an access log",
    "Nothing is written while log_subrequest is off; one line further up doubles the log.",
    "Set `access_log off;` in the mirror location.",
)
INTERNAL = _rule(
    "warning",
    "internal",
    "Clients can reach the mirror location",
    "What a client sends there is counted as a request of production, and gets no answer of it.",
    "Set `internal;` in the mirror location.",
)
REQUEST_URI = _rule(
    "warning",
    "request_uri",
    "The copy loses the URI of the request",
    "Without $request_uri the copy asks for the URI of the mirror location, so all requests are "
    "counted under one route and the shadow answers 404.",
    "Write `proxy_pass http://mirror_sink$request_uri;`.",
)
HOST = _rule(
    "warning",
    "host",
    "The Host of the request is lost",
    "By default nginx sends the name of the upstream. The new cluster routes by host, so it has no "
    "route for the copies.",
    "Set `proxy_set_header Host $http_host;` there: a level that sets any header inherits none.",
)
HOST_WITH_PORT = _rule(
    "warning",
    "host_with_port",
    "The Host gets a port added",
    "VirtualService and Gateway declare hosts without a port, so the copies may find no route.",
    "Set `proxy_set_header Host $http_host;`.",
)
REQUEST_ID = _rule(
    "warning",
    "request_id",
    "The header with the request's id is missing",
    "Without it the sidecar cannot recognise a request that nginx mirrors twice, join it with the "
    "access log, or audit it.",
    "Set `proxy_set_header X-Mirror-Request-Id $request_id;` (the name is request_id_header).",
)
MODE_HEADER = _rule(
    "warning",
    "mode_header",
    "The header that names the mode is missing",
    "Without it a sidecar in the other mode cannot tell: inline it sends each copy to the "
    "application as well, and in sink it answers clients with an empty 204. And where nginx does "
    "not set it, a client can, and has the sidecar close that connection.",
    "Set `proxy_set_header X-Mirror-Mode sink;` where copies go, and `X-Mirror-Mode inline;` where "
    "production passes the sidecar, as deploy/nginx does.",
)
UPGRADE = _rule(
    "warning",
    "upgrade",
    "Upgrades are not passed on",
    "nginx does not pass Upgrade on by itself, so WebSockets fail on the way through the sidecar.",
    "Set the headers Upgrade and Connection as deploy/nginx/mirror-inline.conf does.",
)
KEEPALIVE = _rule(
    "warning",
    "keepalive",
    "Connections to the sidecar are not kept open",
    "nginx opens a connection for every request: cpu, and in the end all local ports.",
    "Name the sidecar in an `upstream` with `keepalive 64;`, also with nginx from 1.29.7 on, whose "
    "default connections are not shared between locations.",
)
HTTP_VERSION = _rule(
    "warning",
    "http_version",
    "HTTP/1.0 to the sidecar",
    "nginx before 1.29.7 speaks HTTP/1.0 to upstreams unless it is told otherwise, and closes the "
    "connection after each request.",
    "Set `proxy_http_version 1.1;` there.",
)
CONNECTION = _rule(
    "warning",
    "connection",
    "The header Connection closes connections to the sidecar",
    "nginx before 1.29.7 sends `Connection: close` unless it is told otherwise, so none is kept.",
    'Set `proxy_set_header Connection "";`, or to a variable that is empty without an upgrade.',
)
BACKUP = _rule(
    "warning",
    "backup",
    "There is no backup for the sidecar",
    "nginx never stops using the only server of an upstream. In mode sink each request waits for a "
    "hung sidecar; in mode inline production is down while the sidecar is.",
    "Add a `backup` server: the application itself (inline), or one that returns 204 (sink).",
)
BODY_BUFFERING = _rule(
    "warning",
    "body_buffering",
    "nginx reads whole request bodies before it serves them",
    "mirror_request_body is on by default, and no mirrored method has a body. Uploads reach "
    "production late, and proxy_request_buffering off has no effect.",
    "Set `mirror_request_body off;` beside `mirror`.",
)
BODY_MISSING = _rule(
    "warning",
    "body_missing",
    "Writes are mirrored without their bodies",
    "shadow.methods lists methods with a body, and nginx sends none to the sidecar.",
    "Remove mirror_request_body off, and the lines for the body in the mirror location.",
)
CONTENT_LENGTH = _rule(
    "warning",
    "content_length",
    "The copy announces a body that does not come",
    "With mirror_request_body off the copy still has Content-Length, so the sidecar waits for the "
    "body until nginx's time limit, and with it the client's next request.",
    'Set `proxy_pass_request_body off;` and `proxy_set_header Content-Length "";` there.',
)
BODY_SIZE = _rule(
    "warning",
    "body_size",
    "The mirror location refuses bodies that production takes",
    "client_max_body_size applies again in the mirror location, so the copy of a larger request is "
    "answered 413 by nginx itself.",
    "Set `client_max_body_size 0;` in the mirror location.",
)
LONG_TARGETS = _rule(
    "warning",
    "long_targets",
    "nginx takes longer targets than the sidecar",
    "The sidecar refuses a target above 8 KiB: in mode sink the request is neither mirrored nor "
    "counted, and in mode inline the client gets 414.",
    "Leave large_client_header_buffers at 8k, or let such paths pass by the sidecar.",
)
TIMEOUTS = _rule(
    "warning",
    "timeouts",
    "The mirror location waits long for the sidecar",
    "nginx does not read the next request of a connection before the copy of the previous one is "
    "done, so a hung sidecar delays production by this time. The default is 60 s.",
    "Set proxy_connect_timeout 50ms, proxy_send_timeout and proxy_read_timeout 200ms there.",
)
NEXT_UPSTREAM = _rule(
    "warning",
    "next_upstream",
    "nginx sends a request a second time",
    "A copy that is repeated is counted twice. In mode inline, a repetition because of a status "
    "sends the request to the same application again.",
    "Set `proxy_next_upstream off;` in the mirror location, `error timeout` in mode inline.",
)
INDEX_REDIRECT = _rule(
    "warning",
    "index_redirect",
    "`mirror` in a location that redirects by `index`",
    "nginx serves files there, and for a URI that ends in / it redirects internally to the index "
    "file, which mirrors a second time. Only the id lets the sidecar count it once.",
    "Put `mirror` into the locations that serve requests with proxy_pass.",
)
TRY_FILES = _rule(
    "warning",
    "try_files",
    "What falls through try_files is not mirrored",
    "try_files acts before `mirror`: a request for which no file is found goes to the last "
    "location named there, and only a `mirror` in force in that one sends a copy.",
    "Put `mirror` into the location that serves the request, such as `location @app`.",
)
ERROR_PAGE = _rule(
    "warning",
    "error_page",
    "An error page leads into a location that mirrors",
    "nginx redirects internally to the location of the error page, and mirrors the request there a "
    "second time whenever production fails. Only the id lets the sidecar count it once. An "
    "X-Accel-Redirect of the application does the same, but stands in no file.",
    "Give the error page a location of its own, with `mirror off;`.",
)
LOG_NOT_SENT = _rule(
    "warning",
    "log_not_sent",
    "The log that copies are joined with does not reach the sidecar",
    "comparison.access_log names a place to which nginx does not write for this location, so its "
    "copies end as no_log_line and are not compared.",
    "Set `access_log syslog:server=127.0.0.1:PORT,nohostname mirror_json;` beside the other log: a "
    "level that has a log of its own inherits none.",
)
LOG_FORMAT = _rule(
    "warning",
    "log_format",
    "The log that copies are joined with lacks what joins them",
    "Without the id no line finds its copy, and without the status it says nothing about it.",
    "Use the log_format of deploy/nginx/log-format.conf.",
)
ERROR_LOG = _rule(
    "warning",
    "error_log",
    "nginx's error log shows every line that nobody takes",
    "While the sidecar is down, nginx writes a line into the error log of the main context for "
    "every second request (UDP) or for every one (unix socket).",
    "Set that log to crit with UDP and give `http` an error_log of its own, or follow the file; "
    "with a unix socket only emerg hides it.",
)
NGINX = (
    UNREADABLE,
    NOT_JUDGED,
    EXPRESSION,
    NOT_REACHED,
    MIRRORED,
    HOST_NOT_MIRRORED,
    SHADOW_MIRRORS,
    WRONG_MODE,
    MIRRORED_TWICE,
    PAST_THE_SIDECAR,
    OTHER_MIRROR,
    TO_PRODUCTION,
    MIRROR_VARIABLE,
    LOG_SUBREQUEST,
    ACCESS_LOG,
    INTERNAL,
    REQUEST_URI,
    HOST,
    HOST_WITH_PORT,
    REQUEST_ID,
    MODE_HEADER,
    UPGRADE,
    KEEPALIVE,
    HTTP_VERSION,
    CONNECTION,
    BACKUP,
    BODY_BUFFERING,
    BODY_MISSING,
    CONTENT_LENGTH,
    BODY_SIZE,
    LONG_TARGETS,
    TIMEOUTS,
    NEXT_UPSTREAM,
    INDEX_REDIRECT,
    TRY_FILES,
    ERROR_PAGE,
    LOG_NOT_SENT,
    LOG_FORMAT,
    ERROR_LOG,
)
