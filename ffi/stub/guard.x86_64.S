# Does what a tool that was killed cannot do any more: waits in a session of its own, with every signal blocked, until the tool's end of a
# pipe closes, and then makes the system calls of a list; of a second list instead when the tool has written a byte before. The tool ends it
# by SIGKILL when there is nothing left to do. No libc; linked alone at a fixed address. The lists' ABI is data in ./record.ts.
        .intel_syntax noprefix
        .set PIPE, 0                    # of the head; in bytes, as all of these
        .set FIRST, 4
        .set LATER, 8
        .set CALLS, 16
        .set NUMBER, 0                  # of a call
        .set ARGUMENTS, 8
        .set CALL_SIZE, 48

        .text
        .globl _start
_start: mov     eax, 112                # setsid: out of reach of what kills the tool's process group
        syscall
        mov     ebx, [rip + guard_list + FIRST]
        lea     rbp, [rip + guard_list + CALLS]
.Lread: mov     edi, [rip + guard_list + PIPE]
        lea     rsi, [rsp - 8]
        mov     edx, 1
        xor     eax, eax                # read: 0 at the tool's end, 1 once at most, or -EINTR
        syscall
        test    rax, rax
        js      .Lread
        jz      .Lnext
        imul    ebx, ebx, CALL_SIZE     # on to the second list, which lies behind the first
        add     rbp, rbx
        mov     ebx, [rip + guard_list + LATER]
        jmp     .Lread
.Lnext: test    ebx, ebx
        jz      .Lend
        mov     rax, [rbp + NUMBER]
        mov     rdi, [rbp + ARGUMENTS]
        mov     rsi, [rbp + ARGUMENTS + 8]
        mov     rdx, [rbp + ARGUMENTS + 16]
        mov     r10, [rbp + ARGUMENTS + 24]
        mov     r8, [rbp + ARGUMENTS + 32]
        syscall
        add     rbp, CALL_SIZE
        dec     ebx
        jmp     .Lnext
.Lend:  xor     edi, edi
        mov     eax, 231                # exit_group
        syscall
        ud2
        .balign 8
        .globl guard_list
guard_list:                             # appended by the tool
