#!/bin/bash
# No file over 800 lines, no function over 100.
for file in src/*.[ch] test/unit/*.[ch] sql/extension/*.sql; do
  [ -e "$file" ] || continue
  lines=$(wc -l <"$file")
  [ "$lines" -le 800 ] || { echo "$file: $lines lines"; bad=1; }
done
awk '
  FNR == 1 { start = 0 }
  /^[A-Za-z_].*\(/ { name = $0 }
  /^\{/ { start = FNR }
  /^\}/ { if (start && FNR - start > 100) { print FILENAME ":" start ": " FNR - start " lines: " name; bad = 1 } start = 0 }
  END { exit bad }' src/*.c || bad=1
exit "${bad:-0}"
