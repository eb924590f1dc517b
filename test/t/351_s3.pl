# Artifacts in S3: written to the database first, moved by the courier, brought back by a
# step, deleted there when they are deleted here.  The other side is a server that speaks S3
# and checks the signatures.
use strict;
use warnings;

use IO::Socket::INET;
use JoborchTest;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $modules = ($ENV{JOBORCH_NPM} || '') . '/node_modules';
plan skip_all => "there is no s3rver in $modules; npm is to install it" unless -e "$modules/\@20minutes/s3rver/package.json";
my ($node_version) = (`node --version` || '') =~ /^v(\d+)/;
plan skip_all => 's3rver needs Node 20 or newer' unless ($node_version || 0) >= 20;

my $directory = PostgreSQL::Test::Utils::tempdir();
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $server;

sub start_s3
{
    my $script = "import('$modules/\@20minutes/s3rver/lib/s3rver.js').then(m => new (m.default)({port: $port, address: '127.0.0.1', "
      . "directory: '$directory', silent: true, configureBuckets: [{name: 'bucket'}]}).run())";

    $server = fork();
    die "cannot fork: $!" unless defined $server;
    exec('node', '-e', $script) if $server == 0;
    for (1 .. 500)
    {
        return if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
        select(undef, undef, undef, 0.02);
    }
    die 'the S3 server does not listen';
}

sub stop_s3
{
    return unless $server;
    kill 'KILL', $server;
    waitpid $server, 0;
    $server = undef;
    return;
}

END { my $status = $?; stop_s3(); $? = $status }

my $node = joborch_node('s3', start => 0, conf => <<"CONF");
joborch.s3_endpoint = 'http://127.0.0.1:$port'
joborch.s3_bucket = 'bucket'
joborch.s3_secret = 's3'
joborch.recheck_interval = '500ms'
CONF
my $key = $node->basedir . '/joborch.key';
append_to_file($key, 'key1 ' . encode_base64('k' x 32));
chmod 0600, $key;
$node->append_conf('postgresql.conf', "joborch.secret_key_file = '$key'\n");
$node->start;
create_extension($node, 'postgres');
start_s3();

sub one
{
    return $node->safe_psql('postgres', shift);
}

# The state of an artifact, once it is no longer what it was.
sub settled
{
    my $name = shift;

    wait_until($node, 'postgres', "SELECT state = 'stored' FROM joborch.job_artifacts WHERE name = '$name'");
    return one("SELECT storage || ' ' || (path IS NOT NULL) FROM joborch.job_artifacts WHERE name = '$name'");
}

sub play
{
    my $definition = shift;
    my $run = one("SELECT joborch.start_definition(\$d\$$definition\$d\$)");

    wait_for_run($node, 'postgres', $run);
    return $run;
}

# Files in which the server keeps objects.
sub objects
{
    return split /\n/, `find '$directory' -name '*_object'`;
}

# ---- what stands in the way ----

my $id = one("SELECT joborch.put_artifact(NULL, 'first', 'hello', 'text/plain', storage => 's3')");
wait_until($node, 'postgres', "SELECT error IS NOT NULL FROM joborch.job_artifacts WHERE artifact_id = $id");
like(one("SELECT error FROM joborch.job_artifacts WHERE artifact_id = $id"), qr/127\.0\.0\.1/, 'without an egress rule nothing is sent');
is(one("SELECT joborch.artifact_text($id)"), 'hello', 'and the artifact is read from the database meanwhile');
one("SELECT joborch.allow_egress('postgres', '127.0.0.1', $port, addresses => '{127.0.0.1/32}')");
wait_until($node, 'postgres', "SELECT error ~ 'secret' FROM joborch.job_artifacts WHERE artifact_id = $id");
ok(1, 'nor without the keys');
one("SELECT joborch.create_secret('s3', '{\"access_key\": \"S3RVER\", \"secret_key\": \"wrong\"}')");
wait_until($node, 'postgres', "SELECT error ~ 'SignatureDoesNotMatch' FROM joborch.job_artifacts WHERE artifact_id = $id");
ok(1, 'the server checks the signature');
unlike(one("SELECT error FROM joborch.job_artifacts WHERE artifact_id = $id"), qr/wrong/, 'the key is in no error');
one("SELECT joborch.alter_secret('s3', '{\"access_key\": \"S3RVER\", \"secret_key\": \"S3RVER\"}')");
is(settled('first'), 's3 true', 'with the right keys it is moved');
is(scalar objects(), 1, 'the server has it');
is(slurp_file((objects())[0]), 'hello', 'as it was');
is(one("SELECT count(*) FROM joborch_internal.artifact_chunk"), '0', 'the database has it no more');
like(one("SELECT joborch.artifact_url($id)"), qr{^http://127\.0\.0\.1:$port/bucket/joborch/\d+-\d+/$id$}, 'its URL leads there');

# ---- back ----

my $run = play('{"steps": [
    {"name": "get", "type": "artifact", "action": "get", "artifact": ' . $id . '},
    {"name": "put", "type": "artifact", "action": "put", "artifact": "packed.json", "content": {"n": [1, 2, 3]},
        "storage": "s3", "compression": "gzip"}]}');
is(one("SELECT output ->> 'body' FROM joborch.run_steps($run) WHERE step = 'get'"), 'hello', 'a step brings it back');
is(settled('packed.json'), 's3 true', 'a compressed one is moved too');
$id = one("SELECT artifact_id FROM joborch.job_artifacts WHERE name = 'packed.json'");
$run = play("{\"steps\": [{\"name\": \"get\", \"type\": \"artifact\", \"action\": \"get\", \"artifact\": $id}]}");
is(one("SELECT output -> 'body' FROM joborch.run_steps($run) WHERE step = 'get'"), '{"n": [1, 2, 3]}', 'and unpacked');
my ($object) = grep { slurp_file($_) =~ /^\x1f\x8b/ } objects();
is(`gzip -dc < '$object'`, '{"n": [1, 2, 3]}', 'the object is what gzip reads');

# a large one, in pieces
one("SELECT joborch.put_artifact(NULL, 'large', convert_to(repeat('0123456789', 1000000), 'UTF8'), storage => 's3')");
is(settled('large'), 's3 true', 'a large one is moved');
is(one("SELECT count(*) FROM joborch_internal.artifact_chunk"), '0', 'with all its chunks');

# ---- what a run's steps may read stays until it is over ----

one("ALTER DATABASE postgres SET joborch.artifact_storage = 's3'");
$node->restart;
$run = play('{"steps": [
    {"name": "big", "sql": "SELECT g, repeat(md5(g::text), 10) AS t FROM generate_series(1, 5000) g"},
    {"name": "read", "sql": "SELECT jsonb_array_length({{ steps.big.output.rows }}) AS n"}]}');
is(one("SELECT output #>> '{rows,0,n}' FROM joborch.run_steps($run) WHERE step = 'read'"), '5000', 'a large output is read by the next step');
is(one("SELECT state FROM joborch.job_artifacts WHERE run_id = $run"), 'moving', 'and goes to S3 later');
is(settled('big.output.json'), 's3 true', 'when the run is over');

# ---- the server is away, and comes back ----

stop_s3();
$id = one("SELECT joborch.put_artifact(NULL, 'patient', 'patient')");
wait_until($node, 'postgres', "SELECT tries > 1 AND error IS NOT NULL FROM joborch.job_artifacts WHERE artifact_id = $id");
ok(1, 'it is tried again and again');
is(one("SELECT joborch.artifact_text($id)"), 'patient', 'nothing is lost');
start_s3();
is(settled('patient'), 's3 true', 'and moved when the server is back');

# ---- the courier dies with a transfer ----

arm_point($node, 'postgres', 'courier-chore-finish', 'wait', 1);
$id = one("SELECT joborch.put_artifact(NULL, 'survivor', 'survivor')");
wait_until($node, 'postgres', "SELECT joborch_internal.debug_waiting('courier-chore-finish') = 1");
my $offset = -s $node->logfile;
kill_process($node, 'courier');
wait_for_restart($node, $offset);
is(one("SELECT joborch.artifact_text($id)"), 'survivor', 'a crash after the sending loses nothing');
is(one("SELECT state FROM joborch.job_artifacts WHERE artifact_id = $id"), 'moving', 'it is still to be moved');
one("UPDATE joborch_internal.artifact SET next_try = now() WHERE artifact_id = $id");
is(settled('survivor'), 's3 true', 'and is');

# ---- deleting ----

my $before = objects();
one("SELECT joborch.delete_artifact($id)");
wait_until($node, 'postgres', "SELECT NOT EXISTS (SELECT FROM joborch.job_artifacts WHERE artifact_id = $id)");
is(scalar objects(), $before - 1, 'who deletes an artifact deletes its object');
is(play(q({"steps": [{"name": "gone", "type": "artifact", "action": "get", "artifact": ) . $id . q(}]})) > 0
      && one("SELECT error ->> 'sqlstate' FROM joborch.job_run_steps WHERE step = 'gone'"), 'JO043', 'which then is not to be found');

# somebody deletes it while it is on its way
arm_point($node, 'postgres', 'courier-chore-begun', 'wait', 1);
$id = one("SELECT joborch.put_artifact(NULL, 'hasty', 'hasty')");
wait_until($node, 'postgres', "SELECT joborch_internal.debug_waiting('courier-chore-begun') = 1");
one("SELECT joborch.delete_artifact($id)");
one("SELECT joborch_internal.debug_release('courier-chore-begun')");
wait_until($node, 'postgres', "SELECT NOT EXISTS (SELECT FROM joborch.job_artifacts WHERE artifact_id = $id)");
is((grep { slurp_file($_) eq 'hasty' } objects()), 0, 'one that is deleted on its way leaves no object');

# ---- copies ----

one("SELECT joborch.put_artifact(NULL, 'shared', 'shared')");
settled('shared');
one("SELECT 1");
$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
wait_until($node, 'copy', "SELECT count(*) = 1 FROM joborch.job_artifacts WHERE name = 'shared'");
$node->safe_psql('copy', 'SELECT joborch.adopt_database()');
$node->safe_psql('copy', "SELECT joborch.delete_artifact(artifact_id) FROM joborch.job_artifacts WHERE name = 'shared'");
wait_until($node, 'copy', "SELECT NOT EXISTS (SELECT FROM joborch.job_artifacts WHERE name = 'shared')");
is((grep { slurp_file($_) eq 'shared' } objects()), 1, 'a copied database deletes no object of the original');

check_invariants($node, 'postgres');
$node->stop;
done_testing();
