# What others have prepared in a database before CREATE EXTENSION gives them
# nothing; roles that are renamed, and superusers, get no saves that are not theirs.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', 'noetl.superuser_saves = off');
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; CREATE ROLE alice LOGIN; GRANT CREATE ON DATABASE postgres TO mallory');

sub as_role
{
	my ($role, $sql, $options) = @_;
	local $ENV{PGOPTIONS} = $options if defined $options;
	my ($status, $stdout, $stderr) = $node->psql('postgres', $sql,
		connstr => $node->connstr('postgres') . " user=$role", on_error_stop => 0);
	return ($stdout, $stderr);
}

sub create_refused
{
	my ($error, $name) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', 'CREATE EXTENSION noetl');
	like($stderr, $error, $name);
	$node->safe_psql('postgres', 'DROP SCHEMA noetl CASCADE');
}

as_role('mallory', 'CREATE SCHEMA noetl');
create_refused(qr/schema "noetl" belongs to another role/, 'a schema of another role is refused');
$node->safe_psql('postgres', 'CREATE SCHEMA noetl; GRANT CREATE ON SCHEMA noetl TO mallory');
as_role('mallory', 'CREATE FUNCTION noetl.jsonb_build_object(VARIADIC "any") RETURNS jsonb LANGUAGE internal AS $$jsonb_build_object$$;
	CREATE FUNCTION noetl.evil(text, text) RETURNS text LANGUAGE sql AS $$SELECT $1$$');
create_refused(qr/schema "noetl" is not empty/, 'a schema with objects is refused');

# Default privileges, and an empty schema with rights on it
$node->safe_psql('postgres', q{
	CREATE SCHEMA noetl;
	GRANT ALL ON SCHEMA noetl TO mallory WITH GRANT OPTION;
	GRANT ALL ON SCHEMA noetl TO PUBLIC;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO mallory WITH GRANT OPTION;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO mallory, PUBLIC;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO mallory;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO mallory;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO mallory;
	CREATE EXTENSION noetl;
	CREATE FUNCTION grants() RETURNS SETOF text LANGUAGE sql AS $$
		SELECT object || ': ' || privilege_type FROM (
			SELECT c.oid::regclass::text AS object, relacl AS acl, relowner AS owner FROM pg_class c WHERE relnamespace = 'noetl'::regnamespace
			UNION ALL SELECT p.oid::regprocedure::text, proacl, proowner FROM pg_proc p WHERE pronamespace = 'noetl'::regnamespace
			UNION ALL SELECT t.oid::regtype::text, typacl, typowner FROM pg_type t WHERE typnamespace = 'noetl'::regnamespace
			UNION ALL SELECT nspname, nspacl, nspowner FROM pg_namespace WHERE nspname = 'noetl') AS o, aclexplode(acl) AS a
		WHERE grantee NOT IN (owner, 0) OR grantee = 0 AND object !~ '\(' AND privilege_type <> 'USAGE' ORDER BY 1 $$});
is($node->safe_psql('postgres', 'SELECT grants()'), '', 'default privileges on what the extension creates are taken back');
my ($out, $error) = as_role('mallory', 'SELECT * FROM noetl.event; SELECT noetl.register($$x$$); CREATE TABLE noetl.mine (id int);');
is(() = $error =~ /permission denied/g, 3, 'and give no right');

# The rules of pgspot
is($node->safe_psql('postgres', q{
	SELECT string_agg(p.oid::regprocedure::text, ' ') FROM pg_proc p JOIN pg_language l ON l.oid = prolang
	 WHERE pronamespace = 'noetl'::regnamespace AND (lanname NOT IN ('c', 'internal') OR prosecdef)
	   AND NOT coalesce(proconfig, '{}') && ARRAY['search_path=pg_catalog, pg_temp']}), '',
	'functions of the extension fix their search_path, with pg_temp last');

# Who started an execution
$node->safe_psql('postgres', q{
	GRANT EXECUTE ON FUNCTION noetl.execute, noetl.cancel TO alice;
	GRANT INSERT ON noetl.event TO alice, mallory;
	CREATE TABLE saved (who name DEFAULT current_user, id int);
	GRANT INSERT ON saved TO alice;
	SELECT noetl.register('apiVersion: noetl.io/v1
kind: Playbook
path: trust
workflow:
- {step: a, type: python, code: x, save: {storage: postgres, table: saved, data: {id: 1}}}')});

sub start
{
	my ($role) = @_;
	my ($id, $error) = as_role($role, "SELECT noetl.execute('trust')");
	return $id;
}

# Completes the step of an execution; returns how that ended.
sub finish
{
	my ($id, $prepare, $options) = @_;
	as_role('postgres', ($prepare || '') . qq{; INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES ($id, 'action_completed', 'a', '1')}, $options);
	return $node->safe_psql('postgres', "SELECT concat_ws(': ', status, error) FROM noetl.execution WHERE execution_id = $id");
}

my $renamed = start('alice');
my $dropped = start('alice');
$node->safe_psql('postgres', 'ALTER ROLE alice RENAME TO anna; ALTER ROLE mallory RENAME TO alice; GRANT INSERT ON saved TO alice');
is($node->safe_psql('postgres', "SELECT started_by FROM noetl.execution WHERE execution_id = $renamed"), 'anna', 'an execution follows its role');
is($node->safe_psql('postgres', "SELECT count(*) FROM noetl.verify($renamed)"), '0', 'the log agrees');
is(finish($renamed), 'COMPLETED', 'a renamed role saves');
is($node->safe_psql('postgres', 'SELECT who FROM saved'), 'anna', 'as itself, and not as who has its name now');
$node->safe_psql('postgres', 'DROP OWNED BY anna; DROP ROLE anna');
like(finish($dropped), qr/the role that started the execution does not exist any more/, 'a role that was dropped saves nothing');
is($node->safe_psql('postgres', "SELECT count(*) FROM noetl.execution WHERE execution_id = $dropped"), '1', 'but is no obstacle to reading');

# What a client says of who started an execution counts for nothing
as_role('alice', q{INSERT INTO noetl.event (event_type, context, meta) VALUES ('execution_start', '{"path": "trust"}', '{"started_by": "postgres", "started_by_oid": 10}')});
my $forged = $node->safe_psql('postgres', 'SELECT max(execution_id) FROM noetl.execution');
is($node->safe_psql('postgres', "SELECT meta ->> 'started_by' FROM noetl.event WHERE execution_id = $forged AND event_type = 'execution_start' AND (meta ->> 'started_by_oid')::oid = 'alice'::regrole"), 'alice', 'nobody starts as another');

# Superusers
my $hint = qr/saves do not act as the superuser "postgres" \(SQLSTATE 42501\); hint: start executions as an ordinary role, or set noetl.superuser_saves/;
like(finish(start('postgres')), $hint, 'a save does not act as a superuser');
like(finish(start('postgres'), 'SET noetl.superuser_saves = on'), $hint, 'whatever the session says');
like(finish(start('postgres'), '', '-c noetl.superuser_saves=on'), $hint, 'or the connection');
$node->safe_psql('postgres', 'ALTER SYSTEM SET noetl.superuser_saves = on');
$node->restart;
is(finish(start('postgres')), 'COMPLETED', 'unless the configuration of the server allows it');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'noetl'");
$node->restart;
is($node->safe_psql('postgres', "SELECT context || setting FROM pg_settings WHERE name = 'noetl.superuser_saves'"), 'postmasteron', 'which nobody can change when the library is preloaded');

$node->stop;
done_testing();
