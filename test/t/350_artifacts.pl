# Artifacts in the file system: durable before the commit, gone with a rollback, found
# again after a crash, and a full disk is an error of the step and of nothing else.
use strict;
use warnings;

use JoborchTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = PostgreSQL::Test::Utils::tempdir();
my $node = joborch_node('artifacts', conf => "joborch.artifact_root = '$root'\n");

sub one
{
    return $node->safe_psql('postgres', shift);
}

# What a statement is refused with: SQLSTATE and message.
sub refused
{
    my $sql = shift;
    my $stderr;

    $node->psql('postgres', $sql, stderr => \$stderr, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
    my ($state, $message) = $stderr =~ /ERROR:  (\w{5}): (.*)/;
    return defined $state ? "$state: $message" : "was not refused: $stderr";
}

# All files below the root, their paths relative to it.
sub files
{
    my @found = grep { -f } glob "$root/*/*/*";

    return map { s/^\Q$root\E\///r } @found;
}

sub play
{
    my $definition = shift;
    my $run = one("SELECT joborch.start_definition(\$d\$$definition\$d\$)");

    wait_for_run($node, 'postgres', $run);
    return $run;
}

sub outcome
{
    my ($run, $step) = @_;

    return one("SELECT concat_ws(' ', status, error ->> 'sqlstate', error ->> 'category', error ->> 'message')
        FROM joborch.run_steps($run) WHERE step = '$step'");
}

sub cleanup
{
    return one("SELECT deleted, bytes FROM joborch.cleanup_expired_artifacts()");
}

# ---- a step's artifact ----

my $run = play('{"steps": [
    {"name": "put", "type": "artifact", "action": "put", "artifact": "a.txt", "text": "hello", "storage": "filesystem"},
    {"name": "pack", "type": "artifact", "action": "put", "artifact": "b.json", "content": {"list": [1, 2, 3]},
        "storage": "filesystem", "compression": "gzip"}]}');
is(one("SELECT status FROM joborch.job_runs WHERE run_id = $run"), 'completed', 'steps put artifacts into the file system');
my ($path) = one("SELECT path FROM joborch.job_artifacts WHERE name = 'a.txt'");
is(slurp_file("$root/$path"), 'hello', 'the file has the content');
is(sprintf('%04o', (stat "$root/$path")[2] & 07777), '0600', 'which nobody else may read');
my ($directory) = $path =~ /^([^\/]+)/;
is(sprintf('%04o', (stat "$root/$directory")[2] & 07777), '0700', 'nor the directory');
is(one("SELECT joborch.artifact_url(artifact_id) FROM joborch.job_artifacts WHERE name = 'a.txt'"), "file://$root/$path",
    'its URL leads there');
is(one("SELECT joborch.artifact_text(artifact_id) FROM joborch.job_artifacts WHERE name = 'b.json'"), '{"list": [1, 2, 3]}',
    'a compressed one is read as it was');
my $packed = one("SELECT path FROM joborch.job_artifacts WHERE name = 'b.json'");
is(`gzip -dc < "$root/$packed"`, '{"list": [1, 2, 3]}', 'and by gzip itself');

# ---- a large output ----

one("ALTER DATABASE postgres SET joborch.artifact_storage = 'filesystem'");
$node->restart;
$run = play('{"steps": [
    {"name": "big", "sql": "SELECT g, repeat(md5(g::text), 10) AS t FROM generate_series(1, 5000) g"},
    {"name": "read", "sql": "SELECT jsonb_array_length({{ steps.big.output.rows }}) AS n"}]}');
is(one("SELECT output #>> '{rows,0,n}' FROM joborch.run_steps($run) WHERE step = 'read'"), '5000',
    'a large output goes to a file and comes back to the step that reads it');
is(one("SELECT storage FROM joborch.job_artifacts WHERE run_id = $run"), 'filesystem', 'by joborch.artifact_storage');

# ---- with the transaction ----

my $before = files();
one("BEGIN; SELECT joborch.put_artifact(NULL, 'x', 'lost'); ROLLBACK");
is(files(), $before, 'a rollback takes the file away');
one("DO \$\$ BEGIN
    PERFORM joborch.put_artifact(NULL, 'kept', 'kept');
    BEGIN
        PERFORM joborch.put_artifact(NULL, 'x', 'lost');
        RAISE division_by_zero;
    EXCEPTION WHEN division_by_zero THEN NULL;
    END;
END \$\$");
is(files(), $before + 1, 'and that of a sub-transaction only its own');
one("BEGIN; SELECT joborch.delete_artifact(artifact_id) FROM joborch.job_artifacts WHERE name = 'kept'; ROLLBACK");
is(one("SELECT joborch.artifact_text(artifact_id) FROM joborch.job_artifacts WHERE name = 'kept'"), 'kept',
    'what was not deleted after all is still there');
one("SELECT joborch.delete_artifact(artifact_id) FROM joborch.job_artifacts WHERE name = 'kept'");
is(files(), $before, 'and goes with the commit');
one("SELECT joborch.delete_run($run)");
is(files(), $before - 1, 'the files of a run go with it');
play(q({"steps": [{"name": "fail", "sql": "SELECT joborch.put_artifact({{ run.id }}, 'x', 'lost'), 1 / 0"}]}));
is(files(), $before - 1, 'a step that fails leaves none');

# ---- crashes ----

my $session = $node->background_psql('postgres');
$session->query_safe("BEGIN");
$session->query_safe("SELECT joborch.put_artifact(NULL, 'open', 'still open')");
$before = files();
is(cleanup(), '0|0', 'the file of an open transaction is not taken for a lost one');
is(files(), $before, 'and stays');
$session->query_safe("PREPARE TRANSACTION 'open'");
is(cleanup(), '0|0', 'nor that of a prepared one');
$session->query_safe("COMMIT PREPARED 'open'");
is(one("SELECT joborch.artifact_text(artifact_id) FROM joborch.job_artifacts WHERE name = 'open'"), 'still open',
    'which is there with its commit');

my $pid = $session->query_safe('SELECT pg_backend_pid()');
$session->query_safe("BEGIN");
$session->query_safe("SELECT joborch.put_artifact(NULL, 'crash', 'lost in a crash')");
my $offset = -s $node->logfile;
kill 'KILL', $pid;
wait_for_restart($node, $offset);
eval { $session->quit };
is(files(), $before + 1, 'a crash leaves a file behind');
is(one("SELECT count(*) FROM joborch.job_artifacts WHERE name = 'crash'"), '0', 'that belongs to no artifact');
is(cleanup(), '1|15', 'which the clean-up removes');
is(files(), $before, 'and no other');
is(one("SELECT type FROM joborch.job_events ORDER BY event_id DESC LIMIT 1"), 'artifacts_cleaned_up', 'as the audit trail says');

# ---- expiry ----

my $id = one("SELECT joborch.put_artifact(NULL, 'short', 'expires', expires_in => '1 ms')");
wait_until($node, 'postgres', "SELECT expires_at < clock_timestamp() FROM joborch.job_artifacts WHERE artifact_id = $id");
is(refused("SELECT joborch.artifact_content($id)"), "JO043: artifact $id does not exist", 'what has expired cannot be read');
is(cleanup(), '1|7', 'and is deleted');
is(files(), $before, 'with its file');

# ---- what others did to the files ----

$id = one("SELECT joborch.put_artifact(NULL, 'victim', repeat('0123456789', 100000)::bytea)");
$path = "$root/" . one("SELECT path FROM joborch.job_artifacts WHERE artifact_id = $id");
truncate $path, 1000;
like(refused("SELECT joborch.artifact_content($id)"), qr/^XX001: file ".*" is shorter than the artifact/, 'a file that was cut is noticed');
append_to_file($path, 'x' x 999000);
like(refused("SELECT joborch.artifact_content($id)"), qr/^XX001: artifact $id is not what was stored/, 'and one that was changed');
unlink $path;
symlink '/etc/passwd', $path;
like(refused("SELECT joborch.artifact_content($id)"), qr/could not open file/, 'no symbolic link is followed');
unlink $path;
like(refused("SELECT joborch.artifact_content($id)"), qr/^58P01: could not open file/, 'a file that is gone is an error');
one("SELECT joborch.delete_artifact($id)");
is(one("SELECT count(*) FROM joborch.job_artifacts WHERE artifact_id = $id"), '0', 'whose artifact can be deleted all the same');

# ---- a full disk ----

# The limit of the files' size stands in for it; what the server writes itself is smaller.
my $limit = 33554432;
$node->stop;
system_or_bail('prlimit', '--pid', $$, "--fsize=$limit:");
$node->start;
system_or_bail('prlimit', '--pid', $$, '--fsize=unlimited:');
$before = files();
like(refused("SELECT joborch.put_artifact(NULL, 'huge', convert_to(repeat('0123456789', 4000000), 'UTF8'))"),
    qr/^53100: could not write file ".*": File too large/, 'too large for the disk: an error');
is(files(), $before, 'that leaves nothing behind');
$run = play('{"steps": [
    {"name": "huge", "retry": {"max_attempts": 2, "initial": "10 ms"},
        "sql": "SELECT g, repeat(md5(g::text), 50) AS t FROM generate_series(1, 25000) g"},
    {"name": "after", "sql": "SELECT 1", "trigger_rule": "all_done"}]}');
like(outcome($run, 'huge'), qr/^failed 53100 resource could not write file/, 'a step with such an output fails, and says why');
is(one("SELECT count(*) FROM joborch.job_step_attempts WHERE run_id = $run AND step = 'huge'"), '2', 'after its retries');
is(outcome($run, 'after'), 'completed', 'other steps go on');
is(files(), $before, 'nothing is left of it');
$run = play(q({"steps": [{"name": "text", "type": "transform", "sql": "SELECT repeat('0123456789', 4000000)"}]}));
like(outcome($run, 'text'), qr/^failed 53100/, 'whatever the step');
is(cleanup(), '0|0', 'there is nothing to clean up');
check_invariants($node, 'postgres');

# ---- settings ----

$node->restart;
$id = one("SELECT joborch.put_artifact(NULL, 'there', 'there')");
$node->append_conf('postgresql.conf', "joborch.artifact_root = ''\n");
$node->reload;
wait_until($node, 'postgres', "SELECT current_setting('joborch.artifact_root') = ''");
is(refused("SELECT joborch.artifact_content($id)"), 'JO045: artifacts cannot be stored in the file system', 'without the root nothing is read');
is(one("SELECT joborch.artifact_url($id) IS NULL"), 't', 'nor said where it is');
for my $case ([ 'relative', qr/is not an absolute path/ ], [ "$root/none", qr/is no directory that the server can use/ ])
{
    $node->append_conf('postgresql.conf', "joborch.artifact_root = '$case->[0]'\n");
    $node->reload;
    wait_until($node, 'postgres', "SELECT current_setting('joborch.artifact_root') = '$case->[0]'");
    like(refused("SELECT joborch.put_artifact(NULL, 'x', 'x')"), $case->[1], "a root that is $case->[0] is refused");
}

$node->stop;
done_testing();
