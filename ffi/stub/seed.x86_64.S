# The first process of a restore: a program without libc or registrations that waits to be driven. Until the tool traces it, it waits on a
# pipe whose other end is the tool's alone, and ends when that closes; afterwards it never runs on from here.
# Linked alone at a fixed low address; everything else of its address space is removed by the restore program.
        .intel_syntax noprefix
        .text
        .globl _start
_start: mov     edi, [rip + seed_pipe]
        lea     rsi, [rsp - 8]
        mov     edx, 1
        xor     eax, eax                # read: nobody writes, so it answers 0, or -EINTR
        syscall
        test    rax, rax
        js      _start
        xor     edi, edi
        mov     eax, 231                # exit_group
        .globl remote_syscall
remote_syscall:
        syscall
        ret                             # never reached as a return: after a remote call the tool sets every register
        mov     eax, 15                 # rt_sigreturn, as a libc has it: for those who borrow its threads, see src/tracee/gadgets.ts
        syscall
        .balign 4
        .globl seed_pipe
seed_pipe:                              # u32, appended by the tool
