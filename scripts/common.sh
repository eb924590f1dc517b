# Sourced by the scripts: where things are, and who runs the private server.
#
# A private server lives in build/<name>: a copy of the sources (src), what was
# installed from it (dest), and the cluster (data).  PostgreSQL refuses to run as
# root, so root hands all of it to the user postgres; when that user cannot reach
# the checkout (under /root, say), the directory lies in /var/tmp and build/<name>
# is a link to it.  Nothing outside these directories is written.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

die()
{
  echo "$(basename "$0"): $*" >&2
  exit 1
}

if [ "$(id -u)" = 0 ]; then
  server_user=postgres
else
  server_user=$(id -un)
fi

# Runs a command as the user that owns the server; the caller stands in a directory it can read.
as_server()
{
  if [ "$(id -u)" = 0 ]; then
    runuser -u "$server_user" -- "$@"
  else
    "$@"
  fi
}

# The pg_config of PG_CONFIG, else of the newest server that can be built against.
find_pg_config()
{
  local candidate

  if [ -n "${PG_CONFIG:-}" ]; then
    command -v "$PG_CONFIG" || die "PG_CONFIG=$PG_CONFIG is not a program"
    return
  fi
  for candidate in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV); do
    if [ -x "$candidate/postgres" ] && [ -f "$("$candidate/pg_config" --pgxs 2>/dev/null)" ]; then
      echo "$candidate/pg_config"
      return
    fi
  done
  die "no PostgreSQL server with development files found; run: make deps"
}

load_pg()
{
  pg_config=$(find_pg_config)
  pg_bin=$("$pg_config" --bindir)
  pg_version=$("$pg_config" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
  pg_lib=$("$pg_config" --pkglibdir)
  pg_share=$("$pg_config" --sharedir)
}

# work_dir NAME: sets work, sock and dest; makes the directory on the way.
work_dir()
{
  local name=$1 base="$root/build" mark

  mark=$(printf '%s' "$root" | cksum | cut -d' ' -f1)
  mkdir -p "$base"
  if [ "$(id -u)" = 0 ] && ! (cd / && as_server test -r "$root" -a -x "$base"); then
    base=/var/tmp/joborch-$mark
    own_dir "$base"
    ln -sfn "$base/$name" "$root/build/$name"
  fi
  work=$base/$name
  dest=$work/dest
  own_dir "$work"

  # A socket's path may have 107 bytes at most, so it cannot follow the checkout.
  sock=/tmp/joborch-$mark-$name
  own_dir "$sock"
  cd "$work"
}

# A directory of the server's user that nobody else can enter.
own_dir()
{
  mkdir -p -m 700 "$1"
  [ ! -L "$1" ] || die "$1 is a symbolic link; remove it"
  [ "$(id -u)" != 0 ] || chown "$server_user" "$1"
  [ "$(stat -c %U "$1")" = "$server_user" ] || die "$1 belongs to $(stat -c %U "$1"), not to $server_user; remove it"
  chmod 700 "$1"
}

# Brings $work/src up to date with the checkout.  Times are kept and objects stay,
# so that make builds only what changed.
copy_sources()
{
  local object

  as_server mkdir -p "$work/src"
  (cd "$work/src" && find . -type f ! -name '*.o' ! -name '*.d' ! -name '*.so' ! -path '*/build/*' -delete)
  tar -C "$root" --exclude=build --exclude=./.git --exclude='*.o' --exclude='*.d' --exclude='*.so' \
    --exclude='*.a' -cf - . | as_server tar -C "$work/src" -xf - --no-same-owner
  for object in "$work"/src/src/*.o; do
    if [ -e "$object" ] && [ ! -e "${object%.o}.c" ]; then
      rm -f "$object" "$work/src/joborch.so"
    fi
  done
}

# build_private [make arguments]: compiles $work/src and installs it under $dest.
build_private()
{
  local log=$work/build.log

  copy_sources
  if [ "$*" != "$(cat "$work/build.arguments" 2>/dev/null)" ]; then
    find "$work/src" \( -name '*.o' -o -name '*.so' \) -delete
    echo "$*" >"$work/build.arguments"
  fi
  if ! as_server make -s -C "$work/src" -j "$(nproc)" PG_CONFIG="$pg_config" "$@" >"$log" 2>&1 ||
    ! as_server make -s -C "$work/src" PG_CONFIG="$pg_config" DESTDIR="$dest.new" "$@" install >>"$log" 2>&1; then
    tail -n 40 "$log" >&2
    die "the build failed; all of its output: $log"
  fi
  if ! diff -rq "$dest" "$dest.new" >/dev/null 2>&1; then
    server_stop
    rm -rf "$dest"
    mv "$dest.new" "$dest"
  else
    rm -rf "$dest.new"
  fi
}

# The settings with which a server finds what lies under $dest.
private_settings()
{
  echo "dynamic_library_path = '$dest$pg_lib:\$libdir'"
  if [ "$pg_version" -ge 18 ]; then
    echo "extension_control_path = '$dest$pg_share:\$system'"
  else
    echo "extension_destdir = '$dest'"
  fi
  echo "shared_preload_libraries = 'joborch'"
}

server_init()
{
  [ ! -f "$work/data/PG_VERSION" ] || [ "$(cat "$work/data/PG_VERSION")" = "$pg_version" ] || rm -rf "$work/data"
  if [ ! -f "$work/data/ready" ]; then
    rm -rf "$work/data"
    as_server "$pg_bin/initdb" -D "$work/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >"$work/initdb.log" 2>&1 ||
      { cat "$work/initdb.log" >&2; die "initdb failed"; }
    echo "include 'joborch-private.conf'" >>"$work/data/postgresql.conf"
    as_server touch "$work/data/ready"
  fi
}

# server_start [settings file]: a server on a socket only, with joborch preloaded.
server_start()
{
  server_init
  {
    private_settings
    echo "unix_socket_directories = '$sock'"
    echo "unix_socket_permissions = 0700"
    echo "listen_addresses = ''"
    echo "port = 5432"
    echo "max_worker_processes = 32"
    [ -z "${1:-}" ] || cat "$1"
  } | as_server tee "$work/data/joborch-private.conf.new" >/dev/null
  if ! cmp -s "$work/data/joborch-private.conf.new" "$work/data/joborch-private.conf"; then
    server_stop
  fi
  as_server mv "$work/data/joborch-private.conf.new" "$work/data/joborch-private.conf"
  if ! server_running; then
    as_server "$pg_bin/pg_ctl" -s -w -D "$work/data" -l "$work/server.log" start </dev/null >/dev/null 2>&1 ||
      { tail -n 20 "$work/server.log" >&2; die "the private server does not start; its log: $work/server.log"; }
  fi
}

server_running()
{
  as_server "$pg_bin/pg_ctl" -D "$work/data" status >/dev/null 2>&1
}

server_stop()
{
  ! server_running || as_server "$pg_bin/pg_ctl" -s -w -D "$work/data" -m fast stop
}

# psql on the private server, quiet and strict.
sql()
{
  "$pg_bin/psql" -XqAt -v ON_ERROR_STOP=1 -h "$sock" -p 5432 -U postgres "$@"
}

server_url()
{
  echo "postgresql:///$1?host=$sock&port=5432&user=postgres"
}
