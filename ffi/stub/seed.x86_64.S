# The first process of a restore: a program without libc or registrations that waits to be driven, and dies with the tool.
# Linked alone at a fixed low address; everything else of its address space is removed by the restore program.
        .intel_syntax noprefix
        .text
        .globl _start
_start: mov     edi, 1                  # PR_SET_PDEATHSIG
        mov     esi, 9                  # SIGKILL
        mov     eax, 157                # prctl
        syscall
.Lwait: mov     eax, 34                 # pause
        .globl remote_syscall
remote_syscall:
        syscall
        ret                             # never reached as a return: after a remote call the tool sets every register
        jmp     .Lwait
