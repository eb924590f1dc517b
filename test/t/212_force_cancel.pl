# A step may catch the interruption by a force-cancel and go on; its process is
# terminated then, and the run is cancelled all the same.
use strict;
use warnings;

use JoborchTest;
use Test::More;

# SQL that does not let itself be cancelled.
my $deaf = q(
		DO $do$
		BEGIN
			LOOP
				BEGIN
					PERFORM pg_sleep(60);
				EXCEPTION WHEN query_canceled THEN
					NULL;
				END;
			END LOOP;
		END
		$do$);

my $node = joborch_node('force_cancel');

my $run = value_of($node, 'postgres', "SELECT joborch.start_sql(\$step\$$deaf\$step\$)");
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
$node->safe_psql('postgres', "SELECT joborch.cancel_run($run, force => true)");
is(wait_for_run($node, 'postgres', $run), 'cancelled', 'the run is cancelled');
is(value_of($node, 'postgres', "SELECT status FROM joborch.run_steps($run)"), 'cancelled', 'so is its step');
wait_until($node, 'postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
pass('nothing of it goes on');

# A step's own time-out can be caught as well.
$run = value_of($node, 'postgres', "SELECT joborch.start_definition(jsonb_build_object('steps', jsonb_build_array(
	jsonb_build_object('name', 'deaf', 'timeout', '100 ms', 'sql', \$step\$$deaf\$step\$))))");
is(wait_for_run($node, 'postgres', $run), 'failed', 'a step that catches its time-out is ended');
is(value_of($node, 'postgres', "SELECT error ->> 'sqlstate' FROM joborch.run_steps($run)"), 'JO021', 'as timed out');

check_invariants($node, 'postgres');
done_testing();
