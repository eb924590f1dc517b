# The pages of doc/ say what is so: their examples run, give the output that the page
# shows, and every function, argument, view and column is described where it belongs.
#
# An example is a block ```sql after one of these comments; those of a page run in
# order, in one session, in a database of its own:
#
#   <!-- run -->                 no error; a block ```text behind it is its exact output
#   <!-- run: varies -->         no error; the output has times or ids and is not compared
#   <!-- run: error JO005 -->    this error and no other
#
# A page with <!-- page: superuser --> runs as superuser, the others as role app,
# which owns the database.
use strict;
use warnings;

use JoborchTest;
use PostgreSQL::Test::Utils;
use Test::More;

my @pages = (glob('doc/*.md'), glob('doc/functions/*.md'), glob('doc/steps/*.md'));
my $node = joborch_node('doc_examples', conf => "joborch.enable_commands = on\n");
my @psql = ($node->installed_command('psql'), '-X', '-v', 'SHOW_CONTEXT=never', '-P', 'pager=off');

# The runnable blocks of a page: {line, kind, code, sql, output}.
sub examples_of
{
    my ($text) = @_;
    my @examples;

    while ($text =~ /^<!-- run(?:: (varies|error) ?(\w*))? -->\n```sql\n(.*?)^```\n(?:\n*```text\n(.*?)^```\n)?/msg)
    {
        my ($kind, $code, $sql, $output) = ($1 || '', $2 || '00000', $3, $4);

        push @examples,
          { line => 1 + (substr($text, 0, $-[0]) =~ tr/\n//), kind => $kind, code => $code, sql => $sql, output => $output };
    }
    return @examples;
}

# What psql prints for each, and the SQLSTATE of its last error.
sub run_examples
{
    my ($database, $user, @examples) = @_;
    my $script = '';
    my ($output, @results);

    for my $example (@examples)
    {
        $script .= "\\set LAST_ERROR_SQLSTATE 00000\n$example->{sql}\\echo <<end :LAST_ERROR_SQLSTATE>>\n";
    }
    IPC::Run::run([ @psql, '-d', $node->connstr($database) . ($user ? " user=$user" : '') ],
        '<', \$script, '>', \$output, '2>&1');
    push @results, { output => $1, code => $2 } while $output =~ /\G(.*?)^<<end (\w{5})>>\n/msg;
    return @results;
}

# psql's spaces at the ends of lines, and its last blank line, are not in the pages.
sub trimmed
{
    my ($text) = @_;

    $text =~ s/[ \t]+$//mg;
    $text =~ s/\s+\z//;
    return $text;
}

$node->safe_psql('postgres', "CREATE ROLE app LOGIN; GRANT pg_execute_server_program TO app; SELECT joborch.grant_usage('app')");

for my $page (@pages)
{
    my $text = slurp_file($page);
    my @examples = examples_of($text) or next;
    my $superuser = $text =~ /^<!-- page: superuser -->$/m;
    my ($database) = $page =~ /^doc\/(.*)\.md$/;
    my @results;

    $database =~ tr/-\//__/;
    $node->safe_psql('postgres', qq{CREATE DATABASE "doc_$database" OWNER app});
    create_extension($node, "doc_$database");
    # its processes are there before the first example
    my $run = value_of($node, "doc_$database", "SELECT joborch.start_sql('SELECT 1')");
    wait_for_run($node, "doc_$database", $run);
    @results = run_examples("doc_$database", $superuser ? undef : 'app', @examples);
    is(scalar @results, scalar @examples, "$page: all examples ran");
    for my $i (0 .. $#results)
    {
        my ($example, $result) = ($examples[$i], $results[$i]);
        my $where = "$page:$example->{line}";

        is($result->{code}, $example->{code}, "$where: " . ($example->{kind} eq 'error' ? 'raises it' : 'runs'))
          or diag($result->{output});
        is(trimmed($result->{output}), trimmed($example->{output}), "$where: prints what the page shows")
          if defined $example->{output} && $example->{kind} ne 'varies';
    }
    check_invariants($node, "doc_$database");
    # there are more pages than the server has room for processes
    $node->safe_psql('postgres', qq{DROP DATABASE "doc_$database"});
}

# ---- the reference: all that is there, and nothing else ----

# Sections of pages by the `name` in their heading.
sub sections_of
{
    my %sections;

    for my $page (@_)
    {
        my $text = slurp_file($page);

        $sections{$1} = ($sections{$1} || '') . $2 while $text =~ /^## `(\w+)[^\n]*\n(.*?)(?=^## |\z)/msg;
    }
    return \%sections;
}

# Rows of "SELECT name, part" as name => [parts].
sub catalog_of
{
    my ($sql) = @_;
    my %parts;

    for my $row (split /\n/, value_of($node, 'postgres', $sql))
    {
        my ($name, $part) = split /\|/, $row;

        push @{ $parts{$name} }, $part if $part;
        $parts{$name} ||= [];
    }
    return \%parts;
}

my $functions = sections_of(glob('doc/functions/*.md'));
my $arguments = catalog_of(
    "SELECT p.proname, a.name FROM pg_proc p LEFT JOIN LATERAL unnest(p.proargnames) AS a (name) ON true
     WHERE p.pronamespace = 'joborch'::regnamespace ORDER BY 1");

is_deeply([ sort keys %$functions ], [ sort keys %$arguments ], 'doc/functions has a section for each function');
for my $name (sort keys %$arguments)
{
    my @missing = grep { ($functions->{$name} || '') !~ /`$_`/ } @{ $arguments->{$name} };

    is("@missing", '', "$name: all arguments and result columns are described");
}

my $views = sections_of('doc/views.md');
my $columns = catalog_of(
    "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
     WHERE c.relnamespace = 'joborch'::regnamespace AND c.relkind = 'v' ORDER BY c.relname, a.attnum");

is_deeply([ sort keys %$views ], [ sort keys %$columns ], 'doc/views.md has a section for each view');
for my $name (sort keys %$columns)
{
    my @described = ($views->{$name} || '') =~ /^\| `(\w+)` \|/mg;

    is("@described", "@{ $columns->{$name} }", "$name: its columns in order");
}

$node->stop;
done_testing();
