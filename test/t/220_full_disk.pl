# A disk on which nothing more can be written: what is under way is kept, nothing is done or sent twice, and all
# goes on by itself when there is room.  In place of a full disk a limit on the size of files is set, which
# can be set and taken back for each process while it runs; segments of WAL are smaller than it.
use strict;
use warnings;

use FaultServer;
use JSON::PP;
use JoborchTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $json = JSON::PP->new->canonical;
my $server = FaultServer->start(sub {
    my ($request) = @_;

    return { delay => $1, body => 'late' } if $request->{path} =~ m{^/later/([\d.]+)};
    return { body => 'x' };
});
my $node = joborch_node('full_disk', init => [ extra => ['--wal-segsize=1'] ], conf => <<'CONF');
joborch.max_executors = 1
autovacuum = off
CONF
my $megabyte = 1024 * 1024;

$node->safe_psql('postgres', <<"SQL");
CREATE TABLE effect (run_id bigint, what text);
SELECT joborch.allow_egress('postgres', '127.0.0.1', port => @{[$server->port]});
SELECT joborch.create_job('sends', '{"steps": [{"name": "s", "url": "@{[$server->url('/later/2')]}?{{ run.id }}", "method": "POST", "timeout": "1 min"}]}');
SELECT joborch.create_job('inserts', '{"steps": [
    {"name": "a", "sql": "INSERT INTO effect VALUES ({{ run.id }}, ''a'')"},
    {"name": "b", "sql": "INSERT INTO effect VALUES ({{ run.id }}, ''b'')"}]}');
SELECT joborch.create_job('fills', '{"steps": [{"name": "s", "sql": "DO \$\$BEGIN RAISE NOTICE ''x''; END\$\$"}]}');
SQL

# The limit on the size of files, for all processes of the server, and those to come; 0: none.
sub limit_files
{
    my ($bytes) = @_;
    my ($postmaster) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');
    my @pids = ($postmaster, split ' ', `ps -o pid= --ppid $postmaster`);

    for my $pid (@pids)
    {
        system('prlimit', '--pid', $pid, '--fsize=' . ($bytes || 'unlimited') . ':') == 0 or kill(0, $pid) == 0 or die "prlimit failed";
    }
    return;
}

# How many bytes a table has, all of them written.
sub size_of
{
    my ($table) = @_;

    return $node->safe_psql('postgres', "SELECT pg_relation_size('joborch_internal.$table')");
}

# Lets no table grow any more of which what is written here is part: those are larger than a segment of WAL.
sub fill_disk
{
    limit_files((sort { $a <=> $b } map { size_of($_) } qw(step attempt))[0]);
    return;
}

sub no_run_lost
{
    my ($job, $count) = @_;

    all_runs_final($node, 'postgres');
    is($node->safe_psql('postgres', "SELECT status, count(*) FROM joborch.job_runs WHERE job = '$job' GROUP BY 1"), "completed|$count", "all runs of $job completed");
    return;
}

# rows as small as those that are to find no room then
until (size_of('step') > 2 * $megabyte && size_of('attempt') > 2 * $megabyte)
{
    $node->safe_psql('postgres', "SELECT count(*) FROM joborch.start_many('fills', 5000)");
    all_runs_final($node, 'postgres');
}
$node->safe_psql('postgres', 'CHECKPOINT');

# ---- network steps: what came is kept until it can be written ----

$node->safe_psql('postgres', "SELECT count(*) FROM joborch.start_many('sends', 200)");
wait_until($node, 'postgres', 'SELECT true') until $server->requests('/later') == 200;
fill_disk();
$node->wait_for_log(qr/the courier could not commit|could not record step/);
usleep(1_500_000);
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM joborch.job_runs WHERE job = 'sends' AND status = 'completed'"), '<', 200,
    'not all can be written');
is($node->safe_psql('postgres', "SELECT count(*) FROM joborch.job_runs WHERE job = 'sends' AND status IN ('failed', 'cancelled')"), '0', 'and none fails by that');
limit_files(0);
no_run_lost('sends', 200);
is(scalar($server->requests('/later')), 200, 'nothing is sent twice');
is($node->safe_psql('postgres', "SELECT count(*) FROM joborch.job_step_attempts a JOIN joborch.job_runs r USING (run_id) WHERE r.job = 'sends' AND a.status <> 'completed'"),
    '0', 'and nothing is charged');
check_invariants($node, 'postgres');

# What cannot be begun is not sent: its trace must be on disk first.
fill_disk();
$node->safe_psql('postgres', "SELECT count(*) FROM joborch.start_many('sends', 200)");
usleep(3_000_000);
cmp_ok(scalar($server->requests('/later')), '<', 400, 'what cannot be noted is not sent');
is($node->safe_psql('postgres', "SELECT count(*) FROM joborch.job_runs WHERE job = 'sends' AND status IN ('failed', 'cancelled')"), '0', 'and does not fail');
limit_files(0);
no_run_lost('sends', 400);
is(scalar($server->requests('/later')), 400, 'each is sent once');
check_invariants($node, 'postgres');

# ---- SQL steps ----

my $offset = -s $node->logfile;
fill_disk();
$node->safe_psql('postgres', "SELECT count(*) FROM joborch.start_many('inserts', 3000)");
$node->wait_for_log(qr/could not extend file/, $offset);
usleep(1_500_000);
is($node->safe_psql('postgres', "SELECT count(*) FROM joborch.job_runs WHERE job = 'inserts' AND status IN ('failed', 'cancelled')"), '0', 'SQL steps: none fails by it');
limit_files(0);
no_run_lost('inserts', 3000);
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT (run_id, what)) FROM effect'), '6000|6000', 'each effect is there once');
check_invariants($node, 'postgres');

$node->stop;
$server->stop;
done_testing();
