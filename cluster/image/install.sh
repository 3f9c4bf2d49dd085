#!/usr/bin/env bash
# The steps that put riskray into a folder. The Dockerfile calls them one by one, a layer each; tests call them in a clean folder, so that what
# is tested is what is built.
#
#   install.sh dependencies PREFIX   a virtual environment of requirements.lock, every file checked against its hash
#   install.sh wheel DIST            the wheel of this checkout, built by hash-checked tools, without asking an index
#   install.sh application PREFIX DIST   the wheel into PREFIX/application, on the environment's path: a change of code is a small layer
#   install.sh warm PREFIX           compile every kernel into PREFIX/kernels, so that an actor's first shard compiles nothing
set -euo pipefail

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=${PYTHON:-python3}

locked() { # PYTHON LOCKFILE: install exactly this
	"$1" -m pip install --quiet --no-cache-dir --no-compile --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r "$2"
}

dependencies() {
	"$python" -m venv "$1"
	locked "$1/bin/python" "$checkout/requirements.lock"
	"$1/bin/python" -m compileall -q "$1/lib" || true # a library may carry files of other Python versions
}

wheel() { # BUILD_PYTHON: an interpreter that has the tools already
	local tools builder=${BUILD_PYTHON:-}
	tools=$(mktemp -d)
	if [[ -z $builder ]]; then
		"$python" -m venv "$tools"
		builder=$tools/bin/python
		locked "$builder" "$checkout/cluster/image/requirements-build.lock"
	fi
	"$builder" -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --wheel-dir "$1" "$checkout"
	rm -rf "$tools"
}

application() {
	local target=$1/application
	"$1/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check --no-deps --no-index --target "$target" "$2"/riskray-*.whl
	# An image layer keeps whole seconds, and numba takes a kernel for outdated when its source's time is another than when it was compiled.
	find "$target" -exec touch --date="@${SOURCE_DATE_EPOCH:-1}" {} +
	"$1/bin/python" -m compileall -q "$target"
	echo "$target" >"$("$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/riskray.pth"
}

warm() {
	mkdir -p "$1/kernels"
	# -P: what was installed, not what lies in the working directory; numba keeps kernels by the path of their source.
	NUMBA_CACHE_DIR=$1/kernels "$1/bin/python" -P -c 'from riskray.grid.warmup import warm_kernels, warm_totals; warm_totals(); warm_kernels()'
}

case ${1:-} in
dependencies | wheel | application | warm)
	step=$1
	shift
	"$step" "$@"
	;;
*)
	sed -n '5,8s/^# *//p' "${BASH_SOURCE[0]}" >&2
	exit 2
	;;
esac
