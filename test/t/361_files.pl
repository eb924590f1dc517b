# File transfers with real servers of HTTP, FTP, FTPS and SFTP, and within the server: what
# arrives, what goes on where it was cut off, what is refused, and that no name leads out of the
# root.
use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use FaultServer;
use JSON::PP;
use JoborchTest;
use MIME::Base64;
use NetServers;
use PostgreSQL::Test::Utils;
use POSIX ();
use Test::More;
use Time::HiRes qw(usleep);

my $python = '/usr/bin/python3';
plan skip_all => 'python3-pyftpdlib or python3-asyncssh is not there'
  if system("$python -W ignore -c 'import pyftpdlib, OpenSSL, asyncssh' 2>/dev/null") != 0;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $directory = PostgreSQL::Test::Utils::tempdir();
my $password = 'the password';
my %port = map { ($_ => free_port()) } qw(ftp ftps sftp);
my $root = "$directory/root";
my $content = join '', map { "line $_ of a file\n" } 1 .. 40_000;
my $sha256 = sha256_hex($content);

END { my $status = $?; stop_servers(); $? = $status }

mkdir "$directory/$_" for keys %port, 'root', 'outside';
chmod 0700, $root;
run_log([ 'openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-keyout', "$directory/server.key", '-out', "$directory/server.crt", '-subj', '/CN=127.0.0.1' ]) or die 'cannot make a certificate';
my $fingerprint = `cd $directory && $python -W ignore -c "
import asyncssh
for name in ('host_key', 'user_key'):
    key = asyncssh.generate_private_key('ssh-ed25519')
    key.write_private_key(name)
    key.write_public_key(name + '.pub')
print(asyncssh.read_private_key('host_key').get_fingerprint())"`;
chomp $fingerprint;
like($fingerprint, qr/^SHA256:/, 'a key of the host') or die;

sub spew
{
    my ($path, $bytes) = @_;

    open my $file, '>:raw', $path or die "$path: $!";
    print $file $bytes;
    close $file;
    return;
}

spew("$directory/$_/there.txt", $content) for keys %port;
start_program($port{$_}, $python, '-W', 'ignore', 'test/t/transfer_servers.py', $_ eq 'ftps' ? 'ftp' : $_, $port{$_},
    "$directory/$_", $_ eq 'ftps' ? 'ftps' : ()) for keys %port;

# HTTP: ranges, a file that is cut off at first, PUT into memory.
my (%cuts, %kept);
my $server = FaultServer->start(sub {
    my ($request) = @_;
    my $range = $request->{headers}{range} || '';
    my @modified = ('Last-Modified' => 'Wed, 21 Oct 2015 07:28:00 GMT');
    my $path = $request->{path};

    if ($request->{method} eq 'PUT')
    {
        return { status => 412 } if $kept{$path} && ($request->{headers}{'if-none-match'} || '') eq '*';
        $kept{$path} = $request->{body};
        return { status => 201, body => 'kept' };
    }
    return { headers => [ 'Content-Type' => 'text/plain' ], body => $kept{$path} } if defined $kept{$path};
    return { headers => [ 'Content-Type' => 'text/plain' ], body => $content } if $path eq '/plain';
    return { status => 404, body => 'x' x 600_000 } if $path eq '/none';
    return { status => 302, headers => [ Location => '/plain' ] } if $path eq '/moved';
    return { repeat => [ 'y' x 1000, 100_000 ] } if $path eq '/large';
    return { repeat => [ 'y' x 1000, 100_000 ], pause => [ 500_000, 30 ] } if $path eq '/slow';
    return { body => '' } if $path eq '/empty';
    if ($path =~ m{^/(cut|changed|ignores|wrong)/})
    {
        my $kind = $1;
        my $n = ++$cuts{$path};

        return { headers => \@modified, body => $content, cut => 400_000, then => 'reset' } if $n == 1;
        return { status => 200, headers => \@modified, body => $content } if $kind eq 'ignores';
        return { status => 200, body => $content } if $kind eq 'changed' && ($request->{headers}{'if-range'} || '') eq $modified[1];
        return { status => 206, headers => [ 'Content-Range' => 'bytes 7-9/10' ], body => 'abc' } if $kind eq 'wrong' && $n == 2;
        return { status => 200, body => $content } unless $range =~ /^bytes=(\d+)-$/;
        return { status => 206, headers => [ @modified, 'Content-Range' => "bytes $1-" . (length($content) - 1) . '/' . length $content ],
            body => substr $content, $1 } if $1 < length $content;
        return { status => 416, headers => [ 'Content-Range' => 'bytes */' . length $content ] };
    }
    return { status => 404 };
});

my $key_file = "$directory/keys";
append_to_file($key_file, 'key1 ' . encode_base64('k' x 32));
chmod 0600, $key_file;

my $node = joborch_node('files', conf => <<"CONF");
joborch.secret_key_file = '$key_file'
joborch.file_root = '$root'
CONF

append_to_file("$directory/user_key.secret", slurp_file("$directory/user_key"));
$node->safe_psql('postgres', <<"SQL");
CREATE ROLE svc LOGIN;
CREATE ROLE poor LOGIN;
GRANT pg_read_server_files, pg_write_server_files TO svc;
SELECT joborch.grant_usage(r, network => true) FROM unnest('{svc,poor}'::text[]) r;
SELECT joborch.allow_egress(r, '127.0.0.1', port => p, insecure => true)
FROM unnest('{svc,poor}'::text[]) r, unnest('{$port{ftp},$port{ftps},$port{sftp},@{[$server->port]}}'::int[]) p;
SELECT joborch.create_secret('password', '$password');
SELECT joborch.create_secret('key', pg_read_file('$directory/user_key.secret'));
SELECT joborch.grant_secret(s, 'svc') FROM unnest('{password,key}'::text[]) s;
SQL

# Carries out steps, each in a run of its own: name => step, [step, input] or {steps => [...]}.
# Returns name => the row of the step "move".
sub carry_as
{
    my ($role, %steps) = @_;
    my %found;
    my $sql = '';

    for my $name (sort keys %steps)
    {
        my ($step, $input) = ref $steps{$name} eq 'ARRAY' ? @{ $steps{$name} } : ($steps{$name}, {});

        $step = { steps => [ { name => 'move', type => 'file_transfer', %$step } ] } unless $step->{steps};
        $sql .= sprintf "SELECT '%s', joborch.start_definition(\$d\$%s\$d\$, \$i\$%s\$i\$);\n", $name, $json->encode($step),
          $json->encode($input);
    }
    my %run = map { split /\|/ } split /\n/, $node->safe_psql('postgres', "SET ROLE $role;\n$sql");

    for my $name (keys %run)
    {
        wait_for_run($node, 'postgres', $run{$name});
        $found{$name} = $json->decode($node->safe_psql('postgres',
            "SELECT json_build_object('status', status, 'output', output, 'error', error, 'attempts', attempts, 'run', $run{$name})
             FROM joborch.run_steps($run{$name}) WHERE step = 'move' AND item IS NULL"));
    }
    return %found;
}

sub carry { return carry_as('svc', @_) }

sub get { my ($url, $file, %more) = @_; return { action => 'get', url => $url, ($file ? (file => $file) : ()), %more } }
sub put { my ($url, $file, %more) = @_; return { action => 'put', url => $url, ($file ? (file => $file) : ()), %more } }

sub is_done
{
    my ($step, $name) = @_;

    is($step->{status}, 'completed', $name) or diag $json->encode($step);
    return;
}

sub is_error
{
    my ($step, $sqlstate, $text, $name) = @_;
    my $error = $step->{error} || {};

    is($step->{status} . ' ' . ($error->{sqlstate} || ''), "failed $sqlstate", $name);
    like(join(' ', map { $_ || '' } @{$error}{qw(message detail hint)}), $text, "$name: the words");
    return;
}

sub content_of
{
    my ($path) = @_;

    return -e $path ? slurp_file($path) : undef;
}

# Names in a directory of the root, hidden ones too.
sub names_in
{
    my ($path) = @_;

    opendir my $handle, $path or return "$!";
    return join ' ', sort grep { !/^\.\.?$/ } readdir $handle;
}

my %login = (auth => { username => 'ann', password => '{{ secret.password }}' });
my %sftp = (%login, known_host => $fingerprint);
my $ftp = "ftp://127.0.0.1:$port{ftp}";
my $ftps = "ftps://127.0.0.1:$port{ftps}";
my $sftp = "sftp://127.0.0.1:$port{sftp}";

# ---- download ----

my %got = carry(
    http => get($server->url('/plain'), 'http.txt', sha256 => uc $sha256),
    moved => get($server->url('/moved'), 'moved.txt'),
    empty => get($server->url('/empty'), 'empty.txt'),
    ftp => get("$ftp/there.txt", 'ftp.txt', %login),
    ftps => get("$ftps/there.txt", 'a/b/ftps.txt', %login, verify_tls => $false, create_dirs => $true),
    sftp => get("$sftp/there.txt", 'sftp.txt', %sftp),
    key => get("$sftp/there.txt", 'key.txt', known_host => "$fingerprint=",
        auth => { username => 'ann', private_key => '{{ secret.key }}' }),
    artifact => get($server->url('/plain'), undef, artifact => 'named.txt', sha256 => $sha256),
    unnamed => get("$sftp/there.txt", undef, %sftp),
    small => get($server->url('/empty'), undef));

for my $name (qw(http moved ftp sftp key))
{
    is_done($got{$name}, "$name to a file");
    is(sha256_hex(content_of("$root/$name.txt") || ''), $sha256, "$name: its content");
    is($got{$name}{output}{sha256} . ' ' . $got{$name}{output}{bytes}, "$sha256 " . length $content, "$name: the output");
}
is_done($got{ftps}, 'ftps to a file below new directories');
is(sha256_hex(content_of("$root/a/b/ftps.txt") || ''), $sha256, 'ftps: its content');
is((stat "$root/a/b/ftps.txt")[2] & 0777, 0600, 'the file is its owner\'s only');
is((stat "$root/a")[2] & 0777, 0700, 'directories too');
is($got{http}{output}{file}, 'http.txt', 'output: file');
is($got{moved}{output}{url}, $server->url('/plain'), 'output: url');
is(content_of("$root/empty.txt"), '', 'an empty file');
is_done($got{$_}, "to an artifact: $_") for qw(artifact unnamed small);
is($got{artifact}{output}{artifact}{name} . ' ' . $got{artifact}{output}{sha256}, "named.txt $sha256", 'output: artifact');
is($got{unnamed}{output}{artifact}{name}, 'move', 'an artifact without a name has that of the step');
is($node->safe_psql('postgres', "SELECT type, size FROM joborch.job_artifacts WHERE name = 'named.txt'"), 'file|' . length $content,
    'the artifact');
is(names_in($root), 'a empty.txt ftp.txt http.txt key.txt moved.txt sftp.txt', 'nothing else is there');

# ---- upload ----

# pyftpdlib takes no more than some 100 kB of TLS data that come at once
spew("$root/small.txt", substr $content, 0, 10_000);

%got = carry(
    http => put($server->url('/up'), 'http.txt', sha256 => $sha256),
    ftp => put("$ftp/up.txt", 'http.txt', %login),
    ftps => put("$ftps/up.txt", 'small.txt', %login, verify_tls => $false),
    sftp => put("$sftp/new/up.txt", 'http.txt', %sftp, create_dirs => $true),
    empty => put("$sftp/empty.txt", 'empty.txt', %sftp),
    'empty-ftp' => put("$ftp/empty.txt", 'empty.txt', %login),
    artifact => { steps => [
        { name => 'keep', type => 'artifact', action => 'put', artifact => 'a', text => 'from an artifact' },
        { name => 'move', type => 'file_transfer', action => 'put', url => "$ftp/artifact.txt", artifact => '{{ steps.keep.output.artifact }}', %login } ] },
    again => put($server->url('/once'), 'http.txt'));
is_done($got{$_}, "from a file: $_") for qw(http ftp ftps sftp empty empty-ftp again);
is(sha256_hex(content_of("$directory/$_") || ''), $sha256, "$_: its content") for qw(ftp/up.txt sftp/new/up.txt);
is(content_of("$directory/ftps/up.txt"), substr($content, 0, 10_000), 'ftps/up.txt: its content');
is(content_of("$directory/sftp/empty.txt"), '', 'an empty file by sftp');
is(content_of("$directory/ftp/empty.txt"), '', 'an empty file by ftp');
is($got{sftp}{output}{sha256} . ' ' . $got{sftp}{output}{bytes}, "$sha256 " . length $content, 'output of an upload');
is_done($got{artifact}, 'from an artifact');
is(content_of("$directory/ftp/artifact.txt"), 'from an artifact', 'its content');
%got = carry(back => get($server->url('/up'), 'back.txt'), once => put($server->url('/once'), 'http.txt', overwrite => $false),
    'ftp-once' => put("$ftp/up.txt", 'http.txt', %login, overwrite => $false));
is(sha256_hex(content_of("$root/back.txt") || ''), $sha256, 'what was put is there');
is_error($got{once}, 'JO035', qr/412/, 'nothing is replaced by HTTP');
is_error($got{'ftp-once'}, 'JO031', qr/"overwrite" cannot be false/, 'ftp cannot promise that');

# ---- within the server ----

%got = carry(
    copy => get('file:///' . ($root =~ s{^/}{}r) . '/http.txt', 'copy.txt', sha256 => $sha256),
    put => put("file://$root/c/put%20it.txt", 'http.txt', create_dirs => $true),
    artifact => get("file://$root/http.txt", undef, artifact => 'local'),
    back => { steps => [
        { name => 'keep', type => 'artifact', action => 'put', artifact => 'b', text => 'kept' },
        { name => 'move', type => 'file_transfer', action => 'put', url => "file://$root/kept.txt", artifact => '{{ steps.keep.output.artifact }}' } ] },
    absolute => get($server->url('/plain'), "$root/absolute.txt"),
    itself => get("file://$root/http.txt", 'http.txt'),
    wrong => get("file://$root/http.txt", 'wrong.txt', sha256 => '0' x 64),
    none => get("file://$root/none.txt", 'none2.txt'));
is_done($got{$_}, "within the server: $_") for qw(copy put artifact back absolute);
is(sha256_hex(content_of("$root/$_") || ''), $sha256, "$_: its content") for 'copy.txt', 'c/put it.txt', 'absolute.txt';
is(content_of("$root/kept.txt"), 'kept', 'an artifact as a file');
is($got{artifact}{output}{sha256}, $sha256, 'a file as an artifact');
is($got{copy}{output}{bytes}, length $content, 'output of a copy');
is_error($got{itself}, 'JO031', qr/itself/, 'onto itself');
is_error($got{wrong}, 'JO038', qr/is not what was expected.*0000/, 'a wrong digest');
is_error($got{none}, '58P01', qr/none\.txt/, 'no such file');
ok(!-e "$root/$_", "$_ is not there") for qw(wrong.txt none2.txt);

# ---- names ----

symlink "$directory/outside", "$root/out" or die;
symlink "$root/http.txt", "$root/link.txt" or die;
symlink '../../../outside/x', "$root/a/far" or die;
POSIX::mkfifo("$root/pipe", 0600) or die;
spew("$directory/outside/secret.txt", 'secret');
my $url = $server->url('/plain');
my @names = ('../outside/x', 'a/../../outside/x', 'out/x', "$directory/outside/x", '/etc/passwd', 'a/./x', '..', "a\nb", 'a/', '/', 'x' x 300,
    "$root/../outside/x", "${root}x/y", "file://$root/%2e%2e/outside/x", "file://$root/a%00b", 'file://elsewhere/x', 'file:///etc/passwd');
my %step = (action => 'get', url => $url, file => '{{ input.file }}');
%got = carry(map { ("name$_" => [ \%step, { file => $names[$_] } ]) } 0 .. $#names);
for my $i (0 .. $#names)
{
    (my $shown = $names[$i]) =~ s/\n/\\n/g;
    like(($got{"name$i"}{error} || {})->{sqlstate} || 'none', qr/^(JO031|42501)$/, 'no way to ' . substr $shown, 0, 40)
      or diag $json->encode($got{"name$i"});
}
%got = carry(
    far => get($url, 'a/far'), link => get($url, 'link.txt'), pipe => put($server->url('/pipe'), 'pipe'),
    readfar => put($server->url('/l'), 'out/secret.txt'), directory => put($server->url('/l'), 'a'), missing => get($url, 'no/such/x'),
    readurl => get("file://$root/out/secret.txt", 'stolen.txt'), 'ftp-directory' => get("$ftp/", 'x', %login));
is_done($got{$_}, "a link is replaced, not followed: $_") for qw(far link);
ok(!-l "$root/link.txt" && -s "$root/http.txt" && !-l "$root/a/far", 'they are files now');
is_error($got{pipe}, '42501', qr/pipe/, 'a pipe is no file');
is_error($got{readfar}, '42501', qr/links are not followed/, 'a link on the way is not followed');
is_error($got{readurl}, '42501', qr/links are not followed/, 'nor in the URL');
is_error($got{directory}, '42501', qr/"a"/, 'a directory is no file');
is_error($got{missing}, '58P01', qr/create_dirs/, 'a directory that is missing');
is_error($got{'ftp-directory'}, 'JO031', qr/names a directory/, 'a URL of a directory');
is(names_in("$directory/outside"), 'secret.txt', 'nothing was written outside of the root');

# ---- rights ----

%got = carry_as('poor', read => put($server->url('/x'), 'http.txt'), write => get($url, 'poor.txt'), url => get("file://$root/http.txt"),
    artifact => get($url, undef), secret => get("$ftp/there.txt", undef, %login));
is_error($got{read}, '42501', qr/may not read files.*pg_read_server_files/, 'who may not read');
is_error($got{write}, '42501', qr/may not write files.*pg_write_server_files/, 'who may not write');
is_error($got{url}, '42501', qr/may not read files/, 'nor by URL');
is_done($got{artifact}, 'an artifact needs no such right');
is_error($got{secret}, 'JO042', qr/password/, 'secrets are asked about');

# ---- what is there already ----

%got = carry(
    keep => get($url, 'http.txt', overwrite => $false), new => get($url, 'new.txt', overwrite => $false),
    replace => get($server->url('/empty'), 'back.txt'));
is_error($got{keep}, 'JO031', qr/is there already/, 'a file is not replaced unless it may be');
is_done($got{new}, 'a new one is written');
is(content_of("$root/back.txt"), '', 'else it is replaced');

# ---- refusals and faults ----

my $other = 'SHA256:' . substr($fingerprint, 7) =~ tr/A-Za-z/B-ZAb-za/r;
my $dead = free_port();
$node->safe_psql('postgres', "SELECT joborch.allow_egress('svc', '127.0.0.1', port => $dead)");
%got = carry(
    none => get($server->url('/none'), 'none.txt'), 'none-artifact' => get($server->url('/none'), undef, artifact => 'none'),
    'ftp-none' => get("$ftp/none.txt", 'none.txt', %login), 'sftp-none' => get("$sftp/none.txt", 'none.txt', %sftp),
    'ftp-login' => get("$ftp/there.txt", 'x', auth => { username => 'ann', password => 'wrong' }),
    'sftp-login' => get("$sftp/there.txt", 'x', %sftp, auth => { username => 'ann', password => 'wrong' }),
    'sftp-key' => get("$sftp/there.txt", 'x', %sftp, auth => { username => 'ann', private_key => 'no key' }),
    'wrong-host' => get("$sftp/there.txt", 'x', %login, known_host => $other), 'no-host' => get("$sftp/there.txt", 'x', %login),
    'bad-host' => get("$sftp/there.txt", 'x', %login, known_host => 'SHA256:abc'),
    'ftps-certificate' => get("$ftps/there.txt", 'x', %login), dead => get("ftp://127.0.0.1:$dead/x", 'x', %login),
    closed => get('ftp://127.0.0.2/x', 'x', %login), digest => get("$ftp/there.txt", 'digest.txt', %login, sha256 => '1' x 64),
    'digest-artifact' => get($url, undef, artifact => 'digest', sha256 => '1' x 64),
    'digest-put' => put("$sftp/digest.txt", 'http.txt', %sftp, sha256 => '1' x 64), large => get($server->url('/large'), 'large.txt', max_response => '1 MB'),
    bearer => get("$ftp/there.txt", 'x', auth => { token => 'abc' }), apikey => get("$ftp/there.txt", 'x', auth => { key => 'abc' }),
    'key-http' => get($url, 'x', auth => { username => 'a', private_key => 'b' }), 'put-none' => put("$ftp/a/b/c.txt", 'http.txt', %login),
    'no-source' => put("$ftp/x", 'no such file', %login), resume => get($url, undef, resume => $true));
is_error($got{none}, 'JO035', qr/404/, 'no such file by HTTP');
is_error($got{'none-artifact'}, 'JO035', qr/404/, 'no artifact is made of an error');
is($node->safe_psql('postgres', "SELECT count(*) FROM joborch.job_artifacts WHERE name IN ('none', 'digest')"), 0, 'there is none');
is_error($got{'ftp-none'}, 'JO035', qr/was refused by the file server.*550/, 'no such file by FTP');
is_error($got{'sftp-none'}, 'JO035', qr/was refused by the file server/, 'no such file by SFTP');
is_error($got{'ftp-login'}, 'JO035', qr/could not log in.*530/, 'a wrong password of FTP');
is_error($got{'sftp-login'}, 'JO035', qr/could not log in/, 'a wrong password of SFTP');
is_error($got{'sftp-key'}, 'JO035', qr/could not log in/, 'a wrong key of SFTP');
is_error($got{'wrong-host'}, 'JO033', qr/did not find the host that it knows.*known_host/, 'a host with another key');
is_error($got{'no-host'}, 'JO031', qr/"known_host" is missing.*ssh-keyscan/, 'a host that is not known');
is_error($got{'bad-host'}, 'JO031', qr/"known_host" is no SHA-256/, 'no fingerprint');
is_error($got{'ftps-certificate'}, 'JO033', qr/TLS/, 'a certificate that nobody vouches for');
is_error($got{dead}, 'JO033', qr/cannot connect/, 'nobody listens');
is_error($got{closed}, 'JO032', qr/allow_egress/, 'egress rules count');
is_error($got{digest}, 'JO038', qr/1111.*Nothing of it was kept/, 'a wrong digest');
is_error($got{'digest-artifact'}, 'JO038', qr/1111/, 'a wrong digest of an artifact');
is_error($got{'digest-put'}, 'JO038', qr/1111/, 'a wrong digest of what is sent');
isnt(-s "$directory/sftp/digest.txt" || 0, length $content, 'it is not sent as a whole');
is_error($got{large}, 'JO038', qr/too large/, 'more than max_response');
is_error($got{bearer}, 'JO031', qr/auth\.type/, 'a token is for HTTP');
is_error($got{apikey}, 'JO031', qr/auth\.type/, 'a key too');
is_error($got{'key-http'}, 'JO031', qr/auth/, 'a private key is for sftp');
is_error($got{'put-none'}, 'JO035', qr/was refused by the file server/, 'a directory that is missing there');
is_error($got{'no-source'}, '58P01', qr/no such file/, 'a file that is missing here');
is_error($got{resume}, 'JO031', qr/"resume"/, 'an artifact cannot be gone on with');
ok(!-e "$root/$_", "$_ is not there") for qw(none.txt x digest.txt large.txt);
unlike(names_in($root), qr/\.part/, 'no parts are left');

# ---- going on ----

my %resume = (resume => $true, retry => { max_attempts => 3, initial => '10 ms' });
spew("$directory/$_/half.txt", substr $content, 0, 300_000) for qw(ftp sftp);
spew("$directory/$_/more.txt", $content . 'more') for qw(ftp sftp);
spew("$directory/$_/whole.txt", $content) for qw(ftp sftp);
for my $name (qw(ftp sftp known))
{
    spew("$root/.on-$name.txt.part", substr $content, 0, 200_000);
    utime 0, 0, "$root/.on-$name.txt.part";
}
rename "$root/.on-known.txt.part", "$root/.whole.txt.part";
spew("$root/.whole.txt.part", $content);
$cuts{'/cut/whole'} = 1;
%got = carry(
    cut => get($server->url('/cut/1'), 'cut.txt', %resume, sha256 => $sha256), changed => get($server->url('/changed/1'), 'changed.txt', %resume),
    ignores => get($server->url('/ignores/1'), 'ignores.txt', %resume), wrong => get($server->url('/wrong/1'), 'wrong.txt', %resume, retry => { max_attempts => 2, initial => '10 ms' }),
    plain => get($server->url('/cut/2'), 'again.txt', retry => { max_attempts => 3, initial => '10 ms' }),
    ftp => get("$ftp/there.txt", 'on-ftp.txt', %login, resume => $true), sftp => get("$sftp/there.txt", 'on-sftp.txt', %sftp, resume => $true),
    'put-ftp' => put("$ftp/half.txt", 'http.txt', %login, resume => $true, sha256 => $sha256),
    'put-sftp' => put("$sftp/half.txt", 'http.txt', %sftp, resume => $true), 'put-new' => put("$ftp/new.txt", 'http.txt', %login, resume => $true),
    'put-more' => put("$ftp/more.txt", 'http.txt', %login, resume => $true), 'put-more-sftp' => put("$sftp/more.txt", 'http.txt', %sftp, resume => $true),
    'put-whole' => put("$ftp/whole.txt", 'http.txt', %login, resume => $true), 'put-whole-sftp' => put("$sftp/whole.txt", 'http.txt', %sftp, resume => $true),
    'put-http' => put($server->url('/up2'), 'http.txt', resume => $true));
for my $name (qw(cut changed ignores plain))
{
    my $file = $name eq 'plain' ? 'again' : $name;

    is_done($got{$name}, "cut off at first: $name");
    is(sha256_hex(content_of("$root/$file.txt") || ''), $sha256, "$name: its content");
    is($got{$name}{attempts}, 2, "$name: attempts");
}
cmp_ok($got{cut}{output}{resumed_from}, '>', 0, 'it went on where it was cut off');
is($got{changed}{output}{resumed_from}, 0, 'it began anew when the file was another');
is_error($got{wrong}, 'JO038', qr/another part of the file/, 'a part that was not asked for');
diag $json->encode($got{wrong}) if $got{wrong}{status} ne 'failed';
for my $name (qw(ftp sftp))
{
    is_done($got{$name}, "a download goes on: $name");
    is($got{$name}{output}{resumed_from}, 200_000, "$name: from there");
    is(sha256_hex(content_of("$root/on-$name.txt") || ''), $sha256, "$name: its content");
    is_done($got{"put-$name"}, "an upload goes on: $name");
    is($got{"put-$name"}{output}{resumed_from}, 300_000, "$name: from there");
    is($got{"put-$name"}{output}{sha256}, $sha256, "$name: the digest is of all of it");
    is(sha256_hex(content_of("$directory/$name/half.txt") || ''), $sha256, "$name: its content there");
}
is_done($got{'put-new'}, 'an upload that begins');
is(sha256_hex(content_of("$directory/ftp/new.txt") || ''), $sha256, 'its content there');
is_error($got{$_}, 'JO038', qr/is larger/, "what is there is more: $_") for qw(put-more put-more-sftp);
is_done($got{$_}, "all was there: $_") for qw(put-whole put-whole-sftp);
is_error($got{'put-http'}, 'JO031', qr/"resume" is not possible/, 'HTTP cannot go on with an upload');
unlink glob "$root/.*.part";

# ---- much, and cancel ----

%got = carry(file => get($server->url('/large'), 'large.bin'), artifact => get($server->url('/large'), undef));
is_done($got{$_}, "100 MB to: $_") for qw(file artifact);
is(-s "$root/large.bin", 100_000_000, 'all of it');
%got = carry(up => put("$ftp/large.bin", 'large.bin', %login));
is(-s "$directory/ftp/large.bin", 100_000_000, '100 MB sent');
my ($courier) = pids_of($node, 'courier');
my %memory = slurp_file("/proc/$courier/status") =~ /(VmHWM|RssShmem):\s+(\d+)/g;
cmp_ok($memory{VmHWM} - $memory{RssShmem}, '<', 60_000, 'in little memory of its own (kB)');
unlink "$root/large.bin", "$directory/ftp/large.bin";

for my $resume (0, 1)
{
    my $run = $node->safe_psql('postgres', "SET ROLE svc; SELECT joborch.start_definition(\$d\$" . $json->encode({ steps => [
        { name => 'move', type => 'file_transfer', %{ get($server->url('/slow'), "cancel$resume.bin", resume => $resume ? $true : $false) } } ] }) . '$d$)');
    my $part = $resume ? '.cancel1.bin.part' : '.joborch-*.part';

    for (1 .. 500)
    {
        last if grep { -s $_ } glob "$root/$part";
        usleep(20_000);
    }
    ok((grep { -s $_ } glob "$root/$part"), 'some of it has come');
    $node->safe_psql('postgres', "SELECT joborch.cancel_run($run, force => true)");
    is(wait_for_run($node, 'postgres', $run), 'cancelled', 'a transfer is cancelled while bytes move');
    is(scalar(grep { -e $_ } glob "$root/$part"), $resume, $resume ? 'its part stays to go on with' : 'its part is removed');
    ok(!-e "$root/cancel$resume.bin", 'there is no file');
}
unlink glob "$root/.*.part";

# ---- off, and no room ----

$node->safe_psql('postgres', "ALTER SYSTEM SET joborch.file_root = ''; SELECT pg_reload_conf()");
wait_until($node, 'postgres', "SELECT current_setting('joborch.file_root') = ''");
%got = carry(off => get($url, 'off.txt'), url => get("file://$root/http.txt"));
is_error($got{$_}, 'JO045', qr/joborch\.file_root is empty.*ALTER SYSTEM/, "switched off: $_") for qw(off url);
for my $wrong ($node->data_dir, $node->data_dir . '/base', $node->basedir, 'relative')
{
    $node->safe_psql('postgres', "ALTER SYSTEM SET joborch.file_root = '$wrong'");
    $node->reload;
    wait_until($node, 'postgres', "SELECT current_setting('joborch.file_root') = '$wrong'");
    %got = carry(wrong => get($url, 'wrong.txt'));
    is_error($got{wrong}, 'JO045', qr/data directory|absolute path/, 'no root to be used');
}

# a server whose files may have 40 MB: as on a full disk, writing fails
$node->safe_psql('postgres', "ALTER SYSTEM SET joborch.file_root = '$root'");
$node->stop;
{
    my $file_limit = 40_000;    # blocks of 1 kB

    is(system('bash', '-c', "ulimit -f $file_limit && pg_ctl -w -s -D '@{[$node->data_dir]}' -l '@{[$node->logfile]}' start"), 0, 'a server with little room');
    $node->_update_pid(1);
}
%got = carry(full => get($server->url('/large'), 'full.bin'));
is_error($got{full}, '53100', qr/full\.bin/, 'no room');
is($got{full}{error}{retryable}, $true, 'it is worth another attempt');
is((names_in($root) =~ /full|\.part/) ? 1 : 0, 0, 'nothing of it is left');

# ---- secrets ----

my $history = $node->safe_psql('postgres', 'SELECT string_agg(a::text, E\'\\n\') FROM joborch.job_step_attempts a');
unlike($history, qr/\Q$password\E/, 'no password in the history');

check_invariants($node, 'postgres');
done_testing();
