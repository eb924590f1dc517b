#!/bin/bash
# The install script gives nobody a way in: it creates, never replaces; no function
# runs with its owner's rights; each body in SQL that users can call knows its
# search_path (those of joborch_internal are called by rights.c, which pins it).
for file in sql/extension/*.sql sql/cron/*.sql sql/upgrade/*.sql; do
  [ -e "$file" ] || continue
  sed 's/--.*//' "$file" | grep -niE 'security[[:space:]]+definer|\bor[[:space:]]+replace\b|if[[:space:]]+not[[:space:]]+exists' |
    sed "s|^|$file:|" | grep . && bad=1
done

# A body in SQL or PL/pgSQL: SET search_path, or parsed at creation (RETURN, BEGIN ATOMIC).
# A procedure that commits can have no SET clause: its text must name every schema.
awk '
  FNR == 1 { inside = 0 }
  { line = $0; sub(/--.*/, "", line) }
  !inside && toupper(line) ~ /CREATE (FUNCTION|PROCEDURE) JOBORCH\./ { inside = 1; start = FNR; text = ""; quote = 0 }
  inside {
    text = text "\n" line
    quote += gsub(/\$[a-z]*\$/, "&", line)
    if (quote % 2 == 0 && line ~ /;[ \t]*$/ && (toupper(text) !~ /BEGIN ATOMIC/ || toupper(line) ~ /END;/)) {
      inside = 0
      up = toupper(text)
      if (up ~ /LANGUAGE (SQL|PLPGSQL)/ && up !~ /SET SEARCH_PATH/ && up !~ /[ \t\n]COMMIT;/ && up !~ /BEGIN ATOMIC/ && up !~ /\n?[ \t]*RETURN[ (]/) {
        print FILENAME ":" start ": a body in SQL without SET search_path"; bad = 1
      }
    }
  }
  END { exit bad }' sql/extension/*.sql || bad=1

# Each file is in ORDER once, each name of ORDER is a file.
for directory in sql/extension sql/cron; do
  diff <(sed 's/#.*//' "$directory/ORDER" | tr -s ' \t' '\n' | grep . | sort) <(ls "$directory" | grep '\.sql$' | sort) |
    sed -n "s|^< \(.*\)|\1: in $directory/ORDER, but no file (or twice)|p; s|^> \(.*\)|$directory/\1: not in ORDER|p" | grep . && bad=1
done
exit "${bad:-0}"
