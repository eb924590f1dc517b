# Programs outside: they wait for work without looking again and again, hear of it by
# NOTIFY, keep what they claimed over a crash of the server, and lose it with their lease.
# The example workers carry steps out for real.
use strict;
use warnings;

use IPC::Run;
use JoborchTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = joborch_node('external');
my $examples = 'examples';

$node->safe_psql('postgres', <<'SQL');
CREATE TABLE effect (t text);
SELECT joborch.create_job('work', '{"steps": [
    {"name": "do", "type": "external", "queue": "{{ input.queue }}", "payload": "{{ input.payload | default(null) }}"}]}');
SELECT joborch.create_job('crowd', '{"steps": [
    {"name": "do", "type": "external", "queue": "{{ input.queue }}", "payload": {"text": "{{ item }}", "table": "effect"},
     "foreach": {"items": "{{ input.items }}", "max_parallel": 50}}]}');
SQL

# ---- helpers ----

sub start_work
{
    my ($queue, $payload) = @_;

    $payload = 'null' unless defined $payload;
    return $node->safe_psql('postgres',
        "SELECT joborch.start('work', jsonb_build_object('queue', '$queue', 'payload', '$payload'::jsonb))");
}

# Until it is offered.
sub offer_work
{
    my ($queue, $payload) = @_;
    my $run = start_work($queue, $payload);

    wait_until($node, 'postgres', "SELECT count(*) = 1 FROM joborch_internal.offer WHERE run_id = $run");
    return $run;
}

# A psql that stays open.
sub open_session
{
    my %session = (in => '', out => '');

    $session{psql} = IPC::Run::start(
        [ $node->installed_command('psql'), '-XqAt', '-d', $node->connstr('postgres') ],
        '<', \$session{in}, '>', \$session{out}, '2>', \$session{out});
    return \%session;
}

sub say_to
{
    my ($session, $sql) = @_;

    $session->{out} = '';
    $session->{in} .= "$sql\n\\echo ready\n";
    while (length $session->{in})
    {
        $session->{psql}->pump_nb;
        usleep(1_000);
    }
    return;
}

# What came since, when the session is ready; how long that took.
sub hear
{
    my ($session) = @_;
    my $begun = time();

    until ($session->{out} =~ /^ready$/m)
    {
        die "heard no more than: $session->{out}" if time() - $begun > $PostgreSQL::Test::Utils::timeout_default;
        $session->{psql}->pump_nb;
        usleep(5_000);
    }
    (my $text = $session->{out}) =~ s/^ready\n//m;
    return ($text, time() - $begun);
}

# A session that waits for work.
sub begin_waiting
{
    my ($queue, $before) = @_;
    my $session = open_session();
    my $pid;

    say_to($session, 'SELECT pg_backend_pid();' . ($before || ''));
    ($pid) = (hear($session))[0] =~ /^(\d+)$/m;
    $session->{pid} = $pid;
    say_to($session, "SELECT run_id, token FROM joborch.claim_steps('$queue', wait => '50 s');");
    wait_until($node, 'postgres',
        "SELECT wait_event = 'Extension' FROM pg_stat_activity WHERE pid = $pid AND query LIKE '%claim_steps%'");
    return $session;
}

sub close_session
{
    my ($session) = @_;

    $session->{in} .= "\\q\n";
    $session->{psql}->finish;
    return;
}

# Runs a program until the test says that it is enough; returns its output.
sub with_worker
{
    my ($command, $during) = @_;
    my ($out, $worker) = ('');
    local @ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'postgres');

    $worker = IPC::Run::start($command, '<', \undef, '>', \$out, '2>', \$out);
    $during->($worker);
    my $begun = time();
    # one that the test has killed is gone
    eval { $worker->signal('TERM'); $worker->finish; };
    note($out);
    return ($out, time() - $begun);
}

# ---- waiting ----

my $waiting = begin_waiting('one');
my $run = start_work('one');
my ($text, $took) = hear($waiting);
like($text, qr/^$run\|joc_[0-9a-f]{48}$/, 'who waits is woken by a step that begins to wait');
cmp_ok($took, '<', 10, 'at once');
my ($token) = $text =~ /(joc_\w+)/;
say_to($waiting, "SELECT joborch.complete_claim('$token', '1');");
hear($waiting);
is(wait_for_run($node, 'postgres', $run), 'completed', 'and completes it');
close_session($waiting);

# one of another role waits too, who may not have them: they do not wake him in the place of others
$node->safe_psql('postgres', 'CREATE ROLE lone LOGIN; GRANT joborch_user TO lone');
my @waiting = (begin_waiting('two', 'SET ROLE lone;'), begin_waiting('two'), begin_waiting('two'));
my @runs = map { start_work('two') } 1 .. 2;
my @got = map { (hear($_))[0] } @waiting[1, 2];
is_deeply([ sort map { /^(\d+)\|/ } @got ], [ sort @runs ], 'two who wait get one each');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($waiting[0]{pid})");
hear($waiting[0]);

# what is given back, or rolled back, is there for who waits
my $holder = open_session();
my $waiter = begin_waiting('three');
start_work('three');
hear($waiter);
($token) = $waiter->{out} =~ /(joc_\w+)/;
say_to($waiter, "SELECT run_id, token FROM joborch.claim_steps('three', wait => '50 s');");
$node->safe_psql('postgres', "SELECT joborch.release_claim('$token')");
($text, $took) = hear($waiter);
like($text, qr/joc_/, 'who waits is woken by a step that is given back');
cmp_ok($took, '<', 10, 'at once');
offer_work('four');
say_to($holder, "BEGIN; SELECT run_id, token FROM joborch.claim_steps('four');");
like((hear($holder))[0], qr/joc_/, 'somebody claims a step in a transaction');
say_to($waiter, "SELECT run_id, token FROM joborch.claim_steps('four', wait => '50 s');");
say_to($holder, 'ROLLBACK;');
hear($holder);
($text, $took) = hear($waiter);
like($text, qr/joc_/, 'who waits is woken when it is rolled back');
cmp_ok($took, '<', 10, 'at once');

# a cancelled one leaves, and what would have been his is another's
say_to($waiter, "SELECT run_id, token FROM joborch.claim_steps('five', wait => '50 s');");
my $other = begin_waiting('five');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($other->{pid})");
like((hear($other))[0], qr/canceling statement/, 'who waits can be cancelled');
start_work('five');
like((hear($waiter))[0], qr/joc_/, 'and is not in the way of others');

# nothing is claimed for a worker that is gone
my $gone = begin_waiting('six');
$gone->{psql}->signal('KILL');
eval { $gone->{psql}->finish; };
$run = offer_work('six');
wait_until($node, 'postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $gone->{pid}");
is($node->safe_psql('postgres', "SELECT run_id FROM joborch.claim_steps('six')"), $run,
    'nothing is claimed for a worker that died waiting');

# ---- NOTIFY ----

my $listener = open_session();
say_to($listener, 'LISTEN joborch_work;');
hear($listener);
offer_work('seven');
my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;
$text = '';
until ($text =~ /joborch_work/ || time() > $deadline)
{
    say_to($listener, 'SELECT pg_sleep(0.02) \g /dev/null');
    $text .= (hear($listener))[0];
}
like($text, qr/"joborch_work" with payload "\{"queue":"seven"\}"/, 'NOTIFY says in which queue something is offered');
close_session($listener);

# ---- leases, crashes ----

$node->safe_psql('postgres', "SELECT joborch.claim_steps('seven', 'first', lease => '1 s')");
say_to($waiter, "SELECT run_id, token FROM joborch.claim_steps('seven', 'second', wait => '50 s');");
like((hear($waiter))[0], qr/joc_/, 'what a worker left is given back when its lease runs out');
($token) = $waiter->{out} =~ /(joc_\w+)/;
close_session($_) for ($waiter, $holder, @waiting, $other);

my $crashed = offer_work('eight');
my $claimed = offer_work('eight');
my $kept = $node->safe_psql('postgres', "SELECT token FROM joborch.claim_steps('eight', lease => '1 hour')");
my $offset = -s $node->logfile;
kill_process($node, 'dispatcher');
wait_for_restart($node, $offset);
$node->safe_psql('postgres', "SELECT joborch.complete_claim('$kept', '\"kept\"')");
is(wait_for_run($node, 'postgres', $crashed), 'completed', 'a claim survives a crash of the server');
is($node->safe_psql('postgres', "SELECT run_id FROM joborch.claim_steps('eight')"), $claimed, 'and so does an offer');

# ---- an old snapshot ----

my $old = open_session();
say_to($old, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;');
hear($old);
$node->safe_psql('postgres',
    "SELECT joborch.start('crowd', jsonb_build_object('queue', 'nine', 'items', to_jsonb(ARRAY(SELECT generate_series(1, 4000)::text))))");
$node->safe_psql('postgres', <<'SQL');
DO $$
DECLARE
    v_done integer := 0;
    v_now integer;
BEGIN
    WHILE v_done < 4000 LOOP
        SELECT count(joborch.complete_claim(token)) INTO v_now FROM joborch.claim_steps('nine', n => 20);
        v_done := v_done + v_now;
        COMMIT;
    END LOOP;
END
$$
SQL
offer_work('nine') for 1 .. 2;
my $plan = $node->safe_psql('postgres', <<'SQL');
SELECT count(*) || ' claimed' FROM joborch.claim_steps('nine');
EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) SELECT * FROM joborch.claim_steps('nine');
SQL
my ($buffers) = $plan =~ /actual rows=1 .*Buffers: shared hit=(\d+)/s;
note("$buffers buffers");
cmp_ok($buffers, '<', 300, 'a claim walks over none of those that are gone, though an old snapshot keeps them');
close_session($old);
$node->safe_psql('postgres', "SELECT count(joborch.cancel_run(run_id)) FROM joborch.active_runs WHERE job = 'work'");
all_runs_final($node, 'postgres');
check_invariants($node, 'postgres');

# ---- the examples ----

sub run_crowd
{
    my ($queue, $count) = @_;

    $node->safe_psql('postgres', 'TRUNCATE effect');
    return $node->safe_psql('postgres', "SELECT joborch.start('crowd', jsonb_build_object('queue', '$queue', 'items',
        to_jsonb(ARRAY(SELECT 't' || i FROM generate_series(1, $count) AS i))))");
}

my @node = ('node', "$examples/worker-node/worker.js");
with_worker([ @node, '--queue', 'js', '--name', 'n1', '--concurrency', '4', '--lease', '60' ], sub {
    my $crowd = run_crowd('js', 100);

    is(wait_for_run($node, 'postgres', $crowd), 'completed', 'the Node worker carries out 100 steps');
    is($node->safe_psql('postgres', 'SELECT count(*) || $$ $$ || count(DISTINCT t) FROM effect'), '100 100',
        'what it wrote is there once each');
    is($node->safe_psql('postgres', "SELECT output -> 'results' -> 0 FROM joborch.run_steps($crowd) WHERE item IS NULL"),
        '{"text": "T1", "worker": "n1"}', 'with their outputs');
    my $refused = start_work('js', '[1]');
    is(wait_for_run($node, 'postgres', $refused), 'failed', 'what it refuses fails');
    is($node->safe_psql('postgres', "SELECT error ->> 'sqlstate', error -> 'details' FROM joborch.run_steps($refused)"),
        'JO046|{"exception": "Error"}', 'for good');
});

# SIGTERM lets the step in hand end; the extension keeps it longer than its lease
my ($slow, $slow_token);
(undef, $took) = with_worker([ @node, '--queue', 'js', '--lease', '1' ], sub {
    $slow = start_work('js', '{"text": "slow", "table": "effect", "milliseconds": 2500}');
    wait_until($node, 'postgres', "SELECT count(*) = 1 FROM joborch_internal.claim WHERE run_id = $slow");
});
cmp_ok($took, '>', 1, 'a worker that is to stop ends what it has in hand');
is(wait_for_run($node, 'postgres', $slow), 'completed', 'and says so');
is($node->safe_psql('postgres', "SELECT attempts FROM joborch.run_steps($slow)"), '1', 'though it takes longer than its lease');

# killed in the middle: nothing of its work stays, another one does it
$node->safe_psql('postgres', 'TRUNCATE effect');
with_worker([ @node, '--queue', 'js', '--name', 'victim', '--lease', '1' ], sub {
    my ($worker) = @_;

    $slow = start_work('js', '{"text": "again", "table": "effect", "milliseconds": 1500}');
    wait_until($node, 'postgres', "SELECT count(*) = 1 FROM joborch_internal.claim WHERE run_id = $slow");
    $worker->signal('KILL');
});
with_worker([ @node, '--queue', 'js', '--name', 'heir', '--lease', '30' ], sub {
    is(wait_for_run($node, 'postgres', $slow), 'completed', 'what a killed worker had is done by another one');
    is($node->safe_psql('postgres', "SELECT output ->> 'worker' FROM joborch.run_steps($slow)"), 'heir', 'by that one');
    is($node->safe_psql('postgres', 'SELECT count(*) FROM effect'), '1', 'once');
});

my @sh = ("$examples/worker-psql.sh");
{
    local @ENV{qw(QUEUE LEASE)} = ('sh', 3);

    with_worker([ @sh, 'sh', '-c', 'cat > /dev/null; echo \'{"by": "psql"}\'' ], sub {
        my $fine = start_work('sh', '{"text": "x"}');

        is(wait_for_run($node, 'postgres', $fine), 'completed', 'the psql worker carries out a step');
        is($node->safe_psql('postgres', "SELECT output FROM joborch.run_steps($fine)"), '{"by": "psql"}', 'with its output');
    });
    with_worker([ @sh, 'sh', '-c', 'echo "no such thing" >&2; exit 65' ], sub {
        my $bad = start_work('sh', '{"text": "x"}');

        is(wait_for_run($node, 'postgres', $bad), 'failed', 'a command that fails fails the step');
        is($node->safe_psql('postgres', "SELECT error ->> 'message', error ->> 'sqlstate' FROM joborch.run_steps($bad)"),
            'no such thing|JO046', 'with what it said');
    });
}

with_worker([ '/usr/bin/python3', "$examples/worker-python/worker.py", '--queue', 'py', '--name', 'p1' ], sub {
    my $fine = start_work('py', '{"text": "x"}');
    my $bad = start_work('py', '{}');

    is(wait_for_run($node, 'postgres', $fine), 'completed', 'the Python worker carries out a step');
    is($node->safe_psql('postgres', "SELECT output FROM joborch.run_steps($fine)"), '{"text": "X", "worker": "p1"}', 'with its output');
    is(wait_for_run($node, 'postgres', $bad), 'failed', 'what it refuses fails');
});

all_runs_final($node, 'postgres');
check_invariants($node, 'postgres');
$node->stop;
done_testing();
