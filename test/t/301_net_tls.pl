# The libcurl client and TLS: whose certificate is believed, what happens to one that is not
# checked, and a connection that is cut off.
use strict;
use warnings;

use JSON::PP;
use JoborchTest;
use NetServers;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'no openssl' if system('openssl version >/dev/null 2>&1') != 0;

my $node = joborch_node('net_tls');
my $directory = PostgreSQL::Test::Utils::tempdir();
my $json = JSON::PP->new->canonical->latin1;
my $plain = start_server(\&serve_http);

sub make_certificate
{
    my ($name, $subject, @more) = @_;

    run_log([ 'openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-keyout', "$directory/$name.key",
        '-out', "$directory/$name.crt", '-subj', "/CN=$subject", @more ]) or die 'cannot make a certificate';
    return;
}

# openssl's server of files that hold whole responses.
sub tls_server
{
    my (@options) = @_;
    my $port = free_port();

    start_program($port, 'sh', '-c', "cd $directory && exec openssl s_server -accept 127.0.0.1:$port -HTTP -quiet -cert server.crt -key server.key @options");
    return $port;
}

# "result status" and the message or the body
sub fetch
{
    my ($url, %request) = @_;
    my $text = $json->encode([ { url => $url, total_timeout => 10000, %request } ]);
    my $row;

    $text =~ s/'/''/g;
    $row = decode_json($node->safe_psql('postgres', "SELECT row_to_json(f) FROM joborch_internal.debug_fetch('$text') AS f"));
    note "$url: $row->{result} $row->{status} $row->{message}";
    return "$row->{result} $row->{status} $row->{body}";
}

make_certificate('server', 'x.localhost', '-addext', 'subjectAltName=DNS:x.localhost');
make_certificate('client', 'ann');
append_to_file("$directory/hello", "HTTP/1.0 200 OK\r\n\r\nhello");
append_to_file("$directory/large", "HTTP/1.0 200 OK\r\nContent-Length: 60000\r\n\r\n" . 'large ' x 10_000);
append_to_file("$directory/down", "HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1:$plain/hello\r\n\r\n");
append_to_file("$directory/same", "HTTP/1.0 302 Found\r\nLocation: hello\r\n\r\n");
my $ca = slurp_file("$directory/server.crt");
my $port = tls_server();
my $url = "https://x.localhost:$port";
my @rules = ({ host => '*', port => 1, port_high => 65535, ranges => ['127.0.0.0/8'], insecure => JSON::PP::true });

like(fetch("$url/hello"), qr/^tls 0 /, 'nobody vouches for the certificate');
is(fetch("$url/hello", ca => $ca), 'ok 200 hello', 'its issuer does');
is(fetch("$url/hello", ca_file => "$directory/server.crt"), 'ok 200 hello', 'the file of issuers does');
like(fetch("$url/hello", ca_file => "$directory/none.crt"), qr/^tls 0 /, 'which must be there');
like(fetch("https://127.0.0.1:$port/hello", ca => $ca), qr/^tls 0 /, 'but it is of another name');
like(fetch("$url/hello", insecure => JSON::PP::true), qr/^tls 0 /, 'unchecked only when a rule allows it');
is(fetch("$url/hello", insecure => JSON::PP::true, rules => \@rules), 'ok 200 hello', 'which one does');
like(fetch("$url/hello", rules => \@rules), qr/^tls 0 /, 'but it is not for who does not ask for it');
like(fetch("$url/hello", ca => 'no certificate'), qr/^tls 0 /, 'an issuer that is none');
is(fetch("$url/same", ca => $ca, redirects => 1), 'ok 200 hello', 'a redirect within https');
like(fetch("$url/down", ca => $ca, redirects => 1), qr/^refused 302 /, 'never one from https to http');
like(fetch("http://x.localhost:$port/hello"), qr/^(reset|bad_url|ok 400)/, 'http where TLS is spoken');
like(fetch('https://127.0.0.1:' . start_server(sub { print { $_[0] } "HTTP/1.1 400 What\r\n\r\n"; sleep 10 }) . '/hello'), qr/^tls 0 /, 'TLS where http is spoken');

like(fetch("https://x.localhost:" . tls_server('-tls1_1', '-cipher', 'ALL:\@SECLEVEL=0') . '/hello', ca => $ca), qr/^tls 0 /, 'no TLS before 1.2');
is(fetch("https://x.localhost:" . tls_server('-tls1_2') . '/hello', ca => $ca), 'ok 200 hello', 'TLS 1.2');

# ---- certificates of clients ----

my $asks = tls_server('-Verify', '1', '-verify_return_error', '-CAfile', 'client.crt');
unlike(fetch("https://x.localhost:$asks/hello", ca => $ca), qr/^ok/, 'no certificate where one is asked for');
my %own = (client_cert => slurp_file("$directory/client.crt"), client_key => slurp_file("$directory/client.key"));
is(fetch("https://x.localhost:$asks/hello", ca => $ca, %own), 'ok 200 hello', 'the right one');
like(fetch("https://x.localhost:$asks/hello", ca => $ca, %own, client_key => 'no key'), qr/^tls 0 /, 'a key that is none');

# ---- cut off ----

my $cut = start_server(\&NetServers::serve_truncated, $port);
like(fetch("https://x.localhost:$cut/large", ca => $ca), qr/^reset 200 /, 'a response that is cut off');
is(length fetch("$url/large", ca => $ca), length('ok 200 ') + 4000, 'and one that is not');

unlike(slurp_file($node->logfile), qr/terminated by signal|TRAP/, 'nothing crashed');

END { my $status = $?; stop_servers(); $? = $status; }

$node->stop;
done_testing();
