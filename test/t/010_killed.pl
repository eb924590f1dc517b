# Any process of joborch may be killed at any point of a step's life, with -9, so
# that the server restarts, or by a FATAL of its own.  Whatever it was doing: each
# step's effect is there exactly once, each run ends, nothing is left behind.
use strict;
use warnings;

use JoborchTest;
use Test::More;

my @executor_points = qw(executor-step-begin executor-before-books executor-before-commit
  executor-after-commit executor-before-failure-commit);
my @dispatcher_points = qw(dispatcher-round dispatcher-loaded dispatcher-before-ends-commit
  dispatcher-after-ends-commit dispatcher-before-timers-commit);

my $node = joborch_node('killed');
create_load_jobs($node, 'postgres');

# Arms the point, starts a load, and waits until somebody has come by there.
sub strike
{
    my ($point, $action) = @_;
    my $offset = -s $node->logfile;

    arm_point($node, 'postgres', $point, $action);
    start_load($node, 'postgres', 4);
    if ($action eq 'kill')
    {
        wait_for_restart($node, $offset);
    }
    else
    {
        my $did = $action eq 'exit' ? 'ended the process' : 'raised';
        $node->wait_for_log(qr/debug point "$point" $did/, $offset);
    }
    check_load($node, 'postgres', "$action at $point: each effect exactly once, each run ended");
    return;
}

# a crash after which the server trusts its steps, as in the first minute it would not
$node->safe_psql('postgres', 'ALTER SYSTEM SET joborch.careful_period = 1');
$node->reload;
strike($_, 'kill') for @executor_points, @dispatcher_points, 'session-before-announcing';
my $offset = -s $node->logfile;
start_load($node, 'postgres', 30);
kill_process($node, 'launcher');
wait_for_restart($node, $offset);
check_load($node, 'postgres', 'kill of the launcher: each effect exactly once, each run ended');
check_invariants($node, 'postgres');

# a crash after which every step leaves a mark first
$node->safe_psql('postgres', 'ALTER SYSTEM RESET joborch.careful_period');
$node->reload;
strike($_, 'kill') for qw(executor-step-begin executor-before-commit executor-after-commit dispatcher-round);
is($node->safe_psql('postgres', 'SELECT count(*) FROM joborch_internal.marks'), '0', 'no mark is left');
check_invariants($node, 'postgres');

# the server goes on, only the process is gone
strike($_, 'exit') for @executor_points;
check_invariants($node, 'postgres');
strike($_, 'exit') for @dispatcher_points;
strike($_, 'error') for @dispatcher_points;
check_invariants($node, 'postgres');

# executors that die before they have a step
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE backend_type = 'joborch executor'");
strike('executor-starting', 'exit');
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE backend_type = 'joborch executor'");
strike('executor-attached', 'exit');
is($node->safe_psql('postgres', "SELECT count(*) FROM joborch.workers WHERE process = 'joborch executor' AND pid IS NULL OR pid = 0"),
    '0', 'and no place of an executor is left taken');

# no process is needed for another to go on
my $launcher = kill_process($node, 'launcher', 'TERM');
start_load($node, 'postgres', 4);
check_load($node, 'postgres', 'runs end without a launcher');
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity
    WHERE backend_type = 'joborch launcher' AND pid <> $launcher");

# again and again in the middle of it
start_load($node, 'postgres', 100);
for (1 .. 5)
{
    kill_process($node, 'dispatcher', 'TERM');
    wait_until($node, 'postgres', "SELECT EXISTS (SELECT FROM joborch.workers WHERE process = 'joborch dispatcher')
        OR NOT EXISTS (SELECT FROM joborch.active_runs)");
    kill_process($node, 'executor', 'TERM');
}
check_load($node, 'postgres', 'dispatchers and executors terminated by an administrator lose nothing');
is($node->safe_psql('postgres', "SELECT count(*) FROM joborch.job_step_attempts WHERE sqlstate = '57P01'"),
    '0', 'which is charged to no step');
check_invariants($node, 'postgres');

$node->stop;
done_testing();
