# Shared by the scripts; sourced, not run. What the project needs from Debian 12, seen from a machine that has nothing.

build_packages=(g++ cmake ninja-build pkg-config ccache
  liburing-dev nlohmann-json3-dev libcli11-dev libfmt-dev libexpected-dev libpcre2-dev libutf8proc-dev libedit-dev)
test_packages=(libgtest-dev librapidcheck-dev)
check_packages=(git python3 clang-format)
fuzz_packages=(clang-14 libclang-rt-14-dev python3)
# To build for 64-bit ARM on another machine, and to run what was built. Libraries that are headers alone are shared.
cross_packages=(g++-aarch64-linux-gnu qemu-user liburing-dev:arm64 libfmt-dev:arm64 libpcre2-dev:arm64
  libutf8proc-dev:arm64 libedit-dev:arm64 libgtest-dev:arm64 librapidcheck-dev:arm64)

say() { printf '== %s\n' "$*"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# is_installed NAME[:ARCHITECTURE]: this machine's own where none is named.
is_installed() {
  local architecture=${1#*:}
  [[ $1 == *:* ]] || architecture=$(dpkg --print-architecture)
  dpkg-query -W -f='${Architecture} ${db:Status-Status}\n' "$1" 2>/dev/null | grep -qxE "($architecture|all) installed"
}

# need_architecture NAME: lets apt-get install packages of another architecture beside this machine's own.
need_architecture() {
  command -v dpkg >/dev/null || return 0
  [[ $(dpkg --print-architecture) == "$1" ]] && return
  dpkg --print-foreign-architectures | grep -qx "$1" && return
  local change=(dpkg --add-architecture "$1")
  if ((EUID != 0)); then
    command -v sudo >/dev/null || die "packages of another architecture are needed; as root, run: ${change[*]}"
    change=(sudo "${change[@]}")
  fi
  say "adding an architecture, to install its libraries beside this machine's: ${change[*]}"
  "${change[@]}" || die "dpkg could not add the architecture $1"
}

# need_packages NAME...: installs those that are missing, or says what to install where it cannot.
need_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say "not a Debian system: it is up to you to have what these packages hold: $*"
    return
  fi
  local missing=() as_root=() name
  for name in "$@"; do
    is_installed "$name" || missing+=("$name")
  done
  ((${#missing[@]} == 0)) && return
  if ((EUID != 0)); then
    command -v sudo >/dev/null || die "packages are missing; as root, run: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing with apt-get: ${missing[*]}"
  "${as_root[@]}" apt-get update || say "the lists of packages could not be renewed: trying with those that are here"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" ||
    die "apt-get could not install: ${missing[*]}"
}

# build PRESET [CMAKE-OPTION...] [-- BUILD-OPTION...]: configures and builds build/PRESET, with ccache when it is there.
build() {
  local preset=$1 configure=()
  shift
  while (($# > 0)) && [[ $1 != -- ]]; do
    configure+=("$1")
    shift
  done
  # Paths are left out of ccache's keys, so that presets of one kind and clones of one commit share what they compile.
  export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=true
  command -v ccache >/dev/null && configure+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  say "configuring and building build/$preset"
  cmake --preset "$preset" "${configure[@]}" && cmake --build --preset "$preset" "${@:2}"
}
