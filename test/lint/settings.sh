#!/bin/bash
# Each setting of src/guc.c has a section in doc/settings.md, and the other way round.
code=$(grep -ohE 'name = "joborch\.[a-z_]+"' src/guc.c | cut -d'"' -f2 | sort -u)
page=$(sed -n 's/^##* `\(joborch\.[a-z_]*\)`.*/\1/p' doc/settings.md | sort -u)
found=$(diff <(echo "$code") <(echo "$page") | sed -n 's/^< \(.*\)/\1: no section in doc\/settings.md/p; s/^> \(.*\)/\1: in doc\/settings.md, but src\/guc.c has no such setting/p')
[ -z "$found" ] || { echo "$found"; exit 1; }
