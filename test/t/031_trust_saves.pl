# What a save that the database executes itself can be made to do by the session
# that it happens in, and what it leaves behind there.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "deadlock_timeout = 10ms\nnoetl.isolation = off\ntimezone = 'Asia/Tokyo'\n");
$node->start;
# "starter" starts executions and owns tables; "mallory" reports the results: what
# keeps them apart without noetl.isolation.
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION noetl;
	CREATE ROLE starter LOGIN;
	CREATE ROLE mallory LOGIN;
	GRANT EXECUTE ON FUNCTION noetl.execute, noetl.register TO starter;
	GRANT INSERT ON noetl.event TO starter, mallory;
	GRANT CREATE ON SCHEMA public TO starter;
	GRANT CREATE, TEMPORARY ON DATABASE postgres TO mallory, starter;
});

my $playbooks = 0;

# Runs SQL as a role, going on after errors; returns what was printed, and the errors.
sub as_role
{
	my ($role, $sql, $options) = @_;
	local $ENV{PGOPTIONS} = $options if defined $options;
	my ($status, $stdout, $stderr) = $node->psql('postgres', $sql,
		connstr => $node->connstr('postgres') . " user=$role", on_error_stop => 0);
	return ($stdout, $stderr);
}

# Starts an execution of one step with this save; returns the SQL that completes it.
sub start
{
	my ($save, $role) = @_;
	my $path = 'trust/' . ++$playbooks;
	my ($id, $error) = as_role($role || 'starter', qq{
		SELECT noetl.execute('$path') FROM noetl.register('apiVersion: noetl.io/v1
kind: Playbook
path: $path
workflow:
- {step: a, type: python, code: x, save: $save}');});
	is($error, '', 'the execution starts');
	return ($id, qq{INSERT INTO noetl.event (execution_id, event_type, node_name, result)
		VALUES ($id, 'action_completed', 'a', '{"id": 1}');});
}

# How the execution ended.
sub outcome
{
	my ($id) = @_;
	return $node->safe_psql('postgres', "SELECT concat_ws(': ', status, error) FROM noetl.execution WHERE execution_id = $id");
}

my ($id, $report, $out, $error);

#
# What ends a transaction ends it in the way that PostgreSQL does
#
as_role('starter', 'CREATE TABLE slow (id int)');
($id, $report) = start('{storage: postgres, statement: "INSERT INTO public.slow SELECT 1 FROM pg_sleep(60)"}');
($out, $error) = as_role('mallory', qq{
	SET statement_timeout = '100ms'; BEGIN; SAVEPOINT s; $report ROLLBACK TO s; RESET statement_timeout;
	SELECT 'goes on'; ROLLBACK; SELECT 'and on';});
like($error, qr/canceling statement due to statement timeout/, 'a save that is cancelled raises the error');
unlike($error, qr/current transaction is aborted|FATAL|25P02/, 'and nothing else');
is($out, "goes on\nand on", 'and its session goes on, also after a savepoint');
is(outcome($id), 'RUNNING', 'its execution waits for another report');
($out, $error) = as_role('mallory', qq{SET statement_timeout = '100ms'; $report RESET statement_timeout; SELECT 'goes on';});
is($out, 'goes on', 'the same without a transaction block');

as_role('starter', 'CREATE TABLE locked (id int PRIMARY KEY, n int); INSERT INTO locked VALUES (1, 0), (2, 0)');
my ($first, $report1) = start('[{storage: postgres, statement: "UPDATE public.locked SET n = n + 1 WHERE id = 1"}, {storage: postgres, statement: "SELECT pg_sleep(0.5)"}, {storage: postgres, statement: "UPDATE public.locked SET n = n + 1 WHERE id = 2"}]');
my ($second, $report2) = start('[{storage: postgres, statement: "UPDATE public.locked SET n = n + 1 WHERE id = 2"}, {storage: postgres, statement: "SELECT pg_sleep(0.5)"}, {storage: postgres, statement: "UPDATE public.locked SET n = n + 1 WHERE id = 1"}]');
my @sessions = map {
	my $session = { out => '', err => '' };
	$session->{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres') . ' user=mallory', map { ('-c', $_) } 'BEGIN', $_, 'COMMIT', "SELECT 'goes on'" ],
		'<', \undef, '>', \$session->{out}, '2>', \$session->{err});
	$session;
} ($report1, $report2);
$_->{run}->finish foreach @sessions;
like($sessions[0]{err} . $sessions[1]{err}, qr/deadlock detected/, 'a deadlock between saves is detected');
is(join("", map { $_->{out} } @sessions), "goes on\ngoes on\n", 'and both sessions go on');
unlike($sessions[0]{err} . $sessions[1]{err}, qr/aborted|FATAL/, 'without another error');

($id, $report) = start('{storage: postgres, statement: "UPDATE public.locked SET n = n + 1 WHERE id = 1"}');
my $strict = $node->background_psql('postgres', on_error_stop => 0);
$strict->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;');
as_role('starter', 'UPDATE locked SET n = 100 WHERE id = 1');
(my $line = $report) =~ s/\s+/ /g;
$strict->query($line);
like($strict->{stderr}, qr/could not serialize access/, 'a save that fails to serialise raises the error');
$strict->{stderr} = '';
is($strict->query('ROLLBACK; SELECT 2;'), '2', 'and its session goes on');
is($strict->{stderr}, '', 'without another error');
$strict->quit;

#
# Nothing of the session is reachable
#
as_role('starter', q{
	CREATE TABLE config (who text);
	INSERT INTO config VALUES ('starter');
	CREATE TABLE seen (id int, what text);
	CREATE FUNCTION public.configured() RETURNS text LANGUAGE plpgsql SET search_path = public
		AS $$ BEGIN RETURN (SELECT who FROM config); END $$;
	CREATE FUNCTION public.look() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
	DECLARE
		t text;
	BEGIN
		t := (SELECT who FROM config);
		NEW.what := concat_ws(' ', t, configured(), to_regclass('pg_temp.config'), current_setting('TimeZone'),
			'2024-06-01 12:00+00'::timestamptz, NULL = NULL, current_setting('my.tenant', true), current_setting('extra_float_digits'));
		RETURN NEW;
	END $$;
	CREATE TRIGGER look BEFORE INSERT ON seen FOR EACH ROW EXECUTE FUNCTION look();
	GRANT SELECT ON config TO mallory});
my $honest = 'starter starter Asia/Tokyo 2024-06-01 21:00:00+09 1';
my $traps = q{
	CREATE FUNCTION pg_temp.trap(pg_catalog.text) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog AS
		$$ BEGIN RAISE WARNING 'trapped as %', current_user; RETURN true; END $$;
	CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (pg_temp.trap(VALUE::pg_catalog.text));
	CREATE TEMP TABLE config (who pg_catalog.text);
	INSERT INTO config VALUES ('mallory');};

# The row that a save has written in a session of mallory's that was prepared so.
sub seen
{
	my ($name, $prepare, $after, $options) = @_;
	my ($id, $report) = start('{storage: postgres, table: seen, data: {id: 1}}');
	$node->safe_psql('postgres', 'TRUNCATE seen');
	my ($out, $error) = as_role('mallory', "$prepare $report " . ($after || ''), $options);
	unlike($error, qr/trapped as starter|ERROR/, "$name: no code of the session's runs") or diag($error);
	is(outcome($id), 'COMPLETED', "$name: the execution is complete");
	my $row = $node->safe_psql('postgres', 'SELECT what FROM seen');
	$row =~ s/ +/ /g;
	is($row, $honest, "$name: the save sees the starter's world");
	return $out;
}
seen('an ordinary session', '');
my $mine = 'SELECT who FROM config;';
is(seen('temporary objects', $traps, $mine), 'mallory', 'which are there again when it is over');
is(seen('a plan made with temporary objects', "CREATE TEMP TABLE config (who text); INSERT INTO config VALUES ('mallory'); SELECT public.configured();",
	'SELECT public.configured();'), "mallory\nmallory", 'which is made again');
seen('a prefix of the path', 'SET search_path = pg_temp, pg_catalog, public;' . $traps);
seen('settings', "SET TimeZone = 'America/New_York'; SET transform_null_equals = on; SET my.tenant = 'stolen'; SET extra_float_digits = 3;");
is(seen('settings of a transaction', 'BEGIN; SET LOCAL extra_float_digits = 3;', 'SHOW extra_float_digits; COMMIT;'), '3', 'which it gets back');
seen('settings of the connection', '', '', '-c TimeZone=America/New_York -c my.tenant=stolen');
$node->safe_psql('postgres', "ALTER ROLE mallory SET TimeZone = 'America/New_York'; ALTER ROLE mallory SET extra_float_digits = 3; ALTER ROLE mallory SET my.tenant = 'stolen'");
seen('settings of its role', '');
$node->safe_psql('postgres', "ALTER ROLE starter SET TimeZone = 'Europe/Vienna'; ALTER DATABASE postgres SET TimeZone = 'UTC'");
$honest =~ s{Asia/Tokyo 2024-06-01 21:00:00\+09}{Europe/Vienna 2024-06-01 14:00:00+02};
seen('settings of the role that started it', '');

# What is left behind.
($id, $report) = start('[{storage: postgres, statement: "SELECT pg_advisory_lock(42), pg_advisory_lock(42)"}, {storage: postgres, statement: "SELECT pg_advisory_xact_lock(43)"}]');
($out, $error) = as_role('mallory', "SELECT pg_advisory_lock(7); BEGIN; $report SELECT string_agg(objid::text, ',' ORDER BY objid) FROM pg_locks WHERE locktype = 'advisory' AND objid < 100; COMMIT; SELECT count(*) FROM pg_locks WHERE locktype = 'advisory';");
is($out, "\n7,43\n1", 'a lock of the session that a save takes is released, others stay');
is($error, '', 'without a warning');
($id, $report) = start('[{storage: postgres, statement: "SELECT pg_advisory_lock(42)"}, {storage: postgres, statement: "SELECT 1/0"}]');
($out, $error) = as_role('mallory', "$report SELECT count(*) FROM pg_locks WHERE locktype = 'advisory';");
is($out, '0', 'also when the save fails');
like(outcome($id), qr/division by zero/, 'as it does');

as_role('starter', q{
	CREATE TABLE planting (id int);
	CREATE FUNCTION public.plant() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
	BEGIN
		PERFORM pg_catalog.set_config('my.tenant', 'planted', false);
		CREATE DOMAIN pg_temp.text AS pg_catalog.text;
		RETURN NEW;
	END $$;
	CREATE TRIGGER plant BEFORE INSERT ON planting FOR EACH ROW EXECUTE FUNCTION plant()});
foreach my $prepare ('', 'CREATE TEMP TABLE mine (id int);')
{
	($id, $report) = start('{storage: postgres, table: planting, data: {id: 1}}');
	($out, $error) = as_role('mallory', "RESET my.tenant; $prepare $report SELECT to_regtype('pg_temp.text') IS NULL, current_setting('my.tenant'); CREATE TEMP TABLE other (id int);");
	like(outcome($id), qr{save failed: (a save cannot create temporary objects|cannot create a \w+ in a temporary schema|referenced schema)}, 'a save cannot leave temporary objects behind');
	is($out, 't|stolen', 'nor settings');
	is($error, '', 'and the session has its own');
}

# A plan belongs to a role.
as_role('mallory', 'SELECT 1');
$node->safe_psql('postgres', q{
	CREATE TABLE tenants (who text);
	INSERT INTO tenants VALUES ('starter'), ('mallory');
	CREATE TABLE counted (id text, n int);
	GRANT SELECT ON tenants TO starter, mallory;
	GRANT INSERT ON counted TO starter, mallory;
	ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON tenants USING (who = current_user);
	GRANT EXECUTE ON FUNCTION noetl.execute, noetl.register TO mallory});
my $count = '{storage: postgres, statement: "INSERT INTO public.counted SELECT who, count(*) FROM public.tenants GROUP BY who"}';
($first, $report1) = start($count);
($second, $report2) = start($count, 'mallory');
as_role('mallory', "$report1 $report2");
is($node->safe_psql('postgres', q{SELECT string_agg(id || n, ' ' ORDER BY id) FROM counted}), 'mallory1 starter1', 'policies see the role of the execution');

# What the configuration says counts from the next reload on, as it does for everybody else, also in
# a session that has saved before.
my $lasting = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'mallory' ]);
sub digits
{
	my ($name, $digits) = @_;
	my ($id, $report) = start('{storage: postgres, table: seen, data: {id: 1}}');
	$node->safe_psql('postgres', 'TRUNCATE seen');
	$lasting->query_safe($report =~ s/\s+/ /gr);
	is($node->safe_psql('postgres', q{SELECT split_part(what, ' ', -1) FROM seen}), $digits, $name);
	return;
}
digits('a setting of the role that reports does not count', '1');
$node->append_conf('postgresql.conf', 'extra_float_digits = 2');
digits('nor does what the configuration file says before it is read', '1');
my $read_at = $lasting->query_safe('SELECT pg_conf_load_time()');
$node->reload;
for (1 .. 600) { last if $lasting->query_safe('SELECT pg_conf_load_time()') ne $read_at; sleep 0.1; }
digits('then it does', '2');
$lasting->quit;

# A time without a zone is one of the server, which its configuration names, and not of the session.
$node->safe_psql('postgres', q{
	ALTER ROLE mallory RESET timezone;
	ALTER DATABASE postgres RESET timezone});
as_role('mallory', q{
	SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: trust/wait, workflow: [{step: a, type: wait, until: "2100-01-02 09:00"}]}');
	SET timezone = 'America/New_York';
	SELECT noetl.execute('trust/wait')});
is($node->safe_psql('postgres', q{SELECT due_at AT TIME ZONE 'UTC' FROM noetl.run JOIN noetl.execution USING (execution_id) WHERE path = 'trust/wait'}),
	'2100-01-02 00:00:00', 'a wait until a time of the server');

$node->stop;
done_testing();
