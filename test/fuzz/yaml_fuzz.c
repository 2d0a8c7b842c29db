/*
 * yaml_fuzz.c
 *		Feeds the YAML reader: from libFuzzer, or from a pipe.
 *
 * As a fuzz target it checks what yaml.h promises of any tree and any error.
 * With YAML_FUZZ_PIPE it reads documents, each preceded by a line with its
 * length in bytes, and answers each with one line: "ok <json>" or
 * "error <line> <column> <message>"; yaml_differential.py talks to it.
 */
#include "noetl.h"

#include "server_shim.h"
#include "yaml.h"

#undef printf
#undef fprintf
#undef putchar

#define MAX_DEPTH 500
#define MAX_VALUES 1000000

#define CHECK(condition) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* What must hold for the text of every scalar, keys included. */
static void
check_scalar(const YamlNode *node)
{
	int			line;
	int			column;

	CHECK(node->string != NULL);
	CHECK(strlen(node->string) == node->length);
	CHECK(node->text_line >= node->line);
	CHECK(node->text_column >= 1);
	yaml_locate(node, 1, 1, &line, &column);
	CHECK(line == node->text_line && column == node->text_column);
	yaml_locate(node, 3, 7, &line, &column);
	CHECK(line >= node->text_line && column >= 1);
}

/* What must hold for every node.  Returns how many values it holds. */
static int
check_node(const YamlNode *node, int depth)
{
	int			values = 1;

	CHECK(depth <= MAX_DEPTH);
	CHECK(node->line >= 1 && node->column >= 1);
	switch (node->kind)
	{
		case YN_LIST:
			for (int i = 0; i < node->count; i++)
				values += check_node(node->items[i], depth + 1);
			break;
		case YN_MAP:
			for (int i = 0; i < node->count; i++)
			{
				const YamlPair *pair = &node->pairs[i];

				CHECK(pair->key->kind == YN_STRING);
				check_scalar(pair->key);
				if (i < 50)
					CHECK(yaml_member(node, pair->key->string) == pair->value);
				values += 1 + check_node(pair->value, depth + 1);
			}
			break;
		case YN_NUMBER:
			CHECK(((char *) node->number)[strspn((char *) node->number, "-.0123456789")] == '\0');
			/* FALLTHROUGH */
		default:
			if (node->length > 0)
				check_scalar(node);
	}
	CHECK(values <= MAX_VALUES);
	return values;
}

#ifndef YAML_FUZZ_PIPE

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Text from the server has no NUL, so neither has what is tried here. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SourceError error;
	YamlNode   *root;
	char	   *text;

	if (memchr(data, '\0', size) != NULL)
		return -1;
	text = malloc(size);		/* no terminator: a text datum has none */
	memcpy(text, data, size);
	root = yaml_parse_document(text, size, &error);
	if (root != NULL)
		check_node(root, 0);
	else
		CHECK(error.message != NULL && error.line >= 1 && error.column >= 1 &&
			  error.sqlerrcode != 0);
	shim_reset();
	free(text);
	return 0;
}

#else

/* Writes a JSON string. */
static void
print_string(const YamlNode *node)
{
	putchar('"');
	for (int i = 0; i < node->length; i++)
	{
		unsigned char c = node->string[i];

		if (c < ' ' || c == '"' || c == '\\')
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

/* Writes a node as JSON. */
static void
print_node(const YamlNode *node)
{
	switch (node->kind)
	{
		case YN_NULL:
			printf("null");
			break;
		case YN_BOOL:
			printf(node->boolean ? "true" : "false");
			break;
		case YN_NUMBER:
			printf("%s", (char *) node->number);
			break;
		case YN_STRING:
			print_string(node);
			break;
		case YN_LIST:
			putchar('[');
			for (int i = 0; i < node->count; i++)
			{
				if (i > 0)
					putchar(',');
				print_node(node->items[i]);
			}
			putchar(']');
			break;
		case YN_MAP:
			putchar('{');
			for (int i = 0; i < node->count; i++)
			{
				if (i > 0)
					putchar(',');
				print_string(node->pairs[i].key);
				putchar(':');
				print_node(node->pairs[i].value);
			}
			putchar('}');
			break;
	}
}

int
main(void)
{
	int			length;

	while (scanf("%d", &length) == 1 && getchar() == '\n')
	{
		char	   *text = malloc(length);
		SourceError error;
		YamlNode   *root;

		if (fread(text, 1, length, stdin) != (size_t) length)
			return 1;
		root = yaml_parse_document(text, length, &error);
		if (root != NULL)
		{
			check_node(root, 0);
			printf("ok ");
			print_node(root);
		}
		else
			printf("error %d %d %s", error.line, error.column, error.message);
		putchar('\n');
		fflush(stdout);
		shim_reset();
		free(text);
	}
	return 0;
}

#endif
