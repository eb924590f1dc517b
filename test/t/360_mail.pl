# Mails through real SMTP servers: what arrives, over which line, what servers refuse, and
# that nobody who fills a template can add a header or a recipient.
use strict;
use warnings;

use JSON::PP;
use JoborchTest;
use MIME::Base64;
use NetServers;
use PostgreSQL::Test::Utils;
use Test::More;

my $python = '/usr/bin/python3';
plan skip_all => 'python3-aiosmtpd is not there' if system("$python -c 'import aiosmtpd' 2>/dev/null") != 0;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $directory = PostgreSQL::Test::Utils::tempdir();
my $password = 'the password';
my %port = map { ($_ => free_port()) } qw(plain tls login smtps);

END { my $status = $?; stop_servers(); $? = $status }

mkdir "$directory/$_" for keys %port;
run_log([ 'openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-keyout', "$directory/server.key", '-out', "$directory/server.crt", '-subj', '/CN=localhost',
    '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1' ]) or die 'cannot make a certificate';

sub serve
{
    my ($name, @options) = @_;

    start_program($port{$name}, $python, '-W', 'ignore', 'test/t/transfer_servers.py', 'smtp', $port{$name},
        "$directory/$name", @options);
    return;
}

serve('plain');
serve('tls', 'starttls');
serve('login', 'starttls', 'login');
serve('smtps', 'smtps');

my $key_file = "$directory/keys";
append_to_file($key_file, 'key1 ' . encode_base64('k' x 32));
chmod 0600, $key_file;

my $node = joborch_node('mail', conf => <<"CONF");
joborch.secret_key_file = '$key_file'
joborch.smtp_url = 'smtp://127.0.0.1:$port{plain}'
joborch.mail_from = 'Jobs <jobs\@example.com>'
CONF

$node->safe_psql('postgres', <<"SQL");
CREATE ROLE svc LOGIN;
SELECT joborch.grant_usage('svc', network => true);
SELECT joborch.allow_egress('svc', '127.0.0.1', port => p, insecure => true)
FROM unnest('{$port{plain},$port{tls},$port{login},$port{smtps}}'::int[]) AS p;
SELECT joborch.create_secret('password', '$password');
SELECT joborch.grant_secret('password', 'svc');
SQL

# Carries out definitions as svc: name => definition, or [definition, input].  Returns
# name => the row of its step "mail".
sub carry
{
    my (%definitions) = @_;
    my %found;
    my $sql = '';

    for my $name (sort keys %definitions)
    {
        my ($definition, $input) = ref $definitions{$name} eq 'ARRAY' ? @{ $definitions{$name} } : ($definitions{$name}, {});

        my %line = $definition->{server} ? () : (starttls => 'none');

        $definition = { steps => [ { name => 'mail', type => 'email', %line, %$definition } ] } unless $definition->{steps};
        $sql .= sprintf "SELECT '%s', joborch.start_definition(\$d\$%s\$d\$, \$i\$%s\$i\$);\n", $name,
          $json->encode($definition), $json->encode($input);
    }
    my %run = map { split /\|/ } split /\n/, $node->safe_psql('postgres', "SET ROLE svc;\n$sql");

    for my $name (keys %run)
    {
        wait_for_run($node, 'postgres', $run{$name});
        $found{$name} = $json->decode($node->safe_psql('postgres',
            "SELECT json_build_object('status', status, 'output', output, 'error', error, 'run', run_id)
             FROM joborch.run_steps($run{$name}), (SELECT $run{$name} AS run_id) r WHERE step = 'mail' AND item IS NULL"));
    }
    return %found;
}

# What a server was given: [mail, ...]; data decoded, head apart, header => value unfolded.
sub mails
{
    my ($name) = @_;
    my @mails;

    return () unless -e "$directory/$name/mails.jsonl";
    for my $line (split /\n/, slurp_file("$directory/$name/mails.jsonl"))
    {
        my $mail = $json->decode($line);

        $mail->{data} = decode_base64($mail->{data});
        ($mail->{head}, $mail->{body}) = split /\r\n\r\n/, $mail->{data}, 2;
        (my $flat = $mail->{head}) =~ s/\r\n[ \t]+/ /g;
        $mail->{headers} = { map { /^([^:]+): ?(.*)$/ ? (lc $1 => $2) : () } split /\r\n/, $flat };
        push @mails, $mail;
    }
    return @mails;
}

# The mail of a step, by its Message-ID.
sub mail_of
{
    my ($server, $step) = @_;
    my ($mail) = grep { ($_->{headers}{'message-id'} || '') eq ($step->{output}{message_id} || '-') } mails($server);

    return $mail || {};
}

sub is_error
{
    my ($step, $sqlstate, $text, $name) = @_;
    my $error = $step->{error} || {};

    is($step->{status} . ' ' . ($error->{sqlstate} || ''), "failed $sqlstate", $name);
    like(join(' ', map { $_ || '' } @{$error}{qw(message detail hint)}), $text, "$name: the words");
    return;
}

# ---- what arrives ----

my %got = carry(
    simple => { to => 'ann@example.com', subject => 'Hello', body => "one\n.\ntwo\r\n..three" },
    full => {
        to => [ 'Ann Lee <ann@example.com>', "J\x{f6}rg M. <joerg\@example.com>" ], cc => 'cc@example.com',
        bcc => [ 'hidden@example.com' ], from => 'Sales <sales@example.org>', reply_to => 'answers@example.org',
        subject => "Bestellung \x{2014} " . "gr\x{fc}n " x 30, body => "Gr\x{fc}\x{df}e\n", html => "<b>Gr\x{fc}\x{df}e</b>",
        headers => { 'X-Tag' => [ 'a', 'b' ], 'Importance' => 'high', 'X-Wide' => "\x{20ac}" },
        attachments => [
            { content => { a => 1 }, filename => 'a.json' },
            { content_base64 => encode_base64("\0\1\xff" x 100, ''), filename => "\x{fc}.bin" },
            { content => 'plain' } ]
    },
    many => { to => [ map { "Somebody with a long name <user$_\@example.com>" } 1 .. 200 ], subject => 'Many' },
    object => { to => 'ann@example.com', body => { a => [ 1, 2 ] } },
    template => [ { to => '{{ input.to }}', subject => '{{ input.subject }}' }, { to => [ 'a@example.com', 'b@example.com' ], subject => 'from input' } ],
    artifact => {
        steps => [
            { name => 'keep', type => 'artifact', action => 'put', artifact => 'report.csv', text => "a,b\n1,2\n", content_type => 'text/csv' },
            { name => 'mail', type => 'email', to => 'ann@example.com', starttls => 'none', attachments => [ { artifact => '{{ steps.keep.output.artifact }}' } ] } ]
    });

is($got{simple}{status}, 'completed', 'a mail is sent') or diag $json->encode($got{simple});
my $mail = mail_of('plain', $got{simple});
is($mail->{from}, 'jobs@example.com', 'the sender of the setting');
is_deeply($mail->{to}, ['ann@example.com'], 'to whom');
is($mail->{headers}{subject}, 'Hello', 'subject');
is($mail->{headers}{from}, '"Jobs" <jobs@example.com>', 'From');
like($mail->{headers}{date}, qr/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d \+0000$/, 'Date');
like($mail->{headers}{'message-id'}, qr/^<joborch-\d+-\d+-\d+-\d+-\d+\@example\.com>$/, 'Message-ID');
like($mail->{headers}{'mime-version'}, qr/^1\.0$/, 'MIME-Version');
like($mail->{body}, qr/\r\none\r\n\.\r\ntwo\r\n\.\.three\r\n/, 'lines with dots arrive as they are');
is_deeply($got{simple}{output}{accepted}, ['ann@example.com'], 'output: accepted');
is_deeply($got{simple}{output}{rejected}, [], 'output: rejected');
is($got{simple}{output}{sent}, JSON::PP::true, 'output: sent');
ok(defined $got{simple}{output}{elapsed_ms}, 'output: elapsed_ms');

$mail = mail_of('plain', $got{full});
is($mail->{from}, 'sales@example.org', 'a sender of its own');
is(join(' ', @{ $mail->{to} || [] }), 'ann@example.com joerg@example.com cc@example.com hidden@example.com', 'all get it');
is($mail->{headers}{to}, '"Ann Lee" <ann@example.com>, =?UTF-8?B?SsO2cmcgTS4=?= <joerg@example.com>', 'To');
is($mail->{headers}{cc}, 'cc@example.com', 'Cc');
unlike($mail->{data}, qr/hidden/, 'nobody reads who gets a blind copy');
is($mail->{headers}{'reply-to'}, 'answers@example.org', 'Reply-To');
my $subject = join '', map { decode_base64($_) } $mail->{headers}{subject} =~ /=\?UTF-8\?B\?([^?]*)\?=/g;
is($subject, "Bestellung \xe2\x80\x94 " . "gr\xc3\xbcn " x 30, 'a long subject beyond ASCII');
is(join("\n", grep { length($_) > 78 && !/^Content-Type/ } split /\r\n/, $mail->{head}), '', 'no line of the head is long');
like($mail->{head}, qr/\r\nX-Tag: a\r\n(.*\r\n)*X-Tag: b\r\n/, 'own headers');
like($mail->{headers}{'x-wide'}, qr/^=\?UTF-8\?B\?4oKs\?=$/, 'an own header beyond ASCII');
like($mail->{body}, qr{multipart/alternative.*text/plain; charset=utf-8.*Gr=C3=BC=C3=9Fe.*text/html; charset=utf-8.*<b>Gr=C3=BC=C3=9Fe</b>}s, 'text and html');
like($mail->{body}, qr{filename="a\.json"\r\nContent-Type: application/json.*@{[encode_base64('{"a": 1}', '')]}}s, 'an attachment of JSON');
(my $packed = $mail->{body}) =~ s/\r\n//g;
like($packed, qr{filename="=\?UTF-8\?B\?w7wuYmlu\?=".*@{[quotemeta encode_base64("\0\1\xff" x 100, '')]}}s, 'one of bytes');
like($packed, qr{filename="attachment-3"}, 'one without a name');

$mail = mail_of('plain', $got{many});
is(scalar @{ $mail->{to} || [] }, 200, '200 recipients');
is(join("\n", grep { length($_) > 78 && !/^Content-Type/ } split /\r\n/, $mail->{head}), '', 'their line is folded');
like(mail_of('plain', $got{object})->{body}, qr/\{"a": \[1, 2\]\}/, 'a body that is JSON');
is(join(' ', @{ mail_of('plain', $got{template})->{to} || [] }), 'a@example.com b@example.com', 'recipients of a template');
like(mail_of('plain', $got{artifact})->{body}, qr{filename="report\.csv"\r\nContent-Type: text/csv.*@{[encode_base64("a,b\n1,2\n", '')]}}s,
    'an attachment from an artifact');

# ---- lines: TLS and logins ----

my %tls = (server => "smtp://127.0.0.1:$port{tls}", to => 'ann@example.com');
my %login = (server => "smtp://127.0.0.1:$port{login}", to => 'ann@example.com', verify_tls => JSON::PP::false);
%got = carry(
    'no-tls' => { to => 'ann@example.com', server => "smtp://127.0.0.1:$port{plain}", starttls => 'required' },
    unknown => {%tls},
    known => { %tls, verify_tls => JSON::PP::false },
    refused => { %tls, starttls => 'none' },
    smtps => { server => "smtps://127.0.0.1:$port{smtps}", to => 'ann@example.com', verify_tls => JSON::PP::false },
    login => { %login, auth => { username => 'ann', password => '{{ secret.password }}' } },
    wrong => { %login, auth => { username => 'ann', password => 'x{{ secret.password }}' } },
    missing => {%login},
    apikey => { %login, auth => { type => 'api_key', key => '{{ secret.password }}' } },
    opportunistic => { to => 'ann@example.com', starttls => 'opportunistic' });

is_error($got{'no-tls'}, 'JO033', qr/TLS.*STARTTLS/, 'a server without STARTTLS');
is_error($got{unknown}, 'JO033', qr/TLS/, 'a certificate that nobody vouches for');
is($got{known}{status}, 'completed', 'STARTTLS') or diag $json->encode($got{known});
ok(mail_of('tls', $got{known})->{tls}, 'it was sent over TLS');
is_error($got{refused}, 'JO035', qr/530|STARTTLS/, 'a server that wants STARTTLS');
is($got{smtps}{status}, 'completed', 'smtps') or diag $json->encode($got{smtps});
is($got{login}{status}, 'completed', 'a login') or diag $json->encode($got{login});
ok(mail_of('login', $got{login})->{login}, 'the server knows who it is');
is_error($got{wrong}, 'JO035', qr/could not log in.*535.*Check "auth"/, 'a wrong password');
is_error($got{missing}, 'JO035', qr/530/, 'no login where one is needed');
is_error($got{apikey}, 'JO031', qr/auth\.type/, 'an API key is no login of mail');
is($got{opportunistic}{status}, 'completed', 'without TLS if there is none');

# ---- what servers refuse ----

%got = carry(
    later => { to => [ 'ann@example.com', 'later@example.com' ] },
    nobody => { to => [ 'before@example.com', 'nobody@example.com' ], starttls => 'none' },
    data => { to => 'ann@example.com', headers => { 'X-Refuse' => 'yes' }, starttls => 'none' },
    closed => { to => 'ann@example.com', server => 'smtp://127.0.0.1:' . free_port() },
    far => { to => 'ann@example.com', server => 'smtp://127.0.0.2:25' });

is_error($got{later}, 'JO036', qr/451 4\.7\.1/, 'a server that wants it later');
is($got{later}{error}{retryable}, JSON::PP::true, 'it is worth another attempt');
is_error($got{nobody}, 'JO035', qr/550 5\.1\.1/, 'a recipient that is not there');
is($got{nobody}{error}{retryable}, JSON::PP::false, 'it is not');
is(scalar(grep { "@{$_->{to}}" =~ /before/ } mails('plain')), 0, 'when one is refused nobody gets it');
is_error($got{data}, 'JO035', qr/554 5\.6\.0/, 'a mail that is refused');
like($got{closed}{error}{sqlstate}, qr/^JO03[23]$/, 'nobody listens, or no rule');
is_error($got{far}, 'JO032', qr/allow_egress/, 'egress rules count');

# ---- what templates bring ----

my %from = (starttls => 'none', to => '{{ input.to }}', subject => '{{ input.subject }}');
my %good = (to => 'ann@example.com', subject => 'x');
%got = carry(
    'to-line' => [ \%from, { %good, to => "ann\@example.com\r\nBcc: evil\@example.com" } ],
    'to-comma' => [ \%from, { %good, to => 'ann@example.com, evil@example.com' } ],
    'to-name' => [ \%from, { %good, to => 'evil@example.com, <ann@example.com>' } ],
    'to-wide' => [ \%from, { %good, to => "j\x{f6}rg\@example.com" } ],
    'to-empty' => [ \%from, { %good, to => [] } ],
    'to-object' => [ \%from, { %good, to => { a => 1 } } ],
    'to-many' => [ \%from, { %good, to => [ ('a@example.com') x 501 ] } ],
    subject => [ \%from, { %good, subject => "x\nBcc: evil\@example.com" } ],
    'subject-encoded' => [ \%from, { %good, subject => '=?UTF-8?B?eA==?=' } ],
    header => [ { %from, headers => { 'X-A' => '{{ input.h }}' } }, { %good, h => "a\r\nBcc: evil\@example.com" } ],
    taken => { %from, %good, headers => { Bcc => 'evil@example.com' } },
    filename => [ { %from, attachments => [ { content => 'x', filename => '{{ input.f }}' } ] }, { %good, f => "a\"\r\nX: y" } ],
    from => [ { %from, from => '{{ input.f }}' }, { %good, f => "a\@example.com>\r\nRCPT TO:<evil\@example.com" } ],
    large => { %good, starttls => 'none', attachments => '{{ input.a }}' },
    occasion => [ { %from, send_on => '{{ input.o }}' }, { %good, o => 'sometimes' } ],
    scheme => [ { %from, server => '{{ input.s }}' }, { %good, s => 'http://127.0.0.1:80' } ]);

is_error($got{'to-line'}, 'JO031', qr/"to" has a line break/, 'a line break in a recipient');
is_error($got{'to-comma'}, 'JO031', qr/"to" is no mail address/, 'two recipients in one');
is($got{'to-name'}{status}, 'completed', 'a name with a comma is a name');
is(join(' ', @{ mail_of('plain', $got{'to-name'})->{to} || [] }), 'ann@example.com', 'it is no second recipient');
like(mail_of('plain', $got{'to-name'})->{headers}{to}, qr/^"evil\@example\.com," <ann\@example\.com>$/, 'it is quoted');
is_error($got{'to-wide'}, 'JO031', qr/beyond ASCII/, 'an address beyond ASCII');
is_error($got{'to-empty'}, 'JO031', qr/names nobody/, 'no recipients');
is_error($got{'to-object'}, 'JO031', qr/"to"/, 'an object');
is_error($got{'to-many'}, 'JO031', qr/more than 500/, 'very many');
is_error($got{subject}, 'JO031', qr/"subject" has a line break/, 'a line break in the subject');
is(decode_base64((mail_of('plain', $got{'subject-encoded'})->{headers}{subject} || '') =~ /B\?(.*?)\?=$/ ? $1 : ''),
    '=?UTF-8?B?eA==?=', 'what looks encoded is shown as it is');
is_error($got{header}, 'JO031', qr/"headers" has a line break/, 'a line break in a header');
is_error($got{taken}, 'JO031', qr/may not set "Bcc"/, 'a header that is made of other keys');
is_error($got{filename}, 'JO031', qr/filename/, 'a line break in a file name');
is_error($got{from}, 'JO031', qr/"from"/, 'a line break in the sender');
is($got{large}{error}{sqlstate}, 'JO007', 'a template that finds nothing');
is_error($got{occasion}, 'JO031', qr/send_on/, 'no occasion');
is_error($got{scheme}, 'JO031', qr/"server" is no mail server/, 'no mail server');
is(scalar(grep { $_->{data} =~ /^Bcc:/mi || "@{$_->{to}}" =~ /evil/ } map { mails($_) } qw(plain tls login smtps)), 0,
    'nobody else got anything');

# ---- send_on ----

sub mail_after
{
    my ($sql, $on, %more) = @_;

    return { steps => [ { name => 'work', sql => $sql, %more },
        { name => 'mail', type => 'email', trigger_rule => 'all_done', to => 'ann@example.com', starttls => 'none', send_on => $on } ] };
}

%got = carry(
    'good-success' => mail_after('SELECT 1', 'success'),
    'good-failure' => mail_after('SELECT 1', 'failure'),
    'bad-success' => mail_after('SELECT 1/0', 'success'),
    'bad-failure' => mail_after('SELECT 1/0', 'failure'),
    'bad-both' => mail_after('SELECT 1/0', [ 'success', 'failure' ]),
    'bad-always' => mail_after('SELECT 1/0', 'always'),
    tolerated => mail_after('SELECT 1/0', 'success', on_error => 'continue'),
    'on-failure' => { steps => [ { name => 'work', sql => 'SELECT 1/0' } ],
        on_failure => { name => 'mail', type => 'email', to => 'ann@example.com', starttls => 'none', send_on => 'failure' } },
    finally => { steps => [ { name => 'work', sql => 'SELECT 1' } ],
        finally => { name => 'mail', type => 'email', to => 'ann@example.com', starttls => 'none', send_on => 'failure' } });
my %sent = map { ($_ => $got{$_}{status} . ' ' . ($got{$_}{output}{sent} ? 1 : 0)) } keys %got;
is_deeply(\%sent, {
    'good-success' => 'completed 1', 'good-failure' => 'completed 0', 'bad-success' => 'completed 0', 'bad-failure' => 'completed 1',
    'bad-both' => 'completed 1', 'bad-always' => 'completed 1', tolerated => 'completed 1', 'on-failure' => 'completed 1',
    finally => 'completed 0' }, 'send_on') or diag explain \%got;
is($json->encode($got{'good-failure'}{output}), '{"sent":false}', 'the output of a mail that is not sent');

# ---- attempts ----

$node->safe_psql('postgres', "ALTER SYSTEM SET joborch.smtp_url = ''; ALTER SYSTEM SET joborch.mail_from = ''; SELECT pg_reload_conf()");
my $dead = free_port();
$node->safe_psql('postgres', "SELECT joborch.allow_egress('svc', '127.0.0.1', port => $dead)");
wait_until($node, 'postgres', "SELECT current_setting('joborch.smtp_url') = ''");
%got = carry(
    dead => { from => 'a@example.com', to => 'a@example.com', server => "smtp://127.0.0.1:$dead", starttls => 'none' },
    'no-server' => { from => 'a@example.com', to => 'ann@example.com' },
    'no-sender' => { to => 'ann@example.com', server => "smtp://127.0.0.1:$port{plain}" });
is_error($got{dead}, 'JO033', qr/cannot connect/, 'nobody listens');
is_error($got{'no-server'}, 'JO031', qr/"server" is missing.*joborch\.smtp_url/, 'no server');
is_error($got{'no-sender'}, 'JO031', qr/"from" is missing.*joborch\.mail_from/, 'no sender');

# ---- secrets ----

my $history = $node->safe_psql('postgres', 'SELECT string_agg(a::text, E\'\\n\') FROM joborch.job_step_attempts a');
unlike($history, qr/\Q$password\E|@{[quotemeta encode_base64($password, '')]}/, 'no password in the history');
unlike(slurp_file($node->logfile), qr/\Q$password\E(?!')/, 'nor in the log, but where it was created');

check_invariants($node, 'postgres');
done_testing();
