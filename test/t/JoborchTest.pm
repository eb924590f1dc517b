# What the TAP tests share: nodes with joborch preloaded, waiting with a
# deadline, and the check of joborch's own invariants at the end.
package JoborchTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(
  joborch_node create_extension load_debug_functions
  value_of try_value wait_until wait_for_run all_runs_final
  pids_of kill_process wait_for_restart arm_point
  create_load_jobs start_load check_load check_invariants
);

# A started node with joborch preloaded and the extension in database postgres.
# Options: conf => more settings, init => [arguments of init],
# start => 0 to leave it stopped, extension => 0 to leave that out.
sub joborch_node
{
    my ($name, %option) = @_;
    my $node = PostgreSQL::Test::Cluster->new($name);

    $node->init(@{ $option{init} || [] });
    $node->append_conf('postgresql.conf', slurp_file($ENV{JOBORCH_TEST_CONF}));
    $node->append_conf('postgresql.conf', "restart_after_crash = on\n");
    $node->append_conf('postgresql.conf', $option{conf}) if defined $option{conf};
    return $node if defined $option{start} && !$option{start};
    $node->start;
    create_extension($node, 'postgres')
      unless defined $option{extension} && !$option{extension};
    return $node;
}

# The extension and the functions of test builds.
sub create_extension
{
    my ($node, $database) = @_;

    $node->safe_psql($database, 'CREATE EXTENSION joborch');
    load_debug_functions($node, $database);
    return;
}

sub load_debug_functions
{
    my ($node, $database) = @_;
    my @psql = ($node->installed_command('psql'), '-XqAt', '-v', 'ON_ERROR_STOP=1');

    run_log([ @psql, '-d', $node->connstr($database), '-f', 'test/debug_functions.sql' ])
      or die "could not load the functions of test builds into $database";
    return;
}

# What a statement returns; dies on an error.
sub value_of
{
    my ($node, $database, $sql) = @_;

    return $node->safe_psql($database, $sql);
}

# The same; undef if it failed (the server may be on its way down or up).  The
# statement is an argument: written to a psql that could not connect and is gone,
# it would end the test with EPIPE.
sub try_value
{
    my ($node, $database, $sql) = @_;
    my ($stdout, $stderr);

    $node->psql($database, '', extra_params => [ '-c', $sql ],
        stdout => \$stdout, stderr => \$stderr) == 0
      or return;
    return $stdout;
}

# Waits until a query returns the wanted text ('t' by default); a server that
# recovers from a crash meanwhile is waited for.  Dies at the deadline.
sub wait_until
{
    my ($node, $database, $query, $wanted) = @_;
    my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;
    my $found;

    $wanted = 't' unless defined $wanted;
    do
    {
        $found = try_value($node, $database, $query);
        return if defined $found && $found eq $wanted;
        usleep(20_000);
    } while (time() < $deadline);
    die "timed out waiting for '$wanted' from: $query\nlast answer: "
      . (defined $found ? "'$found'" : 'an error');
}

# Waits for a run to end; returns its status.
sub wait_for_run
{
    my ($node, $database, $run) = @_;

    wait_until($node, $database,
        "SELECT status IN ('completed', 'failed', 'cancelled') FROM joborch.job_runs WHERE run_id = $run");
    return $node->safe_psql($database, "SELECT status FROM joborch.job_runs WHERE run_id = $run");
}

sub all_runs_final
{
    my ($node, $database) = @_;

    wait_until($node, $database,
        "SELECT NOT EXISTS (SELECT FROM joborch.job_runs WHERE status NOT IN ('completed', 'failed', 'cancelled'))");
    return;
}

# The pids of the processes of a kind: launcher, dispatcher, executor, publisher.
sub pids_of
{
    my ($node, $kind) = @_;

    return split /\n/, $node->safe_psql('postgres',
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'joborch $kind' ORDER BY pid");
}

# kill -9 (or another signal) of one process of a kind.  Returns its pid, or
# undef if there was none.
sub kill_process
{
    my ($node, $kind, $signal) = @_;
    my ($pid) = pids_of($node, $kind);

    return unless $pid;
    kill($signal || 'KILL', $pid) or return;
    return $pid;
}

# Waits until the postmaster has started all processes again, as the log says
# from this offset on.
sub wait_for_restart
{
    my ($node, $offset) = @_;

    $node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
    wait_until($node, 'postgres', 'SELECT true');
    return;
}

sub arm_point
{
    my ($node, $database, $point, $action, $count) = @_;

    $count ||= 1;
    $node->safe_psql($database, "SELECT joborch_internal.debug_arm('$point', '$action', $count)");
    return;
}

# ---- a small load whose effects can be counted ----

# Three jobs: a graph with a retried step, a fan-in and an output (the dispatcher
# writes its end), a single step (its executor writes the end), and one that fails.
sub create_load_jobs
{
    my ($node, $database) = @_;

    $node->safe_psql($database, <<'SQL');
CREATE TABLE effect (run_id bigint, step text);
SELECT joborch.create_job('graph', '{"steps": [
    {"name": "first", "sql": "INSERT INTO effect VALUES ({{ run.id }}, ''first'')"},
    {"name": "left", "depends_on": ["first"], "sql": "INSERT INTO effect VALUES ({{ run.id }}, ''left'')"},
    {"name": "right", "depends_on": ["first"], "retry": {"max_attempts": 3, "initial": "10 ms"},
        "sql": "INSERT INTO effect SELECT {{ run.id }}, ''right'' WHERE 1 / ({{ run.attempt }}::int - 1) IS NOT NULL"},
    {"name": "last", "depends_on": ["left", "right"], "sql": "INSERT INTO effect VALUES ({{ run.id }}, ''last'')"}],
    "output": {"made": "{{ steps.last.output.row_count }}"}}');
SELECT joborch.create_job('single', '{"steps": [
    {"name": "only", "sql": "INSERT INTO effect VALUES ({{ run.id }}, ''only'')"}]}');
SELECT joborch.create_job('doomed', '{"steps": [
    {"name": "fails", "sql": "SELECT 1 / 0"},
    {"name": "never", "depends_on": ["fails"], "sql": "INSERT INTO effect VALUES ({{ run.id }}, ''never'')"}],
    "finally": [{"name": "always", "sql": "INSERT INTO effect VALUES ({{ run.id }}, ''always'')"}]}');
SQL
    return;
}

# Starts some runs of each job; false if the server went down meanwhile, which
# leaves open whether they were started.
sub start_load
{
    my ($node, $database, $count) = @_;

    return defined try_value($node, $database,
        "SELECT count(*) FROM unnest('{graph,single,doomed}'::text[]) AS job, joborch.start_many(job, $count)");
}

# One test: all runs end as they should, each effect is there exactly once.
sub check_load
{
    my ($node, $database, $name) = @_;

    all_runs_final($node, $database);
    is($node->safe_psql($database, <<'SQL'), '', $name);
WITH expected (job, status, step) AS (VALUES
    ('graph', 'completed', 'first'), ('graph', 'completed', 'left'), ('graph', 'completed', 'right'),
    ('graph', 'completed', 'last'), ('single', 'completed', 'only'), ('doomed', 'failed', 'always')
), wanted AS (
    SELECT r.run_id, r.job, r.status AS status, x.status AS wanted, x.step
    FROM joborch.job_runs r JOIN expected x ON x.job = r.job
), found AS (
    SELECT run_id, step, count(*) AS times FROM effect GROUP BY run_id, step
)
SELECT run_id, w.job, step, w.status, coalesce(f.times, 0) AS times
FROM wanted w FULL JOIN found f USING (run_id, step)
WHERE f.times IS DISTINCT FROM 1 OR w.status IS DISTINCT FROM w.wanted
ORDER BY 1, 3
LIMIT 10
SQL
    return;
}

# One test: joborch finds nothing wrong between its tables and its memory.
sub check_invariants
{
    my ($node, $database) = @_;

    is($node->safe_psql($database, 'SELECT * FROM joborch.check()'),
        '', "joborch.check() finds nothing in $database");
    return;
}

1;
