#!/bin/bash
# Installs through apt what is missing: deps.sh build|demo|check|bench
#
# A PostgreSQL that is there already is used as it is.  Where there is none, the
# distribution's own is installed, without the cluster that its package would
# make and start: joborch's scripts only use private servers.

. "$(dirname "$0")/common.sh"

purpose=${1:-build}
drop_in=/etc/postgresql-common/createcluster.d/joborch-no-cluster.conf
policy=/usr/sbin/policy-rc.d
as_root=
made=()

has_package()
{
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

apt_run()
{
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" </dev/null >"$log" 2>&1 ||
    { tail -n 15 "$log" >&2; die "apt-get $1 failed"; }
}

# What apt would install as `postgresql`: the distribution's version.
distribution_version()
{
  apt-cache depends postgresql 2>/dev/null | sed -n 's/^ *Depends: postgresql-\([0-9]*\)$/\1/p' | head -n 1
}

installed_version()
{
  local bin

  if [ -n "${PG_CONFIG:-}" ]; then
    "$PG_CONFIG" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/'
    return
  fi
  bin=$(ls -d /usr/lib/postgresql/*/bin/postgres 2>/dev/null | sort -V | tail -n 1)
  [ -z "$bin" ] || echo "$bin" | cut -d/ -f5
}

# A Node that is not Debian's, beside which Debian's module pg cannot be installed.
has_other_node()
{
  command -v node >/dev/null && ! has_package node-pg && ! apt-get -qq -s install --no-install-recommends node-pg >/dev/null 2>&1
}

# Packages for a purpose and a server version.
packages()
{
  echo gcc libc6-dev make "postgresql-$1" "postgresql-server-dev-$1" "postgresql-client-$1" libcjson-dev libcurl4-openssl-dev libical-dev zlib1g-dev libssl-dev
  case $purpose in
    demo) echo libpq-dev iso-codes ;;
    bench) echo libpq-dev iso-codes nginx-light ;;
    check) echo libpq-dev iso-codes perl libipc-run-perl "postgresql-$1-pgtap" "postgresql-$1-cron" libtap-parser-sourcehandler-pgtap-perl openssl \
      python3-aiosmtpd python3-asyncssh python3-openssl python3-pyftpdlib python3-psycopg
      has_other_node || echo nodejs node-pg ;;
  esac
}

missing_packages()
{
  local package

  for package in $(packages "$1"); do
    has_package "$package" || printf '%s ' "$package"
  done
}

become_root()
{
  [ "$(id -u)" != 0 ] || return 0
  as_root=sudo
  command -v sudo >/dev/null && sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null && sudo true; } ||
    die "these packages are missing: $1- install them as root (apt-get install $1) or allow sudo, then try again"
}

command -v apt-get >/dev/null ||
  die "only Debian's apt is known here; install PostgreSQL 15 or newer with its development files, cJSON and gcc, then run make with PG_CONFIG"

version=$(installed_version)
if [ -n "$version" ]; then
  missing=$(missing_packages "$version")
  [ -n "$missing" ] || exit 0
fi

become_root "${missing:-postgresql and the like }"
log=$(mktemp)
trap 'rm -f "$log"; [ ${#made[@]} = 0 ] || $as_root rm -f "${made[@]}"' EXIT

if [ -z "$version" ]; then
  version=$(distribution_version)
fi
if [ -z "$version" ] || ! apt-get -qq -s install --no-install-recommends $(missing_packages "$version") >/dev/null 2>&1; then
  apt_run update
  version=${version:-$(distribution_version)}
fi
[ -n "$version" ] || die "apt knows no package named postgresql; check /etc/apt/sources.list"
missing=$(missing_packages "$version")

echo "installing: $missing"
if ! has_package "postgresql-$version" && [ ! -e "$drop_in" ]; then
  made+=("$drop_in")
  $as_root mkdir -p "$(dirname "$drop_in")"
  echo "create_main_cluster = false" | $as_root tee "$drop_in" >/dev/null
fi
# nginx's package would start one for everybody
if [ "$purpose" = bench ] && ! has_package nginx-light && [ ! -e "$policy" ]; then
  made+=("$policy")
  printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
  $as_root chmod +x "$policy"
fi
apt_run install -y --no-install-recommends $missing
