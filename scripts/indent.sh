#!/bin/bash
# Formats src/*.[ch] as pgindent would, with the typedefs that the sources define themselves.
. "$(dirname "$0")/common.sh"

command -v pg_bsd_indent >/dev/null || die "pg_bsd_indent is missing; install the package pg-bsd-indent"
typedefs=$(mktemp)
trap 'rm -f "$typedefs"' EXIT
load_pg
cd "$root"
{
  sed -n 's/^} \([A-Za-z_]*\);$/\1/p' src/*.[ch]
  find "$("$pg_config" --includedir-server)" -name '*.h' -exec sed -n 's/^} \([A-Za-z_]*\);$/\1/p; s/^typedef .*[ *]\([A-Za-z_]*\);$/\1/p' {} +
} | sort -u >"$typedefs"
for file in src/*.[ch]; do
  pg_bsd_indent -bad -bap -bbb -bc -bl -cli1 -cp33 -cdb -nce -d0 -di12 -nfc1 -i4 -l79 -lp -lpl -nip -npro -sac -tpg -ts4 \
    -U"$typedefs" "$file" "$file.new" && cat "$file.new" >"$file"
  rm -f "$file.new"
done
