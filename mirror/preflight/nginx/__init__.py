"""What nginx's configuration does with the copies, without nginx: the linter of `mirror check`.

rules         what is looked for; docs/preflight.md explains each code
dump          the output of `nginx -T`, as the files that it holds
reading       the files with their includes, parsed, as one tree of directives
scopes        which directive is in force where: nginx's inheritance and variables
expressions   whether a regular expression fits a URI, within a bound of time
locations     which location nginx chooses for a URI
destinations  where a proxy_pass leads: the sidecar, the shadow or another server
copies        a location that receives the `mirror` subrequests
connections   the way to the sidecar in both modes: keep-alive, backup, Host
logs          whether the log that copies are joined with reaches the sidecar
production    the locations that serve production: what they mirror, and through what they proxy
mirrored      which servers and locations are mirrored, and whether a host's server is
linter        all of it as one list of findings
"""
