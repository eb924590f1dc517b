# What happens around the courier while its transfers hang: extensions and databases go, worker slots are
# missing, names are not resolved, the server crashed before.
use strict;
use warnings;

use FaultServer;
use JSON::PP;
use JoborchTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $json = JSON::PP->new->canonical;
my $server = FaultServer->start(sub {
    my ($request) = @_;

    return { cut => 0, then => 'stall' } if $request->{path} =~ m{^/stall};
    return { delay => $1, body => 'late' } if $request->{path} =~ m{^/later/([\d.]+)};
    return { body => 'x' };
});

# A library that answers for a resolver whose server is dead: names that end in .dead are never found.
my $directory = PostgreSQL::Test::Utils::tempdir();
append_to_file("$directory/dead.c", <<'C');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	int (*next) (const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");

	if (name != NULL && strlen(name) > 5 && strcmp(name + strlen(name) - 5, ".dead") == 0)
	{
		sleep(30);
		return EAI_AGAIN;
	}
	return next(name, service, hints, result);
}
C
system_or_bail('gcc', '-shared', '-fPIC', '-o', "$directory/dead.so", "$directory/dead.c", '-ldl');

my $node = joborch_node('courier_databases', start => 0);

sub start_without_resolver
{
    local $ENV{LD_PRELOAD} = "$directory/dead.so";

    $node->start;
    return;
}
start_without_resolver();
create_extension($node, 'postgres');

sub prepare_database
{
    my ($database) = @_;

    $node->safe_psql($database, "SELECT joborch.allow_egress('postgres', '127.0.0.1', port => @{[$server->port]});
        SELECT joborch.allow_egress('postgres', '*.dead', port => 80)");
    return;
}

sub start_run
{
    my ($database, $url, %more) = @_;
    my $definition = $json->encode({ steps => [ { name => 's', url => $url, timeout => '10 min', %more } ] });

    return $node->safe_psql($database, "SELECT joborch.start_definition(\$jo\$$definition\$jo\$)");
}

sub wait_for_requests
{
    my ($prefix, $count) = @_;

    wait_until($node, 'postgres', 'SELECT true') until $server->requests($prefix) >= $count;
    return;
}

# Does something that must not wait for a transfer that hangs.
sub takes_less
{
    my ($seconds, $act, $name) = @_;
    my $begun = time();

    $act->();
    cmp_ok(time() - $begun, '<', $seconds, $name);
    return;
}

sub couriers
{
    my ($database) = @_;

    return $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'joborch courier' AND datname = '$database'");
}

# ---- a dead resolver ----

prepare_database('postgres');
my $run = start_run('postgres', 'http://nobody.dead/');
wait_until($node, 'postgres', "SELECT status = 'running' FROM joborch.run_steps($run)");
takes_less(2, sub {
    $node->safe_psql('postgres', "SELECT joborch.cancel_run($run, force => true)");
    is(wait_for_run($node, 'postgres', $run), 'cancelled', 'a cancel while a name is looked up');
}, 'does not wait for the resolver');
$run = start_run('postgres', 'http://nobody.dead/', timeout => '300 ms');
takes_less(2, sub { is(wait_for_run($node, 'postgres', $run), 'failed', 'a time-out while a name is looked up') }, 'neither does a time-out');
takes_less(2, sub { is(wait_for_run($node, 'postgres', start_run('postgres', $server->url('/ok'))), 'completed', 'others go on') }, 'without waiting for it');
$run = start_run('postgres', 'http://nobody.dead/');
wait_until($node, 'postgres', "SELECT status = 'running' FROM joborch.run_steps($run)");
takes_less(5, sub { $node->stop('fast') }, 'a fast shutdown does not wait for the resolver');
start_without_resolver();
$node->safe_psql('postgres', "SELECT joborch.cancel_run($run, force => true)");
is(wait_for_run($node, 'postgres', $run), 'cancelled', 'what was under way goes on, and is cancelled');
check_invariants($node, 'postgres');

# ---- two databases, of which one goes ----

for my $database (qw(one two))
{
    $node->safe_psql('postgres', "CREATE DATABASE $database");
    create_extension($node, $database);
    prepare_database($database);
    start_run($database, $server->url("/stall?$database"));
}
my $mine = start_run('postgres', $server->url('/later/3'));
wait_for_requests('/stall', 2);
wait_for_requests('/later', 1);
is(couriers($_), '1', "a courier in $_") for qw(postgres one two);

takes_less(5, sub { $node->safe_psql('postgres', 'ALTER DATABASE one RENAME TO renamed') }, 'a database is renamed while a transfer hangs');
wait_for_requests('/stall?one', 2);
pass('which is begun again');
takes_less(5, sub { $node->safe_psql('renamed', 'DROP EXTENSION joborch CASCADE') }, 'the extension is dropped while a transfer hangs');
wait_until($node, 'postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'joborch courier' AND datname = 'renamed'");
pass('its courier leaves');
$node->safe_psql('renamed', 'CREATE EXTENSION joborch');
prepare_database('renamed');
is(wait_for_run($node, 'renamed', start_run('renamed', $server->url('/ok?anew'))), 'completed', 'the extension is made anew');
check_invariants($node, 'renamed');
start_run('renamed', $server->url('/stall?renamed'));
wait_for_requests('/stall?renamed', 1);
takes_less(5, sub { $node->safe_psql('postgres', 'DROP DATABASE renamed') }, 'a database is dropped while a transfer hangs');
takes_less(5, sub { $node->safe_psql('postgres', 'DROP DATABASE two') }, 'and another one');
is(wait_for_run($node, 'postgres', $mine), 'completed', 'which troubles nobody elsewhere');
is(scalar($server->requests('/later')), 1, 'and lets nothing be sent again');
check_invariants($node, 'postgres');

# DROP EXTENSION while the courier is within a transaction
my $held = start_run('postgres', $server->url('/stall?held'));
wait_for_requests('/stall?held', 1);
arm_point($node, 'postgres', 'courier-before-commit', 'wait');
start_run('postgres', $server->url('/ok?late'));
wait_until($node, 'postgres', "SELECT joborch_internal.debug_waiting('courier-before-commit') = 1");
my $drop = $node->background_psql('postgres');
$drop->query_until(qr/begun/, "\\echo begun\nDROP EXTENSION joborch CASCADE;\n\\echo dropped\n");
wait_until($node, 'postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'DROP EXTENSION%' AND wait_event_type = 'Lock'");
$node->safe_psql('postgres', "SELECT joborch_internal.debug_release('courier-before-commit')");
$drop->quit;
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_extension WHERE extname = 'joborch'"), '0', 'the extension is dropped while a batch is written');
wait_until($node, 'postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'joborch courier'");
$node->safe_psql('postgres', 'CREATE EXTENSION joborch');
prepare_database('postgres');
is(wait_for_run($node, 'postgres', start_run('postgres', $server->url('/ok?new'))), 'completed', 'and works when it is made anew');
check_invariants($node, 'postgres');

# ---- careful after a crash: who was under way in two crashes is suspected ----

$run = start_run('postgres', $server->url('/stall?careful'));
wait_for_requests('/stall?careful', 1);
for my $turn (2, 3)
{
    my $offset = -s $node->logfile;

    kill_process($node, 'courier');
    wait_for_restart($node, $offset);
    wait_for_requests('/stall?careful', $turn);
}
is($node->safe_psql('postgres', "SELECT count(*) FROM joborch_internal.marks WHERE run_id = $run"), '1', 'a step under way leaves a mark for the next crash');
is($node->safe_psql('postgres', "SELECT joborch.cancel_run($run, force => true) IS NOT NULL"), 't', 'is cancelled');
wait_for_run($node, 'postgres', $run);
is($node->safe_psql('postgres', 'SELECT count(*) FROM joborch_internal.marks'), '0', 'and takes its mark along');
check_invariants($node, 'postgres');

# ---- no worker slot ----

$node->append_conf('postgresql.conf', <<'CONF');
max_worker_processes = 4
joborch.executor_idle_timeout = 300ms
CONF
$node->restart;
my $sleeper = $node->safe_psql('postgres', "SELECT joborch.start_sql('SELECT pg_sleep(600)')");
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
$run = start_run('postgres', $server->url('/ok?slot'));
wait_until($node, 'postgres', "SELECT reason = 'no free worker slot for the courier' FROM joborch.waiting WHERE run_id = $run");
pass('what waits for a worker slot is told so');
ok($node->log_contains('no free worker slot for a joborch courier'), 'also in the log');
$node->safe_psql('postgres', "SELECT joborch.cancel_run($sleeper, force => true)");
is(wait_for_run($node, 'postgres', $run), 'completed', 'it goes on when there is one');
check_invariants($node, 'postgres');

$node->stop;
$server->stop;
done_testing();
