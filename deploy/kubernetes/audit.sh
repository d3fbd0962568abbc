#!/bin/sh
# Audits ten minutes of both clusters from any machine that has kubectl, `mirror` and access to them. Nothing
# is installed in either. docs/audit.md explains the answer; the exit code is that of `mirror audit`.
#
#   PRODUCTION="--context blue --namespace shop" PRODUCTION_PODS=app=shop-web \
#   GATEWAY="--context green --namespace site-gateway" sh deploy/kubernetes/audit.sh
#
# PRODUCTION and GATEWAY are the words with which kubectl finds the two. Where the sidecar is a Service, not a
# container of nginx's Pods, also set SIDECAR="--context blue --namespace mirror". ENVOY=yes reads Envoy's log
# too: with deploy/istio/mesh-config.yaml it holds the copies, with telemetry.yaml it does not. MINUTES=60
# audits an hour.
#
# Production's log is the output of the container nginx, in the format that it has. It needs the id of each
# request, $request_id; without ids the answer is 3, audit.no_ids.
#
# The logs are followed while they are written: afterwards kubectl would show the newest file of a container
# only, and the kubelet begins another after 10 MiB. A Pod that starts meanwhile is not followed, so a rollout
# in these minutes is reported as seconds that were not observed.
set -eu
: "${PRODUCTION:?expected the words for kubectl, such as --context blue --namespace shop}"
: "${PRODUCTION_PODS:?expected the label of the Pods of nginx, such as app=shop-web}"
: "${GATEWAY:?expected the words for kubectl, such as --context green --namespace site-gateway}"
SIDECAR=${SIDECAR:-$PRODUCTION} MINUTES=${MINUTES:-10}

folder=$(mktemp -d)
followers=
trap 'kill $followers 2>/dev/null || true; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
mkdir "$folder/series"

follow() {  # FILE CONTAINER LABEL WORDS...
    file=$1 container=$2 label=$3
    shift 3
    # With a label, --tail is 10 unless it is said.
    kubectl "$@" logs --follow --since=1s --tail=-1 --max-log-requests=100 -c "$container" -l "$label" \
        >"$folder/$file" &
    followers="$followers $!"
}

all_follow() {
    for follower in $followers; do
        kill -0 "$follower" 2>/dev/null || { echo "a kubectl logs has ended, so its log is not whole" >&2; exit 2; }
    done
}

# PRODUCTION and the others are several words each, so they stand without quotes.
follow production.log nginx "$PRODUCTION_PODS" $PRODUCTION
follow gateway.log nginx app=site-gateway $GATEWAY
[ -z "${ENVOY:-}" ] || follow envoy.log istio-proxy app=site-gateway $GATEWAY
sleep 10
all_follow
echo "following the logs for $MINUTES minutes" >&2
sleep $((MINUTES * 60))

# The window ends with the newest second of the series, and the logs have to hold what began in it.
for pod in $(kubectl $SIDECAR get pods -l mirror.example.com/sidecar=true -o name); do
    kubectl $SIDECAR exec "$pod" -c mirror -- mirror series /var/lib/mirror/series.db \
        --export /var/lib/mirror/copy.db --last "$((MINUTES + 5))m" >&2
    kubectl $SIDECAR exec "$pod" -c mirror -- cat /var/lib/mirror/copy.db >"$folder/series/${pod#pod/}.db"
done
sleep 10
all_follow
mirror audit --access-log "$folder/production.log" --series "$folder/series/*.db" --last "${MINUTES}m" \
    --gateway-log "$folder/gateway.log" ${ENVOY:+--envoy-log "$folder/envoy.log"}
