/*
 * test_http.c
 *		httptext and httpurl: what may go out, and what comes in.
 */
#include "unit.h"

#include "httptext.h"

static void
check_header(const char *name, const char *value, JoHeaderFault fault)
{
	JoHeaderFault got = jo_http_check_header(name, value);

	unit_check(got == fault, __FILE__, __LINE__, "%s: %s: got %d", name, value, (int) got);
}

static void
test_headers(void)
{
	check_header("X-Anything", "some \t value \xc3\xa9", JO_HEADER_OK);
	check_header("Authorization", "", JO_HEADER_OK);
	check_header("", "x", JO_HEADER_NAME);
	check_header("X:", "x", JO_HEADER_NAME);
	check_header("X Y", "x", JO_HEADER_NAME);
	check_header("X\r\nY", "x", JO_HEADER_NAME);
	check_header("\xc3\xa9", "x", JO_HEADER_NAME);
	check_header("X", "a\r\nHost: b", JO_HEADER_VALUE);
	check_header("X", "a\nb", JO_HEADER_VALUE);
	check_header("X", "a\x01", JO_HEADER_VALUE);
	check_header("X", "a\x7f", JO_HEADER_VALUE);
	check_header("host", "x", JO_HEADER_RESERVED);
	check_header("Content-LENGTH", "1", JO_HEADER_RESERVED);
	check_header("TRANSFER-ENCODING", "chunked", JO_HEADER_RESERVED);
	check_header("connection", "close", JO_HEADER_RESERVED);
	check_header("Proxy-Authorization", "x", JO_HEADER_RESERVED);
	check_header("PROXY-anything", "x", JO_HEADER_RESERVED);
	check_header("te", "x", JO_HEADER_RESERVED);
	check_header("upgrade", "x", JO_HEADER_RESERVED);
	check_header("Expect", "100-continue", JO_HEADER_RESERVED);
	check_header("Proxy", "x", JO_HEADER_OK);
	CHECK(jo_http_is_token("PATCH", 5));
	CHECK(!jo_http_is_token("", 0));
	CHECK(!jo_http_is_token("A\0B", 3));
	CHECK(jo_http_is_safe("get"));
	CHECK(!jo_http_is_safe("POST"));
}

static void
test_header_lines(void)
{
	const char *text = "HTTP/1.1 200 OK\r\nContent-Type: text/html \r\nX:\r\nX-Two:a:b\nnothing\r\n: empty\r\nx: last";
	const char *cursor = text;
	size_t		left = strlen(text);
	JoHeaderLine line;

	CHECK(jo_http_next_header(&cursor, &left, &line));
	CHECK_TEXT(pnstrdup(line.name, line.name_length), "Content-Type");
	CHECK_TEXT(pnstrdup(line.value, line.value_length), "text/html");
	CHECK(jo_http_next_header(&cursor, &left, &line));
	CHECK_INT(line.value_length, 0);
	CHECK(jo_http_next_header(&cursor, &left, &line));
	CHECK_TEXT(pnstrdup(line.value, line.value_length), "a:b");
	CHECK(jo_http_next_header(&cursor, &left, &line));
	CHECK_TEXT(pnstrdup(line.value, line.value_length), "last");
	CHECK(!jo_http_next_header(&cursor, &left, &line));
	CHECK(jo_http_find_header(text, strlen(text), "X", &line));
	CHECK_TEXT(pnstrdup(line.value, line.value_length), "last");
	CHECK(!jo_http_find_header(text, strlen(text), "Retry-After", &line));
	CHECK(!jo_http_find_header(NULL, 0, "X", &line));
}

static void
check_statuses(const char *text, const char *wanted)
{
	JoStatusRange ranges[3];
	int			n = jo_http_parse_statuses(text, ranges, lengthof(ranges));
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
		appendStringInfo(&buf, "%s%d-%d", i > 0 ? " " : "", ranges[i].low, ranges[i].high);
	CHECK_TEXT(n < 0 ? "wrong" : buf.data, wanted);
}

static void
test_statuses(void)
{
	check_statuses("200", "200-200");
	check_statuses("2xx", "200-299");
	check_statuses(" 200 - 204 ,404,5XX", "200-204 404-404 500-599");
	check_statuses("2xx-3xx", "200-399");
	check_statuses("", "wrong");
	check_statuses("200,", "wrong");
	check_statuses("204-200", "wrong");
	check_statuses("20", "wrong");
	check_statuses("2000", "wrong");
	check_statuses("xxx", "wrong");
	check_statuses("-200", "wrong");
	check_statuses("200,201,202,203", "wrong");
}

static void
check_retry(const char *value, int64 now, int64 wanted)
{
	int64		seconds;
	bool		good = jo_http_retry_after(value, strlen(value), now, &seconds);

	unit_check(good ? seconds == wanted : wanted < 0, __FILE__, __LINE__, "%s: got " INT64_FORMAT,
			   value, good ? seconds : -1);
}

static void
test_retry_after(void)
{
	/* Sun, 06 Nov 1994 08:49:37 GMT */
	int64		then = INT64CONST(784111777);

	check_retry("120", 0, 120);
	check_retry(" 0 ", 0, 0);
	check_retry("99999999999999999999999999", 0, INT64CONST(999999999999));
	check_retry("", 0, -1);
	check_retry("-1", 0, -1);
	check_retry("1.5", 0, -1);
	check_retry("soon", 0, -1);
	check_retry("Sun, 06 Nov 1994 08:49:37 GMT", then - 60, 60);
	check_retry("Sunday, 06-Nov-94 08:49:37 GMT", then - 60, 60);
	check_retry("Sun Nov  6 08:49:37 1994", then - 60, 60);
	check_retry("Sun, 06 Nov 1994 08:49:37 GMT", then + 60, 0);
	check_retry("Thu, 29 Feb 2024 00:00:00 GMT", 0, INT64CONST(1709164800));
	check_retry("Thu, 01 Jan 1970 00:00:00 GMT", 0, 0);
	check_retry("Sun, 06 Nov 1994 08:49:37 CET", 0, -1);
	check_retry("Sun, 06 Noo 1994 08:49:37 GMT", 0, -1);
	check_retry("Sun, 32 Nov 1994 08:49:37 GMT", 0, -1);
	check_retry("Sun, 06 Nov 1994 24:49:37 GMT", 0, -1);
}

static void
check_type(const char *text, const char *type, const char *charset, bool json, bool is_text)
{
	JoMediaType got;

	jo_http_media_type(text, &got);
	CHECK_TEXT(got.type, type);
	CHECK_TEXT(got.charset, charset);
	CHECK(got.json == json);
	CHECK(got.text == is_text);
}

static void
test_media_types(void)
{
	check_type(NULL, "", "", false, false);
	check_type("", "", "", false, false);
	check_type("Application/JSON", "application/json", "", true, true);
	check_type("application/problem+json; charset=UTF-8", "application/problem+json", "utf-8", true, true);
	check_type("text/html;x=y; Charset=\"ISO-8859-1\"", "text/html", "iso-8859-1", false, true);
	check_type("text/plain; charset=\"", "text/plain", "", false, true);
	check_type("image/svg+xml", "image/svg+xml", "", false, true);
	check_type("image/png", "image/png", "", false, false);
	check_type(";;;charset=a;charset=b", "", "a", false, false);
	CHECK(jo_http_is_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
	CHECK(!jo_http_is_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0\n"));
	CHECK(!jo_http_is_traceparent(""));
}

static void
check_url(const char *text, const char *wanted)
{
	JoUrl		url;
	char	   *error;
	char	   *hint;

	if (jo_url_parse(text, &url, &error, &hint))
		CHECK_TEXT(psprintf("%s %s %d%s %s", url.scheme, url.host, url.port, url.has_user ? " user" : "", url.tail),
				   wanted);
	else
		CHECK_TEXT(error, wanted);
}

static void
test_urls(void)
{
	check_url("HTTPS://Api.Example.com", "https api.example.com 0 ");
	check_url("http://h:8080/p?q#f", "http h 8080 /p?q#f");
	check_url("http://h?q", "http h 0 ?q");
	check_url("http://[::1]:80/", "http ::1 80 /");
	check_url("http://[::FFFF:127.0.0.1]", "http ::ffff:127.0.0.1 0 ");
	check_url("http://127.1/", "http 127.1 0 /");
	check_url("http://user:pw@h/", "http h 0 user /");
	check_url("http://a@b@h/", "http h 0 user /");
	check_url("http://h/@x", "http h 0 /@x");
	check_url("file:///etc/passwd", "file  0 /etc/passwd");
	check_url("http://h/a b", "has a blank");
	check_url("http://h/a\r\nb", "has a control character");
	check_url("http://h\\@x/", "has a backslash");
	check_url("/relative", "is no URL");
	check_url("mailto:a@b", "is no URL");
	check_url("://h", "is no URL");
	check_url("http://", "has no host");
	check_url("http:///path", "has no host");
	check_url("http://:80/", "has no host");
	check_url("http://h:/", "has a port that is not valid");
	check_url("http://h:0/", "has a port that is not valid");
	check_url("http://h:65536/", "has a port that is not valid");
	check_url("http://h:80x/", "has a port that is not valid");
	check_url("http://h.:80/", "has a host name that is not valid");
	check_url("http://.h/", "has a host name that is not valid");
	check_url("http://a..b/", "has a host name that is not valid");
	check_url("http://%31%32%37.0.0.1/", "has a host name that is not valid");
	check_url("http://a;b/", "has a host name that is not valid");
	check_url("http://[::1/", "has no valid address between brackets");
	check_url("http://[::1]x/", "has a port that is not valid");
	check_url("http://[fe80::1%25eth0]/", "has no valid address between brackets");
	check_url("http://\xef\xbd\x81.com/", "has a host name with letters beyond ASCII");
}

static void
test_url_texts(void)
{
	StringInfoData buf;

	CHECK_TEXT(jo_url_assemble("http://h/p", ""), "http://h/p");
	CHECK_TEXT(jo_url_assemble("http://h/p#f", "a=b"), "http://h/p?a=b");
	CHECK_TEXT(jo_url_assemble("http://h/p?x#f?g", "a=b"), "http://h/p?x&a=b");
	CHECK_TEXT(jo_url_assemble("http://h?", "a=b"), "http://h?a=b");
	CHECK_TEXT(jo_url_assemble("http://h?x&", "a=b"), "http://h?x&a=b");
	CHECK_TEXT(jo_url_assemble("http://h/\xc3\xa9", ""), "http://h/%C3%A9");
	CHECK_TEXT(jo_url_show("http://u:p@h/p?secret#f"), "http://h/p");
	CHECK_TEXT(jo_url_show("http://h"), "http://h");
	CHECK_TEXT(jo_url_show("nothing?x"), "nothing");
	initStringInfo(&buf);
	jo_url_append_encoded(&buf, "a b&c=\xc3\xa9/~\r", 11, false);
	CHECK_TEXT(buf.data, "a%20b%26c%3D%C3%A9%2F~%0D");
	initStringInfo(&buf);
	jo_url_append_encoded(&buf, "a b+", 4, true);
	CHECK_TEXT(buf.data, "a+b%2B");
}

void
test_http(void)
{
	test_headers();
	test_header_lines();
	test_statuses();
	test_retry_after();
	test_media_types();
	test_urls();
	test_url_texts();
}
