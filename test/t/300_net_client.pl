# The libcurl client against servers that misbehave: what comes of each fault, what
# redirects may do, where nothing may be connected, and that one host's trouble is not another's.
use strict;
use warnings;

use JSON::PP;
use JoborchTest;
use NetServers;
use PostgreSQL::Test::Utils;
use Test::More;

# libcurl would take these over
$ENV{http_proxy} = $ENV{https_proxy} = $ENV{ALL_PROXY} = 'http://127.0.0.1:9';
$ENV{HOME} = PostgreSQL::Test::Utils::tempdir();
append_to_file("$ENV{HOME}/.netrc", "machine 127.0.0.1 login somebody password else\n");

my $node = joborch_node('net_client');
my $json = JSON::PP->new->canonical->latin1;
my $port = start_server(\&serve_http);
my $other = start_server(\&serve_http);
my $base = "http://127.0.0.1:$port";
my @local = ({ host => '127.0.0.1', port => $port, ranges => ['127.0.0.1/32'] });

# Requests, all at a time; what came of each.
sub fetch_all
{
    my ($requests, %option) = @_;
    my $text = $json->encode($requests);

    $text =~ s/'/''/g;
    my $rows = $node->safe_psql('postgres', sprintf "SELECT row_to_json(f) FROM joborch_internal.debug_fetch('%s', %d, %d) AS f ORDER BY n",
        $text, $option{per_host} || 0, $option{total} || 0);
    return map { decode_json($_) } split /\n/, $rows;
}

sub fetch
{
    my ($url, %request) = @_;
    my ($row) = fetch_all([ { url => $url =~ /^\// ? "$base$url" : $url, %request } ]);

    return $row;
}

# One test: result, status, and a pattern of the body or else of the message.
sub expect
{
    my ($name, $row, $result, $status, $pattern) = @_;
    my $text = $result eq 'ok' ? $row->{body} : $row->{message};
    my $good = $row->{result} eq $result && $row->{status} == $status && (!defined $pattern || $text =~ $pattern);

    ok($good, $name) or diag($json->pretty->encode($row));
    return;
}

# ---- what works ----

my $row = fetch('/hello');
expect('a plain GET', $row, 'ok', 200, qr/^hello$/);
like($row->{headers}, qr/\AContent-Length: 5\r\nContent-Type: text\/plain\r\n\z/, 'headers without status line and empty line');
is($row->{address}, '127.0.0.1', 'the address that was connected');
$row = fetch('/echo', body => 'some text');
expect('a body makes a POST', $row, 'ok', 200, qr/^POST \/echo HTTP\/1\.1.*Content-Length: 9.*\nsome text$/s);
unlike($row->{body}, qr/Content-Type/i, 'of no type that nobody said');
unlike($row->{body}, qr/Authorization|Proxy|Cookie|Accept-Encoding/i, 'no credentials, no compression, no proxy of the environment');
expect('PUT', fetch('/echo', method => 'PUT', body => 'x', headers => { 'Content-Type' => 'text/x', 'X-Empty' => '' }),
    'ok', 200, qr/^PUT(?=.*Content-Type: text\/x)(?=.*X-Empty:\r)/s);
expect('PATCH without a body', fetch('/echo', method => 'PATCH'), 'ok', 200, qr/^PATCH.*Content-Length: 0/s);
expect('DELETE', fetch('/echo', method => 'DELETE'), 'ok', 200, qr/^DELETE (?!.*Content-Length)/s);
expect('HEAD reads no body, whatever its length', fetch('/head', method => 'HEAD', max_response => 100), 'ok', 200, qr/^$/);
expect('basic', fetch('/echo', auth => 'basic', user => 'ann', password => 'x'), 'ok', 200, qr/Authorization: Basic YW5uOng=/);
expect('a user in the URL', fetch("http://ann:x\@127.0.0.1:$port/echo"), 'ok', 200, qr/Authorization: Basic YW5uOng=/);
is(fetch("http://ann:x\@127.0.0.1:$port/echo?q=1#part")->{url}, "$base/echo?q=1", 'which is not in the URL that is told');
expect('bearer', fetch('/echo', auth => 'bearer', token => 'abc'), 'ok', 200, qr/Authorization: Bearer abc/);
expect('digest', fetch('/digest', auth => 'digest', user => 'ann', password => 'x'), 'ok', 200, qr/Digest username="ann"/);
expect('a signature', fetch('/echo', auth => 'aws_sigv4', user => 'key', password => 'secret', realm => 'aws:amz:eu-1:s3'),
    'ok', 200, qr/Authorization: AWS4-HMAC-SHA256 Credential=key\/\d+\/eu-1\/s3/);
expect('a form', fetch('/echo', parts => [ { name => 'a', data => 'text' }, { name => 'f', filename => 'f.csv', content_type => 'text/csv', data => "1,2\n" } ]),
    'ok', 200, qr/multipart\/form-data.*name="a"\r\n\r\ntext\r\n.*filename="f.csv"\r\nContent-Type: text\/csv\r\n\r\n1,2\n/s);
expect('a large body, which waits for 100', fetch('/echo', method => 'PUT', body => 'b' x 1_500_000, max_response => 2_000_000), 'ok', 200, qr/Expect: 100-continue/);
is(fetch('/which', url => "$base/which")->{body} =~ /^\d+ 1$/, 1, 'each session has its own connections');
my @rows = map { fetch_all([ map { { url => "$base/which" } } 1 .. 3 ], per_host => 1) } 1;
is(join(' ', map { (split / /, $_->{body})[1] } @rows), '1 2 3', 'a kept connection serves the next request');
is(join(' ', map { $_->{reused} ? 1 : 0 } @rows), '0 1 1', 'and it is told');
@rows = fetch_all([ map { { url => "$base/close" } } 1 .. 3 ], per_host => 1);
is(join(' ', map { (split / /, $_->{body})[1] } @rows), '1 1 1', 'Connection: close');

# ---- faults ----

@rows = fetch_all([
    { url => "$base/never", first_byte_timeout => 300, total_timeout => 20000 },
    { url => "$base/never", total_timeout => 300 },
    { url => "$base/stalls", idle_timeout => 300, total_timeout => 20000 },
    { url => "$base/slow", total_timeout => 400, idle_timeout => 300 },
    { url => "$base/slow", idle_timeout => 3000 } ]);
expect('no answer', $rows[0], 'timeout', 0, qr/no response within 300 ms/);
expect('no answer, in all', $rows[1], 'timeout', 0, qr/not finished within 300 ms|timed out after/);
expect('a body that stops', $rows[2], 'timeout', 200, qr/no byte came for 300 ms/);
expect('byte by byte, too slow in all', $rows[3], 'timeout', 0);
expect('byte by byte', $rows[4], 'ok', 200, qr/^0123456789$/);
cmp_ok($rows[0]{elapsed_ms}, '<', 5000, 'time-outs are of milliseconds');
expect('nobody listens', fetch('http://127.0.0.1:' . free_port() . '/'), 'connect', 0, qr/^127\.0\.0\.1:\d+: /);
expect('no such host', fetch('http://no-such-host.invalid/'), 'dns', 0, qr/resolve/);
expect('hangs up', fetch('/hang-up'), 'reset', 0);
expect('reset in the body', fetch('/reset'), 'reset', 200);
expect('more than was said', fetch('/longer'), 'ok', 200, qr/^hello$/);
expect('less than was said', fetch('/shorter'), 'reset', 200);
expect('an endless body', fetch('/endless', max_response => 100_000), 'too_large', 200, qr/larger than 100000 bytes/);
expect('a length beyond the limit', fetch('/big', max_response => 100_000), 'too_large', 200);
expect('endless headers', fetch('/endless-headers'), 'too_large', 200, qr/headers are longer than 65536/);
isnt(fetch('/endless-line')->{result}, 'ok', 'an endless header');
isnt(fetch('/endless-interim', total_timeout => 5000)->{result}, 'ok', 'endless interim responses');
$row = fetch('/interim');
expect('an interim response', $row, 'ok', 200, qr/^final$/);
like($row->{headers}, qr/X-Final/, 'the last response\'s headers');
unlike($row->{headers}, qr/X-Early/, 'and only those');
expect('HTTP/1.0', fetch('/http10'), 'ok', 200, qr/^to the end$/);
isnt(fetch('/garbage')->{result}, 'ok', 'no HTTP at all');
expect('chunks that are none', fetch('/chunks'), 'reset', 200);
$row = fetch('/trailer');
expect('a trailer', $row, 'ok', 200, qr/^hello$/);
unlike($row->{headers}, qr/X-Late:/, 'is no header');
like(fetch('/folded')->{headers}, qr/X-Folded: one\s+two\r\n/, 'a header of two lines is one line');
expect('nothing is unpacked', fetch('/gzip'), 'ok', 200, qr/^\x1f\?\x08$/);

# ---- URLs, schemes, what would write lines of its own ----

for my $url ('file:///etc/passwd', 'gopher://127.0.0.1/', 'dict://127.0.0.1/', 'ldap://127.0.0.1/', 'scp://127.0.0.1/x', 'hello', 'http://', 'http:', '', "http://127.0.0.1:$port/a b",
    "http://127.0.0.1:$port/\r\nX: y", 'http://[::1/', 'telnet://127.0.0.1:25/')
{
    expect("no transfer: $url" =~ s/[\r\n]/?/gr, fetch($url), 'bad_url', 0);
}
expect('a scheme that is not allowed here', fetch('/hello', schemes => 2), 'bad_url', 0);
expect('a line break in a header', fetch('/hello', headers => { 'X-A' => "b\r\nX-C: d" }), 'bad_url', 0, qr/control characters/);
expect('a header name that is none', fetch('/hello', headers => { "X-A: b\r\nX-C" => 'd' }), 'bad_url', 0);
expect('a method that is none', fetch('/hello', method => "GET / HTTP/1.1\r\nX: y\r\n\r\nGET"), 'bad_url', 0);

# ---- redirects ----

expect('not followed unless asked for', fetch('/times/1'), 'ok', 302);
$row = fetch('/times/3', redirects => 5);
expect('followed', $row, 'ok', 200, qr/^arrived$/);
is("$row->{redirects} $row->{url}", "3 $base/times/0", 'how often, and where it ended');
expect('endlessly', fetch('/times/1000', redirects => 5), 'redirects', 302, qr/more than 5/);
expect('a redirect\'s own body is not waited for', fetch('/big-redirect', redirects => 1, max_response => 1_000_000), 'ok', 200, qr/^hello$/);
expect('a redirect to nowhere is a response', fetch('/empty-location', redirects => 5), 'ok', 302, qr/nowhere/);
for my $target ('file:///etc/passwd', 'ftp://127.0.0.1/', 'gopher://127.0.0.1/', 'https://127.0.0.2/', "http://127.0.0.2:$port/hello", "http://[::1]:$port/",
    "http://2130706434:$port/", 'http://169.254.169.254/latest/', "http://127.0.0.1:$other/hello")
{
    expect("a redirect to $target", fetch("/to/302/$target", redirects => 5, rules => \@local), 'refused', 302);
}
is(fetch("/to/302/http://169.254.169.254/latest/", redirects => 5, rules => \@local)->{refused_host}, '169.254.169.254', 'whom it would have been');
for my $code (301, 302, 303)
{
    expect("$code: a POST becomes a GET", fetch("/to/$code//echo", redirects => 1, body => 'text', headers => { 'Content-Type' => 'text/x' }),
        'ok', 200, qr/^GET (?!.*(Content-|\ntext))/s);
}
for my $code (307, 308)
{
    expect("$code: a POST stays one", fetch("/to/$code//echo", redirects => 1, body => 'text'), 'ok', 200, qr/^POST .*\ntext$/s);
}
expect('303: a PUT becomes a GET', fetch('/to/303//echo', redirects => 1, method => 'PUT', body => 'text'), 'ok', 200, qr/^GET /);
expect('302: a PUT stays one', fetch('/to/302//echo', redirects => 1, method => 'PUT', body => 'text'), 'ok', 200, qr/^PUT .*\ntext$/s);
my %credentials = (redirects => 2, auth => 'basic', user => 'ann', password => 'x', secret_header => 'X-Shop',
    headers => { Authorization => 'own', Cookie => 'c', 'X-Api-Key' => 'k', 'X-Shop' => 's', 'X-Plain' => 'p' });
delete @credentials{qw(auth user password)};
expect('credentials stay with the same host', fetch("/to/302/$base/echo", %credentials), 'ok', 200,
    qr/^(?=.*Authorization: own)(?=.*Cookie: c)(?=.*X-Api-Key: k)(?=.*X-Shop: s)/s);
expect('and go to no other', fetch("/to/302/http://127.0.0.1:$other/echo", %credentials), 'ok', 200,
    qr/^(?!.*(Authorization|Cookie|X-Api-Key|X-Shop))(?=.*X-Plain: p)/s);
expect('nor back again', fetch("/to/302/http://127.0.0.1:$other/to/302/$base/echo", %credentials), 'ok', 200, qr/^(?!.*(Authorization|Cookie))/s);
expect('nor does the user', fetch("/to/302/http://127.0.0.1:$other/echo", redirects => 1, auth => 'basic', user => 'ann', password => 'x'),
    'ok', 200, qr/^(?!.*Authorization)/s);
expect('nor one that the redirect names', fetch("/to/302/http://bob:y\@127.0.0.1:$port/echo", redirects => 1), 'ok', 200, qr/^(?!.*Authorization)/s);

# ---- egress ----

expect('no rules', fetch('/hello', rules => []), 'refused', 0, qr/no egress rule/);
expect('another port', fetch('/hello', rules => [ { host => '127.0.0.1', port => $other, ranges => ['127.0.0.1'] } ]), 'refused', 0);
expect('a name that leads to an address which no rule names', fetch("http://x.localhost:$port/hello", rules => [ { host => 'x.localhost', port => $port } ]),
    'refused', 0, qr/(127\.0\.0\.1|::1) may not be connected/);
expect('one that a rule names', fetch("http://x.localhost:$port/hello", rules => [ { host => 'x.localhost', port => $port, ranges => ['127.0.0.1'] } ]), 'ok', 200);
for my $host ('2130706433', '0x7f.1', '127.1', '0177.0.0.1', '[::ffff:127.0.0.1]', '0', '[::]', '127.0.0.1.')
{
    expect("public hosts only: $host", fetch("http://$host:$port/hello", rules => [ { host => '*', port => $port } ]), 'refused', 0);
}
@rows = fetch_all([
    { url => "http://x.localhost:$port/which", rules => [ { host => 'x.localhost', port => $port, ranges => ['127.0.0.1'] } ] },
    { url => "http://x.localhost:$port/which", rules => [ { host => 'x.localhost', port => $port } ] } ], per_host => 1);
is("$rows[0]{result} $rows[1]{result}", 'ok refused', 'a kept connection is asked about again');
expect('a proxy needs a rule, too', fetch('/hello', proxy => "http://127.0.0.1:$other", rules => \@local), 'refused', 0, qr/proxy/);
expect('a proxy', fetch('http://public.example/hello', proxy => "http://127.0.0.1:$other",
    rules => [ { host => 'public.example' }, { host => '127.0.0.1', port => $other, ranges => ['127.0.0.1'] } ]), 'ok', 200, qr/^hello$/);
expect('but not to everywhere', fetch('http://hidden.example/hello', proxy => "http://127.0.0.1:$other",
    rules => [ { host => 'public.example' }, { host => '127.0.0.1', port => $other, ranges => ['127.0.0.1'] } ]), 'refused', 0);

# ---- windows, uploads, breaking off ----

$row = fetch('/big', window => 20_000);
is($row->{received}, 300_000, 'a body through a window');
cmp_ok($row->{times_full}, '>', 10, 'which is emptied again and again');
expect('broken off at a full window', fetch('/endless', window => 20_000, max_response => 0, abort_after => 100_000), 'aborted', 200);
expect('broken off at once', fetch('/never', abort_after => 0), 'aborted', 0);
$row = fetch('/echo', upload => 'u' x 30_000);
expect('an upload of unknown length', $row, 'ok', 200, qr/^PUT .*Transfer-Encoding: chunked.*u{100}/s);
cmp_ok($row->{times_hungry}, '>', 4, 'asks for more');
expect('of known length', fetch('/echo', upload => 'u' x 30_000, upload_known => JSON::PP::true), 'ok', 200, qr/^PUT .*Content-Length: 30000/s);
expect('cannot be sent twice', fetch('/to/307//echo', upload => 'u' x 30_000, redirects => 3), 'redirects', 307);

# ---- limits ----

my $never = start_server(\&serve_http);
@rows = fetch_all([ (map { { url => "http://127.0.0.1:$never/never", total_timeout => 1500 } } 1 .. 8), (map { { url => "$base/hello", total_timeout => 1400 } } 1 .. 20) ],
    per_host => 2, total => 6);
is(join(' ', map { $_->{result} } @rows), join(' ', ('timeout') x 8, ('ok') x 20), 'a host that hangs holds up no other');
@rows = fetch_all([ map { { url => "$base/hold" } } 1 .. 8 ], total => 2);
cmp_ok((sort { $b <=> $a } map { $_->{elapsed_ms} } @rows)[0], '>', 390, 'so many at a time in all');
@rows = fetch_all([ map { { url => "$base/hold" } } 1 .. 300 ]);
is(scalar(grep { $_->{result} eq 'ok' } @rows), 300, 'without a limit all at once');
my $figures = decode_json($node->safe_psql('postgres',
    "SELECT row_to_json(f) FROM joborch_internal.debug_fetch_load('{\"url\": \"http://127.0.0.1:$never/never\", \"total_timeout\": 4000}', 1000, 1000) f"));
is("$figures->{good} $figures->{bad}", '0 1000', '1000 open transfers');
cmp_ok($figures->{memory}, '<', 60 * 1024, "in less than 60 MB: $figures->{memory} kB");

# ---- SMTP and FTP ----

my $mails = PostgreSQL::Test::Utils::tempdir() . '/mails';
my $smtp = start_server(\&serve_smtp, $mails);
my %mail = (mail_from => 'a@example.com', recipients => [ 'b@example.com', 'c@example.com' ], starttls => 'none',
    headers => { Subject => 'Report' }, parts => [
        { data => 'plain words', content_type => 'text/plain; charset=utf-8', encoder => 'quoted-printable', alternative => JSON::PP::true },
        { data => '<p>words</p>', content_type => 'text/html; charset=utf-8', encoder => 'quoted-printable', alternative => JSON::PP::true },
        { data => '1,2', filename => 'r.csv', content_type => 'text/csv', encoder => 'base64' } ]);
expect('a mail', fetch("smtp://127.0.0.1:$smtp/joborch", %mail), 'ok', 250);
my $mail = slurp_file($mails);
like($mail, qr/^EHLO joborch\r\nMAIL FROM:<a\@example.com>.*RCPT TO:<b\@example.com>\r\nRCPT TO:<c\@example.com>\r\nDATA\r\n.*\r\nSubject: Report\r\n\r\n/s, 'its envelope');
like($mail, qr/multipart\/mixed.*multipart\/alternative.*plain words.*text\/html.*<p>words<\/p>.*filename="r.csv"\r\nContent-Type: text\/csv.*MSwy\r\n/s, 'and its parts');
expect('TLS is required unless said', fetch("smtp://127.0.0.1:$smtp", %mail, starttls => 'required'), 'tls', 250);
expect('not offered, and not needed', fetch("smtp://127.0.0.1:$smtp", %mail, starttls => 'opportunistic'), 'ok', 250);
expect('a recipient that is refused', fetch("smtp://127.0.0.1:$smtp", %mail, recipients => ['nobody@example.com']), 'remote', 550, qr/no such user here/);
expect('for now', fetch("smtp://127.0.0.1:$smtp", %mail, recipients => ['later@example.com']), 'remote', 451);
expect('a wrong password', fetch("smtp://127.0.0.1:$smtp", %mail, auth => 'basic', user => 'ann', password => 'x'), 'login', 535);
expect('a recipient with a line break', fetch("smtp://127.0.0.1:$smtp", %mail, recipients => ["b\@example.com>\r\nRCPT TO:<c"]), 'bad_url', 0);

my $directory = PostgreSQL::Test::Utils::tempdir();
append_to_file("$directory/there.txt", 'what is there');
my $ftp = start_server(\&serve_ftp, $directory);
expect('FTP', fetch("ftp://127.0.0.1:$ftp/there.txt"), 'ok', 226, qr/^what is there$/);
expect('from the middle', fetch("ftp://127.0.0.1:$ftp/there.txt", resume_from => 5), 'ok', 226, qr/^is there$/);
expect('a file that is not there', fetch("ftp://127.0.0.1:$ftp/gone.txt"), 'remote', 550);
expect('a user that is refused', fetch("ftp://nobody:x\@127.0.0.1:$ftp/there.txt"), 'login', 530);
expect('put', fetch("ftp://127.0.0.1:$ftp/new.txt", upload => 'new' x 10_000), 'ok', 226);
is(-s "$directory/new.txt", 30_000, 'all of it');
expect('put the rest', fetch("ftp://127.0.0.1:$ftp/there.txt", upload => ', and more', upload_known => JSON::PP::false, resume_from => 13), 'ok', 226);
is(slurp_file("$directory/there.txt"), 'what is there, and more', 'behind what was there');
expect('SFTP to a host of which no key is known', fetch("sftp://127.0.0.1:$ftp/there.txt", user => 'ann'), 'tls', 0, qr/host's key/);

# ---- the session afterwards ----

is($node->safe_psql('postgres', "SELECT count(*) FROM joborch_internal.debug_fetch('[{\"url\": \"$base/hello\"}]')"), '1', 'all is well');
unlike(slurp_file($node->logfile), qr/terminated by signal|TRAP/, 'nothing crashed');

END { my $status = $?; stop_servers(); $? = $status; }

$node->stop;
done_testing();
