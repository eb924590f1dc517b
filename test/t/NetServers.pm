# Servers that misbehave, on 127.0.0.1, for the tests of what goes out: HTTP with a
# fault for each path, SMTP, FTP.  Each has a process of its own, each connection another.
package NetServers;

use strict;
use warnings;

use Exporter 'import';
use IO::Socket::INET;
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(sleep);

our @EXPORT = qw(start_server start_program stop_servers serve_http serve_smtp serve_ftp free_port);

my @processes;

# Forks a server; returns its port.  The function gets each connection.
sub start_server
{
    my ($serve, @arguments) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1500, ReuseAddr => 1) or die "cannot listen: $!";
    my $pid = fork();

    die "cannot fork: $!" unless defined $pid;
    if ($pid == 0)
    {
        $SIG{CHLD} = 'IGNORE';
        setpgrp(0, 0);
        while (1)
        {
            my $client = $listener->accept or next;
            my $child = fork();

            if (defined $child && $child == 0)
            {
                $listener->close;
                local $SIG{PIPE} = 'IGNORE';
                $client->autoflush(1);
                eval { $serve->($client, @arguments) };
                POSIX::_exit(0);
            }
            $client->close;
        }
    }
    push @processes, $pid;
    my $port = $listener->sockport;
    $listener->close;
    return $port;
}

# A program that serves; waits until it listens.
sub start_program
{
    my ($port, @command) = @_;
    my $pid = fork();

    die "cannot fork: $!" unless defined $pid;
    if ($pid == 0)
    {
        setpgrp(0, 0);
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null';
        { exec @command };
        POSIX::_exit(1);
    }
    push @processes, $pid;
    for (1 .. 500)
    {
        return if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
        sleep 0.02;
    }
    die "$command[0] does not listen";
}

# The processes of each server, those of its connections too.
sub stop_servers
{
    for my $pid (@processes)
    {
        kill 'KILL', -$pid;
        kill 'KILL', $pid;
        waitpid $pid, 0;
    }
    @processes = ();
    return;
}

# One at which nobody listens.
sub free_port
{
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die "cannot listen: $!";
    my $port = $socket->sockport;

    $socket->close;
    return $port;
}

# ---- HTTP ----

sub read_request
{
    my ($client) = @_;
    my %request = (headers => {}, head => '', body => '');
    my $line = <$client>;

    return unless defined $line;
    $request{head} = $line;
    ($request{method}, $request{path}) = split / /, $line;
    while (defined($line = <$client>))
    {
        last if $line =~ /^\r?\n$/;
        $request{head} .= $line;
        $request{headers}{ lc $1 } = $2 if $line =~ /^([^:]+):\s*(.*?)\r?\n$/;
    }
    print $client "HTTP/1.1 100 Continue\r\n\r\n" if lc($request{headers}{expect} || '') eq '100-continue';
    if ($request{headers}{'content-length'})
    {
        read $client, $request{body}, $request{headers}{'content-length'};
    }
    elsif (($request{headers}{'transfer-encoding'} || '') eq 'chunked')
    {
        while (defined($line = <$client>) && $line =~ /^([0-9a-fA-F]+)/ && hex $1)
        {
            my $chunk;
            read $client, $chunk, hex $1;
            $request{body} .= $chunk;
            <$client>;
        }
        <$client>;
    }
    return \%request;
}

sub respond
{
    my ($client, $status, $body, @headers) = @_;

    print $client join("\r\n", "HTTP/1.1 $status Some words", 'Content-Length: ' . length $body, @headers, '', $body);
    return 1;
}

# A RST in place of a FIN.
sub reset_connection
{
    my ($client) = @_;

    setsockopt $client, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);
    close $client;
    return 0;
}

# What each path does; true: the connection stays for the next request.
my %faults = (
    '/hello' => sub { respond($_[0], 200, 'hello', 'Content-Type: text/plain') },
    '/echo' => sub { respond($_[0], 200, "$_[1]{head}\n$_[1]{body}") },
    '/head' => sub { print { $_[0] } "HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n"; 1 },
    '/which' => sub { respond($_[0], 200, "$$ $_[2]") },
    '/never' => sub { sleep 60; 0 },
    '/hold' => sub { sleep 0.1; respond($_[0], 200, 'held') },
    '/hang-up' => sub { 0 },
    '/reset' => sub { print { $_[0] } "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"; sleep 0.05; reset_connection($_[0]) },
    '/longer' => sub { print { $_[0] } "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more"; 0 },
    '/shorter' => sub { print { $_[0] } "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello"; 0 },
    '/stalls' => sub { print { $_[0] } "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello"; sleep 60; 0 },
    '/endless' => sub {
        print { $_[0] } "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        1 while print { $_[0] } "1000\r\n" . 'x' x 4096 . "\r\n";
        0;
    },
    '/endless-headers' => sub { print { $_[0] } "HTTP/1.1 200 OK\r\n"; 1 while print { $_[0] } 'X-More: ' . 'y' x 500 . "\r\n"; 0 },
    '/endless-line' => sub { print { $_[0] } "HTTP/1.1 200 OK\r\nX-Long: "; 1 while print { $_[0] } 'y' x 500; 0 },
    '/endless-interim' => sub { 1 while print { $_[0] } "HTTP/1.1 103 Early\r\nX: " . 'z' x 100 . "\r\n\r\n"; 0 },
    '/interim' => sub { print { $_[0] } "HTTP/1.1 103 Early\r\nX-Early: 1\r\n\r\n"; respond($_[0], 200, 'final', 'X-Final: 1') },
    '/slow' => sub { $_[0]->print($_) || last, sleep 0.03 for split //, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"; 1 },
    '/close' => sub { respond($_[0], 200, "$$ $_[2]", 'Connection: close'); 0 },
    '/http10' => sub { print { $_[0] } "HTTP/1.0 200 OK\r\n\r\nto the end"; 0 },
    '/garbage' => sub { print { $_[0] } "\x01\x02 this is no HTTP\r\n\r\n"; 0 },
    '/chunks' => sub { print { $_[0] } "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\nworld\r\n0\r\n\r\n"; 0 },
    '/trailer' => sub {
        print { $_[0] } "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Late\r\n\r\n5\r\nhello\r\n0\r\nX-Late: 1\r\n\r\n";
        1;
    },
    '/folded' => sub { respond($_[0], 200, 'x', "X-Folded: one\r\n  two", "X-Bytes: \xff\xfe") },
    '/gzip' => sub { respond($_[0], 200, "\x1f\x8b\x08", 'Content-Encoding: gzip') },
    '/big' => sub { respond($_[0], 200, 'b' x 300_000) },
    '/digest' => sub {
        return respond($_[0], 200, $_[1]{headers}{authorization}) if ($_[1]{headers}{authorization} || '') =~ /^Digest /;
        respond($_[0], 401, 'who', 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth", algorithm=MD5');
    },
    '/empty-location' => sub { respond($_[0], 302, 'nowhere', 'Location: ') },
);

sub serve_http
{
    my ($client) = @_;

    for (my $n = 1;; $n++)
    {
        my $request = read_request($client) or return;
        my $path = $request->{path};
        my $fault;

        $path =~ s/^http:\/\/[^\/]*//;    # as a proxy is asked
        $fault = $faults{ $path =~ s/\?.*//r };
        if ($path =~ /^\/to\/(\d+)\/(.*)$/)
        {
            my ($code, $target) = ($1, $2);
            $target =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
            respond($client, $code, 'elsewhere' x 10, "Location: $target") or return;
        }
        elsif ($path =~ /^\/times\/(\d+)$/)
        {
            $1 ? respond($client, 302, '', 'Location: ' . ($1 - 1)) : respond($client, 200, 'arrived');
        }
        elsif ($path eq '/big-redirect')
        {
            respond($client, 302, 'r' x 500_000, 'Location: /hello');
        }
        elsif (!$fault)
        {
            respond($client, 404, 'no such fault');
        }
        else
        {
            $fault->($client, $request, $n) or return;
        }
    }
    return;
}

# ---- TLS: hands on what a server says, and stops in the middle ----

sub serve_truncated
{
    my ($client, $port) = @_;
    my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or return;
    my $left = 40_000;
    my $child = fork();

    if (defined $child && $child == 0)
    {
        while (sysread $client, my $data, 65536) { syswrite $server, $data; }
        POSIX::_exit(0);
    }
    while ($left > 0 && sysread $server, my $data, $left)
    {
        syswrite $client, $data;
        $left -= length $data;
    }
    $client->shutdown(1);
    return;
}

# ---- SMTP: without TLS; what came goes to a file ----

sub serve_smtp
{
    my ($client, $file) = @_;
    my $in_data = 0;

    print $client "220 fault server\r\n";
    while (defined(my $line = <$client>))
    {
        open my $out, '>>', $file or return;
        print $out $line;
        close $out;
        if ($in_data)
        {
            next if $line ne ".\r\n";
            $in_data = 0;
            print $client "250 2.0.0 taken\r\n";
        }
        elsif ($line =~ /^EHLO/i) { print $client "250-fault\r\n250-AUTH PLAIN\r\n250 SIZE 1000000\r\n"; }
        elsif ($line =~ /^AUTH/i) { print $client "535 5.7.8 wrong password\r\n"; }
        elsif ($line =~ /^RCPT TO:<nobody/i) { print $client "550 5.1.1 no such user here\r\n"; }
        elsif ($line =~ /^RCPT TO:<later/i) { print $client "451 4.3.0 try later\r\n"; }
        elsif ($line =~ /^DATA/i) { $in_data = 1; print $client "354 go on\r\n"; }
        elsif ($line =~ /^QUIT/i) { print $client "221 bye\r\n"; return; }
        else { print $client "250 2.1.0 fine\r\n"; }
    }
    return;
}

# ---- FTP: a directory, anybody but user "nobody" ----

sub serve_ftp
{
    my ($client, $directory) = @_;
    my ($passive, $offset) = (undef, 0);

    print $client "220 fault server\r\n";
    while (defined(my $line = <$client>))
    {
        my ($verb, $argument) = $line =~ /^(\w+)\s*(.*?)\r?\n$/ or next;
        my $file = "$directory/" . ($argument =~ s/.*\///r);

        if ($verb eq 'USER') { print $client $argument eq 'nobody' ? "530 go away\r\n" : "331 and the password\r\n"; }
        elsif ($verb eq 'PASS') { print $client "230 welcome\r\n"; }
        elsif ($verb eq 'PWD') { print $client "257 \"/\"\r\n"; }
        elsif ($verb eq 'SIZE') { print $client -e $file ? '213 ' . (-s $file) . "\r\n" : "550 no such file\r\n"; }
        elsif ($verb eq 'REST') { $offset = $argument; print $client "350 from there\r\n"; }
        elsif ($verb eq 'EPSV')
        {
            $passive = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1);
            print $client '229 Extended (|||' . $passive->sockport . "|)\r\n";
        }
        elsif ($verb eq 'RETR' && !-e $file) { print $client "550 no such file\r\n"; }
        elsif ($verb eq 'RETR' || $verb eq 'STOR' || $verb eq 'APPE')
        {
            print $client "150 here it goes\r\n";
            my $data = $passive->accept;
            if ($verb eq 'RETR')
            {
                open my $in, '<', $file or return;
                local $/;
                print $data substr(<$in>, $offset);
            }
            else
            {
                open my $out, $verb eq 'STOR' ? '>' : '>>', $file or return;
                local $/;
                print {$out} readline $data;
            }
            close $data;
            print $client "226 done\r\n";
        }
        elsif ($verb eq 'QUIT') { print $client "221 bye\r\n"; return; }
        else { print $client "200 fine\r\n"; }
    }
    return;
}

1;
