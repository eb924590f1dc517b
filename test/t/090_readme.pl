# The README's SQL, as it stands there: every function, argument, view and column
# it names must exist.  Its run 42 may be in a status that refuses a call (JO005);
# any other error is a fault of the page or of the code.
use strict;
use warnings;

use JoborchTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = joborch_node('readme');
my @blocks = slurp_file('README.md') =~ /^```sql\n(.*?)^```$/msg;

cmp_ok(scalar @blocks, '>=', 2, 'the README has SQL');

# what the statements work on
$node->safe_psql('postgres', 'CREATE MATERIALIZED VIEW big_report AS SELECT 1 AS a');

for my $i (0 .. $#blocks)
{
    my ($stdout, $stderr);

    $node->psql(
        'postgres', "\\set VERBOSITY verbose\n$blocks[$i]",
        stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);
    my @faults = grep { /ERROR: / && !/ERROR:  JO005: / } split /\n/, $stderr;
    is(join("\n", @faults), '', 'block ' . ($i + 1) . ' of the README runs');
}

# the run of an hour from now would be waited for
$node->safe_psql('postgres', 'SELECT joborch.cancel_run(run_id) FROM joborch.active_runs WHERE run_at > now()');
all_runs_final($node, 'postgres');
is($node->safe_psql('postgres', "SELECT count(*) FROM totals WHERE day = '2026-11-22'"), '1', 'its job did its work');
check_invariants($node, 'postgres');
$node->stop;
done_testing();
