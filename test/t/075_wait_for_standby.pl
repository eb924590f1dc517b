# A step that waits for an LSN goes on when a standby has replayed up to it, not
# before: what is read there afterwards is not older than what the step's run wrote.
use strict;
use warnings;

use JoborchTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = joborch_node('primary', init => [ allows_streaming => 1 ], conf => "wal_receiver_status_interval = 1\n");
$primary->safe_psql('postgres', 'CREATE TABLE fact (n integer)');
$primary->safe_psql('postgres', <<'SQL');
SELECT joborch.create_job('replicated', '{"steps": [
    {"name": "write", "sql": "INSERT INTO fact VALUES (1)"},
    {"name": "where", "type": "transform", "sql": "pg_current_wal_insert_lsn()"},
    {"name": "wait", "type": "wait_sql", "lsn": "{{ steps.where.output }}", "interval": "100 ms"},
    {"name": "after", "type": "transform", "value": "read it there"}]}')
SQL

# how often the step has looked: each look is a transaction of an executor, which moves the row
sub looks_again
{
    my ($run, $what) = @_;
    my $ask = "SELECT xmin FROM joborch_internal.wait WHERE run_id = $run AND step = 2";

    my $first = value_of($primary, 'postgres', $ask);
    wait_until($primary, 'postgres', "SELECT xmin <> '$first'::xid FROM joborch_internal.wait WHERE run_id = $run AND step = 2")
      for 1 .. 2;
    is(value_of($primary, 'postgres', "SELECT status FROM joborch.run_steps($run) WHERE step = 'wait'"), 'waiting', $what);
    return;
}

my $run = value_of($primary, 'postgres', "SELECT joborch.start('replicated')");
wait_until($primary, 'postgres', "SELECT status = 'waiting' FROM joborch.run_steps($run) WHERE step = 'wait'");
looks_again($run, 'without a standby it waits');

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;
is(wait_for_run($primary, 'postgres', $run), 'completed', 'a standby that has it ends the wait');

# the standby receives, but does not replay
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
wait_until($standby, 'postgres', "SELECT pg_get_wal_replay_pause_state() = 'paused'");
$run = value_of($primary, 'postgres', "SELECT joborch.start('replicated')");
wait_until($primary, 'postgres', "SELECT status = 'waiting' FROM joborch.run_steps($run) WHERE step = 'wait'");
$primary->wait_for_catchup($standby, 'flush', $primary->lsn('flush'));
looks_again($run, 'it waits while the standby has the WAL but has not replayed it');
is(value_of($standby, 'postgres', 'SELECT count(*) FROM fact'), '1', 'where the row is not to be read yet');
is(value_of($primary, 'postgres', "SELECT status FROM joborch.run_steps($run) WHERE step = 'after'"), 'pending',
    'nothing behind it has begun');

$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
is(wait_for_run($primary, 'postgres', $run), 'completed', 'replayed, it goes on');
is(value_of($standby, 'postgres', 'SELECT count(*) FROM fact'), '2', 'and the row is there');

check_invariants($primary, 'postgres');
$standby->stop;
$primary->stop;
done_testing();
