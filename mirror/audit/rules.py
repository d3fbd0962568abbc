"""What an audit may find, under the codes that docs/audit.md explains.

A rule that is `refused` is proven: by an id that stands in two places or by the mark of a copy.
`unknown` names what the sources cannot show.
"""

from mirror.preflight.findings import Rule

COPY_LOGGED = Rule(
    "refused",
    "audit.copy_logged",
    "Copies are in the gateway's access log",
    "whatever reads that log counts these requests a second time",
    "point shadow.url at the port that reaches istio-proxy itself, past the nginx that logs, and"
    " remove that nginx from shadow.accept_server",
)
LOGGED_TWICE = Rule(
    "refused",
    "audit.logged_twice",
    "Production's log holds a request twice",
    "the copy that nginx sends to the sidecar is in the log as well",
    "set `log_subrequest off; access_log off;` in the location that `mirror` names",
)
SEEN_TWICE = Rule(
    "refused",
    "audit.seen_twice",
    "The sidecar counted a request twice",
    "mirror.rps and every size that is computed from it are too high",
    "name the location once in `mirror`, and pass $request_id in X-Mirror-Request-Id",
)
LOOP = Rule(
    "refused",
    "audit.loop",
    "Copies come back to production",
    "production's nginx logs and serves requests that are copies",
    "point shadow.url at the new cluster, and check that nothing there leads back",
)
PROBED = Rule(
    "warning",
    "audit.probed",
    "Probes of the sidecar came to production",
    "a `mirror check` or a start had a shadow.url that leads to production; its probes are in"
    " production's log, and no copy followed them unless audit.loop says so",
    "run `mirror check`, which says where shadow.url leads now",
)
MIRRORED_TWICE = Rule(
    "warning",
    "audit.mirrored_twice",
    "nginx mirrors a request twice",
    "the sidecar counts each once by its id, but receives twice as many",
    "name the location once in `mirror`, and not where `index` redirects internally",
)
WRONG_MODE = Rule(
    "unknown",
    "audit.wrong_mode",
    "nginx had the configuration of the sidecar's other mode",
    "requests that named the mode were neither served nor mirrored; others were sent to the"
    " application twice (inline) or answered an empty 204 (sink), and nothing counted them",
    "give both the same mode (docs/operations.md, Changing the mode), and audit the time after it",
)
BOTH_PATHS = Rule(
    "warning",
    "audit.both_paths",
    "Production itself is in both logs",
    "a request without the mark of a copy passed both nginx, so a sum of both logs counts it twice",
    "count one of the two logs where both are on the path",
)
PAST_SIDECAR = Rule(
    "warning",
    "audit.past_sidecar",
    "Requests of production reach Envoy without the mark of a copy",
    "Envoy's logs and metrics count them as its own production, and the sidecar does not know them",
    "remove the `mirror` that leads to the new cluster past the sidecar, unless this nginx passes a"
    " part of production on to it",
)
TWO_FILES = Rule(
    "warning",
    "audit.two_files",
    "The same lines are in two files",
    "a log was copied while it was rotated, or is written twice; requests were counted once here",
    "name each log once; rotate by renaming instead of `copytruncate`",
)
PROBE_LOGGED = Rule(
    "warning",
    "audit.probe_logged",
    "Probes of the sidecar are in the gateway's log",
    "the sidecar's connections end at the nginx that logs, or somebody ran a check against it",
    "run `mirror check`, which says whether shadow.url leads to that nginx",
)
UNEXPLAINED = Rule(
    "warning",
    "audit.unexplained",
    "Requests have no copy, and nothing explains it",
    "the counts and the load of the new cluster are too low by as much",
    "look for locations without `mirror` (--config names the routes), for requests that use the"
    " backup, and at the error log",
)
NOT_ARRIVED = Rule(
    "warning",
    "audit.not_arrived",
    "Copies were sent that Envoy did not count",
    "something between the sidecar and Envoy takes or drops them",
    "name the logs of all gateway Pods; look at the outcomes in /status",
)
ENVOY_SILENT = Rule(
    "unknown",
    "audit.envoy_silent",
    "Envoy's log holds no copy at all",
    "a filter of the log leaves copies out, or none arrived; the log cannot tell",
    "give --envoy-stats, or a log with copies (docs/istio.md)",
)
OVERFLOW = Rule(
    "warning",
    "audit.overflow",
    "Envoy's circuit breakers refused requests",
    "a copy that is refused puts no load on the application",
    "raise the limits of the DestinationRule, or mirror a smaller share",
)
SURPLUS = Rule(
    "unknown",
    "audit.surplus",
    "The sidecar saw more requests than the log holds",
    "nginx may mirror requests twice, or a part of the log is missing; numbers alone cannot tell",
    "log $request_id and give a capture with --capture, or send `mirror canary`",
)
SEEN_ONLY = Rule(
    "unknown",
    "audit.seen_only",
    "Captured requests are not in production's log",
    "a part of the log is missing, or requests reach the sidecar past the nginx that logs",
    "name all files of the log, also those of other servers",
)
ANONYMOUS = Rule(
    "unknown",
    "audit.anonymous",
    "The lines of a log say neither id nor mark",
    "a copy in it looks like any other request",
    'add "id":"$http_x_request_id" and "mirror_leg":"$http_x_mirror_leg" to that log',
)
NO_IDS = Rule(
    "unknown",
    "audit.no_ids",
    "Production's log has no ids",
    "only the numbers of these requests were compared: a request that is in the log twice looks"
    " like two, and none can be found again in another log",
    'append $request_id to the format of that log, or add "request_id":"$request_id" where it is'
    " JSON",
)
NO_REQUESTS = Rule(
    "unknown",
    "audit.no_requests",
    "Production's log has no request in the window",
    "there is nothing to compare",
    "check the window, the time zone and the names of the files",
)
NO_SIDECAR = Rule(
    "unknown",
    "audit.no_sidecar",
    "Nothing says what the sidecar saw",
    "misses cannot be judged",
    "give --series, or a --capture of every request",
)
UNOBSERVED = Rule(
    "unknown",
    "audit.unobserved",
    "The sidecar did not observe a part of the window",
    "it was down, or a second was cut short; these seconds are not judged",
    "look at the restarts of the sidecar, or choose another window",
)
LOG_HOLE = Rule(
    "unknown",
    "audit.log_hole",
    "A part of production's log is missing",
    "the sidecar saw requests in seconds without a line; these seconds are not judged",
    "name the rotated files too, such as access.log*",
)
LOST_LINES = Rule(
    "unknown",
    "audit.lost_lines",
    "Many lines of a log cannot be read",
    "their requests are missing in every number here",
    "name the keys with --fields, or the zone with --time-zone",
)
SHAPES = Rule(
    "unknown",
    "audit.clocks_by_shape",
    "The clocks of two hosts seem to be apart",
    "requests are compared with those of other seconds; without ids this is only a guess",
    "synchronise the clocks, or log ids",
)
CLOCKS = Rule(
    "note",
    "audit.clocks",
    "The clocks of two hosts are apart",
    "minutes of the two logs do not match; what ids show is right all the same",
    "synchronise the clocks",
)
RESTARTED = Rule(
    "unknown",
    "audit.envoy_restarted",
    "Envoy was started again between the readings",
    "what it counted before is lost",
    "take two readings without a restart in between",
)
OTHER_SPAN = Rule(
    "unknown",
    "audit.readings_span",
    "The readings of Envoy span another time than the window",
    "their numbers are those of another time",
    "choose the window between the readings",
)
LOST_LINES_NOTE = Rule(
    "note",
    "audit.some_lines",
    "Some lines of a log cannot be read",
    "their requests are missing in every number here",
    "",
)
UNSURE = Rule(
    "note",
    "audit.upstream_not_logged",
    "The log does not say whether an upstream was asked",
    "a redirect or a 403 of the application then looks like one of nginx and explains a miss",
    'add "upstream":"$upstream_addr" to the log',
)
INEXACT = Rule(
    "note",
    "audit.inexact_times",
    "The times of a log are whole seconds, or those of the ends of responses",
    "a request is compared with a second near its own; long ones may be in another minute",
    'log "time":"$msec" and "upstream_s":"$upstream_response_time"',
)
SILENT = Rule(
    "note",
    "audit.gateway_silent",
    "The gateway's log has no request in the window",
    "nothing is counted there, if this is the log of the gateway that the copies reach",
    "send `mirror canary` with the same --gateway-log, which shows it",
)
NO_GATEWAY_LOG = Rule(
    "note",
    "audit.no_gateway_log",
    "The gateway's log was not given",
    "a copy in it is counted twice by whoever reads it, and nothing here looked for one",
    "give it with --gateway-log, or send `mirror canary` with it",
)
NO_FILES = Rule(
    "note",
    "audit.no_files",
    "A log has no file, and its folder is empty",
    "it was not looked at: that is normal for the gateway's log before the switch, and for Envoy's"
    " where it leaves copies out",
    "see that its lines arrive there from the switch on; `mirror canary` shows whether copies are"
    " logged",
)
MORE_IN_ENVOY = Rule(
    "note",
    "audit.more_in_envoy",
    "Envoy counted more copies than the sidecars sent",
    "another sidecar sends copies there, or a --series is missing",
    "give the series.db of all sidecars",
)

RULES = {
    rule.code: rule
    for rule in (
        *(COPY_LOGGED, LOGGED_TWICE, SEEN_TWICE, LOOP, MIRRORED_TWICE, WRONG_MODE),
        *(
            BOTH_PATHS,
            PAST_SIDECAR,
            TWO_FILES,
            PROBED,
            PROBE_LOGGED,
            UNEXPLAINED,
            NOT_ARRIVED,
            ENVOY_SILENT,
            OVERFLOW,
            SURPLUS,
            SEEN_ONLY,
            ANONYMOUS,
        ),
        *(
            NO_IDS,
            NO_REQUESTS,
            NO_SIDECAR,
            UNOBSERVED,
            LOG_HOLE,
            LOST_LINES,
            SHAPES,
            CLOCKS,
            RESTARTED,
        ),
        *(
            OTHER_SPAN,
            LOST_LINES_NOTE,
            UNSURE,
            INEXACT,
            SILENT,
            NO_GATEWAY_LOG,
            NO_FILES,
            MORE_IN_ENVOY,
        ),
    )
}
