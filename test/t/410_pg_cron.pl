# joborch_cron beside the real pg_cron: the same surface, jobs and history taken over, and
# jobs that fire.  Without pg_cron's package only the last part is tested.
use strict;
use warnings;

use lib 'test/t';
use JoborchTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# What a program can see of schema cron, in lines; of pg_cron before 1.5 names were of type name.
my $functions = q{
    SELECT p.proname, regexp_replace(pg_get_function_arguments(p.oid), '\mname$', 'text'), pg_get_function_result(p.oid),
        p.proisstrict, p.provolatile, p.prosecdef, has_function_privilege('somebody', p.oid, 'EXECUTE')
    FROM pg_proc p WHERE p.pronamespace = 'cron'::regnamespace ORDER BY 1, 2};
my $columns = q{
    SELECT c.relname, a.attnum, a.attname, replace(format_type(a.atttypid, a.atttypmod), 'name', 'text'),
        CASE WHEN c.relname = 'job' THEN pg_get_expr(d.adbin, d.adrelid) END
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'cron'::regnamespace AND c.relname IN ('job', 'job_run_details') AND a.attnum > 0
    ORDER BY 1, 2};
my $privileges = q{
    SELECT c.relname, p.privilege, has_table_privilege('somebody', c.oid, p.privilege)
    FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p (privilege)
    WHERE c.relnamespace = 'cron'::regnamespace AND c.relname IN ('job', 'job_run_details') ORDER BY 1, 2};
my $jobs = 'SELECT jobid, schedule, command, nodename, nodeport, database, username, active, jobname FROM cron.job ORDER BY jobid';
my $history = 'SELECT * FROM cron.job_run_details ORDER BY runid';

# What a statement of each kind is refused with.
my @mistakes = (
    q{SELECT cron.schedule('* * * *', 'SELECT 1')},
    q{SELECT cron.schedule('61 0 * * 5', 'SELECT 1')},
    q{SELECT cron.schedule('@restar', 'SELECT 1')},
    q{SELECT cron.schedule(NULL, '0 1 1 1 *', 'SELECT 1')},
    q{SELECT cron.schedule('a', NULL, 'SELECT 1')},
    q{SELECT cron.schedule('a', '0 1 1 1 *', NULL)},
    q{SELECT cron.unschedule('nosuch')},
    q{SELECT cron.unschedule(9999)},
    q{SELECT cron.alter_job(NULL)},
    q{SELECT cron.alter_job(9999)},
    q{SELECT cron.alter_job(9999, schedule => '0 1 1 1 *')},
    q{SELECT cron.alter_job(9999, username => 'nosuch')},
    q{SELECT cron.schedule_in_database('a', '0 1 1 1 *', 'SELECT 1', 'nosuch')},
    q{SELECT cron.schedule_in_database('a', '0 1 1 1 *', 'SELECT 1', 'postgres', 'nosuch')},
    q{SELECT cron.schedule_in_database('a', '0 1 1 1 *', 'SELECT 1', 'postgres', 'pg_monitor')},
    q{SET ROLE somebody; SELECT cron.unschedule('nosuch')},
    q{SET ROLE somebody; SELECT cron.alter_job(1, active => true)},
    q{SET ROLE helper; SELECT cron.alter_job(1, active => true)},
    q{SET ROLE helper; SELECT cron.alter_job(1, username => 'helper')},
    q{SET ROLE helper; SELECT cron.schedule_in_database('a', '0 1 1 1 *', 'SELECT 1', 'postgres', 'helper')},
    q{SET ROLE helper; SELECT cron.unschedule(1)},
);

my $node = PostgreSQL::Test::Cluster->new('pg_cron');
my $library = $node->config_data('--pkglibdir') . '/pg_cron.so';

# Without a run of the server's: SQLSTATE and message.
sub refusal
{
    my ($sql) = @_;
    my ($stdout, $stderr);

    $node->psql('postgres', "\\set VERBOSITY verbose\n$sql", stdout => \$stdout, stderr => \$stderr);
    my ($error) = $stderr =~ /ERROR:\s+(.*)/;
    return defined $error ? $error : 'was not refused';
}

sub open_schema
{
    $node->safe_psql('postgres', q{
        GRANT USAGE ON SCHEMA cron TO somebody, helper;
        GRANT EXECUTE ON FUNCTION cron.alter_job, cron.schedule_in_database TO helper});
    return;
}

$node->init;
$node->append_conf('postgresql.conf', slurp_file($ENV{JOBORCH_TEST_CONF}));

SKIP:
{
    skip 'pg_cron is not installed', 1 unless -e $library;
    my (%theirs, %ours, $before, $past, $stderr, $schedules);

    $node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'joborch, pg_cron'
cron.host = '@{[ $node->host ]}'
});
    $node->start;
    $node->safe_psql('postgres', q{
        CREATE EXTENSION pg_cron;
        CREATE ROLE somebody LOGIN;
        CREATE ROLE helper LOGIN;
        CREATE ROLE gone LOGIN;
        CREATE DATABASE elsewhere});
    open_schema();

    # ---- a pg_cron with jobs and history ----

    $node->safe_psql('postgres', q{
        SELECT cron.schedule('0 3 1 1 *', 'VACUUM');
        SELECT cron.schedule('nightly', '30 3 1 1 6', $$DELETE FROM pg_temp.events WHERE event_time < now() - interval '1 week'$$);
        SELECT cron.schedule_in_database('not now', '0 4 1 1 *', 'SELECT 1', 'postgres', 'somebody', false);
        SELECT cron.schedule_in_database('far', '0 4 1 1 *', 'SELECT ''x''', 'elsewhere');
        INSERT INTO cron.job (schedule, command, nodename, nodeport, database, username, jobname)
        VALUES ('0 0 4 1 1 *', 'SELECT 1', 'localhost', 5432, 'postgres', 'postgres', 'seconds first?');
        SELECT cron.schedule('block', '0 4 1 1 *', 'BEGIN; SELECT 1; COMMIT');
        INSERT INTO cron.job (schedule, command, nodename, nodeport, database, username, jobname)
        VALUES ('0 4 1 1 *', 'SELECT 1', '', 5432, 'postgres', 'gone', 'of a role that goes');
        DROP ROLE gone;
        INSERT INTO cron.job_run_details (jobid, runid, job_pid, database, username, command, status, return_message, start_time, end_time) VALUES
            (1, 101, 11, 'postgres', 'postgres', 'VACUUM', 'succeeded', 'VACUUM', '2026-01-01 03:00:00+00', '2026-01-01 03:00:01+00'),
            (2, 102, 12, 'postgres', 'postgres', 'DELETE', 'failed', E'ERROR:  no\n', '2026-01-01 03:30:00+00', '2026-01-01 03:30:01+00'),
            (99, 103, 13, 'postgres', 'somebody', 'SELECT 1', 'succeeded', '1 row', '2026-01-01 03:30:00+00', '2026-01-01 03:30:01+00')});
    $theirs{functions} = value_of($node, 'postgres', $functions);
    $theirs{columns} = value_of($node, 'postgres', $columns);
    $theirs{privileges} = value_of($node, 'postgres', $privileges);
    $theirs{$_} = refusal($_) foreach @mistakes;
    $before = value_of($node, 'postgres', $jobs);
    $past = value_of($node, 'postgres', $history);

    # ---- import ----

    is((split /:/, refusal('SELECT joborch.import_pg_cron()'))[0], '3F000', 'there is no import without joborch');
    create_extension($node, 'postgres');
    like(refusal('CREATE EXTENSION joborch_cron'), qr/joborch_cron cannot be installed beside pg_cron/,
        'not beside pg_cron');
    $node->safe_psql('postgres', 'GRANT joborch_user TO somebody');
    like(refusal('SET ROLE somebody; SELECT * FROM joborch.import_pg_cron()'), qr/only superusers can import/, 'nor by anybody');

    my $report = "SELECT jobid, action, schedule, timezone, active, reason FROM joborch.import_pg_cron(%s) ORDER BY jobid";
    my $left_out = join "\n",
      q{4|left out||GMT|t|it runs in database "elsewhere"},
      q{5|left out||GMT|t|invalid schedule: 0 0 4 1 1 * (pg_cron ignores what follows the fifth field.)},
      q{6|left out||GMT|t|invalid job definition: 1 problem ($.steps[0].sql: BEGIN cannot be used in a step)},
      q{7|left out||GMT|t|role "gone" does not exist};

    is(value_of($node, 'postgres', sprintf $report, ''), join("\n",
        '1|would be imported|cron:1|GMT|t|', '2|would be imported|nightly|GMT|t|',
        '3|would be imported|not now|GMT|f|', $left_out), 'a dry run says what would be done');
    $schedules = 'SELECT count(*) FROM joborch_internal.schedule UNION ALL SELECT count(*) FROM joborch_internal.cron_history';
    is(value_of($node, 'postgres', $schedules), "0\n0", 'and does nothing');
    is(value_of($node, 'postgres', $jobs), $before, 'to pg_cron neither');
    like(value_of($node, 'postgres', 'SELECT what_next FROM joborch.import_pg_cron() WHERE jobid = 4'),
        qr/^In "elsewhere", as "postgres": SELECT joborch\.schedule_sql\('far', '0 4 1 1 \*', 'SELECT ''x'''/,
        'what is left out has a next step');

    is(value_of($node, 'postgres', sprintf $report, 'false'), join("\n",
        '1|imported|cron:1|GMT|t|', '2|imported|nightly|GMT|t|', '3|imported|not now|GMT|f|', $left_out), 'the import does it');
    is(value_of($node, 'postgres', $schedules), "3\n3", 'jobs and history are here');
    is(value_of($node, 'postgres', 'SELECT jobid FROM cron.job WHERE active ORDER BY jobid'), "4\n5\n6\n7",
        'what was imported is not active in pg_cron any more');
    is(value_of($node, 'postgres', sprintf $report, 'false'), join("\n",
        '1|imported before|cron:1|GMT|t|', '2|imported before|nightly|GMT|t|', '3|imported before|not now|GMT|f|', $left_out),
        'a second import does nothing new');
    is(value_of($node, 'postgres', $schedules), "3\n3", 'nothing is there twice');
    is(value_of($node, 'postgres', "SELECT joborch.start_sql('SELECT 1') > 103"), 't', 'new runs have higher numbers');

    # ---- the exchange ----

    $node->safe_psql('postgres', 'DROP EXTENSION pg_cron; CREATE EXTENSION joborch_cron');
    open_schema();
    is(value_of($node, 'postgres', $jobs), join("\n", (split /\n/, $before)[ 0 .. 2 ]), 'the jobs look as they did');
    is(value_of($node, 'postgres', $history), $past, 'so does their history');
    is(value_of($node, 'postgres', "SELECT cron.schedule('0 1 1 1 *', 'SELECT 1')"), 100, 'ids go on');
    $node->psql('postgres', 'CREATE EXTENSION pg_cron', stderr => \$stderr);
    like($stderr, qr/schema "cron" already exists/, 'pg_cron cannot come back beside it');

    $ours{functions} = value_of($node, 'postgres', $functions);
    $ours{columns} = value_of($node, 'postgres', $columns);
    $ours{privileges} = value_of($node, 'postgres', $privileges);
    $ours{$_} = refusal($_) foreach @mistakes;
    is($ours{$_}, $theirs{$_}, "as pg_cron: $_") foreach 'functions', 'columns', 'privileges', @mistakes;

    # ---- a copy of the database ----

    my $dump = $node->basedir . '/dump.sql';

    $node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
    $node->safe_psql('postgres', 'CREATE DATABASE copied');
    $node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('copied'), '-f', $dump ], 'restore');
    is(value_of($node, 'copied', "SELECT jobid, schedule, command, database, active, jobname FROM cron.job ORDER BY jobid"),
        value_of($node, 'postgres', "SELECT jobid, schedule, command, 'copied', active, jobname FROM cron.job ORDER BY jobid"),
        'a dump has the jobs');
    is(value_of($node, 'copied', 'SELECT count(*) FROM cron.job_run_details'), 3, 'and the history that was imported');
    is(value_of($node, 'copied', "SELECT nextval('cron.jobid_seq')"), 101, 'and the next id');
    $node->safe_psql('postgres', 'DROP DATABASE copied WITH (FORCE); DELETE FROM cron.job; DELETE FROM cron.job_run_details');
    is(value_of($node, 'postgres', 'SELECT count(*) FROM cron.job_run_details'), 0, 'history can be deleted');
    check_invariants($node, 'postgres');
    $node->stop;
    $node->append_conf('postgresql.conf', "shared_preload_libraries = 'joborch'\n");
}

# ---- jobs fire ----

$node->append_conf('postgresql.conf', "cron.timezone = 'Asia/Kolkata'\n");
$node->start;
unless (-e $library)
{
    create_extension($node, 'postgres');
    $node->safe_psql('postgres', 'CREATE EXTENSION joborch_cron; CREATE ROLE somebody LOGIN');
    open_schema() if value_of($node, 'postgres', "SELECT count(*) FROM pg_roles WHERE rolname = 'helper'");
    $node->safe_psql('postgres', 'GRANT USAGE ON SCHEMA cron TO somebody');
}
$node->safe_psql('postgres', q{
    CREATE TABLE ticks (name text, by_role text DEFAULT current_user, at timestamptz DEFAULT clock_timestamp());
    GRANT INSERT ON ticks TO somebody;
    SELECT cron.schedule('each', '1 second', $$INSERT INTO ticks (name) VALUES ('each')$$);
    SELECT cron.schedule('fails', '1 second', 'SELECT 1 / 0');
    SELECT cron.schedule('slow', '1 second', 'SELECT pg_sleep(2.5)');
    SELECT cron.schedule('clean', '1 second', 'VACUUM ticks');
    SET ROLE somebody;
    SELECT cron.schedule('each', '1 second', $$INSERT INTO ticks (name) VALUES ('each')$$)});
wait_until($node, 'postgres', "SELECT count(*) >= 3 AND count(DISTINCT date_trunc('second', at)) >= 3 FROM ticks WHERE by_role = 'postgres'");
wait_until($node, 'postgres', "SELECT count(*) >= 3 FROM ticks WHERE by_role = 'somebody'");
wait_until($node, 'postgres', "SELECT count(*) >= 2 FROM cron.job_run_details d JOIN cron.job j USING (jobid)"
    . " WHERE j.jobname = 'slow' AND d.status = 'succeeded' AND d.return_message = '1 row'");
is(value_of($node, 'postgres', "SELECT count(*) FROM cron.job_run_details a JOIN cron.job_run_details b ON a.jobid = b.jobid AND a.runid < b.runid"
      . " WHERE a.end_time > b.start_time"), 0, 'one instance of a job at a time');
is(value_of($node, 'postgres', "SELECT DISTINCT d.status, replace(d.return_message, E'\\n', '+') FROM cron.job_run_details d JOIN cron.job j USING (jobid)"
      . " WHERE j.jobname = 'fails' AND d.end_time IS NOT NULL"), 'failed|ERROR:  division by zero+', 'errors are told');
is(value_of($node, 'postgres', "SELECT DISTINCT d.status, d.return_message FROM cron.job_run_details d JOIN cron.job j USING (jobid)"
      . " WHERE j.jobname = 'clean' AND d.end_time IS NOT NULL"), 'succeeded|VACUUM', 'commands that no transaction may have run');
is(value_of($node, 'postgres', "SELECT DISTINCT s.timezone FROM joborch.job_schedules s"), 'Asia/Kolkata', 'cron.timezone is the zone of new jobs');

# what is written to cron.job takes effect at once
$node->safe_psql('postgres', 'UPDATE cron.job SET active = false');
all_runs_final($node, 'postgres');
my $ticks = value_of($node, 'postgres', 'SELECT count(*) FROM ticks');
$node->safe_psql('postgres', 'SELECT pg_sleep(2.2)');
is(value_of($node, 'postgres', 'SELECT count(*) FROM ticks'), $ticks, 'a job that is not active does not run');
$node->safe_psql('postgres', "UPDATE cron.job SET active = true WHERE jobname = 'each'");
wait_until($node, 'postgres', "SELECT count(*) > $ticks FROM ticks");
$node->safe_psql('postgres', 'DELETE FROM cron.job');

# a role that cannot run jobs: the times are failed, with the reason, and can be deleted
$node->safe_psql('postgres', q{
    SET ROLE somebody;
    SELECT cron.schedule('locked out', '1 second', 'SELECT 1');
    RESET ROLE;
    ALTER ROLE somebody NOLOGIN});
my $refused = "cron.job_run_details d WHERE d.username = 'somebody' AND d.status = 'failed' AND d.runid < 0"
  . " AND d.return_message LIKE 'ERROR:%not permitted to log in%' AND d.end_time IS NOT NULL";
wait_until($node, 'postgres', "SELECT count(*) > 0 FROM $refused");
$node->safe_psql('postgres', "ALTER ROLE somebody LOGIN; DELETE FROM cron.job");
like(value_of($node, 'postgres', "WITH d AS (DELETE FROM cron.job_run_details WHERE runid < 0 RETURNING 1) SELECT count(*) FROM d"),
    qr/^[1-9]/, 'rows of times that were refused can be deleted');
is(value_of($node, 'postgres', "SELECT count(*) FROM $refused"), 0, 'and are gone');

# at the start of the server, once
$node->safe_psql('postgres', q{SELECT cron.schedule('boot', '@reboot', $$INSERT INTO ticks (name) VALUES ('boot')$$)});
is(value_of($node, 'postgres', "SELECT count(*) FROM ticks WHERE name = 'boot'"), 0, 'not when it is scheduled');

# superusers may be kept from it
$node->append_conf('postgresql.conf', "cron.enable_superuser_jobs = off\n");
$node->restart;
wait_until($node, 'postgres', "SELECT count(*) > 0 FROM ticks WHERE name = 'boot'");
all_runs_final($node, 'postgres');
is(value_of($node, 'postgres', "SELECT count(*) FROM ticks WHERE name = 'boot'"), 1, '\@reboot');
like(refusal("SELECT cron.schedule('0 1 1 1 *', 'SELECT 1')"), qr/42501: cannot schedule jobs as superuser/, 'cron.enable_superuser_jobs');
is(value_of($node, 'postgres', "SET ROLE somebody; SELECT cron.schedule('0 1 1 1 *', 'SELECT 1') > 0"), 't', 'is about superusers');
is(value_of($node, 'postgres', 'SHOW cron.database_name'), 'postgres', 'the database is this one');
check_invariants($node, 'postgres');
$node->stop;
done_testing();
