# A standby with joborch preloaded runs nothing.  Promoted, it goes on with the
# runs of the old primary, from where they were.
use strict;
use warnings;

use JoborchTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = joborch_node('primary', init => [ allows_streaming => 1 ]);
create_load_jobs($primary, 'postgres');
$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

start_load($primary, 'postgres', 5);
check_load($primary, 'postgres', 'the primary runs its load');
my ($stdout, $stderr);
my $gated = $primary->safe_psql('postgres', <<'SQL');
CREATE TABLE gate ();
SELECT joborch.create_job('gated', '{"steps": [
    {"name": "before", "sql": "INSERT INTO effect VALUES ({{ run.id }}, ''before'')"},
    {"name": "gate", "sql": "SELECT pg_sleep(600) FROM pg_class WHERE relname = ''gate''"},
    {"name": "after", "sql": "INSERT INTO effect VALUES ({{ run.id }}, ''after'')"}]}') \gset
SELECT joborch.start('gated');
SQL
my $waiting = $primary->safe_psql('postgres', "SELECT joborch.start('single', run_at => now() + interval '2 s')");
wait_until($primary, 'postgres', "SELECT begun IS NOT NULL FROM joborch_internal.live WHERE run_id = $gated");
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));

is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'joborch%'"), '0',
    'a standby has no process of joborch');
is($standby->safe_psql('postgres', "SELECT status FROM joborch.job_runs WHERE run_id = $gated"), 'running',
    'but sees that a long run is running');
$standby->psql('postgres', "SELECT joborch.start('single')", stdout => \$stdout, stderr => \$stderr);
like($stderr, qr/read-only transaction|during recovery/, 'a start is refused there');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM joborch.job_runs'), '17', 'its history can be read');

$primary->stop('immediate');
$standby->promote;
wait_until($standby, 'postgres', "SELECT status = 'running' FROM joborch.run_steps($gated) WHERE step = 'gate'");
$standby->safe_psql('postgres', 'DROP TABLE gate');
$standby->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE backend_type = 'joborch executor' AND wait_event = 'PgSleep'");
is(wait_for_run($standby, 'postgres', $gated), 'completed', 'promoted, it goes on with the runs of the old primary');
is($standby->safe_psql('postgres', "SELECT string_agg(step, ', ' ORDER BY step DESC) FROM effect WHERE run_id = $gated"), 'before, after',
    'from where they were');
is(wait_for_run($standby, 'postgres', $waiting), 'completed', 'also with those that were not due yet');
start_load($standby, 'postgres', 5);
$standby->safe_psql('postgres', "SELECT count(*) FROM effect");
all_runs_final($standby, 'postgres');
check_invariants($standby, 'postgres');

$standby->stop;
done_testing();
