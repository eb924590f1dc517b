# Egress rules outside of one session: in a dump, in another process, in the log.
use strict;
use warnings;

use JoborchTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = joborch_node('egress');
my $dump = "$PostgreSQL::Test::Utils::tmp_check/egress.sql";

sub ask
{
    my ($database, $role, $host) = @_;
    my ($status, undef, $error) = $node->psql($database, "SELECT joborch_internal.debug_egress('$role', 'https', '$host')");

    return $status == 0 ? 'allowed' : $error =~ /may not (use the network|reach)/ ? "may not $1" : $error;
}

# ---- a dump ----

$node->safe_psql('postgres', 'CREATE DATABASE origin');
create_extension($node, 'origin');
$node->safe_psql('origin', "
    CREATE ROLE alice; CREATE ROLE bob; CREATE ROLE carol;
    SELECT joborch.grant_usage(r, network => true) FROM unnest('{alice,bob,carol}'::text[]) AS r;
    SELECT joborch.allow_egress('alice', 'alice.example.com'), joborch.allow_egress('bob', 'bob.example.com'),
        joborch.allow_egress('public', 'all.example.com')");
is(ask('origin', 'alice', 'alice.example.com'), 'allowed', 'a rule of one role');
is(ask('origin', 'carol', 'alice.example.com'), 'may not reach', 'is of that role');
is(ask('origin', 'carol', 'all.example.com'), 'allowed', 'a rule of all roles');
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('origin') ], 'pg_dump');

# another cluster: alice has another oid there, bob is not there
$node->safe_psql('origin', 'DROP ROLE alice; DROP ROLE bob; CREATE ROLE alice');
$node->safe_psql('origin', "SELECT joborch.grant_usage('alice', network => true)");
is(ask('origin', 'alice', 'alice.example.com'), 'may not reach', 'a new role of an old name has no rules');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('restored') ], 'restore');
wait_until($node, 'restored', "SELECT EXISTS (SELECT FROM joborch.waiting WHERE next_command LIKE '%adopt_database%')");
$node->safe_psql('restored', 'SELECT joborch.adopt_database()');
is(ask('restored', 'alice', 'alice.example.com'), 'allowed', 'a restored rule finds its role by the name');
is(ask('restored', 'carol', 'all.example.com'), 'allowed', 'one of all roles is of all roles again');
is(ask('restored', 'carol', 'bob.example.com'), 'may not reach', 'one of a role that is not there is of nobody');
is(ask('restored', 'postgres', 'bob.example.com'), 'may not reach', 'and not of superusers');
is($node->safe_psql('restored', "SELECT joborch.allow_egress('alice', 'new.example.com') > max(rule_id) FROM joborch.egress_rules"),
    't', 'new rules get numbers of their own');

# ---- another process ----

my $session = $node->background_psql('restored');
my $question = "SELECT joborch_internal.debug_egress('alice', 'https', 'later.example.com') > 0";
my $rule;

$session->query("SELECT joborch_internal.debug_egress('alice', 'https', 'alice.example.com')");
$rule = $node->safe_psql('restored', "SELECT joborch.allow_egress('alice', 'later.example.com')");
is($session->query($question), 't', 'a process that has read the rules hears of a new one');
$session->query("SELECT joborch_internal.debug_egress_hold('alice')");
$node->safe_psql('restored', "SELECT joborch.drop_egress($rule)");
is($session->query("SELECT joborch_internal.debug_egress('alice', 'https', 'later.example.com', held => true) > 0"),
    't', 'what is under way goes on with the rules that it began with');
$session->quit;
is(ask('restored', 'alice', 'later.example.com'), 'may not reach', 'and the next one has the new rules');

# ---- the log ----

my $refuse = "DO \$\$ BEGIN PERFORM joborch_internal.debug_egress('alice', 'https', '%s'); EXCEPTION WHEN OTHERS THEN END \$\$;
    SELECT joborch_internal.debug_egress_record(1, 'call');\n";
my $offset = -s $node->logfile;

sub lines_since
{
    return scalar(() = substr(slurp_file($node->logfile), $offset) =~ /LOG:  joborch: egress refused to role "alice": https:/g);
}

$node->safe_psql('restored', sprintf($refuse, 'one.example.com') x 50);
is(lines_since(), 1, 'fifty refusals for the same cause are one line in the log');
$offset = -s $node->logfile;
$node->safe_psql('restored', join('', map { sprintf($refuse, "host$_.example.com") } 1 .. 500));
cmp_ok(lines_since(), '>', 30, 'different ones are lines of their own');
cmp_ok(lines_since(), '<', 66, 'but not without end');
is($node->safe_psql('restored', 'SELECT count(*) FROM joborch.egress_refusals'), '550', 'each has its row');

$node->stop;
done_testing();
