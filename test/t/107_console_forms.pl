# What noetl-console makes of the fields of a form, and what it says differs between two
# versions: compared with what Perl makes of them.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use ConsoleTest;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'noetl-console is not built (no libmicrohttpd)'
  unless system('command -v noetl-console >/dev/null') == 0;

my $head = "apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: {path: p}\nworkload: {given: 1}\nworkflow:\n- {step: end}\n";
my $node = start_database(qq{
	CREATE ROLE exe LOGIN PASSWORD 'exe pw';
	GRANT USAGE ON SCHEMA noetl TO exe;
	GRANT EXECUTE ON FUNCTION noetl.execute TO exe;
	CREATE ROLE ann LOGIN PASSWORD 'ann pw' IN ROLE noetl_client, noetl_reader, noetl_author;
	SET ROLE ann; SELECT noetl.register(\$y\$$head\$y\$)});
my $console = start_console();
my $ann = login($console, 'ann', 'ann pw');
my $exe = login($console, 'exe', 'exe pw');
like(get($exe, '/playbooks')->{content}, qr/Your role may not see this.*Path of the playbook<input name="path" required>/s, 'who may start what it does not see gives its path');
unlike(get($ann, '/playbooks')->{content}, qr/Path of the playbook/, 'who sees it does not need to');

#
# Fields
#
sub started
{
	my (@fields) = @_;
	my $answer = post($ann, '/start', [ csrf => $ann->{csrf}, path => 'p', @fields ]);
	my ($id) = ($answer->{headers}{location} // '') =~ m{/execution/(\d+)$};
	return sql("SELECT data FROM noetl.workload WHERE execution_id = $id") if $id;
	return get($ann, '/schedules')->{content} =~ m{<div class="alert bad".*?<b>(.*?)</b>}s ? $1 : 'nothing';
}
my $long = 'n' x 1994;
my @cases = (
	[ [], '{"given": 1}' ],
	[ [ 'v:given' => 'x' ], '{"given": "x"}' ],
	[ [ 't:given' => 'text', 'v:given' => '' ], '{"given": ""}' ],
	[ [ 't:given' => 'number', 'v:given' => '' ], '{"given": 1}' ],
	[ [ 't:given' => 'number', 'v:given' => '-2.50' ], '{"given": -2.50}' ],
	[ [ 't:given' => 'number', 'v:given' => 'x' ], 'invalid input syntax for type json' ],
	[ [ 't:given' => 'boolean', 'v:given' => 'true' ], '{"given": true}' ],
	[ [ 't:given' => 'json', 'v:given' => ' [1, {"a": null}] ' ], '{"given": [1, {"a": null}]}' ],
	[ [ 'v:given' => 'x', 't:given' => 'number' ], 'invalid input syntax for type json' ],
	[ [ 'v:a' => '1', 'v:b' => '2', 't:b' => 'number' ], '{"a": "1", "b": 2, "given": 1}' ],
	[ [ "v:q\"\\\n\x01" => "\"\\\n\x01" ], '{"given": 1, "q\"\\\\\\n\\u0001": "\"\\\\\\n\\u0001"}' ],
	[ [ 'v:' => 'x' ], '{"": "x", "given": 1}' ],
	[ [ 'v' => 'x', 'w:given' => 'y', 'given' => 'z' ], '{"given": 1}' ],
	[ [ 't:given' => 'number' ], '{"given": 1}' ],
	[ [ "v:$long" => 'x' ], "{\"given\": 1, \"$long\": \"x\"}" ],
	[ [ "v:${long}n" => 'x', "v:$long$long" => 'y' ], '{"given": 1}' ],
	[ [ 't:given' => 'choice', 'v:given' => 'x' ], '{"given": "x"}' ],
	[ [ 't:given' => 'choice', 'v:given' => '' ], '{"given": 1}' ],
	[ [ 't:given' => 'boolean', 'r:given' => 'Sure?', 'v:given' => 'false' ], '{"given": false}' ],
	[ [ 't:given' => 'boolean', 'r:given' => 'Sure?', 'v:given' => '' ], 'The form has no value for “Sure?”.' ],
	[ [ 't:given' => 'choice', 'r:given' => 'Which', 'v:given' => '' ], 'The form has no value for “Which”.' ],
	[ [ 'r:given' => 'Which' ], 'The form has no value for “Which”.' ],
	[ [ 'v:a' => '', 'r:b' => 'B', 'v:b' => '2', 'r:a' => 'A' ], 'The form has no value for “A”.' ],
	[ [ 'r:' => 'x', 'v:' => 'y', 'r' => 'z', '' => '1' ], '{"": "y", "given": 1}' ],
	[ [ "r:$long" => 'x', "v:$long" => 'y' ], "{\"given\": 1, \"$long\": \"y\"}" ],
	[ [ "r:${long}n" => 'x', "v:${long}n" => 'y' ], 'The form has no value for “x”.' ],
	[ [ json => '{"given": 2}' ], '{"given": 2}' ],
	[ [ json => '{"given": 2}', 'v:given' => 'x' ], '{"given": 2}' ],
	[ [ json => '', 'v:given' => 'x' ], '{"given": "x"}' ],
	[ [ json => '{' ], 'invalid input syntax for type json' ]);
foreach my $case (@cases)
{
	my @fields = map { substr($_, 0, 20) =~ s/[^ -~]/./gr } @{ $case->[0] };
	is(started(@{ $case->[0] }), $case->[1], "a start with the fields @fields");
}
# What a browser sends of a form that nobody has touched starts what noetl.execute() starts: a
# default with a template is not taken for a value.
sql('SET ROLE ann; SELECT noetl.register($y$apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: templated}
workload: {text: "a {b}", twice: "{{ number * 2 }}", word: "{% if number %}yes{% endif %}", deep: {list: ["{{ text }}"]}, number: 3, none: null}
workflow:
- {step: end}
$y$)');
my ($form) = get($ann, '/playbook?path=templated')->{content} =~ m{(<form class="card" method="post" action="/start">.*?</form>)}s;
my @sent = map { my ($name, $value) = @$_; $value =~ s/&quot;/"/g; ($name => $value) }
  (map { [ /name="([^"]*)"/, /value="([^"]*)"/ ? $1 : '' ] } $form =~ /<input [^>]*>/g),
  (map { [ /name="([^"]*)"/, />\n?(.*)$/s ] } $form =~ m{<textarea ([^>]*>.*?)</textarea>}gs);
my ($untouched) = (post($ann, '/start', \@sent)->{headers}{location} // '') =~ m{/execution/(\d+)$};
my $by_sql = sql("SET ROLE ann; SELECT noetl.execute('templated')");
is(sql("SELECT data FROM noetl.workload WHERE execution_id = $untouched"), sql("SELECT data FROM noetl.workload WHERE execution_id = $by_sql"),
	'an untouched form has the defaults rendered');
like($form, qr/Empty: \{\{ number \* 2 \}\}/, 'and says what a field is when it is empty');
like($form, qr/name="v:text" value="a \{b\}"/, 'braces alone are text');

my %many = map { ("v:f$_" => $_) } 1 .. 300;
is(sql("SELECT count(*) FROM jsonb_object_keys('" . started(map { $_ => $many{$_} } sort keys %many) . "')"), 301, 'a form of three hundred fields');

#
# Versions
#
sub register
{
	my (@lines) = @_;
	my $id = sql('SET ROLE ann; SELECT noetl.register($y$' . $head . join('', map { "#$_\n" } @lines) . '$y$)');
	return sql("SELECT version FROM noetl.catalog WHERE catalog_id = $id");
}
# The lines of a difference: [sign, number before, number after, text]
sub difference
{
	my ($before, $after) = @_;
	my $page = get($ann, "/playbook?path=p&version=$after&diff=$before")->{content};
	my ($table) = $page =~ m{<table class="source diff"><tbody>\n(.*?)</tbody>}s;
	return [ map { m{^<tr class="(\w+)"><td class="line">(\d*)</td><td class="line">(\d*)</td><td><span class="sign">.*?</span>(.*)</td></tr>$} ? [ $1, $2, $3, $4 ] : [ 'odd', 0, 0, $_ ] } split /\n/, $table // 'no table' ];
}
# The length of the longest common subsequence
sub common
{
	my ($a, $b) = @_;
	my @row = (0) x (@$b + 1);
	foreach my $x (@$a)
	{
		my $corner = 0;
		foreach my $j (1 .. @$b)
		{
			my $above = $row[$j];
			$row[$j] = $x eq $b->[$j - 1] ? $corner + 1 : ($above > $row[ $j - 1 ] ? $above : $row[ $j - 1 ]);
			$corner = $above;
		}
	}
	return $row[-1];
}
# What is wrong with a difference of two lists of comments, whose longest common
# subsequence it has to keep
sub wrong
{
	my ($before, $after, $kept, @lines) = @_;
	my %seen = (gone => [], new => [], same => [], odd => []);
	my (@before, @after);
	foreach my $line (@lines)
	{
		my ($class, $i, $j, $text) = @$line;
		push @{ $seen{$class} }, $text;
		push @before, $text if $class ne 'new';
		push @after, $text if $class ne 'gone';
		return "line $i of the old text is number " . @before if $class ne 'new' && $i ne @before;
		return "line $j of the new text is number " . @after if $class ne 'gone' && $j ne @after;
		return "a new line with the old number $i" if $class eq 'new' && $i ne '';
		return "an old line with the new number $j" if $class eq 'gone' && $j ne '';
	}
	my @head = split /\n/, $head;
	return 'odd lines' if @{ $seen{odd} };
	return 'not the old text' if "@before" ne join(' ', @head, map { "#$_" } @$before);
	return 'not the new text' if "@after" ne join(' ', @head, map { "#$_" } @$after);
	return @{ $seen{same} } . " lines are kept, not $kept" if @{ $seen{same} } != @head + $kept;
	return 'right';
}
srand(1);
my @texts = ([], ['a'], [qw(a b c)], [qw(b c d)], [qw(a c)], [qw(c b a)], [qw(a a a a)], [qw(a a)], [qw(a b a b a)], [qw(b a b a)], (map { [ map { chr(97 + int rand 4) } 1 .. int rand 25 ] } 1 .. 14));
my @number = map { register(@$_) } @texts;
foreach my $i (0 .. $#texts)
{
	foreach my $j (($i + 1) % @texts, ($i + 7) % @texts)
	{
		my ($before, $after) = @texts[ $i, $j ];
		is(wrong($before, $after, common($before, $after), @{ difference($number[$i], $number[$j]) }), 'right', "from (@$before) to (@$after)");
	}
}
# What is too much is shown as a whole; a little less is not.
my @large = map { "l$_" } 1 .. 3100;
my @other = map { $_ % 2 ? "l$_" : "m$_" } 1 .. 3100;
my ($from, $to) = (register('x', @large, 'y'), register('l2', @other, 'w'));
my $lines = difference($from, $to);
is(wrong([ 'x', @large, 'y' ], [ 'l2', @other, 'w' ], 0, @$lines), 'right', 'two long texts are shown one after the other');
@large = @large[ 0 .. 999 ];
@other = @other[ 0 .. 999 ];
($from, $to) = (register('x', @large, 'y'), register('z', @other, 'w'));
is(wrong([ 'x', @large, 'y' ], [ 'z', @other, 'w' ], 500, @{ difference($from, $to) }), 'right', 'shorter ones line by line');
done_testing();
