/* SPDX-License-Identifier: BSD-3-Clause */
/* waxctl doctor: what the checks found, for people or as JSON. */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "doctor.h"
#include "waxctl.h"

struct report {
    bool json, all;
    struct json_object *list;
    uint32_t count[DOCTOR_GRADES];
};

static void take(void *ctx, enum doctor_grade grade, const char *check, const char *text, const char *mend)
{
    static const char *const names[] = {"good", "note", "warning", "bad", "fixed"};
    struct report *report = ctx;
    report->count[grade]++;
    if (report->json) {
        struct json_object *finding = json_object_new_object();
        json_object_object_add(finding, "check", json_object_new_string(check));
        json_object_object_add(finding, "grade", json_object_new_string(names[grade]));
        json_object_object_add(finding, "text", json_object_new_string(text));
        if (mend[0] != '\0')
            json_object_object_add(finding, "mend", json_object_new_string(mend));
        json_object_array_add(report->list, finding);
    } else {
        printf("%-8s %-14s %s\n", names[grade], check, text);
        if (mend[0] != '\0')
            printf("%-8s %-14s   mend: %s\n", "", "", mend);
    }
}

/* Ask a driver one thing. */
static bool ethtool(const char *name, void *what)
{
    struct ifreq request = {.ifr_data = what};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    snprintf(request.ifr_name, sizeof request.ifr_name, "%.15s", name);
    bool told = ioctl(fd, SIOCETHTOOL, &request) == 0;
    close(fd);
    return told;
}

static bool look_at_interface(void *ctx, const char *name, struct doctor_interface *out)
{
    struct ethtool_ringparam rings = {.cmd = ETHTOOL_GRINGPARAM};
    struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
    (void)ctx;
    bool any = ethtool(name, &rings);
    if (any) {
        out->rx_ring = rings.rx_pending;
        out->rx_ring_max = rings.rx_max_pending;
        out->tx_ring = rings.tx_pending;
        out->tx_ring_max = rings.tx_max_pending;
    }
    if (ethtool(name, &driver)) {
        snprintf(out->firmware, sizeof out->firmware, "%.32s %.30s", driver.driver, driver.fw_version);
        any = true;
        if (driver.fw_version[0] == '\0')
            out->firmware[0] = '\0';
    }
    return any;
}

static bool look_at_clock(void *ctx, bool *synchronized)
{
    struct timex state = {.modes = 0};
    (void)ctx;
    int code = adjtimex(&state);
    *synchronized = code >= 0 && code != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
    return code >= 0;
}

int doctor_run_command(const struct options *options)
{
    static struct wax_config config;
    struct config_error error;
    const char *root = options->text[OPTION_ROOT] != NULL ? options->text[OPTION_ROOT] : "";
    struct report report = {.json = options->json, .list = json_object_new_array()};
    struct doctor doctor = {.root = root,
                            .config = &config,
                            .fix = options->text[OPTION_FIX] != NULL,
                            .now_s = (uint64_t)time(NULL),
                            .ctx = &report,
                            .found = take,
                            .interface = root[0] == '\0' ? look_at_interface : NULL,
                            .clock_synchronized = root[0] == '\0' ? look_at_clock : NULL};
    config_defaults(&config);
    for (uint32_t i = 0; i < options->configs; i++) {
        if (config_load(&config, options->config[i], &error) != WAX_OK) {
            fprintf(stderr, "waxctl: %s\n", error.text);
            json_object_put(report.list);
            return EXIT_USAGE;
        }
    }
    if (options->configs == 0)
        take(&report, DOCTOR_NOTE, "configuration", "none is named: the defaults are looked at",
             "--config FILE");
    else if (config_check(&config, &error) != WAX_OK)
        take(&report, DOCTOR_BAD, "configuration", error.text, "waxctl config check");
    doctor_run(&doctor);
    uint32_t bad = report.count[DOCTOR_BAD], warn = report.count[DOCTOR_WARN];
    if (options->json) {
        struct json_object *answer = json_object_new_object();
        json_object_object_add(answer, "bad", json_object_new_uint64(bad));
        json_object_object_add(answer, "warnings", json_object_new_uint64(warn));
        json_object_object_add(answer, "findings", report.list);
        print_json(answer);
        json_object_put(answer);
    } else {
        printf("%u bad, %u warnings, %u notes, %u good, %u fixed\n", bad, warn, report.count[DOCTOR_NOTE],
               report.count[DOCTOR_GOOD], report.count[DOCTOR_FIXED]);
        json_object_put(report.list);
    }
    return bad + warn != 0 ? EXIT_NOT_DONE : 0;
}
