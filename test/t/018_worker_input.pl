# What a worker reads, and what it refuses: options, settings, encoded programs,
# credentials, connections, timeouts.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IPC::Run;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkerTest;

delete @ENV{qw(http_proxy HTTP_PROXY https_proxy all_proxy ALL_PROXY)};

my $node = start_broker();
my $directory = PostgreSQL::Test::Utils::tempdir_short();
my @connect = ('--connect', $node->connstr('postgres'));

# Runs the program; returns its exit code, stdout, stderr.
sub program
{
	my ($nothing, $out, $err) = ('', '', '');
	IPC::Run::run([ 'noetl-worker', @_ ], \$nothing, '>', \$out, '2>', \$err, IPC::Run::timeout(180));
	return ($? >> 8, $out, $err);
}
sub refused
{
	my ($pattern, @options) = @_;
	my ($code, $out, $err) = program(@options);
	is($code, 2, "refused: @options");
	like($err, $pattern, '... with the reason');
}

#
# Options
#
refused(qr/--lease must be a number from 1 to 86400, not "\Q$_\E"/, '--lease', $_) foreach '', 'x', '1x', '0', '-1', '86401', '9' x 30;
refused(qr/--pooler must be auto, yes or no, not "perhaps"/, '--pooler', 'perhaps');
refused(qr/--log must be text or json, not "xml"/, '--log', 'xml');
refused(qr/--set must be NAME=VALUE, not "$_"/, 'run', 'x', '--set', $_) foreach 'novalue', '=value';
refused(qr/Try "noetl-worker --help"/, '--nonsense');
refused(qr/a command needs one --connect/, 'ps', '--connect', 'a', '--connect', 'b');
my ($code, $out, $err);
foreach my $log ('text', 'json')
{
	($code, $out, $err) = program(@connect, '--once', '--log', $log, '--pooler', 'auto');
	is($code, 0, "--log $log");
}
($code, $out, $err) = program(@connect, '--once', '--name', '');
like($err, qr/worker \S+:\d+:[0-9a-f]{4} executes/, 'without a name it makes one');
($code, $out, $err) = program(@connect, '--idle-timeout', 1);
is($code, 0, 'a worker that ends when there was nothing to do for a while');
($code, $out, $err) = program(@connect, '--once', '--types', '');
is($code, 1, 'a worker that can do nothing');

# The file: comments, empty lines, three ways to write an option
sub with_file
{
	my ($text, $mode) = @_;
	my $file = keep("$directory/file.conf", $text, $mode || 0600);
	return program('--config', $file, '--once');
}
my $connect = "connect = $connect[1]\n";
foreach ([ 'name = one', 'one' ], [ 'name two', 'two' ], [ "name\tthree", 'three' ], [ 'name=four', 'four' ], [ 'name==five', '=five' ], [ "name \t = \t six  ", 'six' ])
{
	($code, $out, $err) = with_file("$connect\n   \n# a comment\n  # another\n$_->[0]\n");
	like($err, qr/worker \Q$_->[1]\E executes/, "a line of the file: $_->[0]");
}
foreach my $word ('yes', 'true', 'on', '')
{
	($code, $out, $err) = with_file("${connect}quiet $word\n");
	unlike($err, qr/executes/, "quiet: $word");
}
foreach my $word ('no', 'false', 'off')
{
	($code, $out, $err) = with_file("${connect}quiet $word\n");
	like($err, qr/executes/, "not quiet: $word");
}
($code, $out, $err) = with_file("${connect}quiet perhaps\n");
like("$code $err", qr/^2 .*file.conf:2: quiet must be yes or no, not "perhaps"/, 'neither');
($code, $out, $err) = with_file("$connect\njson yes\n");
like("$code $err", qr/^2 .*file.conf:3: there is no option "json"/, 'what is an option of the command line only');
($code, $out, $err) = with_file("connect = $connect[1] password=secret\n", 0644);
like("$code $err", qr/^0 .*has a password and can be read by others/s, 'a password that others can read is warned of');
($code, $out, $err) = with_file("connect = $connect[1] password=secret\n", 0600);
unlike($err, qr/can be read by others/, 'not one that they cannot');
($code, $out, $err) = with_file($connect, 0644);
unlike($err, qr/can be read by others/, 'nor a file without one');

#
# Settings
#
my $file = keep("$directory/set.yaml", "apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: {path: set}\nworkload: {v: none}\nworkflow:\n- {step: end, result: \"{{ v }}\"}\n", 0644);
foreach ([ 'true', 'true' ], [ 'false', 'false' ], [ 'null', 'null' ], [ '1', '1' ], [ '-2', '-2' ], [ '0', '0' ], [ '0.5', '0.5' ], [ '1e3', '1000' ], [ '[1, 2]', '[1, 2]' ], [ '{"a": 1}', '{"a": 1}' ], [ '"x"', '"x"' ],
	[ '007', '"007"' ], [ '+1', '"+1"' ], [ '.5', '".5"' ], [ '1.2.3', '"1.2.3"' ], [ '-', '"-"' ], [ '', '""' ], [ 'abc', '"abc"' ], [ 'a=b', '"a=b"' ], [ 'True', '"True"' ], [ '1 ', '"1 "' ],
	[ '-1.5E-2', '-0.015' ], [ '[1] ', '[1]' ], [ '["\u00e9\\/"]', "[\"\x{c3}\x{a9}/\"]" ],
	# what only looks like it: no other parameter comes of it either
	(map { [ $_, "\"$_\"" ] } qw(1. -01 01 1e 1e+ 1.e5 -.5 --1 0x10 inf nan NaN -Infinity 1,2 truer {a:1} [1,] [1 [1.] [1]x)),
	[ '"x', '"\"x"' ], [ '"x","y":"z"', '"\"x\",\"y\":\"z\""' ], [ '{"a": 01}', '"{\"a\": 01}"' ], [ '{},"y":{}', '"{},\"y\":{}"' ], [ '["\x"]', '"[\"\\\\x\"]"' ])
{
	($code, $out, $err) = program(@connect, 'run', $file, '--quiet', '--set', "v=$_->[0]");
	is($code, 0, "--set v=$_->[0]");
	is(sql("SELECT data -> 'v' FROM noetl.workload ORDER BY execution_id DESC LIMIT 1"), $_->[1], '... is what it looks like');
}

#
# Encoded programs, and commands
#
my $encoded = encode_base64("def main(n):\n    return {'n': n + 1, 'bytes': '\x{c3}\x{a9}\x{c3}\x{bf}'}\n");
sub step { return execute_step($_[0]) }
my %job = (
	lines => step("tool: python\nargs: {n: 1}\ncode_b64: |\n" . $encoded =~ s/^/  /gmr),
	blanks => step("tool: python\nargs: {n: 2}\ncode_base64: \"" . join('\t ', split /\n/, $encoded) . "\\r\\n\"\n"),
	command => step("tool: postgres\nauth: own\ncommand_b64: |\n" . encode_base64("SELECT '\x{c3}\x{a9} and a text that is long enough for several lines of base64' AS text, 1 AS one") =~ s/^/  /gmr),
	plus => step("tool: postgres\nauth: own\nsql_base64: '" . encode_base64("SELECT '>>>???' AS t", '') . " \t'\n"),
	bad => step("tool: postgres\nauth: own\ncommand_base64: 'U0VM!'\n"),
	plain_first => step("tool: postgres\nauth: own\ncommand: SELECT 3 AS n\ncommand_b64: '!!'\n"),
	map => step("tool: postgres\nauth: own\ncommands: [SELECT 1, {a: 1}]\n"),
	many => step("tool: postgres\nauth: own\ncommands: [" . join(', ', ('SELECT 1') x 1001) . "]\n"),
	none => step("tool: postgres\nauth: own\ndata: {command: echo data}\n"),
	most => step("tool: shell\ncommand: \"head -c 10485760 /dev/zero | tr '\\\\0' x\"\n"),
	more => step("tool: shell\ncommand: \"head -c 10485761 /dev/zero | tr '\\\\0' x\"\n"),
	nulls => step("tool: postgres\nauth: own\ncommand: \"SELECT NULL::int AS a, true AS b, false AS c, 'x' AS d, 1.50 AS e, NULL::text AS f, 'NaN'::float8 AS g\"\n"),
	quoted => step("tool: postgres\ncommand: SELECT current_user AS u\nauth: {db_host: '${\ $node->host}', db_port: ${\ $node->port}, db_name: postgres, db_user: \"o'neil\\\\back\", db_password: \"a'b\\\\c\"}\n"),
	dsn => step("tool: postgres\ncommand: SELECT 1\nauth: {dsn: 'nonsense here'}\n"));
$ENV{NOETL_AUTH_OWN} = $node->connstr('postgres');
$node->safe_psql('postgres', q{CREATE ROLE "o'neil\back" LOGIN});

#
# Credentials
#
my $fields = join ', ', map { "\"k$_\": $_" } 1 .. 62;
my %good = (
	plain => '{"token": "t", "hosts": "127.0.0.1"}', spaces => " {\n\t\"token\" :\r \"t\" , \"hosts\":\"127.0.0.1\" } \n",
	values => '{"token": "t", "hosts": "127.0.0.1", "a": 1, "b": -1.5e+3, "c": true, "d": null}',
	escapes => '{"token": "\"\\\\\/\b\f\t\u00e9\u20ac\ud83d\ude00", "hosts": "127.0.0.1"}', full => "{\"token\": \"t\", \"hosts\": \"127.0.0.1\", $fields}");
my %wrong = (
	text => 'token', list => '["token"]', open => '{"token": "t"', comma => '{"token": "t",}', no_comma => '{"token": "t" "hosts": "h"}', no_colon => '{"token" "t"}', no_value => '{"token": }', name => '{token: "t"}',
	nested => '{"token": {"a": "t"}}', behind => '{"token": "t"} x', string => '{"token": "t', control => "{\"token\": \"a\tb\"}", escape => '{"token": "\x"}', cut => '{"token": "\\', hex => '{"token": "\u00g0"}', short => '{"token": "\u00"}', nul => '{"token": "\u0000"}',
	low => '{"token": "\ude00"}', high => '{"token": "\ud83d"}', pair => '{"token": "\ud83d\u0041"}', pair_cut => '{"token": "\ud83dx"}', many => "{\"token\": \"t\", \"hosts\": \"127.0.0.1\", $fields, \"k63\": 63}", key => '{"to\x": "t"}');
$ENV{"NOETL_AUTH_GOOD_\U$_"} = $good{$_} foreach keys %good;
$ENV{"NOETL_AUTH_WRONG_\U$_"} = $wrong{$_} foreach keys %wrong;
my $http = "tool: http\nurl: http://127.0.0.1:1/\nauth: {type: bearer, credential: %s}\n";
my %good_job = map { $_ => step(sprintf $http, "good_$_") } keys %good;
my %wrong_job = map { $_ => step(sprintf $http, "wrong_$_") } keys %wrong;

#
# Timeouts
#
sub limited { my ($value) = @_; return execute_step("tool: shell\ncommand: sleep 0.2; echo done\ntimeout: \"{{ workload.t }}\"\n", "{t: $value}") }
my %limit = map { $_ => limited($_) } '30', '"30"', '"00:00:30"', '"1 minute"', '0.05', '"0.05"', '0', '-1', '"soon"', '""';
my $items = execute_step("type: iterator\ncollection: [soon, '-1', '0', '00:00:30', '30', '0.05']\nelement: t\non_error: continue\ntask: {tool: shell, command: 'sleep 0.2; echo done', timeout: '{{ t }}'}\n");
drain('--types', 'python,shell,postgres,http,iterator');

is(result_of($job{lines}, "result #>> '{n}'") , '2', 'base64 in lines');
is(result_of($job{lines}, "result #>> '{bytes}'"), "\x{c3}\x{a9}\x{c3}\x{bf}", '... keeps every byte');
is(result_of($job{blanks}, "result #>> '{n}'") , '3', 'base64 with blanks');
is(result_of($job{command}, "result #>> '{data,command_0,rows,0,text}'"), "\x{c3}\x{a9} and a text that is long enough for several lines of base64", 'a command in base64');
is(result_of($job{plus}, "result #>> '{data,command_0,rows,0,t}'"), '>>>???', 'whose digits are all sixty-four');
is(result_of($job{bad}, 'error', 'action_error'), 'command_base64 is not valid base64', 'one that is none');
is(result_of($job{plain_first}, "result #>> '{data,command_0,rows,0,n}'"), '3', 'text comes before base64');
is(result_of($job{map}, 'error', 'action_error'), 'commands 1 is not a text', 'a command that is a map');
like(result_of($job{many}, 'error', 'action_error'), qr/^more than \d+ commands in one task/, 'too many commands');
like(result_of($job{none}, 'error', 'action_error'), qr/^the postgres task has no command; its input has one/, 'data does not become code');
is(result_of($job{most}, "length(result #>> '{data,stdout}') || right(result #>> '{data,stdout}', 2)"), '10485760xx', 'ten megabytes of output');
is(result_of($job{more}, "length(rtrim(result #>> '{data,stdout}', E'\n')) || substr(result #>> '{data,stdout}', 10485760)"), "10485800x\n[output truncated after 10485760 bytes]\n", 'are all that is kept');
is(result_of($job{nulls}, "result #>> '{data,command_0,rows}'"), '[{"a": null, "b": true, "c": false, "d": "x", "e": 1.50, "f": null, "g": "NaN"}]', 'values of rows');
is(result_of($job{quoted}, "result #>> '{data,command_0,rows,0,u}'") , q{o'neil\back}, 'quotes and backslashes in a connection');
is(result_of($job{dsn}, 'error', 'action_error'), 'the connection string is not valid', 'a connection string that is none');
like(result_of($good_job{$_}, 'error', 'action_error'), qr/127\.0\.0\.1/, "a credential that is used: $_") foreach sort keys %good;
is(result_of($wrong_job{$_}, 'error', 'action_error'), "the credential \"wrong_$_\" is not a flat JSON object", "one that is none: $_") foreach sort keys %wrong;
is(result_of($limit{$_}, "result #>> '{data,stdout}'"), "done\n", "timeout: $_") foreach '30', '"30"', '"00:00:30"', '"1 minute"', '""';
is(result_of($limit{$_}, 'error', 'action_error'), 'timed out after 0.05 seconds', "timeout: $_") foreach '0.05', '"0.05"';
like(sql("SELECT error FROM noetl.execution WHERE execution_id = $limit{$_}"), qr/a timeout must be longer than zero|is neither seconds nor an interval/, "timeout: $_") foreach '0', '-1', '"soon"';
is(result_of($items, "(SELECT string_agg((e ->> 'index') || ' ' || (e ->> 'message'), '; ' ORDER BY e -> 'index') FROM jsonb_array_elements(result -> 'errors') AS e)"),
	'0 invalid timeout: invalid input syntax for type interval: "soon"; 1 invalid timeout: "-1" is not positive; 2 invalid timeout: "0" is not positive; 5 timed out after 0.05 seconds', 'timeouts of items');
is(result_of($items, "(SELECT string_agg(coalesce(d ->> 'stdout', 'none'), ' ') FROM jsonb_array_elements(result -> 'data') AS d)"), "none none none done\n done\n none", 'the others have their time');
done_testing();
