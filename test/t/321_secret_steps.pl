# Steps that use secrets: the other side gets the value, whatever it is put into, and nothing that
# the step leaves behind has it: output, error, events, log, pg_stat_activity.
use strict;
use warnings;

use JoborchTest;
use NetServers;
use PostgreSQL::Test::Utils;
use Test::More;

# with characters that every encoding writes in another way
my $canary = 'cAnArY "1"/+%2B=\\ &ü';
my $part = 'cAnArY-part';
my $port = start_server(\&serve_http);
# also when the test dies
END
{
    my $status = $?;

    stop_servers();
    $? = $status;
}

my $node = joborch_node('secret_steps', conf => <<'CONF');
joborch.enable_commands = on
log_statement = all
log_min_duration_statement = 0
log_min_messages = debug2
log_parameter_max_length_on_error = -1
CONF

# The run of these steps, as the role app: its status.
sub play
{
    my ($steps, $name) = @_;
    my $run = $node->safe_psql('postgres',
        "SET ROLE app; SELECT joborch.start_definition(\$d\${\"steps\": [$steps]}\$d\$, name => '$name')");

    return wait_for_run($node, 'postgres', $run);
}

# A column of the one step of the run of that name.
sub step
{
    my ($name, $column) = @_;

    return $node->safe_psql('postgres',
        "SELECT s.$column FROM joborch.job_run_steps s JOIN joborch.job_runs r USING (run_id) WHERE r.name = '$name'");
}

$node->safe_psql('postgres', <<"SQL");
CREATE ROLE app LOGIN;
CREATE ROLE keeper LOGIN;
GRANT pg_execute_server_program TO app;
SELECT joborch.grant_usage('app', network => true), joborch.grant_usage('keeper');
SELECT joborch.allow_egress('app', '127.0.0.1', port => $port, addresses => '{127.0.0.1}');
SET ROLE keeper;
SELECT joborch.create_secret('token', \$c\$$canary\$c\$);
SELECT joborch.create_secret('plain', 'cAnArY-plain');
SELECT joborch.create_secret('login', '{"user": "ann", "password": "$part"}');
SELECT joborch.create_secret('lines', E'cAnArY-one\\r\\nX-Injected: 1');
SELECT joborch.grant_secret(name, 'app') FROM joborch.secrets;
SQL

my $url = "http://127.0.0.1:$port";
my $begin = -s $node->logfile;
my %places = (
    bearer => '"auth": {"type": "bearer", "token": "{{ secret.plain }}"}',
    basic => '"auth": {"type": "basic", "username": "{{ secret.login.user }}", "password": "{{ secret.login.password }}"}',
    header => '"headers": {"X-Key": "key={{ secret.plain }};"}',
    query => '"query": {"q": "{{ secret.token }}"}',
    json => '"body": {"a": ["{{ secret.token }}"], "b": "x{{ secret.token }}x"}',
    form => '"form": {"a": "{{ secret.token }}"}',
    multipart => '"multipart": {"a": "{{ secret.token }}"}',
    text => '"body": "{{ secret.token }}", "headers": {"Content-Type": "text/plain"}',
    encoded => '"body": "{{ secret.token | base64 }} {{ secret.token | urlencode }}"');

for my $place (sort keys %places)
{
    is(play(qq({"name": "a", "url": "$url/echo", "method": "POST", $places{$place}}), "ok $place"), 'completed', "$place: sent");
    like(step("ok $place", 'output'), qr/\*\*\*/, "$place: what came back is masked");
    unlike(step("ok $place", 'output'), qr/cAnArY|Y0FuQXJZ/, "$place: all of it");
    is(play(qq({"name": "a", "url": "$url/echo", "method": "POST", "expected_status": 201, "retry": {"max_attempts": 2, "initial": 0.01}, $places{$place}}), "bad $place"),
        'failed', "$place: an answer that is an error");
    unlike(step("bad $place", 'error'), qr/cAnArY|Y0FuQXJZ/, "$place: the error is masked");
}
like(step('ok basic', 'output'), qr/Authorization: Basic /, 'it was sent');

# in the address itself
is(play(qq({"name": "a", "url": "$url/echo?k={{ secret.token }}"}), 'url'), 'completed', 'in the URL');
unlike(step('url', 'output'), qr/cAnArY/, '... which is shown in the output');
is(play('{"name": "a", "url": "http://{{ secret.plain }}.example.com/"}', 'host'), 'failed', 'in a host that may not be reached');
is(play(qq({"name": "a", "url": "$url/hang-up?k={{ secret.token }}"}), 'reset'), 'failed', 'in a request that is not answered');
is(play('{"name": "a", "url": "{{ secret.plain }}"}', 'no url'), 'failed', 'in the place of a URL');
is(play(qq({"name": "a", "url": "$url/echo", "auth": {"type": "digest", "username": "a", "password": "{{ secret.lines }}"}}), 'digest'), 'failed', 'a password with a line break');
is(play(qq({"name": "a", "url": "$url/echo", "headers": {"X": "{{ secret.lines }}"}}), 'lines'), 'failed', 'with a line break in a header');
is(step('lines', 'sqlstate'), 'JO031', '... which is refused');

# commands
is(play('{"name": "a", "type": "command", "command": ["sh", "-c", "echo $KEY; echo \"in error: $KEY\" >&2"], "env": {"KEY": "{{ secret.token }}"}}', 'command'),
    'completed', 'the environment of a command');
like(step('command', "output ->> 'stdout'"), qr/^\*\*\*$/, 'its output is masked');
is(play('{"name": "a", "type": "command", "command": ["sh", "-c", "echo $KEY | base64; exit 3"], "env": {"KEY": "{{ secret.token }}"}}', 'exit 3'),
    'failed', 'a command that fails');

# without the right to it, and after it was taken back
is(play(qq({"name": "a", "url": "$url/echo", "headers": {"X": "{{ secret.nothing }}"}}), 'nothing'), 'failed', 'one that is not there');
is(step('nothing', 'sqlstate'), 'JO042', '... with its code');
$node->safe_psql('postgres', "SELECT joborch.revoke_secret('plain', 'app')");
is(play(qq({"name": "a", "url": "$url/echo", "headers": {"X": "{{ secret.plain }}"}}), 'revoked'), 'failed', 'one that was taken back');
is(step('revoked', 'sqlstate'), 'JO042', '... with the same code');

# ---- what is left ----

for my $relation (split /\n/, $node->safe_psql('postgres', <<'SQL'))
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('joborch', 'joborch_internal') AND c.relkind IN ('r', 'v')
UNION ALL SELECT 'pg_stat_activity' ORDER BY 1
SQL
{
    my $rows = $node->safe_psql('postgres', "SELECT r::text FROM $relation AS r");

    fail("a value is in $relation: $1") if $rows =~ /(.{0,80}(?i:canary|Y0FuQXJZ).{0,40})/;
}
pass('no value is in a table or view');
my $log = slurp_file($node->logfile, $begin);
my ($found) = $log =~ /(.{0,200}(?i:canary|Y0FuQXJZ).{0,40})/;
is($found, undef, 'nor in the log');

all_runs_final($node, 'postgres');
check_invariants($node, 'postgres');
$node->stop;
done_testing();
