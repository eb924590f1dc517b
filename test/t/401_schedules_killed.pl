# Whatever dies while schedules fire: each of their times has one row, one run and one effect.
use strict;
use warnings;

use JoborchTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = joborch_node('sched_killed', init => [ allows_streaming => 1 ]);
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE effect (schedule text, at timestamptz);
SELECT joborch.create_job('note', $$ {"steps": [
    {"name": "note", "sql": "INSERT INTO effect VALUES ({{ schedule.name }}, {{ schedule.fire_at }}::timestamptz)"}]} $$);
SELECT joborch.schedule('all', 'note', cron => '* * * * * *', overlap => 'allow_all', catchup => '10 minutes');
SELECT joborch.schedule('one by one', 'note', cron => '* * * * * *', overlap => 'buffer_all', catchup => '10 minutes');
SQL

# All that is due by now is done; then each second from the first on must be there, once.
sub each_time_once
{
    my ($server, $what) = @_;
    my $until = value_of($server, 'postgres', "SELECT date_trunc('second', clock_timestamp())");

    wait_until($server, 'postgres', <<"SQL");
SELECT count(*) = 2 FROM joborch.job_schedules s
WHERE s.name IN ('all', 'one by one') AND s.last_fire_at >= '$until'
    AND NOT EXISTS (SELECT FROM joborch.job_schedule_fires f WHERE f.schedule = s.name AND f.fire_at <= '$until' AND f.outcome = 'buffered')
    AND NOT EXISTS (SELECT FROM joborch.active_runs a JOIN joborch.job_runs r USING (run_id) WHERE r.schedule = s.name AND r.fire_at <= '$until')
SQL
    is(value_of($server, 'postgres', <<"SQL"), '', $what);
SELECT string_agg(format('%s %s: %s fires, %s runs, %s effects', t.schedule, t.at, f.n, r.n, e.n), E'\\n')
FROM (SELECT f.schedule, generate_series(min(f.fire_at), '$until', '1 s') AS at
        FROM joborch.job_schedule_fires f WHERE f.schedule IN ('all', 'one by one') GROUP BY 1) AS t,
    LATERAL (SELECT count(*) AS n FROM joborch.job_schedule_fires f WHERE f.schedule = t.schedule AND f.fire_at = t.at AND f.outcome = 'fired') AS f,
    LATERAL (SELECT count(*) AS n FROM joborch_internal.run r WHERE r.schedule_id = (SELECT s.schedule_id FROM joborch.job_schedules s WHERE s.name = t.schedule) AND r.fire_at = t.at) AS r,
    LATERAL (SELECT count(*) AS n FROM effect e WHERE e.schedule = t.schedule AND e.at = t.at) AS e
WHERE (f.n, r.n, e.n) <> (1, 1, 1)
SQL
    return;
}

sub strike
{
    my ($point, $action) = @_;
    my $offset = -s $node->logfile;

    arm_point($node, 'postgres', $point, $action);
    if ($action eq 'kill')
    {
        wait_for_restart($node, $offset);
    }
    else
    {
        my $did = $action eq 'exit' ? 'ended the process' : 'raised';
        $node->wait_for_log(qr/debug point "$point" $did/, $offset);
    }
    each_time_once($node, "$action at $point: each time once");
    return;
}

my @points = qw(dispatcher-before-fires-commit dispatcher-after-fires-commit dispatcher-before-ends-commit dispatcher-followed);
strike($_, 'kill') for @points, 'executor-before-commit';
strike($_, 'exit') for @points;
strike($_, 'error') for @points;
check_invariants($node, 'postgres');

# ---- the server is away for a while ----

$node->safe_psql('postgres', <<'SQL');
SELECT joborch.create_job('boot', '{"steps": [{"name": "a", "sql": "SELECT 1"}]}');
SELECT joborch.schedule('boot', 'boot', cron => '@reboot');
SQL
my $before = value_of($node, 'postgres', 'SELECT count(*) FROM effect');
$node->stop;
sleep 4;
$node->start;
wait_until($node, 'postgres', "SELECT count(*) > $before + 8 FROM effect");
each_time_once($node, 'what was due while the server was down came later, within the catch-up window');
is(value_of($node, 'postgres', "SELECT count(*) FROM joborch.job_runs WHERE schedule = 'boot'"), '1', '@reboot: one run for the start of the server');
is(value_of($node, 'postgres', "SELECT fire_at = pg_postmaster_start_time() FROM joborch.job_schedule_fires WHERE schedule = 'boot'"), 't', 'its time is that start');
my $offset = -s $node->logfile;
kill_process($node, 'dispatcher');
wait_for_restart($node, $offset);
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'joborch dispatcher'");
each_time_once($node, 'a crash is no start of the server');
is(value_of($node, 'postgres', "SELECT count(*) FROM joborch.job_runs WHERE schedule = 'boot'"), '1', 'and @reboot did not fire again');
$node->restart;
wait_until($node, 'postgres', "SELECT count(*) = 2 FROM joborch.job_runs WHERE schedule = 'boot'");

# ---- somebody takes over ----

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('sched_standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
wait_until($node, 'postgres', "SELECT count(*) > 5 FROM effect WHERE at > now() - interval '4 s'");
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($standby->safe_psql('postgres', "SELECT count(*) > 0 FROM joborch.upcoming_fires"), 't', 'a standby shows schedules');
$node->stop('immediate');
sleep 2;
$standby->promote;
each_time_once($standby, 'promoted, a standby goes on with each time once');
check_invariants($standby, 'postgres');
$standby->stop;
done_testing();
