# Nothing polls: when the work is done, no process of joborch wakes up.  What no
# callback tells, the commit of a prepared transaction, is found by a look that
# is repeated only while there is one.
use strict;
use warnings;

use JoborchTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = joborch_node('quiet');
create_load_jobs($node, 'postgres');

# How often the processes of joborch have gone to sleep; each is there from look to look.
sub sleeps
{
    my %sleeps;

    for my $pid (split /\n/, $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'joborch %'"))
    {
        my ($count) = slurp_file("/proc/$pid/status") =~ /^voluntary_ctxt_switches:\s*(\d+)/m;
        $sleeps{$pid} = $count;
    }
    return \%sleeps;
}

# ---- two-phase commit ----

$node->safe_psql('postgres', "BEGIN; SELECT joborch.start('single'); PREPARE TRANSACTION 'start'");
$node->safe_psql('postgres', "BEGIN; SELECT joborch.start('single'); PREPARE TRANSACTION 'dropped'");
is($node->safe_psql('postgres', 'SELECT count(*) FROM joborch.job_runs'), '0', 'a prepared start is no start');
$node->safe_psql('postgres', "COMMIT PREPARED 'start'");
$node->safe_psql('postgres', "ROLLBACK PREPARED 'dropped'");
wait_until($node, 'postgres', "SELECT string_agg(status, ', ') FROM joborch.job_runs", 'completed');
pass('COMMIT PREPARED by another session: the run is found in seconds, not at the minute\'s look');
check_load($node, 'postgres', 'and runs once, the one that was rolled back never');

# ---- silence ----

SKIP:
{
    skip 'no /proc', 2 unless -e "/proc/$$/status";

    start_load($node, 'postgres', 20);
    check_load($node, 'postgres', 'a load');

    # executors and dispatcher are through with what comes after: statistics, the last prepared transaction
    my ($before, $after);
    $node->safe_psql('postgres', 'SELECT pg_sleep(6)');
    $before = sleeps();
    $node->safe_psql('postgres', 'SELECT pg_sleep(5)');
    $after = sleeps();

    my $wakeups = 0;
    $wakeups += $after->{$_} - ($before->{$_} || 0) for keys %$after;
    cmp_ok(scalar(keys %$after), '>=', 3, 'launcher, dispatcher and executors are there');
    cmp_ok($wakeups, '<', 3, 'and do not wake up');
}
check_invariants($node, 'postgres');

$node->stop;
done_testing();
