#!/bin/bash
# joborch.control, joborch_cron.control, META.json and CHANGELOG.md name the same version.
control=$(sed -n "s/^default_version = '\(.*\)'/\1/p" joborch.control)
cron=$(sed -n "s/^default_version = '\(.*\)'/\1/p" joborch_cron.control)
[ "$cron" = "$control" ] || { echo "joborch_cron.control: $cron, but joborch.control says $control"; bad=1; }
for version in $(sed -n 's/.*"version": *"\([0-9.]*\)".*/\1/p' META.json | sed '$d'); do
  [ "$version" = "$control" ] || { echo "META.json: $version, but joborch.control says $control"; bad=1; }
done
log=$(sed -n 's/^## \([0-9][0-9.]*\).*/\1/p' CHANGELOG.md | head -n 1)
[ "$log" = "$control" ] || { echo "CHANGELOG.md: the newest entry is '$log', but joborch.control says $control"; bad=1; }
exit "${bad:-0}"
