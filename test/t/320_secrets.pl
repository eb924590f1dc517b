# The value of a secret is nowhere but in its encrypted row: not in the server's log, whatever
# that is told to write, not in pg_stat_activity, pg_stat_statements, views, tables, files
# or dumps.  And it is of use only with its key, in its database.
use strict;
use warnings;

use JoborchTest;
use PostgreSQL::Test::Utils;
use Test::More;

# part of every value that is given below
my $canary = 'cAnArY';

my $node = joborch_node('secrets', conf => <<'CONF');
shared_preload_libraries = 'joborch, pg_stat_statements, auto_explain'
pg_stat_statements.track = all
compute_query_id = on
auto_explain.log_min_duration = 0
auto_explain.log_nested_statements = on
auto_explain.log_verbose = on
log_statement = all
log_min_duration_statement = 0
log_min_error_statement = debug1
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
log_error_verbosity = verbose
log_lock_waits = on
deadlock_timeout = '10 ms'
CONF
my $data = $node->data_dir;

sub execute
{
    my ($sql, $database) = @_;
    my ($stdout, $stderr);

    $node->psql($database || 'postgres', $sql, stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);
    return "$stdout\n$stderr";
}

# What is in the log since an offset.
sub logged
{
    my ($offset) = @_;

    return slurp_file($node->logfile, $offset);
}

sub use_secret
{
    my ($name, $database) = @_;

    return execute("SELECT joborch_internal.debug_secret('postgres'::regrole, 'secret.$name') #>> '{}'", $database);
}

sub write_file
{
    my ($path, $text, $mode) = @_;

    unlink $path;
    append_to_file($path, $text);
    chmod $mode, $path if defined $mode;
    return;
}

$node->safe_psql('postgres', 'CREATE EXTENSION pg_stat_statements');

# ---- statements with a value in them ----

my $begin = -s $node->logfile;
like(execute("SELECT joborch.create_secret('plain', '$canary-plain')"), qr/^\s*$/, 'a literal');
execute("SELECT joborch.create_secret('quoted', '$canary''s \"quoted\"'); SELECT 1");
execute("SELECT joborch.create_secret('escaped', E'$canary\\'s \\n escaped')");
execute("SELECT joborch.create_secret('dollars', \$\$$canary\$\$ || \$a\$ \$ $canary\$a\$)");
execute("SELECT JOBORCH . CREATE_SECRET ( from_file => NULL, value =>\n'$canary-named', name => 'named' ) /* it's */");
execute("SELECT joborch.alter_secret('plain', '$canary-altered')");
execute("BEGIN; SELECT joborch.alter_secret('plain', '$canary-undone'); ROLLBACK");
execute("PREPARE p(text, text) AS SELECT joborch.create_secret(\$1, \$2); EXECUTE p('prepared', '$canary-prepared')");
like(execute("SELECT joborch.create_secret('plain', '$canary-again')"), qr/exists|already/, 'an error of the function');
like(execute("SELECT joborch.create_secret('plain $canary', '$canary')"), qr/cannot be the name/, 'a value in the place of the name');
like(execute("SELECT joborch.create_secret('plain', '$canary-syntax'"), qr/syntax error/, 'an error of syntax');
like(execute("SELECT joborch.create_secret('plain' '$canary-syntax')"), qr/syntax error/, 'an error of syntax at the value');
like(execute("SELECT joborch.create_secret('plain', \"$canary-column\")"), qr/column .* does not exist/, 'a value in double quotes');
like(execute("SELECT joborch.create_secret('plain', '$canary', '$canary', '$canary', '$canary')"), qr/does not exist/, 'too many arguments');
like(execute("SELECT joborch.create_secret('plain', '$canary'::integer::text)"), qr/invalid input syntax/, 'a value of another type');
like(execute("SELECT joborch.create_secret('plain', '$canary') FROM joborch_internal.nothing"), qr/does not exist/, 'a relation that is not there');
like(execute("SELECT joborch.create_secret('later', '$canary-later'), 1 / 0 FROM generate_series(1, 2)"), qr/division/, 'an error behind it');
execute("SET log_min_messages = debug1; SELECT joborch.alter_secret('plain', '$canary-debug')");
unlike(logged($begin), qr/$canary/, 'none of them is in the log');
like(logged($begin), qr/statement: SELECT joborch\.create_secret\(\*\*\*\)$/m, 'but that they were executed');
like(logged($begin), qr/duration: [\d.]+ ms$/m, '... how long it took');
like(logged($begin), qr/error 42601 in a statement that names create_secret/, '... and that one was wrong');

# by functions of others, and bound parameters
$begin = -s $node->logfile;
execute(<<"SQL");
DO \$do\$
BEGIN
    PERFORM joborch.create_secret('of-do', '$canary-of-do');
    EXECUTE 'SELECT joborch.alter_secret(''of-do'', ''$canary-dynamic'')';
    EXECUTE 'SELECT joborch.alter_secret(\$1, \$2)' USING 'of-do', '$canary-using';
    EXECUTE 'SELECT joborch.alter_secret(''of-do'', ''$canary-wrong'', bogus => 1)';
END
\$do\$
SQL
execute("CREATE TEMP TABLE given (value text); COPY given FROM STDIN;\n$canary-copied\n\\.\nSELECT joborch.create_secret('copied', value) FROM given");
my $script = PostgreSQL::Test::Utils::tempdir() . '/bind.sql';
for my $mode (qw(extended prepared))
{
    write_file($script, "SELECT joborch.create_secret(:name, :value);\nSELECT joborch.create_secret(:name, :value);\n");
    my @command = ('pgbench', '-n', '-t', 1, '-M', $mode, '-D', "name=bound-$mode", '-D', "value=$canary-$mode", '-f', $script, $node->connstr('postgres'));
    $node->run_log([@command]);
    is($node->safe_psql('postgres', "SELECT count(*) FROM joborch.secrets WHERE name = 'bound-$mode'"), 1, "a parameter, $mode");
}
# under another name it is seen by log_statement, before anybody knows what it calls
$node->safe_psql('postgres', "CREATE FUNCTION keep(given text) RETURNS void LANGUAGE plpgsql AS 'BEGIN PERFORM joborch.create_secret(''kept'', given); END'");
execute("SET log_statement = none; SELECT keep('$canary-kept'); SELECT 1/0 /* after it */");
is($node->safe_psql('postgres', "SELECT count(*) FROM joborch.secrets WHERE name = 'kept'"), 1, 'a value given to a function of others');
unlike(logged($begin), qr/$canary/, 'none of these is in the log');
like(logged($begin), qr/after it/, 'the next statement is there as it was');

# ---- what others see of a session ----

my $session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query('SELECT pg_backend_pid()');
my $seen = "SELECT state, query FROM pg_stat_activity WHERE pid = $pid";
$session->query("SELECT joborch.alter_secret('plain', '$canary-activity')");
is($node->safe_psql('postgres', $seen), 'idle|<statement with the value of a secret, hidden by joborch>', 'pg_stat_activity after it');
$session->query("SELECT joborch.alter_secret('plain', '$canary-syntax' 1)");
unlike($node->safe_psql('postgres', $seen), qr/$canary/, 'pg_stat_activity after an error of syntax');
# one that waits for another transaction in its midst
$node->safe_psql('postgres', 'CREATE TABLE gate ()');
$session->query("BEGIN; SELECT joborch.alter_secret('plain', '$canary-first')");
my $second = $node->background_psql('postgres');
$second->query_until(qr/begun/, "\\echo begun\nSELECT joborch.alter_secret('plain', '$canary-second'); SELECT 'went on';\n");
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '<statement with%'");
pass('one that waits in its midst');
$node->wait_for_log(qr/still waiting for/, $begin);
$session->query('COMMIT');
$second->query_until(qr/went on/, '');
like(use_secret('plain'), qr/^$canary-second$/m, 'who came last was last');
unlike($node->safe_psql('postgres', 'SELECT query FROM pg_stat_activity'), qr/$canary-(first|second)/, 'and neither is seen');
$session->quit;
$second->quit;
unlike(logged($begin), qr/$canary/, 'nor logged');

# what is no plain SELECT, INSERT, ... is kept there as it was written
is($node->safe_psql('postgres', "SELECT query FROM pg_stat_statements WHERE query LIKE '%$canary%' AND query !~ '^DO'"),
    '', 'no value is in pg_stat_statements');
like($node->safe_psql('postgres', 'SELECT query FROM pg_stat_statements'), qr/SELECT joborch\.create_secret\(\$1, \$2\)/,
    '... where constants are parameters');

# ---- use, and steps that fail with it ----

$begin = -s $node->logfile;
like(use_secret('quoted'), qr/^${canary}'s "quoted"$/m, 'the value is there for those who may use it');
like(execute("SELECT joborch_internal.debug_secret('postgres'::regrole, 'secret.quoted.part')"), qr/has no parts/, 'a failed use');
unlike(logged($begin), qr/$canary/, 'nothing of it is logged');

# ---- rows, views, files, dumps ----

for my $relation (split /\n/, $node->safe_psql('postgres', <<'SQL'))
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('joborch', 'joborch_internal') AND c.relkind IN ('r', 'v') ORDER BY 1
SQL
{
    my $rows = $node->safe_psql('postgres', "SELECT r::text FROM $relation AS r");

    fail("a value is in $relation") if $rows =~ /$canary/;
}
pass('no value is in a table or view');

my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
my $dumped = slurp_file($dump);
unlike($dumped, qr/$canary/, 'no value is in a dump');
like($dumped, qr/COPY joborch_internal\.secret /, 'the encrypted ones are');

# the table given by the test above was on disk for a while, as the documentation says
$node->safe_psql('postgres', 'CHECKPOINT');
$node->stop;
my @found = grep { $_ !~ /pgsql_tmp|pgss_query_texts|pg_stat_statements\.stat/ }
  split /\n/, qx(grep -rlaE '$canary-(plain|altered|prepared|named|activity|extended)' '$data/base' '$data/pg_wal' '$data/global');
is("@found", '', 'no value is in a file of the database or in the WAL');
$node->start;

# ---- the key ----

my $keys = "$data/test_secrets.keys";
my $first = slurp_file($keys);
my $second_key = 'newer ' . ('ab' x 32) . "\n";

write_file($keys, 'test ' . ('cd' x 32) . "\n", 0600);
like(use_secret('plain'), qr/ERROR:.*value of secret "plain" cannot be had\nDETAIL:.*is another one/s, 'another key of the same name');
write_file($keys, $second_key, 0600);
like(use_secret('plain'), qr/DETAIL:.*key "test", which is not in the key file/s, 'another key');
like(execute("SELECT joborch.rotate_secret_key()"), qr/ERROR:.*cannot be had/s, 'no rotation without the old key');
write_file($keys, $second_key . $first, 0644);
like(use_secret('plain'), qr/DETAIL:.*others may read/s, 'a key file that others may read');
chmod 0600, $keys;
like(use_secret('plain'), qr/^$canary/, 'old and new key');
my $count = $node->safe_psql('postgres', 'SELECT count(*) FROM joborch.secrets');
is($node->safe_psql('postgres', 'SELECT joborch.rotate_secret_key()'), $count, 'all are encrypted anew');
write_file($keys, $second_key, 0600);
like(use_secret('plain'), qr/^$canary/, 'only the new key');
unlink $keys;
like(use_secret('plain'), qr/ERROR:.*cannot be used for secrets.*DETAIL:.*No such file/s, 'no key file');
like(execute("SELECT joborch.create_secret('more', '$canary')"), qr/ERROR:.*cannot be used for secrets/s, '... to write with neither');
$node->append_conf('postgresql.conf', "joborch.secret_key_file = ''");
$node->reload;
wait_until($node, 'postgres', "SELECT current_setting('joborch.secret_key_file') = ''");
like(execute("SELECT joborch.create_secret('more', '$canary')"), qr/ERROR:.*there is no key to encrypt.*HINT:.*openssl rand -base64 32/s, 'no setting');
write_file($keys, $second_key . $first, 0600);
$node->append_conf('postgresql.conf', "joborch.secret_key_file = 'test_secrets.keys'");
$node->reload;
wait_until($node, 'postgres', "SELECT current_setting('joborch.secret_key_file') <> ''");

# ---- another database ----

# the row of one database in another one with the same key
$node->safe_psql('postgres', 'CREATE DATABASE other');
create_extension($node, 'other');
write_file($keys, $second_key, 0600);
my $row = $node->safe_psql('postgres', "SELECT format('INSERT INTO joborch_internal.secret SELECT (r).* FROM (SELECT %L::joborch_internal.secret) AS s (r)', s::text) FROM joborch_internal.secret s WHERE name = 'plain'");
$node->safe_psql('other', $row);
like(use_secret('plain', 'other'), qr/DETAIL:\s+It was made in another database/, 'a row of another database');
$node->safe_psql('other', "UPDATE joborch_internal.secret SET database_oid = (SELECT oid FROM pg_database WHERE datname = 'other')");
like(use_secret('plain', 'other'), qr/DETAIL:.*the row was changed/s, '... that says it is of this one');
$node->safe_psql('other', 'DELETE FROM joborch_internal.secret');

# a dump restored: of use once somebody took it over, with the key file
$node->safe_psql('postgres', 'CREATE ROLE user_of_it');
$node->safe_psql('postgres', "SELECT joborch.grant_secret('plain', 'user_of_it')");
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'pg_dump again');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('restored') ], 'restore');
like(use_secret('plain', 'restored'), qr/DETAIL:\s+It was made in another database/, 'not before the database was adopted');
unlink $keys;
like(execute('SELECT joborch.adopt_database()', 'restored'), qr/WARNING:\s+secret "bound-extended" cannot be used here/, 'adopted without the key file');
like(use_secret('plain', 'restored'), qr/DETAIL:\s+It was made in another database/, '... it is of no use');
write_file($keys, $second_key, 0600);
is($node->safe_psql('restored', 'SELECT joborch.rotate_secret_key()'), $count, '... until the key is there');
like(use_secret('plain', 'restored'), qr/^$canary/, 'the value is there again');
is($node->safe_psql('restored', "SELECT granted_to FROM joborch.secrets WHERE name = 'plain'"), '{user_of_it}', 'and who may use it');
like(use_secret('plain'), qr/^$canary/, 'in the original too');

check_invariants($node, $_) for qw(postgres restored);
$node->stop;
done_testing();
