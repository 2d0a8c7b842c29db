# Every page of noetl-console, as a whole, against expected/console_pages.txt: what is
# shown, and what is left out where there is nothing to show.  A change of a page is seen
# there; WRITE=FILE writes the pages of today.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use ConsoleTest;
use File::Temp;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'noetl-console is not built (no libmicrohttpd)'
  unless system('command -v noetl-console >/dev/null') == 0;

# A playbook, registered by ann
sub playbook
{
	my ($path, $rest) = @_;
	return "SELECT noetl.register(\$y\$apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: {path: $path}\n$rest\$y\$);\n";
}
my $act = "{step: act, tool: shell, command: \"true\", %s next: end}\n- {step: end}\n";
my $playbooks = join '',
  playbook('plain', "workflow:\n- {step: start, next: act}\n- " . sprintf($act, '')),
  playbook('held', "workflow:\n- " . sprintf($act, 'on_error: hold,')),
  playbook('again', "workflow:\n- " . sprintf($act, 'retry: {max_attempts: 3, initial_delay: 3600},')),
  playbook('quick', "workflow:\n- {step: end, result: {a: 1}}\n"),
  playbook('silent', "workflow:\n- {step: end}\n"),
  playbook('branch', "workflow:\n- {step: start, next: [{when: '{{ true }}', then: [one]}, {else: [two]}]}\n- {step: one, next: end}\n- {step: two, next: end}\n- {step: end}\n"),
  playbook('items', "workflow:\n- {step: start, type: iterator, collection: [x, y], element: n, task: {tool: shell, command: 'true'}, next: end}\n- {step: end}\n"),
  playbook('loop', "workflow:\n- {step: start, next: act}\n- {step: act, tool: shell, command: 'true', next: act}\n"),
  playbook('child', "workflow:\n- {step: act, type: wait, signal: go}\n"),
  playbook('parent', "workflow:\n- {step: start, type: iterator, mode: async, collection: [1, 2], element: n, task: {type: playbook, path: child}}\n"),
  playbook('grand', "workflow:\n- {step: start, type: playbook, path: parent}\n"),
  playbook('large', "workload: {none: null}\nworkflow:\n- {step: end, result: {text: \"{{ 'x' * 19990 }}\", list: [1]}}\n"),
  playbook('huge', "workflow:\n- {step: start, next: act}\n- " . sprintf($act, '')),
  playbook('order', <<'EOT'), playbook('asks', "workflow:\n- {step: act, type: wait, signal: [go, stop], key: 'k 7', timeout: 30 days, next: act}\n"), playbook('sleeps', "workflow:\n- {step: act, type: wait, until: '2199-01-01', next: end}\n- {step: end}\n");
workload:
  number: 1.5
  text: short
  empty: ""
  long: "a text that is longer than sixty characters, and so has more than one line"
  lines: "one\ntwo"
  "yes": true
  "no": false
  map: {a: [1, null]}
  "<name>": "<value> & \"quotes\""
workflow:
  - step: approve
    type: wait
    signal: approved
    form:
      type: object
      required: [by, sure, which, kept]
      properties:
        by: {type: string, title: Your name, description: who <you> are}
        amount: {type: number, default: 3}
        count: {type: integer}
        how: {type: string, enum: [fast, slow], default: slow}
        level: {type: integer, enum: [1, 2]}
        which: {type: string, enum: [this, that], title: Which}
        kept: {type: string, enum: [more, less], default: less}
        where: {enum: [here, there]}
        sure: {type: boolean}
        maybe: {type: boolean, default: false}
        likely: {type: boolean, default: true}
        list: {type: array, default: [1]}
        note: {type: string, default: "one\ntwo"}
        plain: {}
        wrong: 1
    next: end
  - step: end
EOT
my $node = start_database(qq{
	CREATE ROLE ann LOGIN PASSWORD 'ann pw' IN ROLE noetl_client, noetl_reader, noetl_author;
	CREATE ROLE bob LOGIN PASSWORD 'bob pw' IN ROLE noetl_client, noetl_reader;
	CREATE ROLE eve LOGIN PASSWORD 'eve pw' IN ROLE noetl_reader;
	CREATE ROLE nob LOGIN PASSWORD 'nob pw';
	CREATE DATABASE fresh;
	ALTER SYSTEM SET noetl.timer = off;
});
$node->restart;
$node->safe_psql('fresh', 'CREATE EXTENSION noetl; SELECT noetl.create_roles()');
sub as_ann { my ($query) = @_; return sql("SET ROLE ann; $query") }
as_ann($playbooks);

#
# What has happened
#
my %id;
sub start
{
	my ($name, $path, $more) = @_;
	return $id{$name} = as_ann("SELECT noetl.execute('$path'" . (defined $more ? ", $more" : '') . ')');
}
# Leases the task of an execution, and tells its worker
sub leased { my ($name, $worker) = @_; return sql("SELECT queue_id FROM noetl.lease('$worker', 100) WHERE execution_id = $id{$name}") }
sub completed { my ($name, $worker) = @_; return sql("SELECT noetl.complete(" . leased($name, $worker) . ", '{\"n\": 1}', '$worker')") }
sub failed { my ($name, $worker, $error) = @_; return sql("SELECT noetl.fail(" . leased($name, $worker) . ", '$error', '$worker')") }

start('completed', 'plain', q{labels => '{"team": "red", "lead": "<x>"}', key => 'k1'});
completed('completed', 'w1');
start('failed', 'plain', q{parameters => '{"n": 1}'});
failed('failed', 'w1', 'it <broke>');
start('failed too', 'plain');
failed('failed too', 'w2', 'it <broke>');
start('failed silently', 'plain');
failed('failed silently', 'w1', '');
start('held', 'held');
failed('held', 'w1', 'no room');
start('retried', 'again');
failed('retried', 'w1', 'not yet');
start('cancelled', 'plain');
as_ann("SELECT noetl.cancel($id{cancelled}, 'no <need>')");
start('quick', 'quick');
start('silent', 'silent');
start('branch', 'branch');
start('items', 'items');
leased('items', 'w3');
start('loop', 'loop');
completed('loop', 'w1');
completed('loop', 'w1');
start('grand', 'grand');
start('large', 'large');
start('huge', 'huge', q{parameters => jsonb_build_object('text', (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 60000) AS i))});
start('scheduled', 'plain', q{run_at => '2199-01-01'});
start('order', 'order', q{priority => 5, parameters => '{"text": "other"}'});
start('asks', 'asks');
start('sleeps', 'sleeps');
start('paused', 'plain');
as_ann("SELECT noetl.pause($id{paused}, 'lunch & more')");
start('queued', 'plain', 'priority => 7');
sql("SET ROLE bob; SELECT noetl.execute('quick')");
as_ann(q{SELECT noetl.schedule('nightly', 'plain', '0 2 1 1 *', time_zone => 'UTC'), noetl.schedule('off', 'quick', '@yearly', time_zone => 'UTC', enabled => false)});
sql(q{UPDATE noetl.schedule SET next_at = '2199-01-01'});
sql(q{UPDATE noetl.schedule SET error = 'it <failed>', last_at = '2020-01-01', last_execution_id = 7 WHERE name = 'off'});
as_ann(playbook('plain', "workload: {new: 1}\nworkflow:\n- {step: start, next: act}\n- {step: act, tool: shell, command: 'false', next: last}\n- {step: last}\n"));

#
# What a page is, but for what differs from run to run
#
my %known;
# Whether a text has been there before, of whichever execution
sub known { my ($text) = @_; return $known{ $text =~ s/#\d+/#/gr }++ }
sub plain
{
	my ($answer) = @_;
	my %number;
	my $text = $answer->{content} // '';
	my ($title) = $text =~ m{<title>(.*?)</title>};
	my ($live) = $text =~ m{<body( data-live)?};
	$text =~ s{^.*<main id="main">\n?}{}s;
	$text =~ s{</main>.*}{}s;
	$text =~ s{<input type="hidden" name="csrf" value="[0-9a-f]{64}">}{<csrf>}g;
	$text =~ s{<div class="graph" tabindex="0"><svg .*?</svg>\s*</div>}{<graph>}gs;
	$text =~ s{(<svg class="bars?".*?</svg>)}{ $1 =~ s/ (x|width|y|height)="\d+"/ $1="n"/gr }ges;
	$text =~ s{<time datetime="[^"]*" title="[^"]*"( data-age="-?\d+")?>(.*?)</time>}{ '<time' . ($1 ? ' age' : '') . '>' . $2 =~ s/\d+(?:\.\d+)?(?:e-\d+)? (?:s|min)|\d\d:\d\d:\d\d\.\d+/T/r =~ s/\d+ (h|days)/T $1/r . '</time>' }ge;
	$text =~ s{<time title="[^"]*">[\d:.]+</time>}{<time>}g;
	$text =~ s{\d\d\d\d-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d(:\d\d)?|Z)?}{TIME}g;
	$text =~ s{data-value="-?[\d.]+"}{data-value="n"}g;
	$text =~ s{\d+\.\d+(?:e-\d+)? s\b}{T}g;
	$text =~ s{\b\d+ (?:s|ms|min)(?=[ <,.;)])}{T}g;
	$text =~ s{\b\d+ days(?= *[;.,])}{N days}g;
	$text =~ s{(<dt>(?:took|age)</dt><dd>).*?</dd>}{$1T</dd>}g;
	$text =~ s{(?<!\d)\d{11,20}(?!\d)}{ '#' . ($number{$&} //= 1 + keys %number) }ge;
	# what is the database's, or there many times
	$text =~ s{<pre tabindex="0">\{\n.*?</pre>}{<pre tabindex="0">{…}</pre>}gs;
	$text =~ s{^<g>.*>\d+ h ago: 0 started, 0 of them failed</title></g>\n}{}gm;
	$text =~ s{^<tr id="L\d+">.*\n(?=<tr id="L)}{}gm;
	$text =~ s{(<details class="action".*?</details>)}{ known($1) ? '<action as above>' : $1 }ges;
	$text =~ s{(x{50})x+}{$1…}g;
	$text =~ s{([0-9a-f]{50})[0-9a-f]+}{$1…}g;
	return "$answer->{status} " . ($answer->{headers}{location} // '') =~ s/\d{11,20}/ID/r . ($title // '') . ($live ? ' (live)' : '') . "\n$text\n";
}
my $seen = '';
sub shown
{
	my ($what, $answer) = @_;
	my $text = plain($answer) =~ s/\n\n+/\n/gr;
	# a long line that has been there before is not repeated
	$text =~ s{^(.{60,})$}{ known($1) ? substr($1, 0, 40) . '…' : $1 }gme;
	$seen .= "==== $what: $text";
}

my $console = start_console();
my %browser = map { $_ => login($console, $_, "$_ pw") } qw(ann bob eve nob);
my $ann = $browser{ann};
shown('login', get({ %$console, cookies => {} }, '/login'));
shown('login refused', login($console, 'ann', 'wrong')->{answer});
foreach my $path ('/', '/executions', '/executions?path=plain&status=FAILED&label=team&key=k&since=2020-01-01T00:00&until=2020-01-02T00:00', "/executions?before=$id{held}&path=plain", '/executions?since=never', '/approvals',
	"/approvals?execution=$id{asks}", '/playbooks', '/playbooks?after=order', '/playbook?path=order', '/playbook?path=plain', '/playbook?path=plain&version=1', '/playbook?path=plain&version=1&diff=2', '/playbook?path=plain&diff=9', '/playbook?path=plain&version=x',
	'/playbook?path=none', '/editor', '/editor?path=quick', '/editor?path=plain&version=1', '/editor?path=none', '/schedules', '/bulk?action=cancel&path=plain', '/bulk?action=redrive', '/bulk?action=retry&status=COMPLETED', '/bulk?action=none', '/nowhere', '/start', '/execution/9223372036854775807', '/execution/9223372036854775808', "/execution/$id{silent}?after=x")
{
	shown('ann ' . $path =~ s/\d{11,}/#/r, get($ann, $path));
}
shown("ann, execution $_", get($ann, "/execution/$id{$_}")) foreach sort keys %id;
my $parent = sql("SELECT execution_id FROM noetl.execution WHERE parent_execution_id = $id{grand}");
shown('ann, a child', get($ann, "/execution/$parent"));
shown('ann, later events', get($ann, "/execution/$id{completed}?after=" . sql("SELECT max(event_id) - 1 FROM noetl.event WHERE execution_id = $id{completed}")));
sub migrate { my (%fields) = @_; return post($ann, "/execution/$id{queued}/migrate", [ csrf => $ann->{csrf}, %fields ]) }
shown('what migrating would change', migrate(action => 'preview', version => 2));
shown('migrating to what is not there', migrate(action => 'preview', version => 9, json => '{"act": "act"}'));
shown('migrating to the same', migrate(action => 'preview', version => 1));
shown('migrating with a bad map', migrate(action => 'migrate', json => '{'));
sub edited { my ($action, $content, @more) = @_; return post($ann, '/editor', [ csrf => $ann->{csrf}, action => $action, content => $content, @more ]) }
my $good = "apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: {path: new}\nworkflow:\n- {step: start, tool: shell, command: 'true', next: end}\n- {step: end}\n";
shown('a playbook is checked', edited('check', $good));
shown('a bad one', edited('check', "kind: Playbook\nworkflow:\n- {step: a, next: b, nexd: c}\n"));
shown('it is not registered', edited('register', "workflow: 1\n"));
shown('simulated', edited('simulate', $good, parameters => '{}', stubs => '{"start": {"n": 1}}'));
shown('not simulated', edited('simulate', $good, parameters => '[', stubs => ''));
shown('lint', post($ann, '/lint', [ csrf => $ann->{csrf}, content => $good ]));
foreach ([ start => path => 'none' ], [ start => path => 'quick', json => '{' ], [ schedules => action => 'schedule', name => 'x' ], [ schedules => action => 'none' ], [ schedules => action => 'unschedule', name => 'none' ], [ approvals => execution => 1, signal => 'x' ],
	[ approvals => execution => 'x' ], [ bulk => action => 'none', id => $id{queued} ], [ bulk => action => 'redrive', id => $id{queued}, id => $id{paused} ], [ "execution/$id{quick}/cancel" => reason => 'x' ], [ "execution/$id{queued}/skip" => step => 'none' ], [ "execution/$id{queued}/none" => reason => '' ])
{
	my ($where, @fields) = @$_;
	my $answer = post($ann, "/$where", [ csrf => $ann->{csrf}, @fields ]);
	shown("ann posts $where @fields" =~ s/\d{11,}/#/gr, $answer);
	next if $answer->{status} != 303;
	$answer = get($ann, '/healthz/none');
	shown('and is told', { status => $answer->{status}, content => $answer->{content} =~ m{(<div class="alert.*?</div>\n)}s ? $1 : '' });
}
foreach my $role (qw(bob eve nob))
{
	shown("$role $_" =~ s/\d{11,}/#/r, get($browser{$role}, $_)) foreach '/', '/executions', '/approvals', '/playbooks', '/playbook?path=quick', '/schedules', '/editor', "/execution/$id{queued}", '/bulk?action=cancel';
}
foreach my $action (qw(check simulate register))
{
	shown("eve wants to $action", post($browser{eve}, '/editor', [ csrf => $browser{eve}{csrf}, action => $action, content => $good ]));
}
my $readonly = start_console('--readonly', '--connect', $node->connstr('postgres'));
my $reader = login($readonly, 'ann', 'ann pw');
shown("read only $_" =~ s/\d{11,}/#/r, get($reader, $_)) foreach "/execution/$id{queued}", '/executions?path=none', '/approvals', '/playbook?path=silent', '/schedules', '/editor', '/bulk?action=cancel';
my $fresh = start_console('--connect', $node->connstr('fresh'));
my $first = login($fresh, 'ann', 'ann pw');
shown("fresh $_", get($first, $_)) foreach '/', '/executions', '/approvals', '/playbooks', '/schedules';

# What the database refuses, or is too much
foreach ([ 'event', 'stack_trace', 'quick' ], [ 'execution', 'current_index', 'grand' ], [ 'workload', 'data', 'quick' ])
{
	sql("ALTER TABLE noetl.$_->[0] RENAME COLUMN $_->[1] TO away");
	shown("without $_->[0].$_->[1]", get($ann, "/execution/$id{$_->[2]}"));
	sql("ALTER TABLE noetl.$_->[0] RENAME COLUMN away TO $_->[1]");
}
sql(qq{DO \$\$ BEGIN FOR i IN 1 .. 302 LOOP PERFORM noetl.complete(queue_id, 'null', 'w1') FROM noetl.lease('w1', 100) WHERE execution_id = $id{loop}; END LOOP; END \$\$});
my @rows = get($ann, "/execution/$id{loop}")->{content} =~ /<div class="row"><div>(act[^<]*)<|<p class="note">(Only the first 300 are shown.)</g;
is(join(' ', map { $_ // '' } @rows[ 0, -1 ]) . ' ' . scalar(grep { /^act/ } map { $_ // '' } @rows), 'act Only the first 300 are shown. 300', 'a long timeline is cut');

$console->{harness}->pump_nb;
unlike($console->{log}->(), qr/out of range/, 'the console asks for no value of a row that is not there');

if ($ENV{WRITE})
{
	open my $file, '>', $ENV{WRITE} or die "$ENV{WRITE}: $!";
	print $file $seen;
	close $file;
}
my $expected = "$FindBin::RealBin/../../expected/console_pages.txt";
my @seen = split /^(?===== )/m, $seen;
my @wanted = split /^(?===== )/m, slurp_file($expected);
is(scalar(@seen), scalar(@wanted), 'as many pages as are expected');
foreach my $i (0 .. ($#seen > $#wanted ? $#seen : $#wanted))
{
	my ($page, $wanted) = ($seen[$i] // '', $wanted[$i] // '');
	my ($name) = ($page || $wanted) =~ /^==== (.*)/;
	next if ok($page eq $wanted, $name);
	my @files = map { my $file = File::Temp->new; print $file $_; close $file; $file } $wanted, $page;
	diag(scalar(`diff -U1 $files[0] $files[1]`));
}
done_testing();
