#!/usr/bin/env bash
# Build and install as the image does, in a clean folder, then run the demo from there: minutes, and it needs the package index.
# Fails when the demo compiled a kernel, which means that an actor's first shard would too.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export NUMBA_CPU_NAME=${CPU_NAME:-x86-64-v3} NUMBA_CPU_FEATURES=

"$here/install.sh" dependencies "$folder/riskray"
"$here/install.sh" wheel "$folder/dist"
"$here/install.sh" application "$folder/riskray" "$folder/dist"
"$here/install.sh" warm "$folder/riskray"

kernels() { find "$folder/riskray/kernels" -type f -printf '%P %T@\n' | sort; }

kernels >"$folder/before"
cd "$folder" # never the checkout's modules
PATH=$folder/riskray/application/bin:$folder/riskray/bin:$PATH NUMBA_CACHE_DIR=$folder/riskray/kernels \
	RISKRAY_DATA_DIRECTORY=$folder/data riskray demo --positions 2000
kernels >"$folder/after"
if ! diff "$folder/before" "$folder/after" >"$folder/compiled"; then
	head -20 "$folder/compiled" >&2
	echo "the demo compiled kernels that the image does not have: riskray/grid/warmup.py misses them" >&2
	exit 1
fi
echo "$(wc -l <"$folder/before") files of compiled kernels, none added by the demo; $(du -sm "$folder/riskray" | cut -f1) MB unpacked"
