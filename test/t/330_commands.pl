# Commands and scripts: what the program gets of the server (nothing), what becomes of its
# arguments and its outputs, and who may run it.
use strict;
use warnings;

use JSON::PP;
use JoborchTest;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

# Inherited by the server, and so perhaps by commands.
$ENV{JO_SHOWN} = 'shown';
$ENV{JO_HIDDEN} = 'hidden';
$ENV{LD_JO} = 'never';
my $key_file = PostgreSQL::Test::Utils::tempdir() . '/keys';
append_to_file($key_file, 'key1 ' . encode_base64('k' x 32));
chmod 0600, $key_file;
# another mask than the one that commands get
my $node = joborch_node('commands', init => [ extra => ['--allow-group-access'] ], conf => qq(
joborch.enable_commands = on
joborch.secret_key_file = '$key_file'
joborch.command_environment = 'JO_SHOWN, JO_MISSING, LD_JO'
));
my $directory = $node->basedir;

sub start
{
    my ($role, $steps, $input) = @_;
    my ($stdout, $stderr);
    my $definition = $json->encode({ steps => $steps });
    my $document = $json->encode($input || {});

    $node->psql('postgres', "SELECT joborch.start_definition(\$jo\$$definition\$jo\$, \$jo\$$document\$jo\$)",
        stdout => \$stdout, stderr => \$stderr, extra_params => [ '-U', $role ]);
    return ($stdout, $stderr);
}

# The only step of a run: {status, output, error}.  One that could not even be started
# failed with that error.
sub run_as
{
    my ($role, $step, $input) = @_;
    my ($run, $stderr) = start($role, [ { name => 's', %$step } ], $input);

    return { status => 'refused', error => { message => $stderr } } if $run eq '';
    wait_for_run($node, 'postgres', $run);
    return $json->decode(value_of($node, 'postgres',
        "SELECT to_jsonb(s) FROM joborch.run_steps($run) s WHERE step = 's' AND item IS NULL"));
}

sub run_step
{
    return run_as('postgres', @_);
}

sub command
{
    my ($command, %more) = @_;

    return run_step({ type => 'command', command => $command, %more });
}

sub script
{
    my ($script, %more) = @_;

    return run_step({ type => 'script', script => $script, %more });
}

sub stdout_of
{
    my ($step) = @_;

    return $step->{status} eq 'completed' ? $step->{output}{stdout} : $json->encode($step->{error});
}

sub failed_like
{
    my ($step, $sqlstate, $pattern, $name) = @_;

    subtest $name => sub {
        is($step->{status}, 'failed', 'failed');
        is($step->{error}{sqlstate}, $sqlstate, 'by its SQLSTATE');
        like($json->encode($step->{error}), $pattern, 'and its text');
    };
    return;
}

# Refused when it is saved or, if that cannot be known then, when it is carried out.
sub refused
{
    my ($step, $pattern, $name) = @_;

    isnt($step->{status}, 'completed', $name);
    like($step->{error}{message}, $pattern, 'for that reason');
    return;
}

# ---- what it gets ----

my $step = command(['echo', 'hello']);
delete $step->{output}{elapsed_ms};
is($json->encode($step->{output}),
    '{"exit_code":0,"signal":null,"stderr":"","stdout":"hello\n","truncated":false}', 'a command and its result');

is(stdout_of(command('ls /proc/$$/fd; true', shell => JSON::PP::true)), "0\n1\n2\n", 'three descriptors, no more');
is(stdout_of(command('readlink /proc/$$/fd/0; true', shell => JSON::PP::true)), "/dev/null\n", 'nothing to read');
like(stdout_of(script('readlink /proc/$$/fd/* | grep -v -e ^/dev/null$ -e ^pipe: -e memfd:joborch; true')), qr/^$/,
    'a script has itself as well');

my $shown = stdout_of(command(['env'], env => { OWN => 'x', NUMBER => 7, NOTHING => undef },
    inherit_env => [ 'JO_SHOWN', 'JO_MISSING' ]));
my $system = value_of($node, 'postgres', 'SELECT system_identifier FROM pg_control_system()');
my $oid = value_of($node, 'postgres', 'SELECT oid FROM pg_database WHERE datname = current_database()');
$shown =~ s/^(JOBORCH_RUN_ID=)(\d+)$/$1?/m;
my $run = $2;
$shown =~ s/(joborch-$system-$oid)-$run-/$1-?-/;
is(join("\n", sort split /\n/, $shown), join("\n",
    'JOBORCH_ATTEMPT=1', "JOBORCH_IDEMPOTENCY_KEY=joborch-$system-$oid-?-0-0", 'JOBORCH_RUN_ID=?',
    'JOBORCH_STEP=s', 'JO_SHOWN=shown', 'LANG=C.UTF-8', 'NUMBER=7', 'OWN=x', 'PATH=/usr/local/bin:/usr/bin:/bin'),
    'exactly these variables');
failed_like(command(['env'], inherit_env => ['JO_HIDDEN']), 'JO045', qr/command_environment/,
    'a variable that is not allowed is not inherited');
failed_like(command(['env'], inherit_env => ['LD_JO']), 'JO045', qr/ever handed on/,
    'nor one that would change what is loaded, even if it is allowed');
refused(command(['env'], env => { LD_PRELOAD => 'x' }), qr/LD_PRELOAD/, 'which cannot be set either');

my %status = stdout_of(command(['cat', '/proc/self/status'])) =~ /^(Sig\w+|NoNewPrivs):\s*(\S+)$/mg;
is("@status{qw(SigBlk SigIgn SigCgt SigPnd)}", '0000000000000000 ' x 3 . '0000000000000000',
    'no signal is blocked, ignored or caught');
my ($pid, $group, $session, $terminal) =
  (split ' ', stdout_of(command(['cat', '/proc/self/stat'])) =~ s/^(\d+) \(.*\) ./$1/r)[0, 2, 3, 4];
is("$group $session $terminal", "$pid $pid 0", 'a session and a group of its own, without a terminal');
is(stdout_of(command('pwd; umask; cat /proc/self/oom_score_adj; ulimit -c', shell => JSON::PP::true)),
    "/\n0077\n0\n0\n", 'directory, mask, protection and core files');
is(stdout_of(command(['pwd'], cwd => $directory)), "$directory\n", 'another directory');
is(stdout_of(command(['cat'], stdin => "line\n\x{e4}")), "line\n\x{e4}", 'what it is given to read');
is(stdout_of(command(['cat'], stdin => { a => 1 })), '{"a": 1}', 'a value is read as JSON');

# ---- secrets ----

my $secret = 'sesame, open: quoted!';
append_to_file("$directory/value", $secret);
$node->safe_psql('postgres', "SELECT joborch.create_secret('word', pg_read_file('$directory/value'))");
$step = command('printf %s "$WORD" | wc -c; echo "$WORD"; printf %s "$WORD" | base64', shell => JSON::PP::true,
    env => { WORD => '{{ secret.word }}' });
is(stdout_of($step), length($secret) . "\n***\n***\n", 'a secret is handed over, and masked in what comes back');
$step = command('echo "$WORD" >&2; exit 1', shell => JSON::PP::true, env => { WORD => 'x {{ secret.word }}' });
unlike($json->encode($step), qr/sesame/, 'in errors, too');
like($step->{error}{detail}, qr/x \*\*\*/, 'where the rest is shown');
refused(command([ 'echo', '{{ secret.word }}' ]), qr/secret/, 'an argument can be no secret');
refused(command(['cat'], stdin => '{{ secret.word }}'), qr/secret/, 'nor can what is read');

# ---- arguments ----

my @nasty = ('$(id)', '`id`', '; id', '| id', '&& id', "a\nb", "'", '"', '\\', '*', '~', '', '{}', '$PATH', '-n', "\x{20ac}");
is(stdout_of(command([ 'printf', '[%s]', @nasty ])), join('', map { "[$_]" } @nasty), 'no character is special');
is(stdout_of(run_step({ type => 'command', command => [ 'printf', '[%s]', map { "{{ input.a[$_] }}" } 0 .. $#nasty ] },
    { a => \@nasty })), join('', map { "[$_]" } @nasty), 'nor one that a template brings');
is(stdout_of(run_step({ type => 'command', command => [ 'printf', '[%s]' ], args => '{{ input.a }}' }, { a => \@nasty })),
    join('', map { "[$_]" } @nasty), 'a list of arguments by one template');
is(stdout_of(run_step({ type => 'command', command => [ 'printf', '[%s]', 'x{{ input.v }}y' ] }, { v => ' " $(id) ' })),
    '[x " $(id) y]', 'a template in an argument stays in it');
is(stdout_of(run_step({ type => 'command', command => 'printf "[%s]" "$V" "$1"', shell => JSON::PP::true,
    args => ['{{ input.v }}'], env => { V => '{{ input.v }}' } }, { v => '"; id; "' })),
    '["; id; "]["; id; "]', 'nor does one get out of a variable or an argument of a shell');
is(stdout_of(command('echo')), "\n", 'a program without arguments');
refused(command('echo hello'), qr/blanks|no shell takes it apart/, 'a text is not taken apart without a shell');
refused(run_step({ type => 'command', command => 'echo {{ input.v }}', shell => JSON::PP::true }, { v => 1 }), qr/template/,
    'a template in the text for a shell');
refused(run_step({ type => 'command', command => [ 'sh', '-c', 'echo {{ input.v }}' ] }, { v => 1 }), qr/template/,
    'a template in the code of an interpreter');
refused(run_step({ type => 'command', command => [ '/bin/bash', '-ec' ], args => ['{{ input.v }}'] }, { v => 1 }), qr/template/,
    'wherever it stands');
refused(run_step({ type => 'command', command => [ @$_, '{{ input.v }}' ] }, { v => 'echo out' }), qr/template/, "@$_")
  for [qw(bash -cx)], [qw(sh -c --)], [qw(bash -c +x -e)], [qw(env -i sh -c)], [qw(nice /bin/bash -c)], [qw(node --eval)];
is(stdout_of(run_step({ type => 'command', command => [ 'sh', '-c', 'echo "$0 $1"', '{{ input.v }}', '-c' ] }, { v => '-c' })),
    "-c -c\n", 'what stands behind the code is data');
refused(run_step({ type => 'command', command => ['true'], env => $_ }, { v => '/tmp', e => { PERL5OPT => '-d' } }), qr/template/,
    'a template in a variable that decides what is run') for { PATH => '{{ input.v }}' }, { BASH_ENV => 'x{{ input.v }}' }, '{{ input.e }}';
refused(run_step({ type => 'command', command => [ '{{ input.v }}', 'x' ] }, { v => 'echo' }), qr/template/,
    'a template as the program');
refused(run_step({ type => 'command', command => '{{ input.v }}' }, { v => ['echo'] }), qr/template|no name of a program/,
    'a template as the whole command');
refused(run_step({ type => 'script', script => 'echo {{ input.v }}' }, { v => 1 }), qr/template/, 'a template in a script');
failed_like(run_step({ type => 'command', command => [ 'echo', '{{ input.v }}' ] }, { v => undef }), 'JO031', qr/null/,
    'null is no argument');

# ---- scripts ----

is(stdout_of(script("echo \"\$# \$1\"\ncat", args => [ '$(id)', 'b' ], stdin => 'read')), "2 \$(id)\nread", 'a shell script');
is(stdout_of(script([ 'for i in 1 2; do', '  echo $i', 'done' ])), "1\n2\n", 'a script in lines');
is(stdout_of(script('echo "$1"', interpreter => [ '/bin/sh', '-s' ], args => ['x'])), "x\n", 'a script by standard input');
is(stdout_of(script('{ s += $1 } END { print s }', interpreter => [ 'awk', '-f' ], stdin => "1\n2\n")), "3\n", 'awk');
is(stdout_of(script('print "$ARGV[0]\n"', interpreter => 'perl', args => ['x'])), "x\n", 'perl');
SKIP:
{
    skip 'no python3', 1 unless -x '/usr/bin/python3';
    is(stdout_of(script("import sys\nprint(sys.argv[1])", interpreter => '/usr/bin/python3', args => ['x'])), "x\n", 'python');
}
failed_like(script('echo x > /dev/fd/3'), 'JO041', qr/exit code/, 'a script cannot change itself');

# ---- outputs ----

is(stdout_of(command([ 'printf', 'a\0b' ])), 'YQBi', 'a zero byte: base64');
$step = command([ 'printf', '\377\376' ]);
is("$step->{output}{stdout} $step->{output}{stdout_encoding}", '//4= base64', 'no text: base64, which is said');
$step = command('head -c 100000000 /dev/zero | tr "\0" x; head -c 20000 /dev/zero | tr "\0" y >&2',
    shell => JSON::PP::true, max_output => '10kB');
is(length $step->{output}{stdout}, 10240, 'of 100 MB what is allowed is kept');
is(length $step->{output}{stderr}, 10240, 'the same for standard error');
is($step->{output}{dropped}, 100_000_000 - 10240 + 20000 - 10240, 'and the rest is counted');
ok($step->{output}{truncated}, 'which is said');
is(stdout_of(command([ 'printf', "\x{20ac}\x{20ac}" ], max_output => 4)), "\x{20ac}", 'half a character is left out');
$step = command([ 'echo', '{"a": [1, "\u00e4"]}' ], stdout_json => JSON::PP::true);
is($json->encode($step->{output}{json}), $json->encode({ a => [ 1, "\x{e4}" ] }), 'JSON');
ok(!exists $step->{output}{stdout}, 'in place of the text');
failed_like(command([ 'echo', '{' ], stdout_json => JSON::PP::true), '22P02', qr/wrote to its standard output/, 'no JSON');
failed_like(command(['true'], stdout_json => JSON::PP::true), 'JO038', qr/empty/, 'nothing');

# ---- ends ----

failed_like(command('echo said; echo why >&2; exit 3', shell => JSON::PP::true), 'JO041', qr/why.*said/s,
    'another exit code');
is(command([ 'sh', '-c', 'exit 3' ], expected_exit => [ 0, 3 ])->{output}{exit_code}, 3, 'that is expected');
failed_like(command([ 'sh', '-c', 'kill -9 $$' ]), 'JO041', qr/signal 9/, 'a signal');
failed_like(command(['joborch-no-such-program']), 'JO041', qr/PATH.*not found/s, 'no such program');
failed_like(command(['/nowhere/program']), 'JO041', qr/No such file/, 'no such path');
failed_like(command(['/etc/passwd']), 'JO041', qr/Permission denied/, 'not to be executed');
failed_like(command(['true'], cwd => '/nowhere'), 'JO041', qr/directory \\"\/nowhere\\"/, 'no such directory');
append_to_file("$directory/no_format", 'no program at all');
chmod 0755, "$directory/no_format";
failed_like(command(["$directory/no_format"]), 'JO041', qr/#!/, 'no format that the system knows');
failed_like(command([ 'true', 'x' x 3_000_000 ]), 'JO041', qr/stdin/, 'arguments that are too large');

# ---- retry, foreach, no transaction ----

$step = command([ 'sh', '-c', 'test $JOBORCH_ATTEMPT = 2' ], retry => { max_attempts => 3, initial => '10 ms' });
is("$step->{status} $step->{attempts}", 'completed 2', 'a retry');
$step = command([ 'echo', '{{ item }}' ], foreach => { items => [ 1, 2, 3 ] });
is(join('', map { $_->{stdout} } @{ $step->{output}{results} }), "1\n2\n3\n", 'foreach');
($run) = start('postgres', [ { name => 's', type => 'command', command => [ 'cat', "$directory/gate" ] } ]);
is(wait_for_run($node, 'postgres', $run), 'failed', 'nothing to read');
system_or_bail('mkfifo', "$directory/gate");
($run) = start('postgres', [ { name => 's', type => 'command', command => [ 'cat', "$directory/gate" ] } ]);
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM joborch.job_step_attempts WHERE run_id = $run AND status = 'running'");
is(value_of($node, 'postgres', q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'joborch executor'
	AND (xact_start IS NOT NULL OR backend_xmin IS NOT NULL))), '0', 'no transaction is open meanwhile');
system_or_bail('sh', '-c', "echo go > '$directory/gate'");
is(wait_for_run($node, 'postgres', $run), 'completed', 'it reads when there is something');

# ---- who may ----

$node->safe_psql('postgres', q(
	CREATE ROLE op LOGIN; CREATE ROLE other LOGIN;
	GRANT pg_execute_server_program TO op;
	SELECT joborch.grant_usage('op'), joborch.grant_usage('other');));
is(run_as('op', { type => 'command', command => ['true'] })->{status}, 'completed', 'a member may');
failed_like(run_as('other', { type => 'command', command => ['true'] }), '42501', qr/GRANT pg_execute_server_program TO other/,
    'another role may not');
($run) = start('op', [ { name => 'a', type => 'command', command => ['true'] },
    { name => 'b', type => 'wait_signal', signal => 'go' }, { name => 's', type => 'command', command => ['true'] } ]);
wait_until($node, 'postgres', "SELECT status = 'waiting' FROM joborch.run_steps($run) WHERE step = 'b'");
$node->safe_psql('postgres', 'REVOKE pg_execute_server_program FROM op');
$node->safe_psql('postgres', "SELECT joborch.signal_run($run, 'go')");
is(wait_for_run($node, 'postgres', $run), 'failed', 'a right that was revoked between two steps');
is(value_of($node, 'postgres', "SELECT string_agg(status, ' ') FROM joborch.run_steps($run)"), 'completed completed failed',
    'is gone for the second one');

$node->append_conf('postgresql.conf', "joborch.command_programs = '/usr/bin/true, /usr/bin/env'\n");
$node->reload;
wait_until($node, 'postgres', "SELECT current_setting('joborch.command_programs') <> ''");
is(run_as('postgres', { type => 'command', command => ['true'] })->{status}, 'completed', 'a program that is listed');
failed_like(command(['id']), 'JO045', qr/command_programs/, 'one that is not');
failed_like(command(['/usr/bin/../bin/true']), 'JO045', qr/command_programs/, 'or is written in another way');
failed_like(script('true'), 'JO045', qr/command_programs/, 'nor an interpreter');
failed_like(command(['true'], env => { PATH => $directory }), 'JO041', qr/not found/, 'a PATH leads to no other one');

$node->append_conf('postgresql.conf', "joborch.enable_commands = off\n");
$node->restart;
failed_like(command(['true']), 'JO045', qr/joborch.enable_commands/, 'nothing is run where it is switched off');

check_invariants($node, 'postgres');
done_testing();
