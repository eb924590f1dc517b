#!/bin/bash
# Calls go down: a file includes only headers of its own layer and of lower ones.
# test/lint/layers.txt says which file is in which layer.

awk '
  FILENAME ~ /layers.txt$/ {
    sub(/#.*/, "")
    if (NF < 2) next
    name = $1; sub(/:$/, "", name); base = name; sub(/\..*/, "", base)
    if (base != last_base) level++
    last_base = base
    for (i = 2; i <= NF; i++) { layer[$i] = level; group[$i] = name; title[$i] = base }
    next
  }
  FNR == 1 {
    self = FILENAME; sub(/.*\//, "", self)
    if (!(self in layer)) sub(/\.[ch]$/, "", self)
    if (!(self in layer) && !(self in seen)) { print FILENAME ": in no layer of test/lint/layers.txt"; bad = 1 }
    seen[self] = 1
  }
  /^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, part, "\""); other = part[2]; sub(/\.h$/, "", other)
    if (!(other in layer) || !(self in layer)) next
    if (layer[other] > layer[self]) {
      print FILENAME ":" FNR ": " title[self] " includes " part[2] ", which is " title[other] ", above it"; bad = 1
    } else if (title[other] == title[self] && group[other] != group[self]) {
      print FILENAME ":" FNR ": " group[self] " includes " part[2] " of " group[other]; bad = 1
    }
  }
  END {
    for (name in layer) if (!(name in seen)) { print "test/lint/layers.txt: there is no src/" name ".[ch]"; bad = 1 }
    exit bad
  }' test/lint/layers.txt src/*.c src/*.h || bad=1

# A leaf file includes no header of the server but by leaf.h.
for name in $(sed -n 's/^leaf: //p' test/lint/layers.txt); do
  grep -nE 'include.*"(postgres|fmgr|utils|access|storage|executor|catalog|lib|miscadmin|mb|nodes)' "src/$name.c" "src/$name.h" 2>/dev/null |
    sed "s|^|src/$name: |; s|\$|   <- a leaf file knows the server by leaf.h only|" | grep . && bad=1
done

# only PATTERN ALLOWED WHY: a pattern that may occur in the allowed files alone
only()
{
  local found

  found=$(grep -nE "$1" src/*.c src/*.h | grep -vE "^src/($2):") || return 0
  echo "$found" | sed "s|\$|   <- $3|"
  bad=1
}

only 'include.*cJSON\.h' 'json\.h' 'cJSON is known to json.h alone'
only 'include.*<openssl/' 'secretcrypt\.c' 'OpenSSL is known to secretcrypt.c alone'
only 'PG_VERSION_NUM' 'compat\.[ch]' 'version differences live in compat'
only '\b(heap_(insert|delete|update|lock_tuple|multi_insert)|simple_heap_|table_tuple_(insert|delete|update|lock)|simple_table_tuple_)' \
  '(store[a-z_]*\.[ch]|compat\.h)' 'rows of the hot tables are written by store alone'
only '(INSERT INTO|UPDATE|DELETE FROM) joborch_internal\.(run|live|step|ends|timers|attempt|marks|wait|signal|item_chunk|step_cache|permit|offer|claim|work_group|external_ref)\b' \
  'store[a-z_]*\.[ch]' 'hot tables are written by store alone'
exit "${bad:-0}"
