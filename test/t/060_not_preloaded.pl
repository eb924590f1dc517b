# Without shared_preload_libraries the extension cannot work; it says so, and what
# to do, when it is created and when somebody uses it.
use strict;
use warnings;

use JoborchTest;
use Test::More;

my $node = joborch_node('not_preloaded', start => 0);

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->start;

sub refused
{
    my ($sql, $name) = @_;
    my ($stdout, $stderr);

    $node->psql('postgres', "\\set VERBOSITY verbose\n$sql", stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);
    like($stderr, qr/ERROR:  JO011: /, "$name is refused with JO011");
    like($stderr, qr/HINT:  .*shared_preload_libraries/, '... and a hint');
    return;
}

refused('CREATE EXTENSION joborch', 'CREATE EXTENSION');

# a database in which it was created before
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'joborch'\n");
$node->restart;
create_extension($node, 'postgres');
$node->safe_psql('postgres', "SELECT joborch.create_job('one', '{\"steps\": [{\"name\": \"a\", \"sql\": \"SELECT 1\"}]}')");
my $run = $node->safe_psql('postgres', "SELECT joborch.start('one', run_at => now() + interval '1 s')");
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
refused("SELECT joborch.start('one')", 'start()');
refused("SELECT joborch.start_sql('SELECT 1')", 'start_sql()');
refused("SELECT joborch.wait_for_run($run)", 'wait_for_run()');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'joborch%'"), '0',
    'there is no process of ours');
is($node->safe_psql('postgres', "SELECT count(*) FROM joborch_internal.live WHERE run_id = $run"), '1', 'the run is kept');

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'joborch'\n");
$node->restart;
is(wait_for_run($node, 'postgres', $run), 'completed', 'and runs when the library is there again');
check_invariants($node, 'postgres');

$node->stop;
done_testing();
