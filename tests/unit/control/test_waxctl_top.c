/* SPDX-License-Identifier: BSD-3-Clause */
/* What waxctl top writes of two looks. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "waxctl.h"
#include "waxctl_top.h"

static char text[65536];

static struct top_look look_of(uint64_t now_ms, uint64_t sends, uint64_t resets, uint64_t busy)
{
    char json[1024];
    struct top_look look = {
        .status = json_tokener_parse(
            "{\"version\":\"1\",\"uptime_ms\":5000,\"sessions\":7,\"data_plane\":{\"attached\":"
            "true,\"epoch\":3,\"workers\":2}}"),
        .limits = json_tokener_parse(
            "{\"limits\":[{\"name\":\"limits.connections\",\"value\":200,\"now\":190},{\"name\":"
            "\"limits.opens_per_s\",\"value\":5}]}"),
        .store =
            json_tokener_parse("{\"items\":4,\"mailboxes\":2,\"segments\":1,\"damaged\":0,\"refused\":0}"),
    };
    snprintf(json, sizeof json,
             "{\"now_ms\":%lu,\"metrics\":{\"sends\":%lu},\"statuses\":[{\"name\":\"OK\",\"text\":\"ok\","
             "\"count\":9},{"
             "\"name\":\"TCP_PAWS\",\"text\":\"tcp: timestamp too "
             "old\",\"count\":50},{\"name\":\"TCP_RESET\",\"text\":\"tcp: "
             "reset by the peer\",\"count\":%lu}]}",
             now_ms, sends, resets);
    look.counters = json_tokener_parse(json);
    snprintf(json, sizeof json,
             "{\"workers\":[{\"busy_cycles\":%lu,\"idle_cycles\":100,\"latency_buckets\":[[3,%lu]]}]}", busy,
             sends);
    look.workers = json_tokener_parse(json);
    return look;
}

static void put(struct top_look *look)
{
    json_object_put(look->status);
    json_object_put(look->workers);
    json_object_put(look->counters);
    json_object_put(look->limits);
    json_object_put(look->store);
}

Test(top, rates_shares_and_reasons_are_of_the_time_between_two_looks)
{
    struct top_look a = look_of(1000, 100, 1, 0), b = look_of(3000, 300, 7, 0);
    json_object_object_add(json_object_array_get_idx(get_object(b.workers, "workers"), 0), "busy_cycles",
                           json_object_new_uint64(300));
    json_object_object_add(json_object_array_get_idx(get_object(b.workers, "workers"), 0), "idle_cycles",
                           json_object_new_uint64(200));
    struct top_screen screen = {.rows = 100, .columns = 200};
    size_t len = top_write(&a, &b, &screen, text, sizeof text);
    cr_assert_eq(len, strlen(text));
    cr_assert_not_null(strstr(text, "sends 100 "), "%s", text);
    cr_assert_not_null(strstr(text, "  75% ###############....."), "%s", text);
    cr_assert_not_null(strstr(text, "connections 95%"), "%s", text);
    cr_assert_not_null(strstr(text, "relaying    p50 "), "%s", text);
    const char *reset = strstr(text, "TCP_RESET"), *paws = strstr(text, "TCP_PAWS");
    cr_assert(reset != NULL && paws != NULL && reset < paws, "what happens now comes first: %s", text);
    cr_assert_null(strstr(text, "  OK "));
    struct json_object *object = top_object(&a, &b);
    cr_assert_eq(json_object_get_double(get_object(get_object(object, "per_s"), "sends")), 100.0);
    cr_assert_eq(json_object_get_double(get_object(get_object(object, "reasons_per_s"), "TCP_RESET")), 3.0);
    cr_assert_eq(json_object_get_double(json_object_array_get_idx(get_object(object, "busy"), 0)), 0.75);
    json_object_put(object);
    put(&a);
    put(&b);
}

Test(top, a_screen_is_never_overrun)
{
    struct top_look a = look_of(1000, 100, 1, 1), b = look_of(3000, 300, 7, 2);
    for (uint32_t rows = 1; rows < 20; rows += 3) {
        for (uint32_t columns = 20; columns < 100; columns += 37) {
            struct top_screen screen = {.rows = rows, .columns = columns};
            uint32_t lines = 0;
            top_write(&a, &b, &screen, text, sizeof text);
            for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1, lines++)
                cr_assert_leq(strcspn(line, "\n"), columns);
            cr_assert_leq(lines, rows);
        }
    }
    cr_assert_lt(top_write(&a, &b, &(struct top_screen){.rows = 99, .columns = 99}, text, 100), 100u);
    put(&a);
    put(&b);
}

Test(top, nothing_goes_wrong_when_the_control_plane_is_away_or_new)
{
    struct top_look none = {0}, b = look_of(3000, 300, 7, 2), less = look_of(4000, 10, 0, 0);
    struct top_screen screen = {.rows = 50, .columns = 120, .color = true, .more = true};
    top_write(&none, &none, &screen, text, sizeof text);
    cr_assert_not_null(strstr(text, "does not answer"));
    top_write(&none, &b, &screen, text, sizeof text);
    cr_assert_not_null(strstr(text, "sends 0 "), "%s", text);
    top_write(&b, &less, &screen, text, sizeof text);
    cr_assert_not_null(strstr(text, "sends 0 "), "a counter that went back is no rate: %s", text);
    put(&b);
    put(&less);
}
