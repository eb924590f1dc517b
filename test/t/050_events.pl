# Who listens hears everything that matters, in order: job_started first, the
# steps' statuses as they happen, job_completed last.  The end of a run is told
# whatever happens: when more is going on than the ring of events can hold, when
# the publisher dies, when it fails.
use strict;
use warnings;

use IPC::Run;
use JoborchTest;
use Test::More;
use Time::HiRes qw(time);

my $node = joborch_node('events');

# ---- a listening psql ----

sub open_listener
{
    my ($channel) = @_;
    my %listener = (in => "LISTEN $channel;\n\\echo listening\n", out => '');

    $listener{psql} = IPC::Run::start(
        [ $node->installed_command('psql'), '-XqAt', '-d', $node->connstr('postgres') ],
        '<', \$listener{in}, '>', \$listener{out}, '2>', \$listener{out});
    pump_until(\%listener, sub { $listener{out} =~ /^listening$/m });
    return \%listener;
}

# psql looks for notifications whenever it has run something.
sub pump_until
{
    my ($listener, $enough) = @_;
    my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;

    until ($enough->())
    {
        die "heard no more than:\n" . substr($listener->{out}, -2000) if time() > $deadline;
        $listener->{in} .= "SELECT pg_sleep(0.02) \\g /dev/null\n" if $listener->{in} eq '';
        $listener->{psql}->pump_nb;
        Time::HiRes::usleep(5_000);
    }
    return;
}

sub payloads
{
    my ($listener, $run) = @_;

    return grep { !defined $run || /"run_id": ?$run\b/ } $listener->{out} =~ /with payload "(\{.*?\})" received/g;
}

# How often the end of each run was heard; looks at what is new since the last call.
sub count_ends
{
    my ($listener) = @_;

    pos($listener->{out}) = $listener->{counted} || 0;
    while ($listener->{out} =~ /"type": ?"job_completed", ?"run_id": ?(\d+)[^\n]*\n/g)
    {
        $listener->{ends}{$1}++;
        $listener->{counted} = pos($listener->{out});
    }
    return $listener->{ends} || {};
}

# "type step status" of each.
sub story
{
    return join ', ', map {
        my ($type) = /"type": ?"(\w+)"/;
        my ($step) = /"step": ?"(\w+)"/;
        my ($status) = /"status": ?"(\w+)"/;
        join ' ', $type, grep { defined } $step, $status
    } @_;
}

# ---- one run ----

$node->safe_psql('postgres', <<'SQL');
SELECT joborch.create_job('two', '{"steps": [
    {"name": "a", "sql": "SELECT 1"},
    {"name": "b", "sql": "SELECT 1 / ({{ run.attempt }}::int - 1)", "retry": {"max_attempts": 2, "initial": "10 ms"}}]}');
SELECT joborch.create_job('one', '{"steps": [{"name": "a", "sql": "SELECT 1"}]}');
SELECT joborch.create_job('bad', '{"steps": [{"name": "a", "sql": "SELECT 1 / 0"}]}');
SQL
my $all = open_listener('joborch');
my $run = $node->safe_psql('postgres', "SELECT joborch.start('two', run_at => now() + interval '300 ms')");
my $single = open_listener("joborch_run_$run");
my $expected = 'job_started running, step_status_update a running, step_status_update a completed, '
  . 'step_status_update b running, step_status_update b retrying, step_status_update b running, '
  . 'step_status_update b completed, job_completed completed';

pump_until($_, sub { count_ends($_)->{$run} }) for $all, $single;
is(story(payloads($all, $run)), $expected, 'job_started, the steps in order, job_completed');
is(story(payloads($single)), $expected, 'the same on the channel of the run');
like((payloads($all, $run))[-1], qr/"progress": ?100/, 'the last one says 100 percent');

my $bad = $node->safe_psql('postgres', "SELECT joborch.start('bad')");
pump_until($all, sub { count_ends($all)->{$bad} });
is(story(payloads($all, $bad)), 'job_started running, step_status_update a running, step_status_update a failed, '
      . 'job_completed failed', 'a failed run ends with job_completed too');
is(scalar(payloads($single)), 8, 'which nobody hears who listens to another run');

my $cancelled = $node->safe_psql('postgres', "SELECT joborch.start('one', run_at => now() + interval '1 hour')");
$node->safe_psql('postgres', "SELECT joborch.cancel_run($cancelled)");
pump_until($all, sub { count_ends($all)->{$cancelled} });
is((story(payloads($all, $cancelled)) =~ /(job_completed \w+)$/)[0], 'job_completed cancelled', 'and a cancelled one');

# ---- the publisher dies ----

for my $case ([ 'exit', 'publisher-durable' ], [ 'exit', 'publisher-told' ], [ 'error', 'publisher-durable' ],
    [ 'error', 'publisher-told' ])
{
    my ($action, $point) = @$case;

    arm_point($node, 'postgres', $point, $action);
    my @runs = split /\n/, $node->safe_psql('postgres', "SELECT joborch.start_many('one', 20)");
    pump_until($all, sub { my $ends = count_ends($all); !grep { !$ends->{$_} } @runs });
    pass("$action at $point: every end is told");
}
kill_process($node, 'publisher', 'TERM');
my @runs = split /\n/, $node->safe_psql('postgres', "SELECT joborch.start_many('one', 20)");
pump_until($all, sub { my $ends = count_ends($all); !grep { !$ends->{$_} } @runs });
pass('pg_terminate_backend() of the publisher: every end is told');

# ---- more than the ring can hold ----

# 4 events a run; the publisher stands while more than the ring's 16384 places are used
arm_point($node, 'postgres', 'publisher-durable', 'wait');
@runs = split /\n/, $node->safe_psql('postgres', "SELECT joborch.start_many('one', 4500)");
all_runs_final($node, 'postgres');
$node->safe_psql('postgres', "SELECT joborch_internal.debug_release('publisher-durable')");
pump_until($all, sub { my $ends = count_ends($all); !grep { !$ends->{$_} } @runs });
my $ends = count_ends($all);
pass('the ring ran over: every end is told');
is(scalar(grep { $ends->{$_} > 1 } @runs), 0, 'and once');

# ---- the publisher is killed, and the server with it ----

for my $point (qw(publisher-durable publisher-told))
{
    my $offset = -s $node->logfile;

    arm_point($node, 'postgres', $point, 'kill');
    try_value($node, 'postgres', "SELECT joborch.start_many('one', 20)");
    wait_for_restart($node, $offset);
    $all->{psql}->kill_kill;
    $all = open_listener('joborch');
    all_runs_final($node, 'postgres');
    $run = $node->safe_psql('postgres', "SELECT joborch.start('one')");
    pump_until($all, sub { count_ends($all)->{$run} });
    is(story(payloads($all, $run)), 'job_started running, step_status_update a running, '
          . 'step_status_update a completed, job_completed completed', "kill at $point: who listens again hears again");
}

$_->{psql}->kill_kill for $all, $single;
check_invariants($node, 'postgres');
$node->stop;
done_testing();
