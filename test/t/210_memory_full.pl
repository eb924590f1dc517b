# More runs than the shared memory for their steps can hold: the others wait for
# room, and all come to their end.
use strict;
use warnings;

use JoborchTest;
use Test::More;

my $node = joborch_node('memory_full', conf => "joborch.shared_memory = 4MB\n");

$node->safe_psql('postgres', q(
	SELECT joborch.create_job('wide', jsonb_build_object('steps', jsonb_agg(
		jsonb_build_object('name', 's' || n, 'sql', 'SELECT 1'))))
	FROM generate_series(1, 1000) AS n;
	SELECT count(*) FROM joborch.start_many('wide', 120);));

# a caller is not troubled by it
my $alone = $node->safe_psql('postgres', "SELECT joborch.start_sql('SELECT 1')");
like($alone, qr/^\d+$/, 'a run is started while memory is full');

all_runs_final($node, 'postgres');
is(value_of($node, 'postgres', "SELECT count(*) FROM joborch.job_runs WHERE status = 'completed'"),
    '121', 'all runs ended');
ok($node->log_contains('out of shared memory for the steps of active runs'), 'the log says why they waited');
ok(!$node->log_contains('dispatcher ERROR'), 'it was no error');

check_invariants($node, 'postgres');
done_testing();
