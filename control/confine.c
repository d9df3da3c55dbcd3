/* SPDX-License-Identifier: BSD-3-Clause */
#include "waxwire/confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define X32_BIT 0x40000000u

bool confine_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    if (getuid() == 0)
        return true;
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &head, none) == 0;
}

/* Calls that neither program makes once it runs. */
static const uint16_t refused[] = {
#if !defined(__SANITIZE_ADDRESS__) /* whose search for leaks traces the process */
    SYS_ptrace,
#endif
    SYS_execve,
    SYS_execveat,
    SYS_fork,
    SYS_vfork,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_unshare,
    SYS_setns,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsmount,
    SYS_open_tree,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setfsuid,
    SYS_setfsgid,
    SYS_setgroups,
    SYS_open_by_handle_at,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_quotactl,
    SYS_iopl,
    SYS_ioperm,
    SYS_personality,
    SYS_syslog,
    SYS_vhangup,
    SYS_mknod,
    SYS_mknodat,
    SYS_pidfd_getfd,
};

#define REFUSED                  (sizeof refused / sizeof refused[0])
#define HEAD                     6u
#define SOCKETS                  7u
#define LOAD(field)              BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(what)             BPF_STMT(BPF_RET | BPF_K, what)
#define IF(test, value, yes, no) BPF_JUMP(BPF_JMP | (test) | BPF_K, (value), yes, no)

bool confine_calls(enum confine_sockets sockets)
{
    struct sock_filter filter[HEAD + 2u * REFUSED + SOCKETS + 1u] = {
        LOAD(arch), IF(BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0), RETURN(SECCOMP_RET_KILL_PROCESS),
        LOAD(nr),   IF(BPF_JGE, X32_BIT, 0, 1),           RETURN(SECCOMP_RET_KILL_PROCESS)};
    uint16_t at = HEAD;
    for (uint32_t i = 0; i < REFUSED; i++) {
        filter[at++] = (struct sock_filter)IF(BPF_JEQ, refused[i], 0, 1);
        filter[at++] = (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | EPERM);
    }
    bool more = sockets == CONFINE_INET;
    const uint32_t family[] = {AF_UNIX, more ? AF_INET : AF_UNIX, more ? AF_INET6 : AF_UNIX,
                               more ? AF_NETLINK : AF_UNIX};
    filter[at++] = (struct sock_filter)IF(BPF_JEQ, SYS_socket, 0, 6);
    filter[at++] = (struct sock_filter)LOAD(args[0]);
    for (uint8_t i = 0; i < 4; i++)
        filter[at++] = (struct sock_filter)IF(BPF_JEQ, family[i], (uint8_t)(4 - i), 0);
    filter[at++] = (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | EPERM);
    filter[at++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = at, .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return false;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}
