# What the time does to schedules: overlap, catch-up, clocks that step, jobs and roles that are
# gone, many at once, sessions that hold a schedule or a snapshot, copies of the database.
use strict;
use warnings;

use JoborchTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = joborch_node('sched');

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub wait_for { return wait_until($node, 'postgres', $_[0], $_[1]); }

# joborch's clock shows this from now on
sub set_clock
{
    sql("SELECT joborch_internal.debug_clock(timestamptz '$_[0] UTC' - clock_timestamp())");
    return;
}

# What became of the times of a schedule: outcome and its run's status, in order of time.
sub story
{
    return sql("SELECT coalesce(string_agg(concat_ws(' ', to_char(fire_at AT TIME ZONE 'UTC', 'HH24:MI'), outcome, run_status), ', ' ORDER BY fire_at), '')
        FROM joborch.job_schedule_fires WHERE schedule = '$_[0]'");
}

# ---- overlap: a run waits until it is told to go on ----

sql(<<'SQL');
SELECT joborch.create_job('waits', '{"steps": [{"name": "w", "type": "wait_signal", "signal": "go"}]}');
SELECT joborch.create_job('quick', '{"steps": [{"name": "q", "sql": "SELECT 1"}]}');
SELECT joborch.create_job('bad', '{"steps": [{"name": "q", "sql": "SELECT 1/0"}]}');
SQL
set_clock('2030-01-01 00:30');
my @policies = qw(skip buffer_one buffer_all cancel_other terminate_other allow_all);
sql("SELECT joborch.schedule('$_', 'waits', cron => '0 * * * *', overlap => '$_')") for @policies;
for my $hour (1 .. 3)
{
    set_clock("2030-01-01 0$hour:00:01");
    wait_for("SELECT count(*) = 6 FROM joborch.job_schedules WHERE last_fire_at = '2030-01-01 0$hour:00Z'");
    # those that were cancelled have made room
    wait_for(<<'SQL');
SELECT bool_and(buffered = 0) FROM joborch.job_schedules WHERE name IN ('cancel_other', 'terminate_other')
SQL
    wait_for("SELECT count(*) = 1 FROM joborch.active_runs a JOIN joborch.job_runs r USING (run_id) WHERE r.schedule = '$_'") for qw(cancel_other terminate_other);
    wait_for("SELECT NOT EXISTS (SELECT FROM joborch.job_runs WHERE status = 'pending')");
}
my %expected = (
    skip => '01:00 fired running, 02:00 skipped, 03:00 skipped',
    buffer_one => '01:00 fired running, 02:00 buffered, 03:00 skipped',
    buffer_all => '01:00 fired running, 02:00 buffered, 03:00 buffered',
    cancel_other => '01:00 fired cancelled, 02:00 fired cancelled, 03:00 fired running',
    terminate_other => '01:00 fired cancelled, 02:00 fired cancelled, 03:00 fired running',
    allow_all => '01:00 fired running, 02:00 fired running, 03:00 fired running');
is(story($_) =~ s/waiting/running/gr, $expected{$_}, "overlap $_") for @policies;
is(sql("SELECT reason ~ '^run [0-9]+ had not ended\$' FROM joborch.job_schedule_fires WHERE schedule = 'skip' AND fire_at = '2030-01-01 02:00Z'"), 't', 'a time that is skipped says for which run');

# each end lets the next one begin, in order
sub signal_one
{
    sql("SELECT joborch.signal_run(min(run_id), 'go') FROM joborch.job_runs WHERE schedule = '$_[0]' AND status NOT IN ('completed', 'cancelled')");
    return;
}
signal_one('buffer_all');
wait_for("SELECT count(*) = 2 FROM joborch.job_schedule_fires WHERE schedule = 'buffer_all' AND outcome = 'fired'");
like(story('buffer_all'), qr/^01:00 fired completed, 02:00 fired \w+, 03:00 buffered$/, 'the first that waited begins when the run before it ended');
wait_for("SELECT count(*) = 1 FROM joborch.job_run_steps WHERE status = 'waiting' AND run_id = (SELECT last_run_id FROM joborch.job_schedules WHERE name = 'buffer_all')");
signal_one('buffer_all');
wait_for("SELECT count(*) = 3 FROM joborch.job_schedule_fires WHERE schedule = 'buffer_all' AND outcome = 'fired'");
signal_one('buffer_one');
wait_for("SELECT count(*) = 2 FROM joborch.job_schedule_fires WHERE schedule = 'buffer_one' AND outcome = 'fired'");
like(sql("SELECT reason FROM joborch.job_schedule_fires WHERE schedule = 'buffer_one' AND fire_at = '2030-01-01 02:00Z'"), qr/^waited until /, 'and says until when it waited');
sql("SELECT joborch.unschedule(name) FROM joborch.job_schedules; SELECT joborch.cancel_run(run_id, force => true) FROM joborch.active_runs");
all_runs_final($node, 'postgres');

# ---- clocks that step ----

set_clock('2030-02-01 00:30');
sql("SELECT joborch.schedule('hourly', 'quick', cron => '0 * * * *', catchup => '90 minutes', overlap => 'allow_all')");
set_clock('2030-02-01 03:50');
wait_for("SELECT count(*) = 3 FROM joborch.job_schedule_fires WHERE schedule = 'hourly'");
all_runs_final($node, 'postgres');
is(story('hourly'), '01:00 missed, 02:00 missed, 03:00 fired completed', 'a step forward: what is within the catch-up window fires, the rest is missed');
set_clock('2030-02-01 01:30');
sleep 1;
set_clock('2030-02-01 02:00:01');
sleep 1;
set_clock('2030-02-01 04:00:01');
wait_for("SELECT count(*) = 4 FROM joborch.job_schedule_fires WHERE schedule = 'hourly'");
all_runs_final($node, 'postgres');
is(story('hourly'), '01:00 missed, 02:00 missed, 03:00 fired completed, 04:00 fired completed', 'a step back: no time fires twice');

sql("SELECT joborch.schedule('minutes', 'quick', cron => '* * * * *', overlap => 'allow_all', catchup => '3 minutes')");
set_clock('2030-02-04 04:00:30');
wait_for("SELECT last_fire_at = '2030-02-04 04:00Z' FROM joborch.job_schedules WHERE name = 'minutes'");
is(sql("SELECT outcome || ' ' || count(*) FROM joborch.job_schedule_fires WHERE schedule = 'minutes' GROUP BY outcome ORDER BY 1"),
    "fired 3\nmissed 1001", 'three days of minutes: a thousand rows, and one for the rest');
like(sql("SELECT reason FROM joborch.job_schedule_fires WHERE schedule = 'minutes' AND reason LIKE 'this and%'"),
    qr/^this and 3316 more times up to 2030-02-04 03:57:00\+00 were found later/, 'which says how many');

# of times that are due together, the one that would end the others is enough
sql("SELECT joborch.unschedule(name) FROM joborch.job_schedules; SELECT joborch.schedule('last', 'quick', cron => '* * * * *', overlap => 'terminate_other', catchup => '1 hour')");
set_clock('2030-02-04 04:05:30');
wait_for("SELECT last_fire_at = '2030-02-04 04:05Z' FROM joborch.job_schedules WHERE name = 'last'");
like(story('last'), qr/^04:01 skipped, 04:02 skipped, 04:03 skipped, 04:04 skipped, 04:05 fired/, 'terminate_other: of five at once the last one');
sql("SELECT joborch.unschedule('last')");

# ---- limits ----

set_clock('2030-03-01 00:00:30');
sql(<<'SQL');
SELECT joborch.schedule('two', 'quick', cron => '* * * * *', max_runs => 2, overlap => 'allow_all');
SELECT joborch.schedule('until', 'quick', cron => '* * * * *', ends_at => '2030-03-01 00:02Z', overlap => 'allow_all');
SELECT joborch.schedule('fails', 'bad', cron => '* * * * *', pause_after_failures => 3);
SELECT joborch.schedule('after', 'quick', every => '1 minute', anchor => 'finish');
SELECT joborch.schedule('late', 'quick', cron => '* * * * *', jitter => '20 s', overlap => 'allow_all');
SQL
for my $minute (1 .. 4)
{
    set_clock("2030-03-01 00:0$minute:20.001");
    wait_for("SELECT last_fire_at = '2030-03-01 00:0${minute}Z' FROM joborch.job_schedules WHERE name = 'late'");
    all_runs_final($node, 'postgres');
    wait_for("SELECT failures = least($minute, 3) FROM joborch.job_schedules WHERE name = 'fails'");
}
is(sql("SELECT string_agg(name || ' ' || state || ' ' || runs, ', ' ORDER BY name) FROM joborch.job_schedules WHERE name IN ('two', 'until', 'fails', 'late')"),
    'fails paused 3, late active 4, two finished 2, until finished 2', 'max_runs, ends_at, pause_after_failures end them');
is(sql("SELECT paused_reason FROM joborch.job_schedules WHERE name = 'fails'"), '3 runs failed one after another', 'with a reason');
is(sql("SELECT by_role || ' ' || reason FROM joborch.job_events WHERE type = 'schedule_paused' AND detail ->> 'schedule' = 'fails'"),
    'joborch 3 runs failed one after another', 'that is in the audit trail');
is(sql(<<'SQL'), 't', 'from finish: each time is the end before it and the interval');
SELECT bool_and(fire_at = ended + interval '1 minute') FROM (
    SELECT f.fire_at, lag(r.finished_at) OVER (ORDER BY f.fire_at) AS ended
    FROM joborch.job_schedule_fires f JOIN joborch.job_runs r USING (run_id) WHERE f.schedule = 'after') AS t WHERE ended IS NOT NULL
SQL
cmp_ok(sql("SELECT count(*) FROM joborch.job_schedule_fires WHERE schedule = 'after'"), '>=', 3, 'and comes again and again');
sql("SELECT joborch.resume_schedule('fails')");
is(sql("SELECT state || ' ' || failures FROM joborch.job_schedules WHERE name = 'fails'"), 'active 0', 'resumed, it counts anew');
sql("SELECT joborch.unschedule(name) FROM joborch.job_schedules");

# ---- what cannot be started ----

set_clock('2030-04-01 00:00:30');
sql(<<'SQL');
CREATE ROLE gone LOGIN;
SELECT joborch.grant_usage('gone');
SET ROLE gone;
SELECT joborch.create_job('of gone', '{"steps": [{"name": "q", "sql": "SELECT 1"}]}');
SELECT joborch.schedule('of gone', 'of gone', cron => '* * * * *');
SELECT joborch.schedule('of gone, paused', 'of gone', cron => '* * * * *', pause_after_failures => 2);
SELECT joborch.schedule_sql('sql of gone', '* * * * *', 'SELECT 1');
RESET ROLE;
DROP OWNED BY gone;
DROP ROLE gone;
SELECT joborch.create_job('strict', '{"input": {"properties": {"n": {"type": "integer"}}}, "steps": [{"name": "q", "sql": "SELECT 1"}]}');
SELECT joborch.schedule('strict', 'strict', cron => '* * * * *', input => '{"n": 1}');
SELECT joborch.create_job('strict', '{"input": {"properties": {"n": {"type": "string"}}}, "steps": [{"name": "q", "sql": "SELECT 1"}]}');
SELECT joborch.create_job('off', '{"steps": [{"name": "q", "sql": "SELECT 1"}]}');
SELECT joborch.schedule('off', 'off', cron => '* * * * *');
SELECT joborch.alter_job('off', active => false);
SELECT joborch.schedule('broken', 'quick', cron => '* * * * *');
UPDATE joborch_internal.schedule SET spec = '{"specs": [{"cron": "nonsense"}]}', revision = revision + 1 WHERE name = 'broken';
SELECT joborch.schedule('good', 'quick', cron => '* * * * *');
SQL
for my $minute (1 .. 3)
{
    set_clock("2030-04-01 00:0$minute:01");
    wait_for("SELECT last_fire_at = '2030-04-01 00:0${minute}Z' FROM joborch.job_schedules WHERE name = 'good'");
    all_runs_final($node, 'postgres');
}
is(story('good'), '00:01 fired completed, 00:02 fired completed, 00:03 fired completed', 'what cannot be started holds up no other schedule');
is(story('of gone'), '00:01 failed, 00:02 failed, 00:03 failed', 'a role that was dropped: a row each time, and the schedule goes on');
like(sql("SELECT DISTINCT reason FROM joborch.job_schedule_fires WHERE schedule = 'of gone'"), qr/^role "gone" \(\d+\) does not exist any more/, 'that says why');
is(story('sql of gone'), '00:01 failed, 00:02 failed, 00:03 failed', 'the same of an SQL text');
is(story('of gone, paused'), '00:01 failed, 00:02 failed', 'such failures count');
like(sql("SELECT DISTINCT reason FROM joborch.job_schedule_fires WHERE schedule = 'strict'"), qr/input is not what the job declares.*input\.n: must be of type "string"/, 'an input that is not valid any more');
is(sql("SELECT DISTINCT outcome || ': ' || reason FROM joborch.job_schedule_fires WHERE schedule = 'off'"), 'failed: job "off" is not active', 'a job that is switched off');
sql(q(UPDATE joborch_internal.schedule SET spec = '{"specs": [{"cron": "* * * * *"}], "timezone": "UTC"}' WHERE name = 'broken'));
like(sql("SELECT state || ': ' || paused_reason FROM joborch.job_schedules WHERE name = 'broken'"), qr/^paused: it could not be looked at: invalid schedule/, 'a schedule that cannot be read is paused');
sql("SELECT joborch.unschedule(name) FROM joborch.job_schedules");

# ---- transactions of users ----

set_clock('2030-05-01 00:00:30');
sql("SELECT joborch.schedule('held', 'quick', cron => '* * * * *'), joborch.schedule('free', 'quick', cron => '* * * * *')");
my $holder = $node->background_psql('postgres');
$holder->query_safe("BEGIN; SELECT joborch.alter_schedule('held', description => 'being changed')");
set_clock('2030-05-01 00:01:01');
wait_for("SELECT last_fire_at = '2030-05-01 00:01Z' FROM joborch.job_schedules WHERE name = 'free'");
is(story('held'), '', 'a schedule that is being changed does not fire, others do');
$holder->query_safe('COMMIT');
wait_for("SELECT last_fire_at = '2030-05-01 00:01Z' FROM joborch.job_schedules WHERE name = 'held'");
pass('it fires once the change is committed');
$holder->query_safe("BEGIN; SELECT joborch.schedule('never', 'quick', cron => '* * * * *'); ROLLBACK");
sql("BEGIN; SELECT joborch.schedule('prepared', 'quick', cron => '* * * * *'); PREPARE TRANSACTION 'schedule'");
set_clock('2030-05-01 00:02:01');
wait_for("SELECT last_fire_at = '2030-05-01 00:02Z' FROM joborch.job_schedules WHERE name = 'held'");
is(sql("SELECT count(*) FROM joborch.job_schedules WHERE name IN ('never', 'prepared')"), '0', 'neither rolled back nor prepared is there');
sql("COMMIT PREPARED 'schedule'");
wait_for("SELECT count(*) > 0 FROM joborch.job_schedule_fires WHERE schedule = 'prepared'");
pass('a prepared one fires after COMMIT PREPARED');
sql("SELECT joborch.unschedule(name) FROM joborch.job_schedules");
all_runs_final($node, 'postgres');

# ---- many at once ----

my $many = 10_000;
my $begin = time;
sql("SELECT count(*) FROM joborch.start_many('quick', $many)");
wait_for("SELECT NOT EXISTS (SELECT FROM joborch_internal.live)");
my $by_hand = time - $begin;
set_clock('2030-06-01 00:00:30');
sql("SELECT count(joborch.schedule('m' || n, 'quick', cron => '0 * * * *')) FROM generate_series(1, $many) n");

# idle, they cost nothing
my ($dispatcher) = pids_of($node, 'dispatcher');
my $ticks = sub { my @stat = split / /, slurp_file("/proc/$dispatcher/stat"); return $stat[13] + $stat[14]; };
sleep 1;
my $before = $ticks->();
sleep 3;
cmp_ok($ticks->() - $before, '<=', 5, "$many schedules that are not due take no time");

set_clock('2030-06-01 00:59:59.8');
$begin = time;
wait_for("SELECT count(*) = $many FROM joborch_internal.schedule_fire f WHERE f.nominal = '2030-06-01 01:00Z' AND f.outcome = 'f'");
wait_for("SELECT NOT EXISTS (SELECT FROM joborch_internal.live)");
my $by_schedule = time - $begin - 0.2;
my $fired = sql("SELECT extract(epoch FROM max(decided_at) - min(fire_at)) FROM joborch.job_schedule_fires WHERE fire_at = '2030-06-01 01:00Z'");
note(sprintf '%d due in the same second: fired within %.2f s, ended after %.2f s; start_many() of as many: %.2f s', $many, $fired, $by_schedule, $by_hand);
cmp_ok($by_schedule, '<', 5 * $by_hand + 1, 'many that are due at once take not much longer than start_many()');
is(sql("SELECT count(DISTINCT run_id) || ' ' || count(DISTINCT schedule_id) FROM joborch.job_schedule_fires WHERE fire_at = '2030-06-01 01:00Z'"), "$many $many", 'each fired once');

# an old snapshot keeps all the rows that were; reading what is due does not walk over them
$holder->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM joborch.job_schedules');
sql("SELECT joborch.unschedule(name) FROM joborch.job_schedules WHERE name > 'm2'");
sql("SELECT count(joborch.alter_schedule(name, cron => '* * * * * *', overlap => 'allow_all', catchup => '1 hour')) FROM (SELECT name FROM joborch.job_schedules LIMIT 200) s");
sub seconds_for_steps
{
    my ($from) = @_;
    my $start = time;

    for my $second ($from .. $from + 4)
    {
        set_clock("2030-06-01 01:30:" . ($second * 5));
        wait_for("SELECT count(*) = 200 FROM joborch.job_schedules WHERE last_fire_at >= '2030-06-01 01:30:" . ($second * 5) . "Z'");
    }
    return time - $start;
}
set_clock('2030-06-01 01:29:58');
wait_for("SELECT count(*) = 200 FROM joborch.job_schedules WHERE last_fire_at >= '2030-06-01 01:29:58Z'");
my $first = seconds_for_steps(0);
seconds_for_steps(5);
my $last = seconds_for_steps(7);
note(sprintf 'old snapshot held: 1000 fires each second in %.2f s, later in %.2f s', $first, $last);
cmp_ok($last, '<', 3 * $first + 1, 'under an old snapshot firing does not become slower');
$holder->query_safe('COMMIT');
$holder->quit;
sql("SELECT joborch.unschedule(name) FROM joborch.job_schedules");
all_runs_final($node, 'postgres');
sql("SELECT joborch.cleanup_runs('0')");
is(sql('SELECT count(*) FROM joborch.job_schedule_fires'), '0', 'cleanup_runs() also removes what became of times');
sql("SELECT joborch_internal.debug_clock('0')");

# ---- lateness ----

sql("SELECT joborch.schedule('second', 'quick', cron => '* * * * * *', overlap => 'allow_all')");
wait_for("SELECT count(*) >= 12 FROM joborch.job_schedule_fires WHERE schedule = 'second' AND run_status = 'completed'");
note('lateness of fires, of starts (p50, max): ' . sql(<<'SQL'));
SELECT format('%s ms, %s ms; %s ms, %s ms',
    percentile_disc(0.5) WITHIN GROUP (ORDER BY f), max(f), percentile_disc(0.5) WITHIN GROUP (ORDER BY s), max(s))
FROM (SELECT round(extract(epoch FROM f.decided_at - f.fire_at) * 1000, 2) AS f, round(extract(epoch FROM r.started_at - f.fire_at) * 1000, 2) AS s
    FROM joborch.job_schedule_fires f JOIN joborch.job_runs r USING (run_id)) t
SQL

# ---- a dump, restored elsewhere ----

sql(<<'SQL');
SELECT joborch.schedule('kept', 'quick', cron => '* * * * * *', overlap => 'allow_all', catchup => '0', tags => '{a}', description => 'kept');
SELECT joborch.schedule('kept, paused', 'quick', cron => '0 4 * * *');
SELECT joborch.pause_schedule('kept, paused', 'holidays');
SQL
wait_for("SELECT count(*) > 0 FROM joborch.job_schedule_fires WHERE schedule = 'kept'");
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'psql', '-X', '-q', '-f', $dump, $node->connstr('copy') ], 'restored');
wait_until($node, 'copy', "SELECT count(*) = 3 FROM joborch.job_schedules");
is($node->safe_psql('copy', "SELECT string_agg(name || ': ' || concat_ws(', ', state, paused_reason, description), '; ' ORDER BY name) FROM joborch.job_schedules"),
    'kept: active, kept; kept, paused: paused, holidays; second: active', 'schedules are in the dump');
is($node->safe_psql('copy', 'SELECT count(*) FROM joborch.job_schedule_fires'), '0', 'their history is not');
sleep 2;
is($node->safe_psql('copy', 'SELECT count(*) FROM joborch.job_schedule_fires'), '0', 'a copy does not fire');
$node->safe_psql('copy', 'SELECT joborch.adopt_database()');
wait_until($node, 'copy', "SELECT count(*) > 0 FROM joborch.job_schedule_fires WHERE schedule = 'kept' AND run_status = 'completed'");
pass('adopted, it does');
sql("SELECT joborch.unschedule(name) FROM joborch.job_schedules");
all_runs_final($node, 'postgres');
check_invariants($node, 'postgres');

$node->stop;
done_testing();
