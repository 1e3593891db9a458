# Holds a restored tree together while the tool lets its processes go one by one: whoever is let go already must not outlive a tool that
# is killed before the last. Waits in a session of its own, with every signal blocked, until the tool's end of a pipe closes, and then
# kills the whole tree. The tool ends it by SIGKILL when all are let go. No libc; linked alone at a fixed address.
        .intel_syntax noprefix
        .text
        .globl _start
_start: mov     eax, 112                # setsid: out of reach of what kills the tool's process group
        syscall
.Lread: mov     edi, [rip + guard_list]
        lea     rsi, [rsp - 8]
        mov     edx, 1
        xor     eax, eax                # read: nobody writes, so it answers 0, or -EINTR
        syscall
        test    rax, rax
        js      .Lread
        xor     ebx, ebx
        lea     rbp, [rip + guard_list]
.Lnext: cmp     ebx, [rbp + 4]
        jae     .Lend
        mov     edi, [rbp + 8 + 4 * rbx]
        mov     esi, 9                  # SIGKILL
        mov     eax, 62                 # kill
        syscall
        inc     ebx
        jmp     .Lnext
.Lend:  xor     edi, edi
        mov     eax, 231                # exit_group
        syscall
        ud2
        .balign 8
        .globl guard_list
guard_list:                             # appended by the tool: u32 descriptor of the pipe, u32 count, u32 PIDs
