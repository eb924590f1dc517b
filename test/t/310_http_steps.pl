# http and webhook steps against a server of our own: what is sent, what becomes of what
# comes back, and that nothing that anybody sends breaks the step, the courier or the server.
use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use Digest::SHA qw(hmac_sha256_hex hmac_sha256_base64);
use FaultServer;
use JSON::PP;
use JoborchTest;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $canary = 'canary/7c9e6679+secret';
my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $other;
my %keys;
my %asked;                      # how often a path was asked for, in the server's process

# What the server answers, by the path; a number behind it is a parameter.
my %answers = (
    '/echo' => sub {
        my ($request) = @_;

        return { headers => [ 'Content-Type' => 'application/json' ], body => $json->encode({
            %{$request}{qw(method target)}, headers => $request->{headers}, body => encode_base64($request->{body}, '') }) };
    },
    '/json' => sub { return { headers => [ 'Content-Type', 'application/problem+json; charset=utf-8' ], body => "{\"a\": [1, \"\xc3\xa9\"]}" } },
    '/text' => sub { return { headers => [ 'Content-Type', 'text/plain' ], body => "caf\xc3\xa9" } },
    '/latin1' => sub { return { headers => [ 'Content-Type', 'text/plain; charset=ISO-8859-1' ], body => "caf\xe9" } },
    '/bytes' => sub { return { headers => [ 'Content-Type', 'image/png' ], body => "\x89PNG\0\xff" } },
    '/nul' => sub { return { headers => [ 'Content-Type', 'text/plain' ], body => "a\0b" } },
    '/badutf8' => sub { return { headers => [ 'Content-Type', 'application/json' ], body => "{\"a\": \"\xff\"}" } },
    '/nul-json' => sub { return { headers => [ 'Content-Type', 'application/json' ], body => '{"a": "\u0000"}' } },
    '/broken-json' => sub { return { headers => [ 'Content-Type', 'application/json' ], body => '{"a": ' } },
    '/deep-json' => sub { return { headers => [ 'Content-Type', 'application/json' ], body => '[' x 100_000 . ']' x 100_000 } },
    '/number-json' => sub { return { headers => [ 'Content-Type', 'application/json' ], body => '[1e999999]' } },
    '/huge-number' => sub { return { headers => [ 'Content-Type', 'application/json' ], body => '["1e9999", true, 1.5E+401]' } },
    '/large-number' => sub { return { headers => [ 'Content-Type', 'application/json' ], body => '["1e9999", 1.5E+300]' } },
    '/marked' => sub { return { headers => [ 'Content-Type', 'text/json' ], body => "\xef\xbb\xbf{}" } },
    '/untyped' => sub { return { body => 'plain' } },
    '/none' => sub { return { status => 204 } },
    '/headers' => sub {
        return { headers => [ 'Set-Cookie' => 'a=1', 'X-One' => "caf\xe9", 'SET-COOKIE' => 'b=2', 'set-cookie' => 'c=3', 'X-Empty' => '' ],
            body => '' };
    },
    '/status' => sub { return { status => $_[1], body => "status $_[1]", headers => [ 'Content-Type', 'text/plain', 'X-Request-Id', 'r7' ] } },
    '/big' => sub { return { repeat => [ 'x' x 1000, $_[1] ], headers => [ 'Content-Type', 'application/octet-stream' ] } },
    '/report' => sub { return { repeat => [ 'a;b;' x 250, $_[1] ], headers => [ 'Content-Type', 'text/csv' ] } },
    '/odd-type' => sub { return { repeat => [ 'x', $_[1] ], headers => [ 'Content-Type', "text/plain; x=\xff\xfe" ] } },
    '/big-status' => sub { return { status => 500, repeat => [ 'x' x 1000, $_[1] ] } },
    '/wide-json' => sub { return { headers => [ 'Content-Type', 'application/json' ], body => '[' . join(',', (1) x 300_000) . ']' } },
    '/hop' => sub { my $n = $_[1] - 1; return { status => 302, headers => [ Location => $n > 0 ? "/hop/$n" : '/echo' ] } },
    '/away' => sub { return { status => 302, headers => [ Location => 'http://127.0.0.2:1/private' ] } },
    '/elsewhere' => sub { return { status => 307, headers => [ Location => $other->url('/echo') ] } },
    '/digest' => sub {
        my ($request) = @_;
        my %said = ($request->{headers}{authorization} || '') =~ /(\w+)="?([^",]*)"?/g;
        my $hash = md5_hex(join ':', md5_hex("ann:here:$canary"), 'n1', map({ $said{$_} || '' } qw(nc cnonce qop)), md5_hex("$request->{method}:/digest"));

        return { body => $request->{body} } if ($said{response} || '') eq $hash;
        return { status => 401, headers => [ 'WWW-Authenticate' => 'Digest realm="here", nonce="n1", qop="auth"' ] };
    },
    '/many-headers' => sub { return { headers => [ map { ("X-$_" => 'v') } 1 .. 500 ], body => 'x' } },
    '/wide' => sub { return { headers => [ 'Content-Type', 'application/json' ], body => "{\"a\": \"\xe2\x82\xac\xc5\x82\"}" } },
    '/wide-escape' => sub { return { headers => [ 'Content-Type', 'application/json' ], body => '{"a": "\u0142"}' } },
    '/flaky' => sub { return ++$asked{ $_[0]{target} } < 3 ? { status => 500 } : { body => 'at last' } },
    '/storm' => sub {
        return ++$asked{ $_[0]{target} } < 2 ? { status => $_[1], headers => [ 'Retry-After' => 2 ] } : { body => 'calm' };
    },
    '/later' => sub { return { status => 202, body => 'later' } },
    '/slow' => sub { return { delay => $_[1], body => 'slow' } },
    '/stall' => sub { return { cut => 0, then => 'stall' } },
    '/half' => sub { return { cut => 60, then => 'reset', body => 'x' x 1000 } },
    '/lie' => sub { return { length => 1000, body => 'short', then => 'close' } },
    '/garbage' => sub { return { raw => "\0\1\2 what is this\r\n\r\n" } },
    '/mirror' => sub {
        my ($request) = @_;

        return { status => 400, headers => [ 'Content-Type' => 'text/plain', 'X-Back' => $request->{headers}{authorization} || '' ],
            body => join("\n", %{ $request->{headers} }, $request->{target}, $request->{body}) };
    });

# one on another port, to which requests are led
$other = FaultServer->start(sub { return $answers{'/echo'}->(@_) });

my $server = FaultServer->start(sub {
    my ($request) = @_;
    my ($path, $parameter) = $request->{path} =~ m{^(/[a-z0-9-]+?)(?:/([\d.]+))?$};

    return $answers{ $path || '' } ? $answers{$path}->($request, $parameter) : { status => 404 };
});

my $key_file = PostgreSQL::Test::Utils::tempdir() . '/keys';
append_to_file($key_file, 'key1 ' . encode_base64('k' x 32));
chmod 0600, $key_file;

my $node = joborch_node('http_steps', conf => <<"CONF");
joborch.secret_key_file = '$key_file'
log_min_messages = debug1
log_statement = all
CONF

append_to_file("$key_file.canary", $canary);
$node->safe_psql('postgres', <<"SQL");
CREATE ROLE svc LOGIN;
SELECT joborch.grant_usage('svc', network => true);
SELECT joborch.allow_egress('svc', '127.0.0.1', port => @{[$server->port]});
SELECT joborch.allow_egress('svc', '127.0.0.1', port => @{[$other->port]});
SELECT joborch.create_secret('canary', pg_read_file('$key_file.canary'));
SELECT joborch.grant_secret('canary', 'svc');
SQL

# Carries out steps, each in a run of its own, all at once: [name, step] or [name, step,
# input].  Returns name => {status, output, error, attempts}.
sub carry
{
    my (@steps) = @_;
    my %found;
    my $sql = '';

    for my $case (@steps)
    {
        my ($name, $step, $input) = @$case;
        my $definition = $json->encode({ steps => [ { name => 'step', type => 'http', %$step } ] });

        $sql .= sprintf "SELECT '%s', joborch.start_definition(\$d\$%s\$d\$, \$i\$%s\$i\$);\n", $name, $definition,
          $json->encode($input || {});
    }
    my %run = map { split /\|/ } split /\n/, $node->safe_psql('postgres', "SET ROLE svc;\n$sql");
    my $runs = join ',', values %run;

    wait_until($node, 'postgres',
        "SELECT bool_and(status IN ('completed', 'failed', 'cancelled')) FROM joborch.job_runs WHERE run_id IN ($runs)");
    for my $name (keys %run)
    {
        $found{$name} = $json->decode($node->safe_psql('postgres',
            "SELECT json_build_object('status', status, 'output', output, 'error', error, 'attempts', attempts, 'run', $run{$name})
             FROM joborch.run_steps($run{$name}) WHERE item IS NULL"));
    }
    return %found;
}

sub step
{
    my ($path, %keys) = @_;

    return { url => $server->url($path), %keys };
}

sub echoed
{
    my ($result) = @_;
    my $echo = $result->{output}{body};

    return { body => '', headers => {}, method => '', target => '' } if ref $echo ne 'HASH';
    return { %$echo, body => decode_base64($echo->{body}) };
}

sub failed_with
{
    my ($result, $sqlstate, $pattern, $name) = @_;
    my $error = $result->{error} || {};

    is($error->{sqlstate} || 'none', $sqlstate, "$name: $sqlstate") or diag($json->encode($result));
    like(join("\n", map { defined $_ ? $_ : '' } @{$error}{qw(message detail hint)}), $pattern, "$name: says why");
    return;
}

# ---- what is sent ----

my %r = carry(
    (map { [ "method_$_", step('/echo', method => $_, $_ eq 'GET' || $_ eq 'HEAD' || $_ eq 'OPTIONS' ? () : (body => { a => 1 })) ] }
          qw(GET POST PUT PATCH DELETE HEAD OPTIONS)),
    [ default_post => step('/echo', body => { b => [ 1, 2 ], a => "caf\x{e9} {{ input.x }}" }), { x => 'y' } ],
    [ text => step('/echo', body => 'just a text') ],
    [ xml => step('/echo', body => '<a/>', headers => { 'Content-Type' => 'application/xml', 'X-Many' => [ 'a', 'b' ], 'X-No' => undef }) ],
    [ json_text => step('/echo', json => 'just a text') ],
    [ json_null => step('/echo', json => undef) ],
    [ form => step('/echo', form => { 'a b' => 'c&d', list => [ 1, 2 ] }) ],
    [ multipart => step('/echo', multipart => { plain => 'text', file => { content_base64 => encode_base64("\0\1\xff", ''), filename => 'a.bin', content_type => 'application/x-some' } }) ],
    [ bytes => step('/echo', body_base64 => encode_base64("\0\1\2\xff", '')) ],
    [ query => step('/echo?first=1', query => { q => "a b&c=d\x{e9}", many => [ 1, 2 ], none => undef }) ],
    [ url_template => step('/echo/{{ input.x }}', expected_status => 404), { x => '../a b?c#d' } ],
    [ basic => step('/echo', auth => { type => 'basic', username => 'ann', password => '{{ secret.canary }}' }) ],
    [ bearer => step('/echo', auth => { token => '{{ secret.canary }}' }) ],
    [ key => step('/echo', auth => { key => '{{ secret.canary }}', header => 'X-My-Key' }) ],
    [ key_query => step('/echo?a=b', auth => { type => 'api_key', key => 'k&1', query => 'api key' }) ],
    [ own_key => step('/echo', method => 'POST', idempotency_key => 'order-7') ],
    [ no_key => step('/echo', method => 'POST', idempotency_key => JSON::PP::false) ],
    [ key_of_get => step('/echo', idempotency_key => 'order-8') ]);

is(join(' ', grep { $r{$_}{status} ne 'completed' } sort keys %r), '', 'all requests were carried out')
  or diag(map { "$_: " . $json->encode($r{$_}) . "\n" } grep { $r{$_}{status} ne 'completed' } sort keys %r);
for my $method (qw(GET POST PUT PATCH DELETE OPTIONS))
{
    my $echo = echoed($r{"method_$method"});

    is($echo->{method}, $method, "$method is sent as it is");
    is($echo->{body}, $method eq 'GET' || $method eq 'OPTIONS' ? '' : '{"a": 1}', "$method: its body");
    is(defined $echo->{headers}{'idempotency-key'} ? 1 : 0, $method eq 'GET' || $method eq 'OPTIONS' ? 0 : 1, "$method: its key");
}
is($r{method_HEAD}{output}{status}, 200, 'HEAD');
is($r{method_HEAD}{output}{encoding}, 'none', 'HEAD has no body');

my $echo = echoed($r{default_post});
is($echo->{method}, 'POST', 'a body makes it a POST');
is($echo->{headers}{'content-type'}, 'application/json', 'of JSON');
is($echo->{body}, "{\"a\": \"caf\xc3\xa9 y\", \"b\": [1, 2]}", 'in UTF-8, as jsonb prints it');
like($echo->{headers}{'user-agent'}, qr{^joborch/\d+\.\d+}, 'who asks');
is(echoed($r{text})->{body}, 'just a text', 'a string is a text');
is(echoed($r{text})->{headers}{'content-type'}, 'text/plain; charset=utf-8', 'and said to be one');
is(echoed($r{xml})->{headers}{'content-type'}, 'application/xml', 'the own content type wins');
is(echoed($r{xml})->{headers}{'x-many'}, 'a, b', 'a header several times');
ok(!exists echoed($r{xml})->{headers}{'x-no'}, 'a header that is null is not sent');
is(echoed($r{json_text})->{body}, '"just a text"', 'a JSON string');
is(echoed($r{json_null})->{body}, 'null', 'JSON null');
is(echoed($r{form})->{body}, 'a+b=c%26d&list=1&list=2', 'a form');
is(echoed($r{form})->{headers}{'content-type'}, 'application/x-www-form-urlencoded', 'is said to be one');
like(echoed($r{multipart})->{headers}{'content-type'}, qr{^multipart/form-data; boundary=}, 'parts');
like(echoed($r{multipart})->{body}, qr{name="plain"\r\n\r\ntext\r\n}, 'a part that is a text');
like(echoed($r{multipart})->{body}, qr{name="file"; filename="a.bin"\r\nContent-Type: application/x-some\r\n\r\n\x00\x01\xff\r\n}, 'one of bytes');
is(echoed($r{bytes})->{body}, "\0\1\2\xff", 'bytes');
is(echoed($r{query})->{target}, '/echo?first=1&q=a%20b%26c%3Dd%C3%A9&many=1&many=2', 'a query');
is(($server->requests('/echo/'))[0]{target}, '/echo/..%2Fa%20b%3Fc%23d', 'a template in a URL is no part of its structure');
is(echoed($r{own_key})->{headers}{'idempotency-key'}, 'order-7', 'an own idempotency key');
ok(!defined echoed($r{no_key})->{headers}{'idempotency-key'}, 'none if so said');
is(echoed($r{key_of_get})->{headers}{'idempotency-key'}, 'order-8', 'one of a GET if so said');
is(echoed($r{key_query})->{target}, '/echo?a=b&api%20key=k%261', 'a key in the query');

my ($basic) = grep { defined $_->{headers}{authorization} && $_->{headers}{authorization} =~ /^Basic/ } $server->requests('/echo');
is($basic->{headers}{authorization}, 'Basic ' . encode_base64("ann:$canary", ''), 'basic auth');
ok((grep { ($_->{headers}{authorization} || '') eq "Bearer $canary" } $server->requests('/echo')), 'bearer auth');
ok((grep { ($_->{headers}{'x-my-key'} || '') eq $canary } $server->requests('/echo')), 'a key in a header');
is(echoed($r{bearer})->{headers}{authorization}, 'Bearer ***', 'the secret that came back is masked');
is(echoed($r{key})->{headers}{'x-my-key'}, '***', 'and the key');

%r = carry(
    [ digest => step('/digest', method => 'POST', body => 'signed', auth => { type => 'digest', username => 'ann', password => '{{ secret.canary }}' }) ],
    [ wrong_digest => step('/digest', auth => { type => 'digest', username => 'bob', password => 'x' }) ],
    [ led_away => step('/elsewhere', redirects => 2, method => 'POST', body => { a => 1 }, auth => { token => '{{ secret.canary }}' },
            headers => { 'X-Plain' => 'p', 'X-Hidden' => 'a {{ secret.canary }}', Cookie => 'c=1' }) ],
    [ key_away => step('/elsewhere', redirects => 2, auth => { key => 'k1234', header => 'X-Mine' }) ],
    [ items => step('/echo?item={{ item }}', method => 'POST', foreach => { items => [ 1, 2, 3 ] }) ]);
is($r{digest}{output}{body}, 'signed', 'digest auth') or diag($json->encode($r{digest}));
failed_with($r{wrong_digest}, 'JO035', qr/"auth"/, 'wrong_digest');
$echo = echoed($r{led_away});
is($r{led_away}{output}{url}, $other->url('/echo'), 'a redirect to another port');
is($echo->{body}, '{"a": 1}', 'the body goes with it');
is($echo->{headers}{'x-plain'}, 'p', 'and a plain header');
is(join(' ', grep { exists $echo->{headers}{$_} } qw(authorization cookie x-hidden)), '', 'but no credentials');
ok(!exists echoed($r{key_away})->{headers}{'x-mine'}, 'nor a key');
is(scalar(grep { !$_->{headers}{authorization} } $server->requests('/elsewhere')), 1, 'which the first host got');
%keys = map { ($_->{headers}{'idempotency-key'} || '') => 1 } $server->requests('/echo?item=');
is(scalar(keys %keys), 3, 'each item has an idempotency key of its own');

my $traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
my $traced = $node->safe_psql('postgres', "SET ROLE svc; SELECT joborch.start_definition(\$\$ {\"steps\": [{\"name\": \"a\", \"url\": \""
      . $server->url('/echo?traced') . "\"}]} \$\$, traceparent => '$traceparent')");
is(wait_for_run($node, 'postgres', $traced), 'completed', 'a run with a trace');
is(($server->requests('/echo?traced'))[0]{headers}{traceparent}, $traceparent, 'hands it on');

# An artifact as a body, and as a part.
my $artifact = $node->safe_psql('postgres', "SET ROLE svc; SELECT joborch.start_definition(\$\$ {\"steps\": [
    {\"name\": \"keep\", \"type\": \"artifact\", \"action\": \"put\", \"artifact\": \"report\", \"text\": \"the report\", \"content_type\": \"text/csv\"},
    {\"name\": \"whole\", \"url\": \"" . $server->url('/echo?whole') . "\", \"method\": \"PUT\", \"artifact\": \"{{ steps.keep.output.artifact }}\"},
    {\"name\": \"part\", \"url\": \"" . $server->url('/echo?part') . "\", \"multipart\": {\"f\": {\"artifact\": \"report\", \"filename\": \"r.csv\"}}}]} \$\$)");
is(wait_for_run($node, 'postgres', $artifact), 'completed', 'a run that sends an artifact')
  or diag($node->safe_psql('postgres', "SELECT step, error FROM joborch.run_steps($artifact)"));
my ($whole) = $server->requests('/echo?whole');
is($whole->{body}, 'the report', 'an artifact is the body');
is($whole->{headers}{'content-type'}, 'text/csv', 'with its type');
like(($server->requests('/echo?part'))[0]{body}, qr/name="f"; filename="r.csv"\r\nContent-Type: text\/csv\r\n\r\nthe report\r\n/, 'an artifact is a part');

# ---- what is refused ----

my $unasked = $server->requests;
%r = carry(
    [ crlf_value => step('/echo', headers => { 'X-A' => '{{ input.x }}' }), { x => "a\r\nX-Injected: 1" } ],
    [ lf_value => step('/echo', headers => { 'X-A' => "{{ input.x }}" }), { x => "a\nb" } ],
    [ crlf_token => step('/echo', auth => { type => 'bearer', token => '{{ input.x }}' }), { x => "a\r\nX-Injected: 1" } ],
    [ crlf_key => step('/echo', method => 'POST', idempotency_key => '{{ input.x }}'), { x => "a\r\nX-Injected: 1" } ],
    [ crlf_method => step('/echo', method => '{{ input.x }}'), { x => "GET / HTTP/1.1\r\nX: " } ],
    [ crlf_part => step('/echo', multipart => { a => { content => 'x', filename => '{{ input.x }}' } }), { x => "a\"\r\nX-Injected: 1" } ],
    [ whole_url => { url => '{{ input.x }}' }, { x => $server->url("/echo\r\nX-Injected:1") } ],
    [ user => { url => '{{ input.x }}' }, { x => 'http://ann:pw@127.0.0.1/' } ],
    [ scheme => { url => '{{ input.x }}' }, { x => 'file:///etc/passwd' } ],
    [ gopher => { url => '{{ input.x }}' }, { x => 'gopher://127.0.0.1/' } ],
    [ no_url => { url => '{{ input.x }}' }, { x => 'nonsense' } ],
    [ other_port => { url => 'http://127.0.0.1:1/' } ],
    [ other_host => { url => 'http://127.0.0.2:' . $server->port . '/echo' } ],
    [ decimal => { url => 'http://2130706434:' . $server->port . '/echo' } ],
    [ status => step('/echo', expected_status => '{{ input.x }}'), { x => 'fine' } ],
    [ tls => step('/echo', verify_tls => '{{ input.x }}'), { x => JSON::PP::false } ],
    [ proxy => step('/echo', proxy => '{{ input.x }}'), { x => 'http://127.0.0.1:1' } ]);
is(join(' ', grep { $r{$_}{status} ne 'failed' } sort keys %r), '', 'all are refused');
failed_with($r{$_}, 'JO031', qr/control character/, $_) for qw(crlf_value lf_value crlf_token crlf_key crlf_part whole_url);
failed_with($r{crlf_method}, 'JO031', qr/"method" is no HTTP method/, 'crlf_method');
failed_with($r{user}, 'JO031', qr/user.*"auth"/s, 'user');
failed_with($r{$_}, 'JO031', qr/scheme/, $_) for qw(scheme gopher);
failed_with($r{no_url}, 'JO031', qr/"url" is no URL/, 'no_url');
failed_with($r{status}, 'JO031', qr/"expected_status"/, 'status');
failed_with($r{$_}, 'JO032', qr/allow_egress/, $_) for qw(other_port other_host decimal proxy);
failed_with($r{tls}, 'JO032', qr/certificate/, 'tls');
is($server->requests, $unasked, 'nothing of them was sent');

for my $name (qw(Host Content-Length Transfer-Encoding Connection Proxy-Authorization TE Upgrade Expect))
{
    my ($stdout, $stderr);

    $node->psql('postgres', "SELECT joborch.start_definition('" . $json->encode(
            { steps => [ { name => 'step', url => 'http://x.example/', headers => { $name => 'x' } } ] }) . "')",
        stdout => \$stdout, stderr => \$stderr);
    like($stderr, qr/$name/, "$name is refused at save");
}

# ---- what comes back ----

%r = carry(
    (map { [ $_ => step("/$_") ] } qw(json text latin1 bytes nul badutf8 nul-json broken-json deep-json number-json huge-number large-number marked untyped none headers many-headers wide-json)),
    (map { [ "as_json_$_" => step("/$_", response => 'json') ] } qw(untyped nul-json badutf8 broken-json deep-json none)),
    [ untyped_json => step('/echo', response => 'json') ],
    [ text_of_json => step('/json', response => 'text') ],
    [ base64_of_text => step('/text', response => 'base64') ],
    [ unwanted => step('/big/3000', response => 'none') ],
    [ big => step('/big/3000') ],
    [ report => step('/report/3000') ],
    [ odd_type => step('/odd-type/1048400') ],
    [ too_big => step('/big/3000', max_response => '2 MB') ],
    [ expected => step('/status/404', expected_status => [ 200, '400-404' ]) ],
    [ success => step('/json', success => '$.result.body.a[0] == 1') ],
    [ no_success => step('/json', success => '$.result.body.a[0] == 2') ],
    [ shaped => step('/json', output => { first => '{{ result.body.a[0] }}', code => '{{ result.status }}' }) ]);

sub gives
{
    my ($name, $encoding, $body) = @_;
    my $output = $r{$name}{output};

    is($r{$name}{status}, 'completed', "$name: completed") or diag($json->encode($r{$name}));
    is($output->{encoding}, $encoding, "$name: $encoding");
    is($json->encode($output->{body}), $json->encode($body), "$name: its body") if @_ > 2;
    return;
}

gives(json => 'json', { a => [ 1, "\x{e9}" ] });
gives(text => 'text', "caf\x{e9}");
gives(latin1 => 'text', "caf\x{e9}");
gives(bytes => 'base64', encode_base64("\x89PNG\0\xff", ''));
gives(nul => 'base64', encode_base64("a\0b", ''));
gives(badutf8 => 'base64', encode_base64("{\"a\": \"\xff\"}", ''));
gives('nul-json' => 'text', '{"a": "\u0000"}');
gives('broken-json' => 'text', '{"a": ');
gives('deep-json' => 'text');
is(length $r{'deep-json'}{output}{body}, 200_000, 'deep-json: nothing of it is lost');
gives('number-json' => 'text', '[1e999999]');
gives('huge-number' => 'text', '["1e9999", true, 1.5E+401]');
gives('large-number' => 'json');
gives(marked => 'json', {});
gives(untyped => 'text', 'plain');
gives(none => 'none', undef);
gives(headers => 'none', undef);
gives(untyped_json => 'json');
gives(text_of_json => 'text', "{\"a\": [1, \"\x{e9}\"]}");
gives(base64_of_text => 'base64', encode_base64("caf\xc3\xa9", ''));
gives(as_json_none => 'none', undef);
gives(unwanted => 'none', undef);
is($r{unwanted}{output}{size}, 3_000_000, 'what is not wanted is counted');
is_deeply($r{headers}{output}{headers}{'set-cookie'}, [ 'a=1', 'b=2', 'c=3' ], 'headers that came several times');
is($r{headers}{output}{headers}{'x-one'}, "caf\x{e9}", 'a header in Latin-1');
is(scalar(keys %{ $r{'many-headers'}{output}{headers} }), 501, 'many headers');
is($r{headers}{output}{headers}{'x-empty'}, '', 'an empty header');
failed_with($r{"as_json_$_"}, 'JO038', qr/no JSON/, "as_json_$_") for qw(untyped nul-json badutf8 broken-json deep-json);
is($r{json}{output}{url}, $server->url('/json'), 'where it came from');
cmp_ok($r{json}{output}{elapsed_ms}, '>=', 0, 'how long it took');

is($r{big}{status}, 'completed', 'a large body');
is($r{big}{output}{body}, undef, 'is not in the output');
is($r{big}{output}{artifact}{size}, 3_000_000, 'but an artifact');
is($r{big}{output}{artifact}{sha256}, Digest::SHA::sha256_hex('x' x 3_000_000), 'with all its bytes');
ok(!$r{big}{output}{truncated}, 'not cut');
is($r{report}{output}{artifact}{content_type}, 'text/csv', 'of the type that the server says');
is($r{odd_type}{status}, 'completed', 'a body that is just too large as JSON');
is($r{odd_type}{output}{artifact}{content_type}, 'application/octet-stream', 'a type that is no text says nothing');
is($r{'wide-json'}{status}, 'completed', 'JSON that is larger inside than outside');
is($r{'wide-json'}{output}{artifact}{size}, 600_001, 'is an artifact too');
failed_with($r{too_big}, 'JO038', qr/max_response/, 'too_big');
is($r{expected}{output}{status}, 404, 'a status that is expected');
is($r{success}{status}, 'completed', 'a success');
failed_with($r{no_success}, 'JO039', qr/is false.*problem\+json/s, 'no_success');
is_deeply($r{shaped}{output}, { first => 1, code => 200 }, 'the step makes its own output of it');

# Large bodies whose results are written together with failures.
%r = carry(map { ([ "large_$_" => step('/big/1200?' . $_) ], [ "fails_$_" => step('/status/404') ]) } 1 .. 20);
is(join(' ', map { $r{$_}{output}{artifact}{size} || $json->encode($r{$_}{error}) } grep { /large/ } sort keys %r), join(' ', (1_200_000) x 20),
    'large bodies beside failures');

# ---- databases of other encodings: what they cannot keep is not lost either ----

for my $encoding (qw(LATIN1 SQL_ASCII))
{
    my $database = lc $encoding;
    my %encoded;

    $node->safe_psql('postgres', "CREATE DATABASE $database ENCODING $encoding LOCALE 'C' TEMPLATE template0");
    create_extension($node, $database);
    $node->safe_psql($database, "SELECT joborch.allow_egress('svc', '127.0.0.1', port => " . $server->port . ")");
    for my $path (qw(text latin1 wide wide-escape json badutf8))
    {
        my $one = $node->safe_psql($database, "SET ROLE svc; SELECT joborch.start_definition('"
              . $json->encode({ steps => [ { name => 'step', url => $server->url("/$path") } ] }) . "')");

        is(wait_for_run($node, $database, $one), 'completed', "$encoding: $path");
        $encoded{$path} = $node->safe_psql($database, "SET client_encoding = $encoding;
            SELECT output ->> 'encoding', output ->> 'body' FROM joborch.run_steps($one)");
    }
    if ($encoding eq 'LATIN1')
    {
        is($encoded{text}, "text|caf\xe9", 'LATIN1: text');
        is($encoded{json}, "json|{\"a\": [1, \"\xe9\"]}", 'LATIN1: JSON');
        is($encoded{wide}, 'base64|' . encode_base64("{\"a\": \"\xe2\x82\xac\xc5\x82\"}", ''), 'LATIN1: characters that it has not');
        is($encoded{'wide-escape'}, 'text|{"a": "\u0142"}', 'LATIN1: escapes that it has not');
    }
    else
    {
        is($encoded{text}, "text|caf\xc3\xa9", 'SQL_ASCII: text as it came');
        is($encoded{json}, "json|{\"a\": [1, \"\xc3\xa9\"]}", 'SQL_ASCII: JSON as it came');
        is($encoded{latin1}, "text|caf\xe9", 'SQL_ASCII: Latin-1 as it came');
        is($encoded{'wide-escape'}, 'text|{"a": "\u0142"}', 'SQL_ASCII: escapes that it has not');
    }
    check_invariants($node, $database);
    $node->safe_psql('postgres', "DROP DATABASE $database WITH (FORCE)");
}

# ---- faults ----

%r = carry(
    [ not_found => step('/status/404', retry => { max_attempts => 3, initial => '10 ms' }) ],
    [ server_error => step('/status/500', retry => { max_attempts => 2, initial => '10 ms' }) ],
    [ big_error => step('/big-status/3000') ],
    [ unauthorized => step('/status/401') ],
    [ moved => step('/hop/1') ],
    [ hops => step('/hop/3', redirects => 3) ],
    [ too_many_hops => step('/hop/9', redirects => 3) ],
    [ away => step('/away', redirects => JSON::PP::true) ],
    [ flaky => step('/flaky', method => 'POST', retry => { max_attempts => 5, initial => '10 ms' }) ],
    [ stall => step('/stall', timeout => '300 ms') ],
    [ first_byte => step('/slow/5', first_byte_timeout => 0.2) ],
    [ half => step('/half') ],
    [ lie => step('/lie') ],
    [ garbage => step('/garbage') ]);
failed_with($r{not_found}, 'JO035', qr{status 404.*Expected: 200-299.*X-Request-Id: r7.*body: status 404}s, 'not_found');
is($r{not_found}{attempts}, 1, 'is not tried again');
failed_with($r{server_error}, 'JO036', qr/status 500/, 'server_error');
is($r{server_error}{attempts}, 2, 'is tried again');
failed_with($r{big_error}, 'JO036', qr/a body of 3000000 bytes/, 'big_error');
failed_with($r{unauthorized}, 'JO035', qr/"auth"/, 'unauthorized');
failed_with($r{moved}, 'JO035', qr/Location: .*"redirects"/s, 'moved');
is($r{hops}{status}, 'completed', 'redirects are followed');
is($r{hops}{output}{url}, $server->url('/echo'), 'to the end');
failed_with($r{too_many_hops}, 'JO038', qr/redirected too often/, 'too_many_hops');
failed_with($r{away}, 'JO032', qr/127\.0\.0\.2/, 'away');
is($r{flaky}{output}{body}, 'at last', 'what works at last');
is($r{flaky}{attempts}, 3, 'after three attempts');
%keys = map { ($_->{headers}{'idempotency-key'} || 'none') => 1 } $server->requests('/flaky');
is(scalar(keys %keys), 1, 'each with the same idempotency key');
like((keys %keys)[0], qr/^joborch-\d+-\d+-$r{flaky}{run}-/, 'which is of this step alone');
like($r{stall}{error}{sqlstate}, qr/^(JO034|JO021)$/, 'a server that never answers');
failed_with($r{first_byte}, 'JO034', qr/in time/, 'first_byte');
failed_with($r{$_}, 'JO033', qr/connection/, $_) for qw(half lie garbage);

# The courier dies while a request is under way: it is sent again, with the same key.
my $slow = $node->safe_psql('postgres', "SET ROLE svc; SELECT joborch.start_definition('" . $json->encode(
        { steps => [ { name => 'step', method => 'POST', %{ step('/slow/2') } } ] }) . "')");
wait_until($node, 'postgres', 'SELECT true') until $server->requests('/slow/2');
my $log_offset = -s $node->logfile;
kill_process($node, 'courier', 'KILL');
wait_for_restart($node, $log_offset);
is(wait_for_run($node, 'postgres', $slow), 'completed', 'a request that was under way in a crash');
%keys = map { $_->{headers}{'idempotency-key'} => 1 } $server->requests('/slow/2');
is(scalar(keys %keys), 1, 'was sent with one idempotency key');
is(scalar($server->requests('/slow/2')), 2, 'twice');

# A storm of 429 and 503: each waits as long as it was asked to, and then comes through.
my $begun = time();
%r = carry(map { [ "storm_$_", step('/storm/' . ($_ % 2 ? 429 : 503) . "?$_", retry => { max_attempts => 4, initial => '1 ms' }) ] } 1 .. 40);
is(scalar(grep { $_->{status} eq 'completed' && $_->{output}{body} eq 'calm' } values %r), 40, 'all come through a storm of 429 and 503');
is(scalar(grep { $_->{attempts} == 2 } values %r), 40, 'each at its second attempt');
my %first_at;
my $early = 0;
for my $request ($server->requests('/storm'))
{
    my $first = $first_at{ $request->{target} };

    $early++ if defined $first && $request->{at} < $first + 1.9;
    $first_at{ $request->{target} } = $request->{at};
}
is($early, 0, 'and none before it was asked to');

# ---- webhooks ----

my $payload = { b => [ 1, { z => 1, a => undef } ], a => "caf\x{e9} \x{1F600} \"\\\n", 'B' => JSON::PP::true, aa => 1.5 };
my $text = '{"B": true, "a": "caf\u00e9 \ud83d\ude00 \"\\\\\n", "aa": 1.5, "b": [1, {"a": null, "z": 1}]}';
my $whsec = 'whsec_' . encode_base64('0123456789abcdef01234567', '');
%r = carry(
    [ signed => { type => 'webhook', url => $server->url('/flaky?hook'), payload => $payload, secret => '{{ secret.canary }}', event => 'order.paid',
        retry => { max_attempts => 3, initial => '10 ms' } } ],
    [ standard => { type => 'webhook', url => $server->url('/echo?standard'), payload => 'x', secret => $whsec } ],
    [ unsigned => { type => 'webhook', url => $server->url('/echo?unsigned') } ],
    (map { [ "hook_$_" => { type => 'webhook', url => $server->url("/status/$_?hook"), retry => { max_attempts => 2, initial => '10 ms' } } ] }
          (400, 410, 408, 425, 429, 500)));
my @sent = $server->requests('/flaky?hook');
is($r{signed}{status}, 'completed', 'a webhook') or diag($json->encode($r{signed}));
is(scalar(@sent), 3, 'was tried three times');
for my $request (@sent)
{
    my $h = $request->{headers};
    my $hex = hmac_sha256_hex($request->{body}, $canary);

    is($request->{method}, 'POST', 'webhook: POST');
    is($request->{body}, $text, 'webhook: JSON with sorted keys');
    is($h->{'x-webhook-signature'}, $hex, 'webhook: X-Webhook-Signature');
    is($h->{'x-hub-signature-256'}, "sha256=$hex", 'webhook: X-Hub-Signature-256');
    is($h->{'webhook-signature'},
        'v1,' . hmac_sha256_base64("$h->{'webhook-id'}.$h->{'webhook-timestamp'}.$request->{body}", $canary) . '=',
        'webhook: webhook-signature');
    cmp_ok(abs($h->{'webhook-timestamp'} - $request->{at}), '<', 60, 'webhook: its time');
    is($h->{'webhook-id'}, $sent[0]{headers}{'webhook-id'}, 'webhook: the same message');
    is($h->{'idempotency-key'}, $h->{'webhook-id'}, 'webhook: and its key');
    is($h->{'x-webhook-event'}, 'order.paid', 'webhook: its event');
}
my ($standard) = $server->requests('/echo?standard');
is($standard->{body}, '"x"', 'a payload that is no object');
is($standard->{headers}{'webhook-signature'},
    'v1,' . hmac_sha256_base64("$standard->{headers}{'webhook-id'}.$standard->{headers}{'webhook-timestamp'}.\"x\"", '0123456789abcdef01234567') . '=',
    'the key of whsec_...');
my ($unsigned) = $server->requests('/echo?unsigned');
is($unsigned->{body}, '{}', 'a webhook without payload');
ok(!(grep { /signature/ } keys %{ $unsigned->{headers} }), 'and without secret');
is($r{"hook_$_"}{attempts}, 1, "webhook: $_ is not tried again") for (400, 410);
is($r{"hook_$_"}{attempts}, 2, "webhook: $_ is tried again") for (408, 425, 429, 500);

# ---- callback ----

my $run = $node->safe_psql('postgres', "SET ROLE svc; SELECT joborch.start_definition(\$\$ {\"steps\": [
    {\"name\": \"ask\", \"url\": \"" . $server->url('/later') . "\", \"method\": \"POST\", \"callback\": true, \"timeout\": \"1 min\"}]} \$\$)");
wait_until($node, 'postgres', "SELECT status = 'waiting' FROM joborch.run_steps($run)");
my ($later) = $server->requests('/later');
my $token = $later->{headers}{'joborch-callback-token'};
ok($token, 'the token for the callback is sent');
$node->safe_psql('postgres', "SET ROLE svc; SELECT joborch.complete_claim('$token', '{\"done\": 7}')");
is(wait_for_run($node, 'postgres', $run), 'completed', 'complete_claim() ends the step');
is($node->safe_psql('postgres', "SELECT output FROM joborch.run_steps($run)"), '{"done": 7}', 'with its output');
is(scalar($server->requests('/later')), 1, 'without another request');

# ---- secrets ----

%r = carry([ mirror => step('/mirror?k={{ secret.canary }}', method => 'POST', auth => { type => 'basic', username => 'ann', password => '{{ secret.canary }}' },
        body => "a {{ secret.canary }} b", headers => { 'X-Secret' => '{{ secret.canary }}' }) ]);
failed_with($r{mirror}, 'JO035', qr/\*\*\*/, 'mirror');
my ($mirrored) = $server->requests('/mirror');
is($mirrored->{body}, "a $canary b", 'the other side got it');
my $encoded = encode_base64("ann:$canary", '');
my $percent = $canary =~ s{/}{%2F}r =~ s/\+/%2B/r;
my $history = $node->safe_psql('postgres', "SELECT (SELECT json_agg(r) FROM joborch.job_runs r), (SELECT json_agg(s) FROM joborch.job_step_attempts s),
    (SELECT json_agg(s) FROM joborch.job_runs r, joborch.run_steps(r.run_id) s), (SELECT json_agg(a) FROM pg_stat_activity a)");
unlike($history, qr/\Q$_\E/, 'no form of a secret is in history or seen at work') for ($canary, $encoded, $percent);
$node->stop;
my $log = slurp_file($node->logfile);
unlike($log, qr/\Q$_\E/, 'nor in the log') for ($canary, $encoded, $percent);
$node->start;

check_invariants($node, 'postgres');
$node->stop;
$server->stop;
done_testing();
