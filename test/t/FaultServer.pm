# An HTTP server on 127.0.0.1 that does what a test tells it: good answers, late ones,
# wrong ones, none.  One process serves all connections; it ends with the test.
#
#   my $server = FaultServer->start(sub { my ($request) = @_; return { status => 200, body => 'x' }; });
#   $server->url('/path'); $server->requests; $server->stop;
#
# A request: { n, method, target, path, query, version, headers => {lower-case name =>
# value}, names => [as they were sent], body, connection }.  An answer:
#   status, headers => [name => value, ...], body   Content-Length is added unless
#                     length is given: a number, or 'none' (ended by the end of the connection)
#   repeat => [text, n]   the body is text, n times, made while it is sent
#   delay => seconds  before the first byte;  pause => [bytes, seconds] within
#   cut => bytes      so much of the whole answer is sent, then: then => 'close' | 'reset' | 'stall'
#   raw => bytes      instead of all of this
# Requests are kept as lines of JSON in a file, which outlives the process.
package FaultServer;

use strict;
use warnings;

use File::Temp;
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(time);

my %reason = (
    200 => 'OK', 201 => 'Created', 202 => 'Accepted', 204 => 'No Content', 301 => 'Moved Permanently',
    302 => 'Found', 303 => 'See Other', 307 => 'Temporary Redirect', 400 => 'Bad Request', 401 => 'Unauthorized',
    404 => 'Not Found', 429 => 'Too Many Requests', 500 => 'Internal Server Error', 503 => 'Service Unavailable');

sub start
{
    my ($class, $handler, %option) = @_;
    my $listener = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1',
        LocalPort => $option{port} || 0,
        Listen => 1024,
        ReuseAddr => 1) or die "cannot listen: $!";
    my $log = File::Temp->new(TEMPLATE => 'joborch_http_XXXXXX', TMPDIR => 1);
    my $self = bless { port => $listener->sockport, log => $log, owner => $$ }, $class;
    my $parent = $$;
    my $pid = fork();

    die "cannot fork: $!" unless defined $pid;
    if ($pid == 0)
    {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM __DIE__);
        $SIG{PIPE} = 'IGNORE';
        eval { serve($listener, $handler, $log->filename, $parent); 1 } or warn $@;
        POSIX::_exit(0);
    }
    $self->{pid} = $pid;
    close $listener;
    return $self;
}

sub url
{
    my ($self, $path) = @_;

    return "http://127.0.0.1:$self->{port}" . (defined $path ? $path : '/');
}

sub port { return $_[0]{port}; }

# All requests so far, or those whose target begins so.
sub requests
{
    my ($self, $prefix) = @_;
    my @found;

    open my $file, '<', $self->{log}->filename or die "cannot read what was asked: $!";
    while (my $line = <$file>)
    {
        my $request = decode_json($line);

        push @found, $request if !defined $prefix || index($request->{target}, $prefix) == 0;
    }
    close $file;
    return @found;
}

sub stop
{
    my ($self) = @_;

    return unless $self->{pid} && $self->{owner} == $$;
    kill 'KILL', $self->{pid};
    waitpid $self->{pid}, 0;
    delete $self->{pid};
    return;
}

sub DESTROY
{
    my ($self) = @_;
    local ($?, $!);

    $self->stop;
    return;
}

# ---- in the server's process ----

sub serve
{
    my ($listener, $handler, $log_name, $parent) = @_;
    my $readers = IO::Select->new($listener);
    my $writers = IO::Select->new;
    my %connections;
    my $n = 0;

    open my $log, '>>', $log_name or die "cannot write what was asked: $!";
    $log->autoflush(1);
    $listener->blocking(0);
    while (getppid() == $parent)
    {
        my ($readable, $writable) = IO::Select->select($readers, $writers, undef, wake_in(\%connections));

        for my $socket (@{ $readable || [] })
        {
            if ($socket == $listener)
            {
                while (my $new = $listener->accept)
                {
                    $new->blocking(0);
                    $readers->add($new);
                    $connections{ fileno $new } = { socket => $new, in => '', number => ++$n };
                }
                next;
            }
            read_more($connections{ fileno $socket });
        }
        for my $connection (values %connections)
        {
            step($connection, $handler, $log);
            my $socket = $connection->{socket};

            if ($connection->{over})
            {
                delete $connections{ fileno $socket };
                $readers->remove($socket);
                $writers->remove($socket);
                close $socket;
            }
            elsif (has_output($connection)) { $writers->add($socket); }
            else { $writers->remove($socket); }
        }
    }
    return;
}

# When the next late answer is due.
sub wake_in
{
    my ($connections) = @_;
    my $wait = 0.5;

    for my $connection (values %$connections)
    {
        my $left = ($connection->{not_before} || 0) - time();

        $wait = $left if $connection->{not_before} && $left < $wait;
    }
    return $wait > 0 ? $wait : 0;
}

sub read_more
{
    my ($connection) = @_;

    return unless $connection;
    my $got = sysread $connection->{socket}, $connection->{in}, 1 << 18, length $connection->{in};

    $connection->{over} = 1 if defined $got && $got == 0 || !defined $got && !$!{EAGAIN};
    return;
}

# Is there anything that may be sent now?
sub has_output
{
    my ($connection) = @_;

    return $connection->{answer} && !$connection->{stalled} && ($connection->{not_before} || 0) <= time();
}

sub step
{
    my ($connection, $handler, $log) = @_;

    if (!$connection->{answer} && (my $request = next_request($connection)))
    {
        $request->{n} = ++$connection->{count};
        $request->{connection} = $connection->{number};
        print $log encode_json({ %$request, at => time() }), "\n";
        begin_answer($connection, $request, $handler->($request));
    }
    send_more($connection) if has_output($connection);
    return;
}

# Takes one whole request from what came; undef if it is not there yet.
sub next_request
{
    my ($connection) = @_;
    my $end = index $connection->{in}, "\r\n\r\n";

    return if $end < 0;
    my ($first, @lines) = split /\r\n/, substr($connection->{in}, 0, $end);
    my ($method, $target, $version) = split / /, $first, 3;
    my %headers;
    my @names;

    for my $line (@lines)
    {
        my ($name, $value) = split /:\s*/, $line, 2;

        push @names, $name;
        $headers{ lc $name } = defined $headers{ lc $name } ? "$headers{lc $name}, $value" : $value;
    }
    if (lc($headers{expect} || '') eq '100-continue' && !$connection->{continued})
    {
        $connection->{continued} = 1;
        syswrite $connection->{socket}, "HTTP/1.1 100 Continue\r\n\r\n";
    }
    my $body = next_body($connection, $end + 4, \%headers);

    return unless defined $body;
    delete $connection->{continued};
    my ($path, $query) = split /\?/, $target, 2;

    return {
        method => $method, target => $target, path => $path, query => defined $query ? $query : '', version => $version,
        headers => \%headers, names => \@names, body => $body };
}

sub next_body
{
    my ($connection, $start, $headers) = @_;
    my $length = $headers->{'content-length'} || 0;

    if (lc($headers->{'transfer-encoding'} || '') ne 'chunked')
    {
        return if length($connection->{in}) < $start + $length;
        my $body = substr $connection->{in}, $start, $length;

        substr($connection->{in}, 0, $start + $length, '');
        return $body;
    }
    my ($body, $at) = ('', $start);

    while (substr($connection->{in}, $at) =~ /\A([0-9a-fA-F]+)[^\r\n]*\r\n/)
    {
        my ($size, $head) = (hex $1, $+[0]);

        return if length($connection->{in}) < $at + $head + $size + 2;
        $body .= substr $connection->{in}, $at + $head, $size;
        $at += $head + $size + 2;
        next if $size > 0;
        substr($connection->{in}, 0, $at, '');
        return $body;
    }
    return;
}

sub begin_answer
{
    my ($connection, $request, $answer) = @_;
    my $body = defined $answer->{body} ? $answer->{body} : '';
    my ($text, $times) = @{ $answer->{repeat} || [ '', 0 ] };
    my $length = defined $answer->{length} ? $answer->{length} : length($body) + length($text) * $times;
    my $status = $answer->{status} || 200;
    my @headers = @{ $answer->{headers} || [] };
    my $head = sprintf "HTTP/1.1 %d %s\r\n", $status, $reason{$status} || 'Status';

    push @headers, 'Content-Length', $length unless $length eq 'none' || $status == 204;
    while (my ($name, $value) = splice @headers, 0, 2)
    {
        $head .= "$name: $value\r\n";
    }
    ($body, $times) = ('', 0) if $request->{method} eq 'HEAD' || $status == 204;
    $connection->{answer} = {
        out => defined $answer->{raw} ? $answer->{raw} : "$head\r\n$body",
        text => $text,
        times => defined $answer->{raw} ? 0 : $times,
        cut => $answer->{cut},
        pause => $answer->{pause},
        sent => 0,
        then => $answer->{then} || ($length eq 'none' || defined $answer->{raw} ? 'close' : 'keep') };
    $connection->{not_before} = $answer->{delay} ? time() + $answer->{delay} : 0;
    return;
}

sub send_more
{
    my ($connection) = @_;
    my $answer = $connection->{answer};

    while ($answer->{times} > 0 && length($answer->{out}) < 1 << 18)
    {
        $answer->{out} .= $answer->{text};
        $answer->{times}--;
    }
    my $room = length $answer->{out};

    $room = $answer->{cut} - $answer->{sent} if defined $answer->{cut} && $answer->{cut} - $answer->{sent} < $room;
    $room = $answer->{pause}[0] - $answer->{sent} if $answer->{pause} && $answer->{pause}[0] - $answer->{sent} < $room;
    my $done = $room > 0 ? syswrite($connection->{socket}, $answer->{out}, $room) : 0;

    if (!defined $done)
    {
        $connection->{over} = 1 unless $!{EAGAIN};
        return;
    }
    substr($answer->{out}, 0, $done, '');
    $answer->{sent} += $done;
    if ($answer->{pause} && $answer->{sent} >= $answer->{pause}[0])
    {
        $connection->{not_before} = time() + $answer->{pause}[1];
        delete $answer->{pause};
        return;
    }
    end_answer($connection)
      if (defined $answer->{cut} && $answer->{sent} >= $answer->{cut}) || (length($answer->{out}) == 0 && $answer->{times} == 0);
    return;
}

sub end_answer
{
    my ($connection) = @_;
    my $then = $connection->{answer}{then};

    if ($then eq 'stall')
    {
        $connection->{stalled} = 1;
        return;
    }
    # with a linger time of 0 the connection is reset, not closed
    setsockopt $connection->{socket}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0) if $then eq 'reset';
    $connection->{over} = 1 if $then ne 'keep';
    delete $connection->{answer};
    $connection->{not_before} = 0;
    return;
}

1;
