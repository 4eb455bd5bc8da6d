#!/usr/bin/env bash
# Runs the dispatcher as a member of the Ray cluster: whoever drives Ray has to stand on one of the cluster's nodes. This
# node offers no processors, so no training lands on it. Node and dispatcher end together, whichever ends first, so
# that what watches this script (compose, Kubernetes) starts both anew. A TERM goes to the dispatcher first: it gives
# its jobs back while the cluster is still there.
#
#   RAY_HEAD_ADDRESS         host:port of the head
#   RAY_OBJECT_STORE_BYTES   shared memory this node may take, 100 MB unless given
#
# Further arguments go to "grouping dispatcher".
set -euo pipefail

: "${RAY_HEAD_ADDRESS:?set it to host:port of the Ray head}"

# "ray start" writes this file once the node has joined, and "--ray-address auto" reads it.
joined="${RAY_TMPDIR:-/tmp}/ray/ray_current_cluster"
rm -f "$joined"

stop() {
    for pid in "$@"; do
        kill -TERM "$pid" 2>/dev/null || true
        wait "$pid" || true
    done
}

ray start --address="$RAY_HEAD_ADDRESS" --num-cpus=0 --disable-usage-stats --block \
    --object-store-memory="${RAY_OBJECT_STORE_BYTES:-100000000}" &
node=$!
trap 'stop "$node"; exit 143' TERM INT
until [ -e "$joined" ]; do
    kill -0 "$node" || { echo "This node could not join the Ray cluster at $RAY_HEAD_ADDRESS." >&2; exit 1; }
    sleep 0.5
done

grouping dispatcher --ray-address auto "$@" &
dispatcher=$!
trap 'stop "$dispatcher" "$node"; exit 143' TERM INT
status=0
wait -n "$node" "$dispatcher" || status=$?
echo "Node or dispatcher ended with status $status; ending the other." >&2
stop "$dispatcher" "$node"
# A dispatcher never ends by itself when all is well, and a node lost is a failure even where Ray calls it graceful.
exit "$(( status == 0 ? 1 : status ))"
