# A program of its own that finds out what this kernel does to a thread inside a section with all NO_RESTART flags:
# it enters one and waits there for a signal. Exit status: 0 the section went on (honoured), 1 it was aborted (ignored),
# 2 rseq is not to be had; killed by SIGSEGV = fatal. No libc, no files, ends by itself within a second.
        .intel_syntax noprefix
        .set    AREA, 0                 # struct rseq, 32-byte aligned; rbx points to it throughout
        .set    RSEQ_CS, 8
        .set    DESCRIPTOR, 64          # struct rseq_cs
        .set    ARRIVED, 128            # u32: the handler has run
        .set    ACTION, 192             # struct kernel_sigaction
        .set    TIMER, 256              # struct itimerval
        .set    ROOM, 320
        .set    UC_RIP, 168             # offset of the interrupted IP in a ucontext
        .set    SIGNATURE, 0x53053053

        .text
        .globl  _start
_start: mov     rbx, rsp
        sub     rbx, ROOM
        and     rbx, -64
        mov     rsp, rbx
        mov     rdi, rbx
        mov     ecx, ROOM / 8
        xor     eax, eax
        rep     stosq
        mov     edi, 4                  # PR_SET_DUMPABLE 0: being killed leaves no core file
        xor     esi, esi
        mov     eax, 157                # prctl
        syscall
        mov     rdi, rbx
        mov     esi, 32
        xor     edx, edx
        mov     r10d, SIGNATURE
        mov     eax, 334                # rseq
        syscall
        mov     edi, 2
        test    rax, rax
        jnz     .Lexit
        lea     rax, [rip + .Lsignal]
        mov     [rbx + ACTION], rax
        mov     qword ptr [rbx + ACTION + 8], 0x04000000        # SA_RESTORER
        lea     rax, [rip + .Lrestorer]
        mov     [rbx + ACTION + 16], rax
        mov     edi, 14                 # SIGALRM
        lea     rsi, [rbx + ACTION]
        xor     edx, edx
        mov     r10d, 8
        mov     eax, 13                 # rt_sigaction
        syscall
        mov     qword ptr [rsp - 8], 0  # an empty mask, below the stack: the spawner may have blocked every signal
        lea     rsi, [rsp - 8]
        mov     edi, 2                  # SIG_SETMASK
        xor     edx, edx
        mov     r10d, 8
        mov     eax, 14                 # rt_sigprocmask
        syscall
        mov     dword ptr [rbx + DESCRIPTOR + 4], 7             # NO_RESTART_ON_PREEMPT | SIGNAL | MIGRATE
        lea     rax, [rip + .Lstart]
        mov     [rbx + DESCRIPTOR + 8], rax
        mov     qword ptr [rbx + DESCRIPTOR + 16], .Lend - .Lstart
        lea     rax, [rip + .Labort]
        mov     [rbx + DESCRIPTOR + 24], rax
        mov     qword ptr [rbx + TIMER + 8], 1000               # every 1 ms, until one meets the section
        mov     qword ptr [rbx + TIMER + 24], 1000
        xor     edi, edi                # ITIMER_REAL
        lea     rsi, [rbx + TIMER]
        xor     edx, edx
        mov     eax, 38                 # setitimer
        syscall
        lea     rax, [rbx + DESCRIPTOR]
        mov     [rbx + RSEQ_CS], rax
.Lstart:
        pause
        cmp     dword ptr [rbx + ARRIVED], 0
        je      .Lstart
.Lend:  xor     edi, edi
.Lexit: mov     eax, 231                # exit_group
        syscall
        ud2

        .long   SIGNATURE
.Labort:
        mov     edi, 1
        jmp     .Lexit

# The kernel enters a handler with every register but rdi, rsi, rdx, rax and rsp as it was: rbx still names the room, rdx the
# ucontext. Only a signal that met the section counts: where the kernel aborts, the saved IP is already the abort handler's.
.Lsignal:
        mov     rcx, [rdx + UC_RIP]
        lea     rax, [rip + .Lstart]
        sub     rcx, rax
        cmp     rcx, .Lend - .Lstart
        jae     .Lmissed
        mov     dword ptr [rbx + ARRIVED], 1
.Lmissed:
        ret
.Lrestorer:
        mov     eax, 15                 # rt_sigreturn
        syscall
