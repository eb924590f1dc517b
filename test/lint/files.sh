#!/bin/bash
# Each test has its expected output and the other way round; text files are clean;
# nothing is left unfinished; scripts can be executed.
pairs()
{
  diff <(ls $1 2>/dev/null | sed 's/.*\///; s/\.[a-z]*$//' | sort) <(ls $2 2>/dev/null | sed 's/.*\///; s/\.out$//' | sort) |
    sed -n "s|^< \(.*\)|$1: \1 has no expected output|p; s|^> \(.*\)|$2: \1 belongs to no test|p" | grep . && bad=1
}
pairs 'sql/*.sql' 'expected/*.out'
pairs 'test/isolation/specs/*.spec' 'test/isolation/expected/*.out'

sources=$(find . -path ./.git -prune -o -path ./build -prune -o -type f \
  \( -name '*.[ch]' -o -name '*.sql' -o -name '*.sh' -o -name '*.pl' -o -name '*.pm' -o -name '*.spec' -o -name '*.md' -o -name Makefile -o -name run \) -print)
grep -nE '[[:space:]]+$' $sources | sed 's/:[^:]*$/: space at the end of the line/' | grep . && bad=1
grep -nE '\b(TODO|FIXME|XXX|HACK)\b' $sources | grep -v '^./test/lint/' | sed 's/$/   <- unfinished/' | grep . && bad=1
grep -nP '^ {4,}\S' src/*.[ch] | sed 's/:[^:]*$/: indented by spaces, not tabs/' | grep . && bad=1
for file in scripts/*.sh test/with_server.sh test/lint/*.sh test/lint/run bench/*.sh .ci/run; do
  [ ! -e "$file" ] || [ "$file" = scripts/common.sh ] || [ -x "$file" ] || [ "$(head -c 2 "$file")" != '#!' ] ||
    { echo "$file: not executable"; bad=1; }
done
exit "${bad:-0}"
