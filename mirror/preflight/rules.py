"""The rules about the primary and this host, in the order of docs/preflight.md.

Those about the shadow are in shadow_rules.py, and those about nginx's configuration in
nginx/rules.py. A test compares the document with the tables, so that each code is explained where a
finding points to.
"""

from mirror.preflight.findings import Rule

PRIMARY_ANSWERS = Rule("note", "primary.answers", "The primary's answer can be passed on", "", "")
PRIMARY_UNREACHABLE = Rule(
    "unknown",
    "primary.unreachable",
    "The primary gives no answer",
    "In mode inline every request goes through the sidecar to it; clients would get 502 or 504.",
    "Check `primary`, and whether the application runs.",
)
PRIMARY_REFUSED = Rule(
    "refused",
    "primary.refused",
    "The sidecar would refuse the primary's answer",
    "Two parsers could frame the answer differently, so clients would get 502 instead of it.",
    "Correct the application's answer (docs/operations.md says what is refused), or use mode sink.",
)
PRIMARY = (PRIMARY_ANSWERS, PRIMARY_UNREACHABLE, PRIMARY_REFUSED)

RUNNING = Rule(
    "note",
    "host.running",
    "The sidecar of this configuration is running",
    "Its addresses are therefore not taken by another program.",
    "",
)
ROOT = Rule(
    "note",
    "host.root",
    "The check, or the sidecar, runs as root",
    "The sidecar needs no privilege, and root may write where the sidecar's own user may not, so "
    "the findings about files say little.",
    "Run both as the user of the sidecar.",
)
TLS_NOT_VERIFIED = Rule(
    "warning",
    "host.tls_not_verified",
    "TLS is not verified",
    "Whoever is on the way can read and answer the requests.",
    "Name the authority in `ca_file` of that section, and leave `verify` out.",
)
FOLDER = Rule(
    "warning",
    "host.folder",
    "A folder cannot be written",
    "The sidecar serves, but records nothing there.",
    "Create the folder for the sidecar's user, or change the path.",
)
SOCKET = Rule(
    "warning",
    "host.socket",
    "nginx's workers may be unable to connect to the socket",
    "Production is served as usual, and nothing is mirrored or counted.",
    "Set `mode` and `group` of the address in `listen`, and the permissions of the directories.",
)
DESCRIPTORS = Rule(
    "warning",
    "host.descriptors",
    "A worker may open fewer descriptors than it could need",
    "The worker takes fewer connections than max_connections. nginx uses its backup for those "
    "beyond: in mode sink their copies are lost, in mode inline the application answers. "
    "Production does not wait. Where 1,000 connections remain, this is a note.",
    "Raise the hard limit (systemd: LimitNOFILE), or lower max_connections.",
)
IDLE_TIMEOUT = Rule(
    "warning",
    "host.idle_timeout",
    "The sidecar closes idle connections before nginx does",
    "nginx may send a request on a connection that is just being closed: a copy is lost, or in "
    "mode inline a request is repeated.",
    "Set timeouts.idle above keepalive_timeout of nginx's upstream (default: 60 s).",
)
CLOCK_DIFFERS = Rule(
    "warning",
    "host.clock_differs",
    "This host's clock and the shadow's differ",
    "Series, logs and captures of both sides cannot be laid side by side, and Datadog drops points "
    "whose time is far off.",
    "Synchronise the clock (chrony, systemd-timesyncd) of the host that is wrong.",
)
CLOCK_NOT_SYNCHRONISED = Rule(
    "note",
    "host.clock_not_synchronised",
    "The kernel does not consider its clock synchronised",
    "The clock may drift, unless something disciplines it without telling the kernel, as a "
    "hypervisor does.",
    "Run chrony or systemd-timesyncd on this host.",
)
DOGSTATSD = Rule(
    "warning",
    "host.dogstatsd",
    "The Datadog Agent does not take metrics",
    "Datadog gets no metric; series.db and /metrics still have them.",
    "Start the Agent's DogStatsD on datadog.dogstatsd, or correct the address or its permissions.",
)
DISK = Rule(
    "warning",
    "host.disk",
    "The disk is smaller than what may be recorded",
    "When it is full, the series and the capture lose what comes later.",
    "Lower series.max_bytes or capture.keep_bytes, or use a larger disk.",
)
ACCESS_LOG = Rule(
    "warning",
    "host.access_log",
    "The access log cannot be read",
    "The sidecar serves and mirrors, but compares nothing until it can.",
    "Let the sidecar's user read the file (on Debian: the group adm), or let nginx send the log to "
    "a socket.",
)
ACCESS_LOG_FORMAT = Rule(
    "warning",
    "host.access_log_format",
    "The access log lacks what the comparison needs",
    "Copies are joined with lines by the id, and what a line does not say is not compared.",
    "Log in the format of deploy/nginx/log-format.conf.",
)
LOG_BUFFER = Rule(
    "note",
    "host.log_buffer",
    "Few lines of the access log fit into the socket's buffer",
    "A burst of requests may lose lines, and their copies are then not compared.",
    "Raise net.core.rmem_max to 4194304 for UDP, or net.unix.max_dgram_qlen to 1000 for a unix "
    "socket, or follow the file.",
)
NOT_COMPARED = Rule(
    "note",
    "host.not_compared",
    "The shadow's answers are not compared with production's",
    "Whether the switch is safe then shows only in the shadow's own statuses.",
    "Name nginx's access log in comparison.access_log.",
)
HOST = (
    RUNNING,
    ROOT,
    TLS_NOT_VERIFIED,
    FOLDER,
    SOCKET,
    DESCRIPTORS,
    IDLE_TIMEOUT,
    CLOCK_DIFFERS,
    CLOCK_NOT_SYNCHRONISED,
    DOGSTATSD,
    DISK,
    ACCESS_LOG,
    ACCESS_LOG_FORMAT,
    LOG_BUFFER,
    NOT_COMPARED,
)
