# Privileges that were given before the extension came do not reach into it.
use strict;
use warnings;

use JoborchTest;
use Test::More;

my $node = joborch_node('privileges_before', extension => 0);

$node->safe_psql('postgres', q(
	CREATE ROLE reader LOGIN;
	CREATE SCHEMA joborch;
	GRANT ALL ON SCHEMA joborch TO reader WITH GRANT OPTION;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO reader, PUBLIC;
	CREATE EXTENSION joborch;));

is(value_of($node, 'postgres', q(
	SELECT string_agg(n.nspname || ' ' || p.privilege, ', ')
	FROM pg_namespace n, (VALUES ('USAGE'), ('CREATE')) AS p (privilege)
	WHERE n.nspname IN ('joborch', 'joborch_internal') AND has_schema_privilege('reader', n.oid, p.privilege))),
    '', 'no schema of the extension is open');

done_testing();
