# A step's run_as needs membership of that role, whichever way its definition
# came in, and still when the step begins.
use strict;
use warnings;

use JoborchTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = joborch_node('run_as');

sub as_role
{
    my ($role, $sql) = @_;
    my ($stdout, $stderr);

    $node->psql('postgres', $sql, stdout => \$stdout, stderr => \$stderr,
        extra_params => [ '-U', $role ]);
    return ($stdout, $stderr);
}

sub definition
{
    my ($role, $sql) = @_;

    return qq('{"steps": [{"name": "wait", "type": "sql", "sql": "SELECT pg_sleep(0.5)"},
		{"name": "other", "type": "sql", "depends_on": ["wait"], "sql": "$sql", "run_as": "$role"}]}');
}

$node->safe_psql('postgres', q(
	CREATE ROLE intruder LOGIN;
	CREATE ROLE member LOGIN;
	CREATE ROLE team LOGIN;
	GRANT team TO member;
	SELECT joborch.grant_usage('intruder'), joborch.grant_usage('member');));

my $climb = definition('postgres', 'ALTER ROLE intruder SUPERUSER');
my (undef, $error) = as_role('intruder', "SELECT joborch.start_definition($climb)");
like($error, qr/step "other" cannot run as role "postgres"/, 'an ad-hoc definition is refused');
(undef, $error) = as_role('intruder', "SELECT joborch.create_job('climb', $climb)");
like($error, qr/step "other" cannot run as role "postgres"/, 'so is a job');
my ($plain) = as_role('intruder', "SELECT joborch.start_sql('SELECT 1')");
is(wait_for_run($node, 'postgres', $plain), 'completed', 'a run of his own ends');
(undef, $error) = as_role('intruder', "SELECT joborch.rerun($plain, definition => $climb)");
like($error, qr/step "other" cannot run as role "postgres"/, 'so is a repaired definition');
is(value_of($node, 'postgres', "SELECT rolsuper FROM pg_roles WHERE rolname = 'intruder'"), 'f',
    'the intruder is no superuser');

my $job = definition('team', 'SELECT session_user, current_user');
my ($run) = as_role('member', "SELECT joborch.start_definition($job)");
is(wait_for_run($node, 'postgres', $run), 'completed', 'a member may');
is(value_of($node, 'postgres',
    "SELECT output -> 'rows' -> 0 ->> 'session_user' FROM joborch.run_steps($run) WHERE step = 'other'"),
    'team', 'the step ran as the other role');

($run) = as_role('member', "SELECT joborch.start_definition($job)");
$node->safe_psql('postgres', 'REVOKE team FROM member');
is(wait_for_run($node, 'postgres', $run), 'failed', 'a right that was revoked after the start is gone');
is(value_of($node, 'postgres',
    "SELECT error ->> 'sqlstate' FROM joborch.run_steps($run) WHERE step = 'other'"),
    '42501', 'the step was refused');

check_invariants($node, 'postgres');
done_testing();
