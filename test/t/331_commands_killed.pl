# A command never outlives its step: a time-out, a cancel, a stop or a crash of the server, and
# the end of the program itself take all of its process group along.
use strict;
use warnings;

use JSON::PP;
use JoborchTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $json = JSON::PP->new->canonical;
my $node = joborch_node('commands_killed', conf => q(
joborch.enable_commands = on
joborch.command_grace = '500 ms'
));
my $directory = $node->basedir;

# Names that only processes of this test have: numbers of seconds to sleep.
my $mark = 100_000 + $$;

# Processes of commands that are marked; zombies have no command line.
sub alive
{
    my @found;

    foreach my $file (glob '/proc/[0-9]*/cmdline')
    {
        open my $handle, '<', $file or next;
        my $line = <$handle>;
        close $handle;
        push @found, $file =~ /(\d+)/ if defined $line && $line =~ /^sleep\x{0}$mark\.\d+\x{0}/;
    }
    return @found;
}

sub wait_for_processes
{
    my ($count, $name) = @_;
    my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;

    usleep(10_000) while alive() != $count && time() < $deadline;
    is(scalar alive(), $count, $name);
    return;
}

sub start
{
    my ($command, %more) = @_;
    my $definition = $json->encode({ steps => [
        { name => 's', type => 'command', command => $command, shell => JSON::PP::true, %more } ] });

    return value_of($node, 'postgres', "SELECT joborch.start_definition(\$jo\$$definition\$jo\$)");
}

sub result
{
    my ($run) = @_;

    wait_for_run($node, 'postgres', $run);
    return $json->decode(value_of($node, 'postgres', "SELECT to_jsonb(s) FROM joborch.run_steps($run) s"));
}

# Children and their children, some of which are deaf.
my $family = "sleep $mark.1 & (sleep $mark.2 & sleep $mark.3) & ";
my $deaf = "trap '' TERM INT HUP; $family";

# ---- the program ends ----

my $begun = time();
my $step = result(start("$family echo done"));
is($step->{output}{stdout}, "done\n", 'children that hold the outputs do not keep the step');
cmp_ok(time() - $begun, '<', 20, 'for long');
wait_for_processes(0, 'and end with it');
$step = result(start("setsid sleep $mark.4 & sleep 0.1; echo done"));
is($step->{output}{stdout}, "done\n", 'nor does one that left the group');
kill 'KILL', alive();

# ---- time-out ----

$step = result(start("echo before; $family wait", timeout => '500 ms'));
is("$step->{status} $step->{error}{sqlstate}", 'failed JO021', 'a time-out');
like($step->{error}{detail}, qr/before/, 'says what was written until then');
wait_for_processes(0, 'and ends all of them');
$step = result(start("echo before; $deaf wait; wait", timeout => '300 ms'));
is("$step->{status} $step->{error}{sqlstate}", 'failed JO021', 'the same for those who do not listen');
wait_for_processes(0, 'and ends all of them');
$step = result(start("trap 'echo tidy; exit 0' TERM; $family wait", timeout => '300 ms'));
like($step->{error}{detail}, qr/tidy/, 'who listens can tidy up');
wait_for_processes(0, 'and is gone');
$step = result(start("sleep $mark.5 & trap 'echo tidy; exit 0' TERM; kill -STOP \$\$; wait", timeout => '300 ms'));
like($step->{error}{detail}, qr/tidy/, 'a program that is stopped hears it as well');
wait_for_processes(0, 'with its children');

# ---- cancel ----

my $run = start("$family wait");
wait_for_processes(3, 'a command runs');
$begun = time();
$node->safe_psql('postgres', "SELECT joborch.cancel_run($run, force => true)");
is(wait_for_run($node, 'postgres', $run), 'cancelled', 'it is cancelled');
cmp_ok(time() - $begun, '<', 1, 'in less than a second');
wait_for_processes(0, 'and nothing of it is left');
$run = start("$deaf wait; wait");
wait_for_processes(3, 'a command that does not listen');
$node->safe_psql('postgres', "SELECT joborch.cancel_run($run, force => true)");
is(wait_for_run($node, 'postgres', $run), 'cancelled', 'is cancelled too');
wait_for_processes(0, 'and nothing of it is left');

# ---- an executor is terminated ----

$run = start("$deaf wait; wait");
wait_for_processes(3, 'a command runs');
my ($first) = alive();
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'joborch executor'");
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM joborch.job_step_attempts WHERE run_id = $run AND status = 'running'");
my $deadline = time() + 60;
usleep(10_000) while (kill(0, $first) || alive() != 3) && time() < $deadline;
ok(!kill(0, $first), 'its executor takes it along');
is(scalar alive(), 3, 'and the step is begun again');

# ---- stops of the server ----

$begun = time();
$node->stop('fast');
cmp_ok(time() - $begun, '<', 5, 'a fast stop is fast');
is(scalar alive(), 0, 'and nothing is left');
$node->start;
wait_for_processes(3, 'the step is begun again');
$node->stop('immediate');
wait_for_processes(0, 'nor after an immediate stop');
$node->start;
wait_for_processes(3, 'the step is begun again');
$node->safe_psql('postgres', "SELECT joborch.cancel_run($run, force => true)");
is(wait_for_run($node, 'postgres', $run), 'cancelled', 'and cancelled');

# ---- its executor is killed ----

$run = start("echo \"\$JOBORCH_ATTEMPT \$JOBORCH_IDEMPOTENCY_KEY\" >> $directory/begun; exec sleep $mark.6");
wait_for_processes(1, 'a command runs');
($first) = alive();
my $offset = -s $node->logfile;
ok(kill_process($node, 'executor', 'KILL'), 'its executor is killed');
wait_for_restart($node, $offset);
$deadline = time() + 60;
usleep(10_000) while (kill(0, $first) || alive() != 1) && time() < $deadline;
ok(!kill(0, $first), 'the command dies with it');
is(scalar alive(), 1, 'and is begun again');
is(value_of($node, 'postgres', "SELECT count(*) FROM joborch.job_step_attempts WHERE run_id = $run AND status IN ('running', 'interrupted')"), '2',
    'both have left a trace');
my ($old, $new) = split /\n/, slurp_file("$directory/begun");
is($new =~ s/^2 /1 /r, $old, 'as another attempt with the same idempotency key');
$node->safe_psql('postgres', "SELECT joborch.cancel_run($run, force => true)");
is(wait_for_run($node, 'postgres', $run), 'cancelled', 'and cancelled');
wait_for_processes(0, 'nothing is left');

check_invariants($node, 'postgres');
done_testing();
