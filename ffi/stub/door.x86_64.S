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

# long door_spawn(clone_args, size, spawn): a clone3 child that execs; the child's PID or -errno. spawn: u64 fd, path, argv, envp, flags
# of execveat, then clone_args and size of a clone3 of its own, or 0, and room for that one's answer: then it is the grandchild that execs,
# and the child ends when that has happened. The child borrows this stack while we sleep (CLONE_VM | CLONE_VFORK), so it must only exec or exit, and the caller has
# blocked every signal, so that no handler of ours runs in the child.
        .globl door_spawn
door_spawn:
        mov     r9, rdx                 # system calls keep every register but rax, rcx and r11
        mov     eax, 435                # clone3
        syscall
        test    rax, rax
        jz      1f
        ret
1:      mov     rdi, [r9 + 40]
        test    rdi, rdi
        jz      2f
        mov     rsi, [r9 + 48]
        mov     eax, 435                # clone3
        syscall
        test    rax, rax
        jz      2f
        mov     [r9 + 56], rax
        xor     edi, edi
        mov     eax, 231                # exit_group
        syscall
2:      mov     rdi, [r9]
        mov     rsi, [r9 + 8]
        mov     rdx, [r9 + 16]
        mov     r10, [r9 + 24]
        mov     r8, [r9 + 32]
        mov     eax, 322                # execveat
        syscall
        mov     edi, 127
        mov     eax, 231                # exit_group
        syscall
        ud2

# long door_read(path, buffer, size): a whole file in one crossing from JavaScript: opened, read until its end or until the buffer is full,
# and closed. Bytes read, or -errno of the open or the read that failed. Files of /proc answer in pieces: only 0 bytes is the end.
        .globl door_read
door_read:
        push    rbx
        push    r12
        mov     r8, rsi                 # system calls keep every register but rax, rcx and r11
        mov     r9, rdx
        mov     rsi, rdi
        mov     edi, -100               # AT_FDCWD
        mov     edx, 0x80000            # O_RDONLY | O_CLOEXEC
        xor     r10d, r10d
        mov     eax, 257                # openat
        syscall
        test    rax, rax
        js      4f
        mov     ebx, eax
        xor     r12d, r12d              # bytes so far
1:      mov     edi, ebx
        lea     rsi, [r8 + r12]
        mov     rdx, r9
        sub     rdx, r12
        jz      3f
        xor     eax, eax                # read
        syscall
        cmp     rax, -4                 # EINTR
        je      1b
        test    rax, rax
        jz      3f
        js      2f
        add     r12, rax
        jmp     1b
2:      mov     r12, rax
3:      mov     edi, ebx
        mov     eax, 3                  # close
        syscall
        mov     rax, r12
4:      pop     r12
        pop     rbx
        ret

# void door_cpuid(leaf, subleaf, u32 out[4]): eax ebx ecx edx.
        .globl door_cpuid
door_cpuid:
        push    rbx
        mov     r8, rdx
        mov     eax, edi
        mov     ecx, esi
        cpuid
        mov     [r8], eax
        mov     [r8 + 4], ebx
        mov     [r8 + 8], ecx
        mov     [r8 + 12], edx
        pop     rbx
        ret

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
