/* SPDX-License-Identifier: BSD-3-Clause */
/* What the management address makes of a request's head. */
#include <criterion/criterion.h>
#include <string.h>

#include "management.h"

static bool head_only;

static enum management_page read_text(const char *head, bool local)
{
    return management_read(head, strlen(head), local, &head_only);
}

#define LINE(line)       line " HTTP/1.1\r\nHost: localhost:9464\r\nAccept: */*\r\n\r\n"
#define PAGE(head, want) cr_expect_eq(read_text(head, false), want, "%s", head)

Test(management, pages_are_found)
{
    PAGE(LINE("GET /"), MANAGEMENT_INDEX);
    cr_expect(!head_only);
    PAGE(LINE("GET /dashboard.js?x=1"), MANAGEMENT_SCRIPT);
    PAGE(LINE("GET /dashboard.css"), MANAGEMENT_STYLE);
    PAGE(LINE("GET /metrics"), MANAGEMENT_METRICS);
    PAGE(LINE("HEAD /metrics"), MANAGEMENT_METRICS);
    cr_expect(head_only);
    PAGE(LINE("GET /api/now"), MANAGEMENT_NOW);
    PAGE(LINE("GET /api/history"), MANAGEMENT_HISTORY);
    PAGE(LINE("GET /metrics/"), MANAGEMENT_NOT_FOUND);
    PAGE(LINE("GET /../etc/passwd"), MANAGEMENT_NOT_FOUND);
}

Test(management, only_its_own_machine_is_answered)
{
    PAGE("GET / HTTP/1.1\r\nhost:  127.0.0.1\r\n\r\n", MANAGEMENT_INDEX);
    PAGE("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", MANAGEMENT_INDEX);
    PAGE("GET / HTTP/1.1\r\nHost: LOCALHOST\r\n\r\n", MANAGEMENT_INDEX);
    PAGE("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", MANAGEMENT_WRONG_HOST);
    PAGE("GET / HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", MANAGEMENT_WRONG_HOST);
    PAGE("GET / HTTP/1.1\r\nHost: localhost:80@evil\r\n\r\n", MANAGEMENT_WRONG_HOST);
    PAGE("GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.example:80\r\n\r\n", MANAGEMENT_WRONG_HOST);
    PAGE("GET / HTTP/1.1\r\nAccept: x\r\n\r\n", MANAGEMENT_BAD_REQUEST);
    PAGE("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n", MANAGEMENT_BAD_REQUEST);
    cr_expect_eq(read_text("GET / HTTP/1.0\r\n\r\n", true), MANAGEMENT_INDEX, "a UNIX socket has no host");
    cr_expect_eq(read_text("GET / HTTP/1.1\r\nHost: relay\r\n\r\n", true), MANAGEMENT_INDEX);
}

Test(management, what_is_malformed_is_refused)
{
    PAGE(LINE("POST /"), MANAGEMENT_METHOD);
    PAGE(LINE("DELETE /metrics"), MANAGEMENT_METHOD);
    PAGE("GET /\r\n\r\n", MANAGEMENT_BAD_REQUEST);
    PAGE("GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", MANAGEMENT_BAD_REQUEST);
    PAGE("GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", MANAGEMENT_BAD_REQUEST);
    PAGE("GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n", MANAGEMENT_BAD_REQUEST);
    PAGE("\r\n\r\n", MANAGEMENT_BAD_REQUEST);
    cr_expect_eq(management_read("GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n", 40, false, &head_only),
                 MANAGEMENT_BAD_REQUEST);
}
