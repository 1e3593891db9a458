# Entry of the portable executable (build/portable.ts): the kernel has mapped the program, libc's loader and this from one file, as it would
# have mapped them from two. The libraries, which a loader only takes from files, are written into memfds, whose paths the program's own
# DT_NEEDED rows name; the loader is told in the auxiliary vector that it is the interpreter; and when it has linked the program, it jumps to
# .Llinked instead of the program, which closes the memfds. One execve, no other process, nothing in any directory.
#
# At entry: rsp = argc, argv, 0, envp, 0, auxv. Linked anywhere; the table, written by the builder, is the page behind this one and
# writable. Mirror of the table: record.ts. Kernel: fs/binfmt_elf.c create_elf_tables(); System V AMD64 ABI, 3.4.
        .intel_syntax noprefix
        .set LOADER_ENTRY, 0
        .set LOADER_BASE, 8
        .set PROGRAM_ENTRY, 16
        .set PROGRAM_HEADERS, 24
        .set HEADER_COUNT, 32
        .set LIBRARY_COUNT, 40
        .set LIBRARIES, 48
        .set BYTES, 0
        .set SIZE, 8
        .set PATH, 16
        .set DIGITS, 24
        .set DESCRIPTOR, 32
        .set LIBRARY_SIZE, 40

        .set AT_PHDR, 3
        .set AT_PHNUM, 5
        .set AT_BASE, 7
        .set AT_ENTRY, 9
        .set CLOEXEC, 1                 # memfd_create(2)
        .set NOEXEC_SEAL, 8             # since Linux 6.3; mapping it executable is not execution, so vm.memfd_noexec=2 does not mind
        .set EINTR, 4
        .set EINVAL, 22
        .set RLIMIT_FSIZE, 1
        .set XFSZ, 1 << (25 - 1)        # SIGXFSZ in a signal set
        .set OLD_LIMIT, 0               # places in the frame of _start: soft and hard limit
        .set NEW_LIMIT, 16
        .set OLD_MASK, 32
        .set NEW_MASK, 40
        .set FRAME, 48
        .set HOST, 6                    # exit status, src/base/errors.ts

        .text
front_page:
        .globl _start
_start: lea     rbp, [rip + front_page + 4096]
        lea     rbx, [rbp + LIBRARIES]
        mov     r12, [rbp + LIBRARY_COUNT]

# The limit of file sizes (ulimit -f) counts for files in memory too: it is lifted while they are written, as far as that is allowed, and a
# write that it still ends is told, not killed.
        sub     rsp, FRAME
        mov     qword ptr [rsp + NEW_MASK], XFSZ
        xor     edi, edi                # SIG_BLOCK
        lea     rsi, [rsp + NEW_MASK]
        lea     rdx, [rsp + OLD_MASK]
        call    .Lsigmask
        xor     edx, edx
        lea     r10, [rsp + OLD_LIMIT]
        call    .Lprlimit
        mov     r15, rax                # 0: the old limit is known
        test    rax, rax
        jnz     .Lnext
        or      qword ptr [rsp + NEW_LIMIT], -1
        or      qword ptr [rsp + NEW_LIMIT + 8], -1
        call    .Llift
        test    rax, rax
        jz      .Lnext
        mov     rcx, [rsp + OLD_LIMIT + 8]
        mov     [rsp + NEW_LIMIT], rcx
        mov     [rsp + NEW_LIMIT + 8], rcx
        call    .Llift
.Lnext: test    r12, r12
        jz      .Lready
        mov     esi, CLOEXEC | NOEXEC_SEAL
.Lmake: lea     rdi, [rip + .Lname]
        mov     eax, 319                # memfd_create
        syscall
        cmp     rax, -EINVAL
        jne     1f
        cmp     esi, CLOEXEC
        mov     esi, CLOEXEC
        jne     .Lmake
1:      test    rax, rax
        js      .Lnofile
        mov     [rbx + DESCRIPTOR], rax
        mov     rsi, [rbx + DIGITS]     # room for ten digits and a 0
        mov     edi, 10
        mov     ecx, 1
2:      xor     edx, edx                # how many digits
        cmp     rax, rdi
        jb      3f
        inc     ecx
        imul    rdi, rdi, 10
        jmp     2b
3:      mov     edi, 10
        mov     byte ptr [rsi + rcx], 0
4:      xor     edx, edx
        div     rdi
        add     dl, '0'
        dec     ecx
        mov     [rsi + rcx], dl
        jnz     4b

        mov     rdi, [rbx + PATH]
        xor     esi, esi                # F_OK
        mov     eax, 21                 # access
        syscall
        test    rax, rax
        js      .Lnoproc

        mov     r13, [rbx + BYTES]
        mov     r14, [rbx + SIZE]
5:      mov     rdi, [rbx + DESCRIPTOR]
        mov     rsi, r13
        mov     rdx, r14
        mov     eax, 1                  # write
        syscall
        cmp     rax, -EINTR
        je      5b
        test    rax, rax
        jle     .Lnofile
        add     r13, rax
        sub     r14, rax
        jnz     5b
        add     rbx, LIBRARY_SIZE
        dec     r12
        jmp     .Lnext

# The loader must not take libraries of the host into this program: LD_* is spelled otherwise until it is done.
.Lready:
        test    r15, r15
        jnz     1f
        lea     rdx, [rsp + OLD_LIMIT]
        xor     r10d, r10d
        call    .Lprlimit
1:      mov     edi, 2                  # SIG_SETMASK
        lea     rsi, [rsp + OLD_MASK]
        xor     edx, edx
        call    .Lsigmask
        add     rsp, FRAME
        mov     eax, ('L' << 8) | 1
        call    .Lrename                # rdi = behind envp
        lea     rsi, [rip + .Llinked]
1:      mov     rax, [rdi]
        cmp     rax, AT_PHDR
        cmove   rcx, [rbp + PROGRAM_HEADERS]
        je      2f
        cmp     rax, AT_PHNUM
        cmove   rcx, [rbp + HEADER_COUNT]
        je      2f
        cmp     rax, AT_BASE
        cmove   rcx, [rbp + LOADER_BASE]
        je      2f
        cmp     rax, AT_ENTRY
        cmove   rcx, rsi
        jne     3f
2:      mov     [rdi + 8], rcx
3:      add     rdi, 16
        test    rax, rax                # AT_NULL
        jnz     1b
        xor     edx, edx                # nothing to register with atexit, as the kernel says to an interpreter
        jmp     [rbp + LOADER_ENTRY]

# rdx is the loader's function for atexit; rsp as at entry.
.Llinked:
        lea     r8, [rip + front_page + 4096]
        lea     rbx, [r8 + LIBRARIES]
        mov     r12, [r8 + LIBRARY_COUNT]
1:      mov     rdi, [rbx + DESCRIPTOR]
        mov     eax, 3                  # close
        syscall
        add     rbx, LIBRARY_SIZE
        dec     r12
        jnz     1b
        mov     eax, (1 << 8) | 'L'
        call    .Lrename
        xor     ebp, ebp
        jmp     [r8 + PROGRAM_ENTRY]

# Sets the limit in NEW_LIMIT of the caller's frame. Answers in rax.
.Llift: lea     rdx, [rsp + 8 + NEW_LIMIT]
        xor     r10d, r10d
.Lprlimit:                              # rdx new, r10 old
        xor     edi, edi
        mov     esi, RLIMIT_FSIZE
        mov     eax, 302                # prlimit64
        syscall
        ret
.Lsigmask:                              # edi how, rsi new, rdx old
        mov     r10d, 8
        mov     eax, 14                 # rt_sigprocmask
        syscall
        ret

# Of every variable "?D_..." whose first byte is ah, makes it al. Precondition: called with rsp as at entry. Changes rcx, rdi.
.Lrename:
        mov     rcx, [rsp + 8]
        lea     rdi, [rsp + 8 + 8 * rcx + 16]
1:      mov     rcx, [rdi]
        add     rdi, 8
        test    rcx, rcx
        jz      2f
        cmp     [rcx], ah
        jne     1b
        cmp     byte ptr [rcx + 1], 'D'
        jne     1b
        cmp     byte ptr [rcx + 2], '_'
        jne     1b
        mov     [rcx], al
        jmp     1b
2:      ret

.Lnofile:
        lea     rsi, [rip + .Lfile]
        mov     edx, offset .Lfileend - .Lfile
        jmp     .Lsay
.Lnoproc:
        lea     rsi, [rip + .Lproc]
        mov     edx, offset .Lprocend - .Lproc
.Lsay:  mov     edi, 2
        mov     eax, 1                  # write
        syscall
        mov     edi, HOST
        mov     eax, 231                # exit_group
        syscall
        ud2

.Lname: .asciz  "stasis"
.Lfile: .ascii  "Cannot start stasis: memory for its libraries (memfd_create, write) is refused\n"
        .ascii  "         next    Look at the limits of open files (ulimit -n), of their size (ulimit -f) and of memory, and at the container's seccomp filter\n"
        .ascii  "         code    E_KERNEL\n"
.Lfileend:
.Lproc: .ascii  "Cannot start stasis: /proc of this PID namespace is not mounted\n"
        .ascii  "         next    mount -t proc proc /proc\n"
        .ascii  "         code    E_KERNEL\n"
.Lprocend:
