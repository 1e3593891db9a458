# Does what a tool that was killed cannot do any more: waits in a session of its own, with every signal blocked, until the tool's end of a
# pipe closes, and then makes the system calls of a list; of a second list instead when the tool has written a byte before. The tool ends it
# by SIGKILL when there is nothing left to do. No libc; linked alone at a fixed address. The lists' ABI is data in ./record.ts.
        .intel_syntax noprefix
        .text
        .globl _start
_start: mov     eax, 112                # setsid: out of reach of what kills the tool's process group
        syscall
        mov     ebx, [rip + guard_list + 4]
        lea     rbp, [rip + guard_list + 16]
.Lread: mov     edi, [rip + guard_list]
        lea     rsi, [rsp - 8]
        mov     edx, 1
        xor     eax, eax                # read: 0 at the tool's end, 1 once at most, or -EINTR
        syscall
        test    rax, rax
        js      .Lread
        jz      .Lnext
        imul    ebx, ebx, 48            # on to the second list, which lies behind the first
        add     rbp, rbx
        mov     ebx, [rip + guard_list + 8]
        jmp     .Lread
.Lnext: test    ebx, ebx
        jz      .Lend
        mov     rax, [rbp]
        mov     rdi, [rbp + 8]
        mov     rsi, [rbp + 16]
        mov     rdx, [rbp + 24]
        mov     r10, [rbp + 32]
        mov     r8, [rbp + 40]
        syscall
        add     rbp, 48
        dec     ebx
        jmp     .Lnext
.Lend:  xor     edi, edi
        mov     eax, 231                # exit_group
        syscall
        ud2
        .balign 8
        .globl guard_list
guard_list:                             # appended by the tool
