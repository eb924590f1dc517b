#!/bin/bash
# Each function and view that users see has its section in doc/functions/*.md or doc/views.md, and the other
# way round; each type of step has its page in doc/steps, with the sections that all of them have and an
# example that is run; a section of a setting, error or file that a page links to is there.
compare()
{
  diff <(sort -u <<<"$1") <(sort -u <<<"$2") |
    sed -n "s|^< \(.*\)|joborch.\1: not described in $3|p; s|^> \(.*\)|$3: describes joborch.\1, which is not there|p" | grep . && bad=1
}

compare \
  "$(sed -nE 's/^CREATE (FUNCTION|PROCEDURE) joborch\."?([a-z_]+)"?\(.*/\2/p' sql/extension/*.sql)" \
  "$(sed -nE 's/^##+ `([a-z_]+)\(.*/\1/p' doc/functions/*.md)" doc/functions
compare \
  "$(sed -nE 's/^CREATE VIEW joborch\.([a-z_]+) .*/\1/p' sql/extension/*.sql)" \
  "$(sed -nE 's/^##+ `([a-z_]+)`$/\1/p' doc/views.md)" doc/views.md

types=$(sed -nE 's/^\t\{"([a-z_]+)", "an? [A-Za-z_]+ step", JO_STEP_.*/\1/p' src/defstep.c)
[ -n "$types" ] || { echo "src/defstep.c: no types of steps found"; bad=1; }
diff <(sort <<<"$types") <(basename -s .md doc/steps/*.md | sort) |
  sed -n 's|^< \(.*\)|the step type \1 has no page in doc/steps|p; s|^> \(.*\)|doc/steps/\1.md: there is no such type of step|p' | grep . && bad=1
for page in doc/steps/*.md; do
  for part in '## Keys' '## Output' '## Errors' '## Cost' '<!-- run -->'; do
    grep -qxF -- "$part" "$page" || { echo "$page: has no \"$part\""; bad=1; }
  done
done

# What a heading's link is called: lower case, without punctuation, blanks as hyphens.
anchors()
{
  sed -n '/^```/,/^```/d; s/^##* //p' "$1" | tr '[:upper:]' '[:lower:]' | sed -E 's/[^a-z0-9 _-]//g; s/ /-/g'
}

for page in *.md doc/*.md doc/functions/*.md doc/steps/*.md src/*.md; do
  [ -e "$page" ] || continue
  [ "${page%/*}" != doc/functions ] || [ "$(wc -l <"$page")" -le 400 ] || { echo "$page: over 400 lines"; bad=1; }
  for link in $(sed '/^```/,/^```/d' "$page" | grep -oE '\]\([^)# ]*(#[^) ]*)?\)' | sed 's/^](\(.*\))$/\1/' | sort -u); do
    case $link in http*) continue ;; esac
    file=${link%%#*}
    target=$page
    [ -z "$file" ] || target=$(dirname "$page")/$file
    if [ ! -e "$target" ]; then
      echo "$page: links to $link, which is not there"; bad=1
    elif [ "$link" != "$file" ] && ! anchors "$target" | grep -qxF -- "${link#*#}"; then
      echo "$page: links to $link, but that page has no such heading"; bad=1
    fi
  done
done
exit "${bad:-0}"
