# The injected interpreter: walks an array of system-call records, stores each answer, and stops.
# The record ABI is data in ./record.ts. It uses no stack and no memory but its area, so it runs on any thread at any time.
#
# Entry: rbx = address of the thread's header; every other register is free.
        .intel_syntax noprefix
        .set    COUNT, 0                # u32 records in the program
        .set    CLEANUP, 4              # u32 index to go on at after a failure; COUNT = nothing to undo
        .set    FAILED, 8               # u32 out: the first record that failed; -1 = none
        .set    PID, 16                 # u32 tgkill(PID, TID, SIGNAL) is the stop
        .set    TID, 20                 # u32
        .set    SIGNAL, 24              # u32
        .set    FRAME, 32               # u64 stack pointer for rt_sigreturn when no tracer caught the stop; 0 = none
        .set    PROTECT, 40             # u64 start of the part to make writable first; 0 = none
        .set    PROTECT_SIZE, 48        # u64 bytes
        .set    RESTART_STACK, 56       # u64 the thread's own stack pointer if it sat in a restart block; 0 = it did not
        .set    RESTART_MASK, 64        # u64 address of its signal mask
        .set    RESTART_RESULT, 72      # u64 address of rax in FRAME
        .set    RSEQ_AT, 80             # u64 address of the rseq_cs word that is set before rt_sigreturn; 0 = none
        .set    RSEQ_CS, 88             # u64 what is written there
        .set    RECORDS, 128            # records follow, 64 bytes each
        .set    NUMBER, 0               # u32
        .set    FLAGS, 4                # u32 bits 0-11 two an argument: 0 literal, 1 result of record N, 2 u32 at address, 3 u64 at address
        .set    MAY_FAIL, 1 << 12       #     any failure is an answer
                                        #     bits 16-31: this errno is an answer
        .set    ARGUMENTS, 8            # u64[6]
        .set    RESULT, 56              # u64 out: the kernel's raw answer

        .macro  resolve index, target
        mov     r13, [r15 + ARGUMENTS + 8 * \index]
        mov     r14d, r12d
        shr     r12d, 2
        and     r14d, 3
        jz      3f
        cmp     r14d, 2
        ja      2f
        je      1f
        shl     r13, 6                  # result of record N
        mov     r13, [rbx + r13 + RECORDS + RESULT]
        jmp     3f
1:      mov     r13d, [r13]
        jmp     3f
2:      mov     r13, [r13]
3:      mov     \target, r13
        .endm

        .text
        .globl restorer
restorer:
        mov     rdi, [rbx + PROTECT]
        test    rdi, rdi
        jz      .Lbegin
        mov     rsi, [rbx + PROTECT_SIZE]
        mov     edx, 3                  # PROT_READ | PROT_WRITE
        mov     eax, 10                 # mprotect: the area is never writable and executable at once
        syscall
        test    rax, rax                # RLIMIT_DATA may stand against it: FAILED stays as the tool wrote it
        jnz     .Lstop
.Lbegin:
        xor     ebp, ebp                # index of the record
        mov     dword ptr [rbx + FAILED], -1

.Lnext: cmp     ebp, [rbx + COUNT]
        jae     .Lstop
        mov     r15, rbp
        shl     r15, 6
        lea     r15, [rbx + r15 + RECORDS]
        mov     r12d, [r15 + FLAGS]
        resolve 0, rdi
        resolve 1, rsi
        resolve 2, rdx
        resolve 3, r10
        resolve 4, r8
        resolve 5, r9
        mov     eax, [r15 + NUMBER]
        syscall
        mov     [r15 + RESULT], rax
        cmp     rax, -4095
        jb      .Lstep
        mov     r12d, [r15 + FLAGS]
        test    r12d, MAY_FAIL
        jnz     .Lstep
        shr     r12d, 16
        neg     eax
        cmp     eax, r12d
        je      .Lstep
        cmp     dword ptr [rbx + FAILED], -1
        jne     .Lstep                  # undoing already: go on whatever fails
        mov     [rbx + FAILED], ebp
        mov     ebp, [rbx + CLEANUP]
        jmp     .Lnext
.Lstep: inc     ebp
        jmp     .Lnext

# A traced thread stops here; an untraced one ignores the signal and goes back to where it was taken from.
.Lstop: mov     edi, [rbx + PID]
        mov     esi, [rbx + TID]
        mov     edx, [rbx + SIGNAL]
        mov     eax, 234                # tgkill
        syscall
        .globl stopped
stopped:                                # the tool knows the stop by this address
        mov     r12, [rbx + FRAME]
        test    r12, r12
        jz      .Llost
        mov     r13, [rbx + RESTART_STACK]
        test    r13, r13
        jz      .Lreturn
        mov     edi, 2                  # SIG_SETMASK, so that the wait can be interrupted as before
        mov     rsi, [rbx + RESTART_MASK]
        xor     edx, edx
        mov     r10d, 8
        mov     eax, 14                 # rt_sigprocmask
        syscall
        mov     rsp, r13
        mov     eax, 219                # restart_syscall: rt_sigreturn would lose the restart block
        syscall
        mov     r13, [rbx + RESTART_RESULT]
        mov     [r13], rax
.Lreturn:
        mov     rsp, r12
        mov     eax, 15                 # rt_sigreturn
        mov     r13, [rbx + RSEQ_AT]
        test    r13, r13
        jz      .Lback
        mov     r14, [rbx + RSEQ_CS]
        mov     [r13], r14              # last of all: preempted outside of the section, the thread loses it again
.Lback: syscall
.Llost: mov     edi, 127                # nobody to return to: a half-built task must not run on
        mov     eax, 231                # exit_group
        syscall
        ud2

# One AMX tile is used and left again, for which the kernel gives the thread room; then a system call as below.
# rdi = address of 64 bytes that configure the tile
        .balign 16
        .globl use_tiles
use_tiles:
        ldtilecfg [rdi]
        tilezero tmm0
        tilerelease
        jmp     remote_syscall

# One system call alone, for what the tool runs by itself: its exit is caught by PTRACE_SYSCALL.
        .balign 16
        .globl remote_syscall
remote_syscall:
        syscall
        ret
        ud2
