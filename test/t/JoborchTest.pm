# What the TAP tests share: nodes with joborch preloaded, waiting with a
# deadline, and the check of joborch's own invariants at the end.
package JoborchTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(
  joborch_node create_extension load_debug_functions
  wait_until wait_for_run all_runs_final kill_process check_invariants
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
    my $file = 'test/debug_functions.sql';

    $node->safe_psql($database, slurp_file($file)) if -e $file;
    return;
}

# Waits until a query returns the wanted text ('t' by default); a server that
# recovers from a crash meanwhile is waited for.  Dies at the deadline.
sub wait_until
{
    my ($node, $database, $query, $wanted) = @_;

    $wanted = 't' unless defined $wanted;
    $node->poll_query_until($database, $query, $wanted)
      or die "timed out waiting for '$wanted' from: $query";
    return;
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

# kill -9 (or another signal) of one process of a kind: launcher, dispatcher,
# executor, publisher.  Returns its pid, or undef if there was none.
sub kill_process
{
    my ($node, $kind, $signal) = @_;
    my $pid = $node->safe_psql('postgres',
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'joborch $kind' LIMIT 1");

    return unless $pid;
    kill($signal || 'KILL', $pid) or return;
    return $pid;
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
