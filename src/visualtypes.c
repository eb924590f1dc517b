/*
 * visualtypes.c
 *		The table of node types: what each is natively, and its parameters.
 *
 * A leaf.  The union of what designers' palettes, engines and schemas accept;
 * what is not here is an error, never dropped.
 */
#include "visualparse.h"

#include <string.h>

#define TEXT(native, required, ...) {native, JO_PARAM_TEXT, required, 0, 0, NULL, {__VA_ARGS__, NULL}}
#define VALUE(native, ...) {native, JO_PARAM_VALUE, false, 0, 0, NULL, {__VA_ARGS__, NULL}}
#define LIST(native, ...) {native, JO_PARAM_LIST, false, 0, 0, NULL, {__VA_ARGS__, NULL}}
#define OBJECT(native, ...) {native, JO_PARAM_OBJECT, false, 0, 0, NULL, {__VA_ARGS__, NULL}}
#define FLAG(native, ...) {native, JO_PARAM_BOOL, false, 0, 0, NULL, {__VA_ARGS__, NULL}}
#define INTEGER(native, min, max, ...) {native, JO_PARAM_INTEGER, false, min, max, NULL, {__VA_ARGS__, NULL}}
#define WORD(native, required, words, ...) {native, JO_PARAM_WORD, required, 0, 0, words, {__VA_ARGS__, NULL}}
#define END {NULL, JO_PARAM_VALUE, false, 0, 0, NULL, {NULL}}

/* How a machine is reached: of everything that has a target. */
#define CONNECTION \
	WORD("connection", false, connections, "connection_type", "connection_method"), \
	TEXT("username", false, "username", "user"), \
	TEXT("password", false, "password"), \
	INTEGER("port", 1, 65535, "port"), \
	FLAG("use_ssl", "use_ssl"), \
	OBJECT("options", "winrm_options", "ssh_options", "connection_options")

static const char *const connections[] = {
	"ssh", "winrm", "local", "docker", "kubernetes", "sftp", "powershell", NULL
};
static const char *const methods[] = {
	"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", NULL
};
static const char *const directions[] = {"upload", "download", NULL};
static const char *const operations[] = {
	"read", "write", "append", "copy", "move", "delete", "list", "exists", "create_directory", NULL
};
static const char *const controls[] = {"start", "stop", "restart", "reload", "status", NULL};

static const JoVisualParam command_params[] = {
	TEXT("command", true, "command"), TEXT("shell", false, "shell"),
	TEXT("cwd", false, "working_directory", "working_dir"),
	OBJECT("env", "environment", "environment_variables"),
	FLAG("capture_output", "capture_output"), CONNECTION, END
};

static const JoVisualParam script_params[] = {
	TEXT("script", true, "script"), TEXT("language", false, "script_type", "language"),
	TEXT("interpreter", false, "interpreter"), LIST("args", "arguments", "args"),
	TEXT("shell", false, "shell"), TEXT("cwd", false, "working_directory", "working_dir"),
	OBJECT("env", "environment", "environment_variables"),
	FLAG("capture_output", "capture_output"), CONNECTION, END
};

static const JoVisualParam http_params[] = {
	TEXT("url", true, "url"), WORD("method", false, methods, "method"), OBJECT("headers", "headers"),
	OBJECT("query", "query", "query_params"), VALUE("body", "body", "payload"),
	FLAG("verify_tls", "verify_ssl", "ssl_verify"), LIST("expected_status", "expected_status"), END
};

static const JoVisualParam webhook_params[] = {
	TEXT("url", true, "url", "webhook_url"), WORD("method", false, methods, "method"),
	OBJECT("headers", "headers"), VALUE("payload", "payload", "body"), TEXT("secret", false, "secret"),
	FLAG("verify_tls", "verify_ssl", "ssl_verify"), LIST("expected_status", "expected_status"), END
};

static const JoVisualParam transfer_params[] = {
	TEXT("source", true, "source_path", "source"), TEXT("destination", true, "dest_path", "destination_path", "destination"),
	WORD("direction", false, directions, "direction"), FLAG("preserve_permissions", "preserve_permissions"),
	FLAG("recursive", "recursive"), FLAG("overwrite", "overwrite", "overwrite_existing"), CONNECTION, END
};

static const JoVisualParam file_params[] = {
	WORD("operation", true, operations, "operation"), TEXT("source", true, "source_path", "path", "file_path"),
	TEXT("destination", false, "dest_path", "destination_path", "destination"), VALUE("content", "file_content", "content"),
	FLAG("create_directories", "create_directories"), FLAG("overwrite", "overwrite_existing", "overwrite"),
	FLAG("recursive", "recursive"), TEXT("encoding", false, "encoding"),
	TEXT("pattern", false, "file_pattern", "pattern"), CONNECTION, END
};

static const JoVisualParam copy_params[] = {
	TEXT("source", true, "source_path", "source"), TEXT("destination", true, "dest_path", "destination_path", "destination"),
	FLAG("create_directories", "create_directories"), FLAG("overwrite", "overwrite_existing", "overwrite"),
	FLAG("recursive", "recursive"), FLAG("preserve_permissions", "preserve_permissions"), CONNECTION, END
};

static const JoVisualParam check_params[] = {
	TEXT("source", true, "source_path", "path", "file_path"), TEXT("pattern", false, "file_pattern", "pattern"),
	CONNECTION, END
};

static const JoVisualParam service_check_params[] = {
	TEXT("service_name", true, "service_name"), TEXT("expected_status", false, "expected_status"), CONNECTION, END
};

static const JoVisualParam service_control_params[] = {
	TEXT("service_name", true, "service_name"), WORD("action", true, controls, "action"),
	TEXT("wait_for_status", false, "wait_for_status"), CONNECTION, END
};

static const JoVisualParam jira_params[] = {
	TEXT("operation", false, "operation", "action"), TEXT("project", false, "project", "project_key"),
	TEXT("issue_type", false, "issue_type"), TEXT("issue", false, "issue", "issue_key"),
	TEXT("summary", false, "summary"), TEXT("text", false, "text", "comment"), VALUE("fields", "fields"),
	TEXT("assignee", false, "assignee"), TEXT("priority", false, "priority"), LIST("labels", "labels"),
	TEXT("url", false, "url", "base_url"), TEXT("username", false, "username"),
	TEXT("token", false, "token", "api_token"), END
};

static const JoVisualType types[] = {
	{"flow.start", JO_VISUAL_START, NULL, jo_visual_start, NULL, 0},
	{"flow.end", JO_VISUAL_CONTROL, NULL, jo_visual_end, NULL, 0},
	{"flow.delay", JO_VISUAL_CONTROL, NULL, jo_visual_delay, NULL, 0},
	{"flow.decision", JO_VISUAL_DECISION, NULL, jo_visual_switch, NULL, 0},
	{"flow.parallel", JO_VISUAL_CONTROL, NULL, jo_visual_parallel, NULL, 0},
	{"flow.join", JO_VISUAL_CONTROL, NULL, jo_visual_join, NULL, 0},
	{"logic.if", JO_VISUAL_DECISION, NULL, jo_visual_if, NULL, 0},
	{"condition.if", JO_VISUAL_DECISION, NULL, jo_visual_if, NULL, 0},
	{"logic.switch", JO_VISUAL_DECISION, NULL, jo_visual_switch, NULL, 0},
	{"condition.while", JO_VISUAL_DECISION, NULL, jo_visual_while, NULL, 0},
	{"condition.for_each", JO_VISUAL_WORK, NULL, jo_visual_for_each, NULL, 0},
	{"action.command", JO_VISUAL_WORK, "command", jo_visual_command, command_params, 60},
	{"system.command", JO_VISUAL_WORK, "command", jo_visual_command, command_params, 60},
	{"action.script", JO_VISUAL_WORK, "script", jo_visual_command, script_params, 300},
	{"action.http", JO_VISUAL_WORK, "http", jo_visual_http, http_params, 30},
	{"action.http_request", JO_VISUAL_WORK, "http", jo_visual_http, http_params, 30},
	{"webhook.call", JO_VISUAL_WORK, "webhook", jo_visual_http, webhook_params, 30},
	{"action.webhook", JO_VISUAL_WORK, "webhook", jo_visual_http, webhook_params, 30},
	{"action.file_transfer", JO_VISUAL_WORK, "file_transfer", jo_visual_transfer, transfer_params, 300},
	{"action.file_operation", JO_VISUAL_WORK, "external", jo_visual_external, file_params, 300},
	{"file.copy", JO_VISUAL_WORK, "external", jo_visual_external, copy_params, 300},
	{"file.check", JO_VISUAL_WORK, "external", jo_visual_external, check_params, 300},
	{"action.database", JO_VISUAL_WORK, NULL, jo_visual_database, NULL, 60},
	{"action.notification", JO_VISUAL_WORK, NULL, jo_visual_notification, NULL, 30},
	{"notification.email", JO_VISUAL_WORK, NULL, jo_visual_notification, NULL, 30},
	{"integration.slack", JO_VISUAL_WORK, NULL, jo_visual_notification, NULL, 30},
	{"integration.jira", JO_VISUAL_WORK, "external", jo_visual_external, jira_params, 60},
	{"action.service_control", JO_VISUAL_WORK, "external", jo_visual_external, service_control_params, 60},
	{"system.service_control", JO_VISUAL_WORK, "external", jo_visual_external, service_control_params, 60},
	{"system.service_check", JO_VISUAL_WORK, "external", jo_visual_external, service_check_params, 60},
	{"log.write", JO_VISUAL_WORK, NULL, jo_visual_log, NULL, 0},
	{"data.transform", JO_VISUAL_WORK, NULL, jo_visual_transform, NULL, 0},
	{"data.validate", JO_VISUAL_WORK, NULL, jo_visual_validate, NULL, 0},
	{"data.aggregate", JO_VISUAL_WORK, NULL, jo_visual_aggregate, NULL, 0},
	{"data.filter", JO_VISUAL_WORK, NULL, jo_visual_filter, NULL, 0},
	{"trigger.schedule", JO_VISUAL_TRIGGER, NULL, jo_visual_trigger, NULL, 0},
	{"trigger.webhook", JO_VISUAL_TRIGGER, NULL, jo_visual_trigger, NULL, 0},
	{"trigger.file_watch", JO_VISUAL_TRIGGER, NULL, jo_visual_trigger, NULL, 0},
	{"trigger.service_monitor", JO_VISUAL_TRIGGER, NULL, jo_visual_trigger, NULL, 0},
	{"trigger.manual", JO_VISUAL_TRIGGER, NULL, jo_visual_trigger, NULL, 0},
};

const JoVisualType *
jo_visual_find_type(const char *name)
{
	for (int i = 0; i < (int) lengthof(types); i++)
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	return NULL;
}

char *
jo_visual_suggest_type(const char *name)
{
	const char *names[lengthof(types) + 1];

	for (int i = 0; i < (int) lengthof(types); i++)
		names[i] = types[i].name;
	names[lengthof(types)] = NULL;
	return jo_words_suggest(name, names);
}
