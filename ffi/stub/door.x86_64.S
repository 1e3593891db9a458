# The tool's own way into the kernel, mapped once at start. Calling convention: System V AMD64.
# Syscall convention: syscall(2), "Architecture calling conventions": rax; rdi rsi rdx r10 r8 r9; clobbers rcx r11.
        .intel_syntax noprefix
        .text

# long door_syscall(nr, a1, a2, a3, a4, a5, a6): the kernel's raw answer, -errno included.
        .globl door_syscall
door_syscall:
        mov     rax, rdi
        mov     rdi, rsi
        mov     rsi, rdx
        mov     rdx, rcx
        mov     r10, r8
        mov     r8, r9
        mov     r9, [rsp + 8]
        syscall
        ret

# long door_spawn(fd, path, argv, envp, execveat_flags, execveat_nr): a vfork child that becomes fd; the child's PID or -errno.
# The child borrows this stack while we sleep (CLONE_VM|CLONE_VFORK|SIGCHLD), so it must only exec or exit.
# The caller has blocked every signal, so no handler of ours runs in the child.
        .globl door_spawn
door_spawn:
        push    rbx
        push    r12
        push    r13
        push    r14
        push    r15
        push    rbp
        mov     rbx, rdi
        mov     r12, rsi
        mov     r13, rdx
        mov     r14, rcx
        mov     r15, r8
        mov     rbp, r9
        mov     eax, 56                 # clone
        mov     edi, 0x4111             # CLONE_VFORK | CLONE_VM | SIGCHLD
        xor     esi, esi
        xor     edx, edx
        xor     r10d, r10d
        xor     r8d, r8d
        syscall
        test    rax, rax
        jz      1f
        pop     rbp
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbx
        ret
1:      mov     rax, rbp                # execveat
        mov     rdi, rbx
        mov     rsi, r12
        mov     rdx, r13
        mov     r10, r14
        mov     r8, r15
        syscall
        mov     edi, 127
        mov     eax, 231                # exit_group
        syscall
        ud2

# void door_interrupt(signal): notes the signal's number at the address in door_flag, for whoever looks between two steps.
        .globl door_interrupt
door_interrupt:
        mov     rax, [rip + door_flag]
        mov     [rax], edi
        ret

# void door_tick(signal): does nothing; its arrival makes a blocking call answer EINTR.
        .globl door_tick
door_tick:
        ret

# Signal return, named by sa_restorer.
        .globl door_restorer
door_restorer:
        mov     eax, 15                 # rt_sigreturn
        syscall

        .balign 8
        .globl door_flag
door_flag:                              # filled in before the page becomes executable
        .quad   0
