#!/usr/bin/env bash
# Release an image: migrate, roll out, try it, and go back when it does not work. What the pipeline runs, and an operator by hand.
#
#   release.sh ENVIRONMENT REPOSITORY@sha256:DIGEST
#
# MIGRATE=no leaves the schema alone: for going back to an image that is older than it.
# kubectl must point at the environment's cluster. Rights: Role riskray-deployer (base/platform/deployers.yaml).
set -euo pipefail

environment=${1:?which overlay: dev or prod}
image=${2:?which image: REPOSITORY@sha256:DIGEST}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
namespace=riskray
look_every_s=${LOOK_EVERY_S:-5}
# A node, the image, Ray, and the first pricers; the operator itself gives up after ray.io/initializing-timeout.
rollout_timeout=25m

[[ $image == *@sha256:* ]] || { echo "$image names no digest: a tag can move, a digest cannot" >&2; exit 2; }
[[ -d $here/overlays/$environment ]] || { echo "there is no overlay $environment in $here/overlays" >&2; exit 2; }

work=$(mktemp -d "$here/overlays/.release.XXXXXX") # inside, because kustomize takes relative folders only
trap 'rm -rf "$work"' EXIT

k() { kubectl --namespace "$namespace" "$@"; }

render() { # FOLDER: its manifests with the image
	cat >"$work/kustomization.yaml" <<-END
		apiVersion: kustomize.config.k8s.io/v1beta1
		kind: Kustomization
		resources: [../../$1]
		images:
		  - {name: riskray, newName: "${image%@*}", digest: "${image#*@}"}
	END
	kubectl kustomize "$work"
}

run_job() { # NAME FILE [SELECTOR…]: the Job, to its end, which its activeDeadlineSeconds brings; its log either way
	local name=$1 file=$2 ended=
	shift 2
	k delete job "$name" --ignore-not-found --wait
	k apply --filename "$file" "$@"
	until [[ $ended == *Complete* || $ended == *Failed* ]]; do
		sleep "$look_every_s"
		ended=$(k get job "$name" --output jsonpath='{.status.conditions[?(@.status=="True")].type}')
	done
	k logs "job/$name" --all-containers --tail=200 || true
	[[ $ended == *Complete* ]]
}

wait_for_rollout() { # until the newest generation serves and no second cluster is being made
	local generation
	generation=$(k get rayservice riskray --output jsonpath='{.metadata.generation}')
	k wait rayservice/riskray --for=jsonpath='{.status.observedGeneration}'="$generation" --timeout=5m &&
		k wait rayservice/riskray --for=condition=UpgradeInProgress=false --timeout="$rollout_timeout" &&
		k wait rayservice/riskray --for=condition=Ready --timeout="$rollout_timeout"
}

render "overlays/$environment/app" >"$work/app"
render base/smoke >"$work/smoke"
k apply view-last-applied rayservice/riskray --output yaml >"$work/previous" 2>/dev/null || rm -f "$work/previous"

if [[ ${MIGRATE:-yes} != no ]]; then
	echo "migrating"
	run_job riskray-migrate "$work/app" --selector riskray.io/step=migrate || { echo "the migration failed; nothing was rolled out" >&2; exit 1; }
fi

echo "rolling out"
k apply --selector "riskray.io/step!=migrate" --filename "$work/app"
if wait_for_rollout && run_job riskray-smoke "$work/smoke"; then
	echo "released $image"
	exit 0
fi

k get rayservice riskray --output jsonpath='{.status}' || true
k get pods --output wide || true
if [[ ! -s $work/previous ]]; then
	echo "the release failed and there is none before it to go back to" >&2
	exit 1
fi
echo "the release failed: going back to the one before" >&2
k apply --filename "$work/previous"
wait_for_rollout || echo "the one before does not come up either: docs/operations.md, \"A release that does not come up\"" >&2
exit 1
