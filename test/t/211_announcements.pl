# What happens between the commit of a start and its announcement: a request of
# another session, or, for a prepared transaction, no announcement at all.
use strict;
use warnings;

use JoborchTest;
use Test::More;
use Time::HiRes qw(time);

my $node = joborch_node('announcements');

$node->safe_psql('postgres', 'CREATE TABLE begun (x integer)');

# ---- a cancel that is heard of before the start ----

arm_point($node, 'postgres', 'session-before-announcing', 'wait');
my $app = $node->background_psql('postgres');
$app->query_until(qr/sent/, "\\echo sent\nSELECT joborch.start_sql('INSERT INTO begun VALUES (1)');\n");
wait_until($node, 'postgres', "SELECT joborch_internal.debug_waiting('session-before-announcing') = 1");
my $run = value_of($node, 'postgres', 'SELECT max(run_id) FROM joborch.job_runs');
$node->safe_psql('postgres', "SELECT joborch.cancel_run($run)");

# a whole round of the dispatcher, which begins after the cancel was announced
arm_point($node, 'postgres', 'dispatcher-round', 'wait');
$node->safe_psql('postgres', 'SELECT joborch_internal.announce_control(0)');
wait_until($node, 'postgres', "SELECT joborch_internal.debug_waiting('dispatcher-round') = 1");
$node->safe_psql('postgres', 'SELECT joborch_internal.debug_clear()');
is(wait_for_run($node, 'postgres', $run), 'cancelled', 'the run is cancelled');
$app->quit;
is(value_of($node, 'postgres', 'SELECT count(*) FROM begun'), '0', 'its step did not begin');

# ---- a prepared transaction that is committed at once ----

for my $round (1 .. 3)
{
    my $begun = time();

    $node->safe_psql('postgres', "BEGIN; SELECT joborch.start_sql('INSERT INTO begun VALUES ($round)');
        PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'");
    wait_until($node, 'postgres', "SELECT count(*) = $round FROM begun");
    cmp_ok(time() - $begun, '<', 15, 'it is found long before the re-check');
}

check_invariants($node, 'postgres');
done_testing();
