# The courier may be killed at any point, and be stopped in any way: no run is lost, no step is recorded
# twice, what may have been sent is sent again with the same idempotency key, and nobody is charged for it.
use strict;
use warnings;

use FaultServer;
use JoborchTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

# /answer at once, /later/N in N seconds, /stall never; /hook accepts and is never heard of again
my $server = FaultServer->start(sub {
    my ($request) = @_;

    return { delay => $1, body => 'late' } if $request->{path} =~ m{^/later/([\d.]+)};
    return { cut => 0, then => 'stall' } if $request->{path} =~ m{^/stall};
    return { status => 202 } if $request->{path} =~ m{^/hook};
    return { body => 'x' };
});
my $node = joborch_node('courier_killed', init => [ allows_streaming => 1 ], conf => <<'CONF');
joborch.executor_idle_timeout = 10min
CONF
my $asked = 0;                  # requests that were looked at before

$node->safe_psql('postgres', <<"SQL");
SELECT joborch.allow_egress('postgres', '127.0.0.1', port => @{[$server->port]});
-- two of them at a time, one after these, items, and one behind gates
SELECT joborch.create_job('sends', jsonb_build_object('steps', jsonb_build_array(
    jsonb_build_object('name', 'a', 'url', '@{[$server->url('/answer')]}?{{ run.id }}-a', 'method', 'POST', 'depends_on', '[]'::jsonb),
    jsonb_build_object('name', 'b', 'url', '@{[$server->url('/later/0.05')]}?{{ run.id }}-b', 'method', 'POST', 'depends_on', '[]'::jsonb),
    jsonb_build_object('name', 'c', 'url', '@{[$server->url('/answer')]}?{{ run.id }}-c', 'method', 'POST', 'depends_on', '["a", "b"]'::jsonb),
    jsonb_build_object('name', 'd', 'url', '@{[$server->url('/answer')]}?{{ run.id }}-d{{ item_index }}', 'method', 'POST',
        'foreach', '{"items": [1, 2, 3], "max_parallel": 2}'::jsonb, 'depends_on', '["c"]'::jsonb),
    jsonb_build_object('name', 'e', 'url', '@{[$server->url('/answer')]}?{{ run.id }}-e', 'method', 'POST',
        'when', '{"sql": "SELECT true"}'::jsonb, 'concurrency', '{"key": "e", "limit": 2}'::jsonb, 'depends_on', '["a"]'::jsonb))));
SELECT joborch.create_job('slow', jsonb_build_object('steps', jsonb_build_array(
    jsonb_build_object('name', 'a', 'url', '@{[$server->url('/later/3')]}?{{ run.id }}-a', 'method', 'POST'))));
SQL

# All requests since the last call have one key for each step, and each step its own.
sub check_keys
{
    my ($name) = @_;
    my @requests = $server->requests;
    my (%keys, %steps, @wrong);

    for my $request (@requests)
    {
        my $key = $request->{headers}{'idempotency-key'} || 'none';

        $keys{ $request->{query} }{$key} = 1;
        $steps{$key}{ $request->{query} } = 1;
    }
    push @wrong, map { "$_ has " . join(' and ', sort keys %{ $keys{$_} }) } grep { keys %{ $keys{$_} } != 1 } sort keys %keys;
    push @wrong, map { "$_ is of " . join(' and ', sort keys %{ $steps{$_} }) } grep { keys %{ $steps{$_} } != 1 } sort keys %steps;
    cmp_ok(scalar @requests, '>', $asked, "$name: requests came");
    is(join('; ', @wrong), '', "$name: one idempotency key a step");
    $asked = @requests;
    return;
}

# Each run completed, each of its steps is there once, and no attempt is charged or said to be running.
sub check_sent
{
    my ($name, $of) = @_;

    $of ||= $node;
    all_runs_final($of, 'postgres');
    is($of->safe_psql('postgres', <<'SQL'), '', "$name: each run completed, and each step once");
SELECT r.run_id, r.job, r.status, s.step, s.n FROM joborch.job_runs r
LEFT JOIN LATERAL (SELECT t.step, count(*) AS n FROM joborch_internal.step t
    WHERE t.run_id = r.run_id AND t.status = 'c' GROUP BY t.step, t.item) AS s ON s.n <> 1
WHERE r.status <> 'completed' OR s.n IS NOT NULL LIMIT 5
SQL
    is($of->safe_psql('postgres', "SELECT DISTINCT status, sqlstate FROM joborch.job_step_attempts WHERE status NOT IN ('completed', 'interrupted')"),
        '', "$name: nothing is charged, or seems to go on");
    check_keys($name);
    return;
}

sub start_runs
{
    my ($job, $count, $of) = @_;

    return try_value($of || $node, 'postgres', "SELECT count(*) FROM joborch.start_many('$job', $count)");
}

sub terminate_courier
{
    $node->safe_psql('postgres', "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE backend_type = 'joborch courier'");
    return;
}

# Arms the point, starts a load, and waits until somebody has come by there.
sub strike
{
    my ($point, $action) = @_;
    my $offset = -s $node->logfile;

    # a courier comes only when there is none, and is given up only when it is gone
    terminate_courier() if $point eq 'courier-attached';
    arm_point($node, 'postgres', $point, $action);
    start_runs('sends', 5);
    try_value($node, 'postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'joborch courier'")
      if $point eq 'dispatcher-courier-reaped';
    if ($action eq 'kill')
    {
        wait_for_restart($node, $offset);
    }
    elsif ($action eq 'exit' || $point ne 'courier-before-commit')
    {
        my $did = $action eq 'exit' ? 'ended the process' : 'raised';

        # (what is raised within the transaction makes the courier write them one by one, and is not told)
        $node->wait_for_log(qr/debug point "$point" $did/, $offset);
    }
    check_sent("$action at $point");
    return;
}

start_runs('sends', 5);
check_sent('nobody dies');
is($node->safe_psql('postgres', "SELECT count(*) FROM joborch.job_step_attempts WHERE status = 'interrupted'"), '0', 'nothing was interrupted');

# ---- at each point ----

my @points = qw(courier-attached courier-before-commit courier-begun courier-after-commit dispatcher-courier-reaped);

$node->safe_psql('postgres', 'ALTER SYSTEM SET joborch.careful_period = 1');
$node->reload;
strike($_, 'kill') for @points;
strike($_, 'exit') for @points;
strike($_, 'error') for @points;
check_invariants($node, 'postgres');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM joborch.job_step_attempts WHERE status = 'interrupted'"), '>', 0,
    'attempts are there that were interrupted');

# a crash after which every step leaves a mark first
$node->safe_psql('postgres', 'ALTER SYSTEM RESET joborch.careful_period');
$node->reload;
strike($_, 'kill') for qw(courier-begun courier-before-commit courier-after-commit);
is($node->safe_psql('postgres', 'SELECT count(*) FROM joborch_internal.marks'), '0', 'no mark is left');
check_invariants($node, 'postgres');

# ---- while bytes move ----

# Starts slow runs, waits until all were asked for, and does something.
sub strike_slow
{
    my ($name, $act) = @_;
    my $seen = $server->requests('/later/3');

    start_runs('slow', 10);
    wait_until($node, 'postgres', 'SELECT true') until $server->requests('/later/3') >= $seen + 10;
    $act->();
    check_sent($name);
    is(scalar($server->requests('/later/3')), $seen + 20, "$name: each was sent again");
    return;
}

strike_slow('kill while bytes move', sub {
    my $offset = -s $node->logfile;

    kill_process($node, 'courier');
    wait_for_restart($node, $offset);
});
strike_slow('termination while bytes move', sub { terminate_courier() });
strike_slow('two terminations', sub { terminate_courier() });
strike_slow('fast shutdown', sub { $node->restart });
strike_slow('immediate shutdown', sub { $node->stop('immediate'); $node->start });
check_invariants($node, 'postgres');

# A fast shutdown waits for nobody who does not answer.
my $stalled = $node->safe_psql('postgres', "SELECT joborch.start_definition('{\"steps\": [{\"name\": \"s\", \"url\": \"@{[$server->url('/stall')]}\"}]}')");
wait_until($node, 'postgres', 'SELECT true') until $server->requests('/stall') == 1;
my $begun = time();
$node->stop('fast');
cmp_ok(time() - $begun, '<', 5, 'a shutdown does not wait for a server that does not answer');
$node->start;
wait_until($node, 'postgres', 'SELECT true') until $server->requests('/stall') == 2;
is($node->safe_psql('postgres', "SELECT string_agg(status, ', ' ORDER BY attempt) FROM joborch.job_step_attempts WHERE run_id = $stalled"),
    'interrupted, running', 'an attempt was interrupted, another one is running');
$node->safe_psql('postgres', "SELECT joborch.cancel_run($stalled, force => true)");
is(wait_for_run($node, 'postgres', $stalled), 'cancelled', 'it is cancelled');
is($node->safe_psql('postgres', "SELECT string_agg(status, ', ' ORDER BY attempt) FROM joborch.job_step_attempts WHERE run_id = $stalled"),
    'interrupted, cancelled', 'and so is that attempt');
$node->safe_psql('postgres', "SELECT joborch.delete_run($stalled)");

# One that is accepted, and whose other side is never heard of again, waits on through all that.
my $hooked = $node->safe_psql('postgres', "SELECT joborch.start_definition('{\"steps\": [
    {\"name\": \"s\", \"url\": \"@{[$server->url('/hook')]}\", \"callback\": true, \"timeout\": \"10 min\"}]}')");
wait_until($node, 'postgres', "SELECT status = 'waiting' FROM joborch.run_steps($hooked)");
terminate_courier();
$node->stop('immediate');
$node->start;
wait_until($node, 'postgres', "SELECT status = 'waiting' FROM joborch.run_steps($hooked)");
my ($hook) = $server->requests('/hook');
$node->safe_psql('postgres', "SELECT joborch.complete_claim('$hook->{headers}{'joborch-callback-token'}')");
is(wait_for_run($node, 'postgres', $hooked), 'completed', 'a step that waits for a callback outlives the courier');
is(scalar($server->requests('/hook')), 1, 'and is sent once');
is($node->safe_psql('postgres', "SELECT status FROM joborch.job_step_attempts WHERE run_id = $hooked"), 'completed', 'its attempt completed');

# Traces of other kinds: an executor dies in a step outside of a transaction, and its run is given up.
my $alone = $node->safe_psql('postgres', "SELECT joborch.start_definition('{\"steps\": [
    {\"name\": \"s\", \"transaction\": \"none\", \"timeout\": \"10 min\", \"sql\": \"SELECT pg_sleep(600)\"}]}')");
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
is($node->safe_psql('postgres', "SELECT status FROM joborch.job_step_attempts WHERE run_id = $alone"), 'running', 'a trace of a step that runs');
$node->stop('immediate');
$node->start;
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
is($node->safe_psql('postgres', "SELECT string_agg(status, ', ' ORDER BY attempt) FROM joborch.job_step_attempts WHERE run_id = $alone"),
    'interrupted, running', 'it is interrupted once another one runs');
$node->safe_psql('postgres', "SELECT joborch.cancel_run($alone, force => true)");
is(wait_for_run($node, 'postgres', $alone), 'cancelled', 'a step outside of a transaction is cancelled');
is($node->safe_psql('postgres', "SELECT count(*) FROM joborch.job_step_attempts WHERE status = 'running'"), '0', 'nothing is said to be running');
$node->safe_psql('postgres', "SELECT joborch.delete_run($alone)");
check_invariants($node, 'postgres');

# ---- another server goes on ----

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('courier_standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
my $seen = $server->requests('/later/3');
start_runs('slow', 5);
wait_until($node, 'postgres', 'SELECT true') until $server->requests('/later/3') >= $seen + 5;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
$node->stop('immediate');
$standby->promote;
check_sent('a standby that is promoted', $standby);
is(scalar($server->requests('/later/3')), $seen + 10, 'it sends again what was under way');
check_invariants($standby, 'postgres');

$standby->stop;
$server->stop;
done_testing();
