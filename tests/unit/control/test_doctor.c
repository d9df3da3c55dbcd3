/* SPDX-License-Identifier: BSD-3-Clause */
/* waxctl doctor on made-up machines: each finding appears where it should, and not where it should not. */
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config_fields.h"
#include "doctor.h"

#define FINDINGS 128

static char root[64];
static struct wax_config config;
static struct doctor doctor;
static struct {
    enum doctor_grade grade;
    char check[32], text[DOCTOR_TEXT_BYTES], mend[512];
} finding[FINDINGS];
static uint32_t findings;
static struct doctor_interface rings;
static bool synchronized;

static void found(void *ctx, enum doctor_grade grade, const char *check, const char *text, const char *mend)
{
    (void)ctx;
    cr_assert_lt(findings, FINDINGS);
    finding[findings].grade = grade;
    snprintf(finding[findings].check, sizeof finding[0].check, "%s", check);
    snprintf(finding[findings].text, sizeof finding[0].text, "%s", text);
    snprintf(finding[findings++].mend, sizeof finding[0].mend, "%s", mend);
}

static bool interface(void *ctx, const char *name, struct doctor_interface *out)
{
    (void)ctx;
    *out = rings;
    return strcmp(name, "eth0") == 0;
}

static bool clock_state(void *ctx, bool *out)
{
    (void)ctx;
    *out = synchronized;
    return true;
}

/* A file of the machine, with the folders above it. */
static void put(const char *path, const char *text)
{
    char full[400];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    cr_assert_not_null(file, "%s", full);
    fputs(text, file);
    fclose(file);
}

static void put_link(const char *path, const char *target)
{
    char full[400];
    snprintf(full, sizeof full, "%s%s", root, path);
    unlink(full);
    put(path, ""); /* its folders */
    unlink(full);
    cr_assert_eq(symlink(target, full), 0);
}

static void get(const char *path, char out[64])
{
    char full[400];
    snprintf(full, sizeof full, "%s%s", root, path);
    FILE *file = fopen(full, "r");
    out[fread(out, 1, 63, file)] = '\0';
    fclose(file);
}

static void configure(const char *text)
{
    struct config_error error;
    cr_assert_eq(config_load_text(&config, "test", view_of(text, strlen(text)), &error), WAX_OK, "%s",
                 error.text);
}

static void look(void)
{
    findings = 0;
    doctor_run(&doctor);
}

/* The worst that was found under a name; -1: nothing. Its text must have `part` in it. */
static int grade_of(const char *check, const char *part)
{
    int worst = -1;
    for (uint32_t i = 0; i < findings; i++) {
        if (strcmp(finding[i].check, check) == 0 && strstr(finding[i].text, part) != NULL &&
            (int)finding[i].grade > worst)
            worst = (int)finding[i].grade;
    }
    return worst;
}

#define GRADE(check, part, want)                                                                             \
    cr_expect_eq(grade_of(check, part), (int)(want), "%s '%s' is %d", check, part, grade_of(check, part))

/* A certificate and its key, good from `from` to `to` seconds from now. */
static void put_certificate(const char *path, const char *key_path, long from, long to, mode_t mode)
{
    char full[400];
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    X509 *x = X509_new();
    put(path, "");
    put(key_path, "key");
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), from);
    X509_gmtime_adj(X509_getm_notAfter(x), to);
    X509_set_pubkey(x, key);
    X509_sign(x, key, NULL);
    snprintf(full, sizeof full, "%s%s", root, path);
    FILE *file = fopen(full, "w");
    PEM_write_X509(file, x);
    fclose(file);
    snprintf(full, sizeof full, "%s%s", root, key_path);
    chmod(full, mode);
    X509_free(x);
    EVP_PKEY_free(key);
}

/* A machine without a fault: 8 cores on 2 nodes, workers on 2 and 3, a card that VFIO has. */
static void setup(void)
{
    strcpy(root, "/tmp/wax-doctor-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
    put("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "512\n");
    put("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "512\n");
    put("/sys/devices/system/node/node0/cpulist", "0-3\n");
    put("/sys/devices/system/node/node1/cpulist", "4-7\n");
    put("/sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages", "512\n");
    put("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "0\n");
    put("/proc/meminfo", "MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:   12000000 kB\n");
    put("/proc/mounts", "none /dev/hugepages hugetlbfs rw 0 0\n");
    put("/proc/swaps", "Filename\tType\n");
    put("/sys/devices/system/cpu/online", "0-7\n");
    put("/sys/devices/system/cpu/isolated", "2-3\n");
    put("/sys/devices/system/cpu/nohz_full", "2-3\n");
    put("/proc/cmdline", "ro isolcpus=2-3 nohz_full=2-3 rcu_nocbs=2-3\n");
    for (int cpu = 2; cpu <= 3; cpu++) {
        char path[128], text[32];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
        snprintf(text, sizeof text, "%d,%d\n", cpu, cpu + 4);
        put(path, text);
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu);
        put(path, "performance\n");
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpuidle/state1/latency", cpu);
        put(path, "2\n");
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpuidle/state1/disable", cpu);
        put(path, "0\n");
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpuidle/state2/latency", cpu);
        put(path, "100\n");
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpuidle/state2/disable", cpu);
        put(path, "1\n");
    }
    put("/proc/irq/24/effective_affinity_list", "0\n");
    put("/proc/irq/24/smp_affinity_list", "0-1\n");
    put("/sys/class/iommu/dmar0/x", "");
    put("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n");
    put("/sys/bus/pci/devices/0000:3b:00.0/vendor", "0x8086\n");
    put("/sys/bus/pci/devices/0000:3b:00.0/numa_node", "0\n");
    put_link("/sys/bus/pci/devices/0000:3b:00.0/driver", "../../drivers/vfio-pci");
    put_link("/sys/bus/pci/devices/0000:3b:00.0/iommu_group", "../../kernel/iommu_groups/7");
    put("/sys/class/net/eth0/mtu", "1500\n");
    put("/sys/class/net/eth0/operstate", "up\n");
    put_link("/sys/class/net/eth0/device", "../../../dev0");
    put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
    put("/sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet\n");
    put("/proc/100/comm", "waxwire-control\n");
    put("/proc/100/limits", "Max open files            65536                65536                files\n");
    put("/proc/101/comm", "waxwire-datapla\n");
    put("/proc/101/limits", "Max open files            65536                65536                files\n"
                            "Max locked memory         unlimited            unlimited            bytes\n");
    put("/var/lib/waxwire/x", "");
    char store[200];
    snprintf(store, sizeof store, "%s/var/lib/waxwire", root);
    chmod(store, 0700);
    put_certificate("/etc/tls.pem", "/etc/tls.key", -100, 90 * 86400, 0600);
    config_defaults(&config);
    configure("dataplane: {cores: [2, 3], workers: 2, idle: performance}\n"
              "tls: {certificate: /etc/tls.pem, key: /etc/tls.key}\n"
              "ports: [{kind: pci, device: \"0000:3b:00.0\", addresses: [198.18.0.2/24]}]\n");
    rings = (struct doctor_interface){4096, 4096, 4096, 4096, "i40e 9.1"};
    synchronized = true;
    doctor = (struct doctor){.root = root,
                             .config = &config,
                             .now_s = (uint64_t)time(NULL),
                             .found = found,
                             .interface = interface,
                             .clock_synchronized = clock_state};
}

static void teardown(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", root);
    cr_assert_eq(system(command), 0);
}

TestSuite(doctor, .init = setup, .fini = teardown);

Test(doctor, a_machine_without_a_fault_has_no_warning)
{
    look();
    for (uint32_t i = 0; i < findings; i++) {
        /* where the test's own files lie is this machine's */
        bool own = strcmp(finding[i].check, "disk") == 0 || strcmp(finding[i].check, "sync") == 0 ||
                   strcmp(finding[i].check, "filesystem") == 0;
        cr_expect(own || finding[i].grade <= DOCTOR_NOTE, "%s: %s", finding[i].check, finding[i].text);
        cr_expect(finding[i].grade != DOCTOR_GOOD || finding[i].mend[0] == '\0');
    }
    const char *const good[] = {"hugepages", "swap",      "cores",    "numa",       "isolcpus",
                                "nohz_full", "rcu_nocbs", "governor", "interrupts", "iommu",
                                "nic",       "clock",     "time",     "files",      "certificate"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        GRADE(good[i], "", DOCTOR_GOOD);
}

Test(doctor, memory)
{
    put("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "100\n");
    put("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "100\n");
    put("/proc/swaps", "Filename\tType\n/dev/sda2 partition\n");
    put("/proc/mounts", "");
    configure("dataplane: {capture: on}\n");
    look();
    GRADE("hugepages", "100 free, but dataplane.memory_mib needs 256", DOCTOR_WARN);
    GRADE("swap", "", DOCTOR_WARN);
    GRADE("hugetlbfs", "", DOCTOR_BAD);
    configure("dataplane: {hugepages: on, memory_mib: 9000}\n");
    look();
    GRADE("hugepages", "needs 4500", DOCTOR_BAD);
    GRADE("memory", "more than half", DOCTOR_WARN);
    configure("dataplane: {hugepages: off}\n");
    look();
    GRADE("hugepages", "goes without", DOCTOR_NOTE);
}

Test(doctor, memory_and_cores_of_another_node)
{
    put("/sys/bus/pci/devices/0000:3b:00.0/numa_node", "1\n");
    look();
    GRADE("numa", "port 0000:3b:00.0 is on node 1, which has 0 free hugepages of the 256 needed",
          DOCTOR_WARN);
    GRADE("numa", "but cores 2,3 of its workers are not", DOCTOR_WARN);
    put("/sys/bus/pci/devices/0000:3b:00.0/numa_node", "-1\n");
    look();
    GRADE("numa", "", -1);
}

Test(doctor, cores)
{
    put("/sys/devices/system/cpu/online", "0-2\n");
    put("/sys/devices/system/cpu/isolated", "\n");
    put("/sys/devices/system/cpu/nohz_full", "(null)\n");
    put("/proc/cmdline", "ro quiet\n");
    put("/sys/devices/system/cpu/cpu3/topology/thread_siblings_list", "2-3\n");
    look();
    GRADE("cores", "cores 3 are not online", DOCTOR_BAD);
    GRADE("isolcpus", "cores 2,3", DOCTOR_WARN);
    GRADE("nohz_full", "cores 2,3", DOCTOR_WARN);
    GRADE("rcu_nocbs", "cores 2,3", DOCTOR_WARN);
    GRADE("siblings", "cores 3 share", DOCTOR_WARN);
    configure("dataplane: {workers: 3, idle: balanced}\n");
    look();
    GRADE("isolcpus", "cores 2,3", DOCTOR_NOTE);
    GRADE("cores", "3 workers share 2 cores", DOCTOR_WARN);
    configure("dataplane: {cores: []}\n");
    look();
    GRADE("cores", "not pinned", DOCTOR_NOTE);
}

static void spoil_power(void)
{
    put("/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "powersave\n");
    put("/sys/devices/system/cpu/cpu2/cpuidle/state2/disable", "0\n");
    put("/proc/irq/30/effective_affinity_list", "1-3\n");
    put("/proc/irq/30/smp_affinity_list", "0-7\n");
    put("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n");
    put("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "0\n");
}

Test(doctor, without_fix_nothing_is_changed)
{
    char text[64];
    spoil_power();
    look();
    GRADE("governor", "cores 3 ", DOCTOR_WARN);
    GRADE("c-states", "cores 2 ", DOCTOR_WARN);
    GRADE("interrupts", "1 interrupts (30)", DOCTOR_WARN);
    get("/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", text);
    cr_assert_str_eq(text, "powersave\n");
    get("/proc/irq/30/smp_affinity_list", text);
    cr_assert_str_eq(text, "0-7\n");
    get("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", text);
    cr_assert_str_eq(text, "0\n");
}

Test(doctor, fix_mends_what_is_safe)
{
    char text[64];
    spoil_power();
    doctor.fix = true;
    look();
    GRADE("power", "", DOCTOR_FIXED);
    GRADE("interrupts", "1 interrupts moved to cores 0,1,4,5,6,7", DOCTOR_FIXED);
    GRADE("hugepages", "256", DOCTOR_FIXED);
    get("/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", text);
    cr_assert_str_eq(text, "performance\n");
    get("/sys/devices/system/cpu/cpu2/cpuidle/state2/disable", text);
    cr_assert_str_eq(text, "1\n");
    get("/sys/devices/system/cpu/cpu2/cpuidle/state1/disable", text);
    cr_assert_str_eq(text, "0\n", "a light sleep is left alone");
    get("/proc/irq/30/smp_affinity_list", text);
    cr_assert_str_eq(text, "0,1,4,5,6,7");
    get("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", text);
    cr_assert_str_eq(text, "256\n");
}

Test(doctor, cards)
{
    char path[200];
    put_link("/sys/bus/pci/devices/0000:3b:00.0/driver", "../../drivers/i40e");
    put("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
    snprintf(path, sizeof path, "rm -r %s/sys/class/iommu %s/sys/bus/pci/devices/0000:3b:00.0/iommu_group",
             root, root);
    cr_assert_eq(system(path), 0);
    look();
    GRADE("nic", "its driver is i40e, not vfio-pci", DOCTOR_BAD);
    GRADE("iommu", "no IOMMU", DOCTOR_BAD);
    GRADE("iommu", "in no IOMMU group", DOCTOR_BAD);
    GRADE("vfio", "unsafe", DOCTOR_WARN);
    put_link("/sys/bus/pci/devices/0000:3b:00.0/driver", "../../drivers/mlx5_core");
    look();
    GRADE("nic", "shares with the kernel", DOCTOR_GOOD);
    configure("ports: [{kind: pci, device: \"0000:99:00.0\", addresses: [198.18.0.2/24]}]\n");
    look();
    GRADE("nic", "no such PCI device", DOCTOR_BAD);
}

Test(doctor, interfaces)
{
    configure("ports: [{kind: afxdp, device: eth0, mtu: 9000, addresses: [198.18.0.2/24]}, {kind: afxdp, "
              "device: eth9}]\n");
    rings.rx_ring = 256;
    put("/sys/class/net/eth0/operstate", "down\n");
    look();
    GRADE("link", "port eth0 is down", DOCTOR_BAD);
    GRADE("mtu", "takes 1500 bytes, the configuration says 9000", DOCTOR_BAD);
    GRADE("rings", "256 and 4096 packets", DOCTOR_WARN);
    GRADE("firmware", "i40e 9.1", DOCTOR_NOTE);
    GRADE("nic", "port eth9: no such interface", DOCTOR_BAD);
    configure("ports: []\n");
    look();
    GRADE("nic", "no port", DOCTOR_BAD);
}

Test(doctor, clock_and_limits)
{
    synchronized = false;
    put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
    put("/proc/100/limits", "Max open files            1024                 4096                 files\n");
    put("/proc/101/limits", "Max open files            65536                65536                files\n"
                            "Max locked memory         8388608              8388608              bytes\n");
    look();
    GRADE("clock", "hpet", DOCTOR_WARN);
    GRADE("time", "", DOCTOR_WARN);
    GRADE("files", "waxwire-control (100) may open 1024", DOCTOR_WARN);
    GRADE("locked memory", "8388608", DOCTOR_WARN);
    put("/proc/100/comm", "bash\n");
    look();
    GRADE("running", "waxwire-control does not run", DOCTOR_NOTE);
}

Test(doctor, disk)
{
    char path[200], text[400];
    struct stat info;
    snprintf(path, sizeof path, "%s/var/lib/waxwire", root);
    cr_assert_eq(stat(path, &info), 0);
    chmod(path, 0755);
    snprintf(text, sizeof text, "30 1 %u:%u / / rw - ext4 /dev/sda1 rw,nobarrier\n",
             (unsigned)(info.st_dev >> 8 & 0xfff),
             (unsigned)((info.st_dev & 0xff) | (info.st_dev >> 12 & 0xfff00)));
    put("/proc/self/mountinfo", text);
    look();
    GRADE("store", "mode 755", DOCTOR_WARN);
    GRADE("sync", "nobarrier", DOCTOR_BAD);
    cr_expect_geq(grade_of("disk", "MiB free"), 0);
    cr_expect_geq(grade_of("sync", "fdatasync"), 0, "it was timed");
    configure("store: {directory: /nowhere}\n");
    look();
    GRADE("disk", "/nowhere", DOCTOR_NOTE);
}

Test(doctor, certificates)
{
    put_certificate("/etc/tls.pem", "/etc/tls.key", -100, 5 * 86400 + 60, 0644);
    look();
    GRADE("certificate", "expires in 5 days", DOCTOR_WARN);
    GRADE("key", "can be read by others (mode 644)", DOCTOR_BAD);
    put_certificate("/etc/tls.pem", "/etc/tls.key", -1000, -10, 0640);
    look();
    GRADE("certificate", "has expired", DOCTOR_BAD);
    GRADE("key", "", -1);
    put_certificate("/etc/tls.pem", "/etc/tls.key", 2 * 86400, 9 * 86400, 0600);
    look();
    GRADE("certificate", "not valid yet", DOCTOR_BAD);
    put("/etc/tls.pem", "nonsense\n");
    look();
    GRADE("certificate", "holds no certificate", DOCTOR_BAD);
    configure("tls: {certificate: /etc/none.pem, key: /etc/none.key}\n");
    look();
    GRADE("certificate", "No such file", DOCTOR_BAD);
    GRADE("key", "No such file", DOCTOR_BAD);
}

Test(cpu_set, lists_of_the_kernel_are_read)
{
    struct cpu_set set;
    cpu_set_read(&set, "0,2-4,64");
    const uint32_t in[] = {0, 2, 3, 4, 64}, out[] = {1, 5, 63, 65};
    for (size_t i = 0; i < 5; i++)
        cr_expect(cpu_set_has(&set, in[i]));
    for (size_t i = 0; i < 4; i++)
        cr_expect(!cpu_set_has(&set, out[i]));
    cpu_set_read(&set, "(null)");
    cr_expect(!cpu_set_has(&set, 0));
}
