#!/bin/bash
# Each error reported has a SQLSTATE (elog is for what cannot happen: internal_error); each SQLSTATE of ours is explained in doc/errors.md.
awk '
  FNR == 1 { open = 0 }
  /ereport\((ERROR|FATAL)/ { open = FNR; code = 0 }
  open && /errcode|ERRCODE_|ThrowErrorData|errcode_for/ { code = 1 }
  open && /;[ \t]*$/ { if (!code) { print FILENAME ":" open ": ereport without errcode"; bad = 1 } open = 0 }
  END { exit bad }' src/*.c || bad=1

for state in $(sed -n "s/^#define ERRCODE_JO_.*MAKE_SQLSTATE('J','O','\(.\)','\(.\)','\(.\)').*/JO\1\2\3/p" src/errors.h); do
  grep -q "$state" doc/errors.md || { echo "$state: not explained in doc/errors.md"; bad=1; }
done
for state in $(grep -oE '\bJO[0-9]{3}\b' doc/errors.md | sort -u); do
  digits=$(echo "${state#JO}" | sed "s/./'&',/g; s/,\$//")
  grep -q "'J','O',$digits" src/errors.h || { echo "$state: in doc/errors.md, but not in src/errors.h"; bad=1; }
done
exit "${bad:-0}"
