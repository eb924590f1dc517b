#!/bin/bash
# The server loads libraries with global symbols: each exported one carries our prefix.
[ -e joborch.so ] || { echo "not built, not checked"; exit 0; }
found=$(nm -D --defined-only joborch.so | awk '{print $3}' |
  grep -vE '^(jo_|joborch_|pg_finfo_joborch_|Pg_magic_func$|_PG_init$|_init$|_fini$|__bss_start$|_edata$|_end$)')
[ -z "$found" ] || { echo "$found" | sed 's/$/: exported without the prefix jo_ or joborch_/'; exit 1; }
