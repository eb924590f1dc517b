# The courier under all that may be asked of a run while its network steps are queued, wait at a gate, are
# under way or are being written; its limits; and that one host troubles nobody but itself.
use strict;
use warnings;

use FaultServer;
use IO::Socket::INET;
use JSON::PP;
use JoborchTest;
use Test::More;
use Time::HiRes qw(time usleep);

my $json = JSON::PP->new->canonical;

# /answer at once, /later/N in N seconds, /stall never, /hook 202, /bad 404
sub answer
{
    my ($request) = @_;

    return { delay => $1, body => 'late' } if $request->{path} =~ m{^/later/([\d.]+)};
    return { cut => 0, then => 'stall' } if $request->{path} =~ m{^/stall};
    return { status => 202 } if $request->{path} =~ m{^/hook};
    return { status => 404, delay => 0.1 } if $request->{path} =~ m{^/bad};
    return { headers => [ 'Content-Type', 'application/json' ], body => '{"n": 1}' };
}
my $server = FaultServer->start(\&answer);
my $fast = FaultServer->start(\&answer);

# A port at which nobody listens.
my $closed = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die "cannot listen: $!";
my $dead_port = $closed->sockport;
close $closed;

my $node = joborch_node('courier', conf => <<'CONF');
joborch.max_active_runs = 20000
joborch.shared_memory = 128MB
CONF

$node->safe_psql('postgres', <<"SQL");
CREATE ROLE other LOGIN;
SELECT joborch.grant_usage('other', network => true);
SELECT joborch.allow_egress(r, '127.0.0.1', port => p) FROM unnest('{postgres,other}'::text[]) AS r,
    unnest('{@{[$server->port]},@{[$fast->port]},$dead_port}'::int[]) AS p;
CREATE TABLE effect (run_id bigint, what text);
SQL

# ---- helpers ----

sub http_step
{
    my ($name, $path, %more) = @_;

    return { name => $name, url => $server->url($path), timeout => '10 min', %more };
}

sub start_run
{
    my ($steps, %more) = @_;
    my $definition = $json->encode({ steps => $steps, %more });

    return $node->safe_psql('postgres', "SELECT joborch.start_definition(\$jo\$$definition\$jo\$)");
}

sub steps_of
{
    my ($run) = @_;

    return $node->safe_psql('postgres', "SELECT string_agg(step || coalesce('[' || item || ']', '') || ' ' || status, ', ' ORDER BY step_index, item NULLS FIRST)
        FROM joborch.job_run_steps WHERE run_id = $run");
}

sub wait_for_requests
{
    my ($prefix, $count, $of) = @_;

    wait_until($node, 'postgres', 'SELECT true') until ($of || $server)->requests($prefix) >= $count;
    return;
}

sub set
{
    my (%setting) = @_;

    $node->safe_psql('postgres', join '', map { "ALTER SYSTEM SET joborch.$_ = $setting{$_};\n" } keys %setting);
    $node->safe_psql('postgres', 'SELECT pg_reload_conf()');
    return;
}

# Does something, then waits for the run's end, which is to come within a second (and what a psql takes).
sub ends_soon
{
    my ($run, $sql, $status, $name) = @_;
    my $begun = time();

    $node->safe_psql('postgres', $sql) if $sql;
    is(wait_for_run($node, 'postgres', $run), $status, $name);
    cmp_ok(time() - $begun, '<', 2, "$name, at once");
    return;
}

sub cancel { return "SELECT joborch.cancel_run($_[0], force => true)" }

# Runs that keep a host busy as far as it may be.
sub block_host
{
    my ($name, $count) = @_;
    my @runs = map { start_run([ http_step('s', "/stall?$name-$_") ]) } 1 .. $count;

    wait_for_requests("/stall?$name-", $count);
    return @runs;
}

sub wait_until_held
{
    my ($run) = @_;

    wait_until($node, 'postgres', "SELECT bool_or(reason LIKE 'its host%') FROM joborch.waiting WHERE run_id = $run");
    return;
}

# ---- under way: cancel, time-outs, race, items that stop ----

my $run = start_run([ http_step('s', '/stall?forced'), { name => 'after', sql => 'SELECT 1' } ]);
wait_for_requests('/stall?forced', 1);
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'joborch courier'
    AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL OR xact_start IS NOT NULL)"), '0', 'no transaction is open while bytes move');
is($node->safe_psql('postgres', "SELECT state, query FROM pg_stat_activity WHERE backend_type = 'joborch courier'"), 'active|network steps',
    'and what is seen of it tells nothing');
is($node->safe_psql('postgres', "SELECT status FROM joborch.run_steps($run) WHERE step = 's'"), 'running', 'it is seen as running');
ends_soon($run, cancel($run), 'cancelled', 'a forced cancel of a server that never answers');
is(steps_of($run), 's cancelled, after cancelled', 'its steps are cancelled');
is($node->safe_psql('postgres', "SELECT status FROM joborch.job_step_attempts WHERE run_id = $run"), 'cancelled', 'and its attempt');

$run = start_run([ http_step('s', '/later/0.5?graceful'), { name => 'after', sql => 'SELECT 1' } ]);
wait_for_requests('/later/0.5?graceful', 1);
$node->safe_psql('postgres', "SELECT joborch.cancel_run($run)");
is(wait_for_run($node, 'postgres', $run), 'cancelled', 'a cancel');
is(steps_of($run), 's completed, after cancelled', 'lets what is under way end');

$run = start_run([ http_step('s', '/stall?run-timeout') ], timeout => '300 ms');
ends_soon($run, undef, 'failed', 'the time-out of a run');
is($node->safe_psql('postgres', "SELECT error ->> 'sqlstate' FROM joborch.job_runs WHERE run_id = $run"), 'JO022', 'is told as such');
$run = start_run([ http_step('s', '/stall?step-timeout', timeout => '300 ms') ]);
ends_soon($run, undef, 'failed', 'the time-out of a step');

$run = start_run([ { name => 'first', type => 'race', steps => [ http_step('never', '/stall?race'), http_step('soon', '/later/0.3?race') ] } ]);
wait_for_requests('/stall?race', 1);
ends_soon($run, undef, 'completed', 'a race');
is(steps_of($run), 'never cancelled, soon completed, first completed', 'breaks off who lost it');

$run = start_run([ http_step('s', '', url => '{{ item }}', foreach => { items => [ map { $server->url($_) } qw(/bad /later/3 /later/3.1 /answer) ], max_parallel => 3 }) ]);
is(wait_for_run($node, 'postgres', $run), 'failed', 'items that stop at an error');
is(steps_of($run), 's failed, s[0] failed, s[1] completed, s[2] completed', 'after those under way');

$run = start_run([ http_step('a', '/later/0.4?paused'), http_step('b', '/answer?paused', depends_on => ['a']) ]);
wait_for_requests('/later/0.4?paused', 1);
$node->safe_psql('postgres', "SELECT joborch.pause_run($run)");
wait_until($node, 'postgres', "SELECT status = 'completed' FROM joborch.run_steps($run) WHERE step = 'a'");
is($node->safe_psql('postgres', "SELECT joborch.run_status($run)"), 'paused', 'a pause lets what is under way end');
is(scalar($server->requests('/answer?paused')), 0, 'and begins nothing more');
$node->safe_psql('postgres', "SELECT joborch.resume_run($run)");
is(wait_for_run($node, 'postgres', $run), 'completed', 'a paused run goes on');

# ---- at a gate ----

set(max_transfers_per_host => 2);
my @blocking = block_host('gate', 2);
my %held = (
    graceful => start_run([ http_step('s', '/answer?held-graceful') ]),
    forced => start_run([ http_step('s', '/answer?held-forced') ]),
    timed_out => start_run([ http_step('s', '/answer?held-timeout') ], timeout => '1500 ms'),
    paused => start_run([ http_step('s', '/answer?held-paused') ]),
    raced => start_run([ { name => 'first', type => 'race', steps => [ http_step('x', '/answer?held-race'), { name => 'y', type => 'wait_signal' } ] } ]),
    locked => $node->safe_psql('postgres', "SET ROLE other; SELECT joborch.start_definition('" . $json->encode({ steps => [ http_step('s', '/answer?held-locked') ] }) . "')"),
    stays => start_run([ http_step('s', '/answer?held-stays') ]));
wait_until_held($_) for values %held;
is(steps_of($held{stays}), 's queued', 'a step at a gate is queued');
ends_soon($held{graceful}, "SELECT joborch.cancel_run($held{graceful})", 'cancelled', 'a cancel at a gate');
is(steps_of($held{graceful}), 's cancelled', 'its step never began');
ends_soon($held{forced}, cancel($held{forced}), 'cancelled', 'a forced cancel at a gate');
is(wait_for_run($node, 'postgres', $held{timed_out}), 'failed', 'a time-out at a gate');
ends_soon($held{raced}, "SELECT joborch.signal_run($held{raced}, 'y')", 'completed', 'a race of which one is at a gate');
$node->safe_psql('postgres', "SELECT joborch.pause_run($held{paused})");
wait_until($node, 'postgres', "SELECT joborch.run_status($held{paused}) = 'paused'");
wait_until($node, 'postgres', "SELECT NOT EXISTS (SELECT FROM joborch.waiting WHERE run_id = $held{paused} AND reason LIKE 'its host%')");
pass('a pause takes a step from its gate');
$node->safe_psql('postgres', "ALTER ROLE other NOLOGIN");
usleep(1_100_000);              # what was asked of a step that waits holds for a second
set(max_transfers_per_host => 4);
is(wait_for_run($node, 'postgres', $held{stays}), 'completed', 'a limit that is raised lets them go on, whatever hangs');
is(wait_for_run($node, 'postgres', $held{locked}), 'failed', 'a role that was locked out meanwhile');
is($node->safe_psql('postgres', "SELECT error ->> 'sqlstate' FROM joborch.run_steps($held{locked})"), 'JO012', 'is told as such');
is(scalar($server->requests('/answer?held-paused')), 0, 'a paused run sends nothing');
$node->safe_psql('postgres', "SELECT joborch.resume_run($held{paused})");
is(wait_for_run($node, 'postgres', $held{paused}), 'completed', 'before it is resumed');
is(scalar($server->requests("/answer?held-$_")), 0, "$_: nothing was sent") for qw(graceful forced timeout race locked);
$node->safe_psql('postgres', 'ALTER ROLE other LOGIN');
$node->safe_psql('postgres', join ';', map { cancel($_) } @blocking);
all_runs_final($node, 'postgres');
check_invariants($node, 'postgres');

# ---- queued: the courier has as many as it may ----

set(max_transfers_per_host => 500, max_transfers => 2);
@blocking = block_host('queue', 2);
my $queued = start_run([ http_step('s', '/answer?queued') ]);
my $stays = start_run([ http_step('s', '/answer?stays') ]);
wait_until($node, 'postgres', "SELECT reason LIKE 'the courier has joborch.max_transfers%' FROM joborch.waiting WHERE run_id = $stays");
ends_soon($queued, "SELECT joborch.cancel_run($queued)", 'cancelled', 'a cancel of a step that nobody has taken');
set(max_transfers => 1000);
is(wait_for_run($node, 'postgres', $stays), 'completed', 'more transfers by a reload');
$node->safe_psql('postgres', join ';', map { cancel($_) } @blocking);
is(scalar($server->requests('/answer?queued')), 0, 'what was cancelled was not sent');

# ---- while it is written ----

arm_point($node, 'postgres', 'courier-before-commit', 'wait');
$run = start_run([ http_step('s', '/stall?beginning'), { name => 'after', sql => 'SELECT 1' } ]);
wait_until($node, 'postgres', "SELECT joborch_internal.debug_waiting('courier-before-commit') = 1");
$node->safe_psql('postgres', cancel($run));
$node->safe_psql('postgres', "SELECT joborch_internal.debug_release('courier-before-commit')");
ends_soon($run, undef, 'cancelled', 'a cancel while the beginning is written');
is(steps_of($run), 's cancelled, after cancelled', 'breaks it off');

$run = start_run([ http_step('s', '/later/0.5?ending'), { name => 'after', sql => 'SELECT 1' } ]);
wait_for_requests('/later/0.5?ending', 1);
arm_point($node, 'postgres', 'courier-before-commit', 'wait');
wait_until($node, 'postgres', "SELECT joborch_internal.debug_waiting('courier-before-commit') = 1");
$node->safe_psql('postgres', cancel($run));
$node->safe_psql('postgres', "SELECT joborch_internal.debug_release('courier-before-commit')");
ends_soon($run, undef, 'cancelled', 'a cancel while the end is written');
is(steps_of($run), 's completed, after cancelled', 'comes too late for it');
check_invariants($node, 'postgres');

# ---- gated steps, items, callbacks ----

$node->safe_psql('postgres', "SELECT joborch.create_job('gated', \$jo\$" . $json->encode({ steps => [
    http_step('yes', '/answer?yes', when => { sql => 'SELECT true' }),
    http_step('cached', '/answer?cached', cache => { key => 'k', ttl => '1 hour' }),
    http_step('as', '/answer?as', run_as => 'other'),
    http_step('one', '/later/0.1?one', concurrency => { key => 'c', limit => 1 }, foreach => { items => [ 1 .. 4 ] }),
    http_step('two', '/later/0.2?two', foreach => { items => [ 1 .. 7 ], max_parallel => 2 }),
    http_step('no', '/answer?no', when => { sql => 'SELECT false' }) ] }) . '$jo$)');
for my $turn (1 .. 2)
{
    $run = $node->safe_psql('postgres', "SELECT joborch.start('gated')");
    is(wait_for_run($node, 'postgres', $run), 'completed', 'gated steps');
    is($node->safe_psql('postgres', "SELECT string_agg(step || ' ' || status, ', ' ORDER BY step_index) FROM joborch.job_run_steps WHERE run_id = $run AND item IS NULL"),
        'yes completed, cached completed, as completed, one completed, two completed, no skipped', 'end as they should');
}
is(scalar($server->requests('/answer?no')), 0, 'what is not wanted is not sent');
is(scalar($server->requests('/answer?cached')), 1, 'what is cached is not sent again');
is(scalar($server->requests('/later/0.1?one')), 8, 'each item is sent once');

# How many of those that take so long were under way at a time.
sub at_a_time
{
    my ($prefix, $seconds) = @_;
    my @times = sort map { $_->{at} } $server->requests($prefix);
    my $most = 0;

    for my $i (0 .. $#times)
    {
        my $n = grep { $_ >= $times[$i] && $_ < $times[$i] + $seconds } @times;

        $most = $n if $n > $most;
    }
    return $most;
}
is(at_a_time('/later/0.1?one', 0.099), 1, 'a concurrency key lets one through at a time');
is(at_a_time('/later/0.2?two', 0.199), 2, 'max_parallel lets two through at a time');

my @hooked = map { start_run([ http_step('s', '/hook?' . $_, method => 'POST', callback => JSON::PP::true) ]) } qw(complete skip fail cancel);
wait_until($node, 'postgres', "SELECT status = 'waiting' FROM joborch.run_steps($_)") for @hooked;
$node->safe_psql('postgres', "SELECT joborch.complete_step($hooked[0], 's', '{\"by\": \"hand\"}')");
$node->safe_psql('postgres', "SELECT joborch.skip_step($hooked[1], 's')");
$node->safe_psql('postgres', "SELECT joborch.fail_step($hooked[2], 's', 'no')");
$node->safe_psql('postgres', "SELECT joborch.cancel_run($hooked[3])");
is(join(' ', map { wait_for_run($node, 'postgres', $_) } @hooked), 'completed completed failed cancelled', 'orders end what waits for a callback');
is(join(', ', map { steps_of($_) } @hooked), 's completed, s skipped, s failed, s cancelled', 'each as it says');
is($node->safe_psql('postgres', "SELECT output FROM joborch.run_steps($hooked[0])"), '{"by": "hand"}', 'with its output');
is($node->safe_psql('postgres', "SELECT string_agg(status, ', ' ORDER BY run_id) FROM joborch.job_step_attempts WHERE run_id IN (" . join(',', @hooked) . ')'),
    'completed, skipped, failed, interrupted', 'and so are the attempts');
is($node->safe_psql('postgres', 'SELECT count(*) FROM joborch_internal.claim'), '0', 'no token is left');
my ($hook) = $server->requests('/hook?cancel');
my ($stdout, $stderr);
$node->psql('postgres', "SELECT joborch.complete_claim('$hook->{headers}{'joborch-callback-token'}')", stdout => \$stdout, stderr => \$stderr);
like($stderr, qr/claim|token/, 'a callback that comes too late is refused');

# ---- a job that is dropped ----

$node->safe_psql('postgres', "SELECT joborch.create_job('dropped', \$jo\$" . $json->encode({ steps => [ http_step('s', '/stall?dropped') ] }) . '$jo$)');
$run = $node->safe_psql('postgres', "SELECT joborch.start('dropped')");
wait_for_requests('/stall?dropped', 1);
$node->psql('postgres', "SELECT joborch.drop_job('dropped')", stdout => \$stdout, stderr => \$stderr);
like($stderr, qr/unfinished/, 'a job with a transfer under way is not dropped by itself');
$node->safe_psql('postgres', "SELECT joborch.drop_job('dropped', force => true)");
is(wait_for_run($node, 'postgres', $run), 'cancelled', 'and is with force');
check_invariants($node, 'postgres');

# ---- many ----

# Milliseconds that each of 60 runs to the fast host takes, the 99th of a hundred.
sub fast_p99
{
    $node->safe_psql('postgres', <<'SQL');
DO $$
DECLARE v_run bigint;
BEGIN
    FOR i IN 1 .. 60 LOOP
        v_run := joborch.start('fast');
        COMMIT;
        WHILE EXISTS (SELECT FROM joborch_internal.live WHERE run_id = v_run) LOOP
            COMMIT;
            PERFORM pg_sleep(0.001);
        END LOOP;
    END LOOP;
END
$$;
SQL
    return $node->safe_psql('postgres', "SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - created_at) * 1000)
        FROM (SELECT * FROM joborch.job_runs WHERE job = 'fast' ORDER BY run_id DESC LIMIT 60) AS r");
}

$node->safe_psql('postgres', "SELECT joborch.create_job('fast', \$jo\$" . $json->encode({ steps => [ { name => 's', url => $fast->url('/answer') } ] }) . '$jo$);' .
    "SELECT joborch.create_job('hangs', \$jo\$" . $json->encode({ steps => [ http_step('s', '/stall?many') ] }) . '$jo$);' .
    "SELECT joborch.create_job('refused', \$jo\$" . $json->encode({ steps => [ { name => 's', url => "http://127.0.0.1:$dead_port/" } ] }) . '$jo$)');
fast_p99();
my $before = fast_p99();
$node->safe_psql('postgres', "SELECT count(*) FROM joborch.start_many('hangs', 5000)");
wait_until($node, 'postgres', "SELECT count(*) = 4500 FROM joborch.waiting WHERE reason LIKE 'its host%'");
my $during = fast_p99();
note("p99 of the fast ones: $before ms, with 5000 that hang $during ms");
cmp_ok($during, '<', 2 * $before + 50, 'a host that hangs delays no other');
my $begun = time();
$node->safe_psql('postgres', "SELECT count(*) FROM joborch.cancel_runs('{\"job\": \"hangs\"}', force => true)");
wait_until($node, 'postgres', "SELECT NOT EXISTS (SELECT FROM joborch.active_runs)");
note(sprintf 'cancelled in %.1f s', time() - $begun);
is($node->safe_psql('postgres', "SELECT count(*) FROM joborch.job_runs WHERE job = 'hangs' AND status = 'cancelled'"), '5000', 'all of them are cancelled');
check_invariants($node, 'postgres');

$begun = time();
$node->safe_psql('postgres', "SELECT count(*) FROM joborch.start_many('refused', 5000)");
all_runs_final($node, 'postgres');
note(sprintf '5000 steps to a dead port in %.1f s', time() - $begun);
is($node->safe_psql('postgres', "SELECT DISTINCT error ->> 'sqlstate' FROM joborch.job_runs WHERE job = 'refused'"), 'JO033', '5000 steps to a dead port fail as such');
cmp_ok(fast_p99(), '<', 2 * $before + 50, 'and leave nothing behind that is slow');
check_invariants($node, 'postgres');

# ---- it leaves, and comes again ----

ok(pids_of($node, 'courier'), 'a courier is there');
set(executor_idle_timeout => "'300ms'");
wait_until($node, 'postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'joborch courier'");
$run = start_run([ http_step('s', '/later/0.8?anew') ]);
is(wait_for_run($node, 'postgres', $run), 'completed', 'another one comes when there is work, and stays while it lasts');
is(scalar($server->requests('/later/0.8?anew')), 1, 'which is sent once');
check_invariants($node, 'postgres');

$node->stop;
$_->stop for $server, $fast;
done_testing();
