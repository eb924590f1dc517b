# The public test suite of JSON Schema, draft 2020-12 (test/schema/README.md), asked of
# joborch_internal.schema_violations().  One test per group of cases.
use strict;
use warnings;

use JoborchTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = joborch_node('schema_suite');
my ($cases, $agreed) = (0, 0);

# Cases that are left out: "file | group | test" => [what happens, reason].
sub read_left_out
{
    my %left_out;

    for my $line (grep { !/^#|^\s*$/ } split /\n/, slurp_file('test/schema/left-out.txt'))
    {
        my ($file, $group, $test, $happens, $reason) = split / \| /, $line;

        die "left-out.txt, not of this form: $line" unless $reason;
        $left_out{"$file | $group | $test"} = { happens => $happens, reason => $reason };
    }
    return \%left_out;
}

# "group\ttest\twanted\tgot" of all cases in a file; got is valid, invalid, or an error.
# U+0000, which jsonb cannot keep, becomes U+0001.
sub answers_of
{
    my ($file) = @_;
    my $text = slurp_file("test/schema/suite/$file");

    $text =~ s/\\u0000/\\u0001/g;
    return split /\n/, $node->safe_psql('postgres', <<"END");
SELECT concat_ws(E'\\t', g->>'description', t->>'description',
	CASE WHEN t->>'valid' = 'true' THEN 'valid' ELSE 'invalid' END, test.ask(g->'schema', t->'data'))
FROM json_array_elements(\$suite\$$text\$suite\$::json) AS g, json_array_elements(g->'tests') AS t
END
}

$node->safe_psql('postgres', <<'END');
CREATE FUNCTION test.ask(schema json, value json) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	-- the schema of schemas is the function's own reading of its first argument
	IF schema::text ~ '"\$ref": "https://json-schema.org/draft/2020-12/schema"' THEN
		PERFORM joborch_internal.schema_violations(value::text::jsonb, 'null');
		RETURN 'valid';
	END IF;
	RETURN CASE WHEN EXISTS (SELECT FROM joborch_internal.schema_violations(schema::text::jsonb, value::text::jsonb))
		THEN 'invalid' ELSE 'valid' END;
EXCEPTION WHEN OTHERS THEN
	RETURN CASE WHEN SQLSTATE = 'JO001' AND schema::text ~ '"\$ref": "https://json-schema.org/draft/2020-12/schema"'
		THEN 'invalid' ELSE 'error ' || SQLSTATE END;
END $$
END

my $left_out = read_left_out();
my %seen;

for my $path (glob('test/schema/suite/*.json'), glob('test/schema/suite/*/*.json'))
{
    my ($file) = $path =~ m{^test/schema/suite/(.*)\.json$};
    my %wrong;

    for my $answer (answers_of("$file.json"))
    {
        my ($group, $test, $wanted, $got) = split /\t/, $answer;
        my ($key) = grep { $left_out->{$_} } "$file | $group | $test", "$file | $group | *", "$file | * | *";

        $wrong{$group} ||= [];
        if ($key)
        {
            $seen{$key} = 1;
            push @{ $wrong{$group} }, "$test: wanted $left_out->{$key}{happens}, got $got"
              if $got ne $left_out->{$key}{happens} && $got ne $wanted;
            next;
        }
        $cases++;
        $agreed++ if $got eq $wanted;
        push @{ $wrong{$group} }, "$test: wanted $wanted, got $got" if $got ne $wanted;
    }
    is(join("\n", @{ $wrong{$_} }), '', "$file: $_") for sort keys %wrong;
}
ok($seen{$_}, "$_: left out, and is there") for sort keys %$left_out;
cmp_ok($cases, '>', 1000, 'the suite is there');
diag("JSON-Schema-Test-Suite: $agreed of $cases cases agree, " . keys(%$left_out) . " entries left out by decision");

$node->stop;
done_testing();
