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
# and the child ends when that has happened. The child borrows this stack while we sleep (CLONE_VM | CLONE_VFORK), so it must only exec or
# exit, and the caller has blocked every signal, so that no handler of ours runs in the child.
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

# long door_numbers(path, out, most, room, size): the names in a directory that are decimal numbers, as u32; what else is there is left out.
# How many, `most` when there may be more, or -errno of the open or the read that failed. room: for struct linux_dirent64, `size` bytes.
        .globl door_numbers
door_numbers:
        push    rbx
        push    r12
        push    r13
        push    r14
        push    r15
        mov     r13, rsi                # system calls keep every register but rax, rcx and r11
        mov     r14, rdx
        mov     r15, rcx
        mov     rsi, rdi
        mov     edi, -100               # AT_FDCWD
        mov     edx, 0x90000            # O_RDONLY | O_DIRECTORY | O_CLOEXEC
        xor     r10d, r10d
        mov     eax, 257                # openat
        syscall
        test    rax, rax
        js      7f
        mov     ebx, eax
        xor     r12d, r12d              # numbers so far
1:      mov     edi, ebx
        mov     rsi, r15
        mov     rdx, r8
        mov     eax, 217                # getdents64
        syscall
        test    rax, rax
        jz      6f
        js      5f
        mov     r9, r15
        lea     r10, [r15 + rax]
2:      lea     rsi, [r9 + 19]          # d_name
        xor     eax, eax
3:      movzx   ecx, byte ptr [rsi]
        inc     rsi
        sub     ecx, '0'
        cmp     ecx, 9
        ja      4f
        lea     eax, [rax + rax * 4]
        lea     eax, [rcx + rax * 2]
        jmp     3b
4:      cmp     ecx, -'0'               # its end?
        jne     8f
        cmp     r12, r14
        jae     6f
        mov     [r13 + r12 * 4], eax
        inc     r12
8:      movzx   ecx, word ptr [r9 + 16] # d_reclen
        add     r9, rcx
        cmp     r9, r10
        jb      2b
        jmp     1b
5:      mov     r12, rax
6:      mov     edi, ebx
        mov     eax, 3                  # close
        syscall
        mov     rax, r12
7:      pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbx
        ret

# Copies memory of another process into a file, piece by piece, each through a buffer. Any number of threads may work on one job, each with
# a buffer of its own: the pieces are dealt out by a counter. The structures are data in ./record.ts: copyJob and copyPiece, whose length and
# offset are BYTES and FILE_OFFSET here, as LENGTH and OFFSET are words of the assembler.
        .set    NEXT, 0                 # struct copy_job
        .set    COUNT, 8
        .set    PIECES, 16
        .set    PID, 24
        .set    FILE, 32
        .set    VECTORS, 0              # struct copy_piece
        .set    VECTOR_COUNT, 8
        .set    BYTES, 16
        .set    FILE_OFFSET, 24
        .set    STATE, 32
        .set    PIECE_SIZE, 40
        .set    WRITTEN, 1
        .set    UNREAD, 2

# void door_copy(job, buffer): works until no piece is left. buffer: a struct iovec, whose length is ours to set.
        .globl door_copy
door_copy:
        push    rbx
        push    r12
        push    r13
        push    r14
        mov     rbx, rdi
        mov     r12, rsi
        call    copy_pieces
        pop     r14
        pop     r13
        pop     r12
        pop     rbx
        ret

# rbx: the job; r12: the buffer. Changes r13 and r14.
copy_pieces:
        mov     eax, 1
        lock xadd [rbx + NEXT], rax
        cmp     rax, [rbx + COUNT]
        jae     4f
        imul    r13, rax, PIECE_SIZE
        add     r13, [rbx + PIECES]
        mov     rax, [r13 + BYTES]
        mov     [r12 + 8], rax          # iov_len
        mov     rdi, [rbx + PID]
        mov     rsi, r12
        mov     edx, 1
        mov     r10, [r13 + VECTORS]
        mov     r8, [r13 + VECTOR_COUNT]
        xor     r9d, r9d
        mov     eax, 310                # process_vm_readv
        syscall
        mov     ecx, UNREAD
        cmp     rax, [r13 + BYTES]
        jne     3f
        xor     r14d, r14d              # bytes written so far
1:      mov     rdi, [rbx + FILE]
        mov     rsi, [r12]              # iov_base
        add     rsi, r14
        mov     rdx, [r13 + BYTES]
        sub     rdx, r14
        mov     r10, [r13 + FILE_OFFSET]
        add     r10, r14
        mov     eax, 18                 # pwrite64
        syscall
        cmp     rax, -4                 # EINTR
        je      1b
        test    rax, rax
        jle     2f
        add     r14, rax
        cmp     r14, [r13 + BYTES]
        jb      1b
        mov     ecx, WRITTEN
        jmp     3f
2:      mov     rcx, rax                # the other pieces would fare no better
        mov     qword ptr [rbx + COUNT], 0
3:      mov     [r13 + STATE], rcx
        jmp     copy_pieces
4:      ret

# Tells what the numbers of a process's descriptors stand for: each is copied, asked and closed, and what was told is compared with what was
# told before. Any number of threads may work on one chain of jobs. The structures are data in ./record.ts: lookJob, lookItem and lookTold;
# a job begins as copy_job does.
        .set    ITEMS, 16               # struct look_job
        .set    PIDFD, 24
        .set    INFOS, 32
        .set    LINK, 40
        .set    FD, 0                   # struct look_item
        .set    NAME, 8
        .set    TOLD, 16
        .set    ITEM_STATE, 24
        .set    DIGITS, 32
        .set    ITEM_SIZE, 48
        .set    SAME, 1
        .set    NAMED, 2
        .set    COPIED, 0               # struct look_told
        .set    STATED, 8
        .set    SIGNUM, 16
        .set    OWNED, 24
        .set    ASKED_UIDS, 32
        .set    INFO_LENGTH, 40
        .set    OWNER, 48
        .set    UIDS, 56
        .set    STATX, 64
        .set    INFO, 320
        .set    INFO_ROOM, 696
        .set    TOLD_SIZE, 1024
        .set    STATX_SIZE, 256
        .set    BASIC_STATS, 2047       # STATX_BASIC_STATS

# void door_look(job, scratch): works until no item is left. scratch: room for what is told of one, and a struct statx; this thread's alone.
        .globl door_look
door_look:
        push    rbx
        push    r12
        push    r13
        push    r14
        push    r15
        mov     rbx, rdi
        mov     r12, rsi
        cld
look_job:
        test    rbx, rbx
        jz      look_end
look_item:
        mov     eax, 1
        lock xadd [rbx + NEXT], rax
        cmp     rax, [rbx + COUNT]
        jb      1f
        mov     rbx, [rbx + LINK]
        jmp     look_job
1:      imul    r13, rax, ITEM_SIZE
        add     r13, [rbx + ITEMS]
        xor     r15d, r15d              # its state
        xor     eax, eax
        mov     rdi, r12
        mov     ecx, STATX / 8
        rep stosq
        mov     rdi, [rbx + PIDFD]
        mov     rsi, [r13 + FD]
        xor     edx, edx
        mov     eax, 438                # pidfd_getfd
        syscall
        test    rax, rax
        jns     2f
        mov     [r12 + COPIED], rax
        jmp     look_compare
2:      mov     r14d, eax               # system calls keep every register but rax, rcx and r11
        mov     edi, r14d
        lea     rsi, [rip + no_path]
        mov     edx, 0x1000             # AT_EMPTY_PATH
        mov     r10d, BASIC_STATS
        lea     r8, [r12 + STATX]
        mov     eax, 332                # statx
        syscall
        mov     [r12 + STATED], rax
        mov     edi, r14d
        mov     esi, 11                 # F_GETSIG
        xor     edx, edx
        mov     eax, 72                 # fcntl
        syscall
        mov     [r12 + SIGNUM], rax
        mov     esi, 16                 # F_GETOWN_EX
        lea     rdx, [r12 + OWNER]
        mov     eax, 72
        syscall
        mov     [r12 + OWNED], rax
        cmp     dword ptr [r12 + OWNER + 4], 0
        je      3f
        mov     esi, 17                 # F_GETOWNER_UIDS
        lea     rdx, [r12 + UIDS]
        mov     eax, 72
        syscall
        mov     [r12 + ASKED_UIDS], rax
3:      mov     rdi, [rbx + INFOS]
        lea     rsi, [r13 + DIGITS]
        mov     edx, 0x80000            # O_RDONLY | O_CLOEXEC
        xor     r10d, r10d
        mov     eax, 257                # openat
        syscall
        mov     [r12 + INFO_LENGTH], rax
        test    rax, rax
        js      5f
        mov     r9d, eax
4:      mov     edi, r9d
        lea     rsi, [r12 + INFO]
        mov     edx, INFO_ROOM
        xor     eax, eax                # read
        syscall
        cmp     rax, -4                 # EINTR
        je      4b
        mov     [r12 + INFO_LENGTH], rax
        mov     edi, r9d
        mov     eax, 3                  # close
        syscall
        mov     rax, [r12 + INFO_LENGTH]
        test    rax, rax
        js      5f
        mov     qword ptr [r12 + INFO + rax], 0
5:      mov     rsi, [r13 + NAME]       # does the name that it had lead to it still?
        test    rsi, rsi
        jz      6f
        mov     edi, -100               # AT_FDCWD
        mov     edx, 0x100              # AT_SYMLINK_NOFOLLOW
        mov     r10d, BASIC_STATS
        lea     r8, [r12 + TOLD_SIZE]
        mov     eax, 332                # statx
        syscall
        test    rax, rax
        jnz     6f
        lea     rsi, [r12 + STATX]
        lea     rdi, [r12 + TOLD_SIZE]
        mov     ecx, STATX_SIZE / 8
        repe cmpsq
        jne     6f
        or      r15d, NAMED
6:      mov     edi, r14d
        mov     eax, 3                  # close
        syscall
look_compare:
        mov     rdx, [r12 + INFO_LENGTH]
        test    rdx, rdx
        jns     7f
        xor     edx, edx
7:      add     rdx, INFO + 7
        shr     rdx, 3
        mov     rsi, r12
        mov     rdi, [r13 + TOLD]
        mov     rcx, rdx
        repe cmpsq
        jne     8f
        or      r15d, SAME
        jmp     9f
8:      mov     rsi, r12
        mov     rdi, [r13 + TOLD]
        mov     rcx, rdx
        rep movsq
9:      mov     [r13 + ITEM_STATE], r15
        jmp     look_item
look_end:
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbx
        ret

# long door_beside(clone_args, size, work, job, own): door_copy or door_look, by its address, in a new thread, which ends when nothing is left;
# its ID or -errno. own is what that thread alone has. It has a stack of its own and no thread-local storage, so it begins with every signal
# blocked: no handler runs in it.
        .globl door_beside
door_beside:
        push    rbx
        push    r12
        push    r13
        push    r14
        sub     rsp, 24
        mov     rbx, rdi
        mov     r12, rsi
        mov     r13, rdx
        mov     r9, rcx                 # system calls keep every register but rax, rcx and r11
        mov     qword ptr [rsp], -1
        mov     edi, 2                  # SIG_SETMASK
        mov     rsi, rsp
        lea     rdx, [rsp + 8]
        mov     r10d, 8
        mov     eax, 14                 # rt_sigprocmask
        syscall
        mov     rdi, rbx
        mov     rsi, r12
        mov     eax, 435                # clone3
        syscall
        test    rax, rax
        jz      1f
        mov     r14, rax
        mov     edi, 2                  # SIG_SETMASK
        lea     rsi, [rsp + 8]
        xor     edx, edx
        mov     r10d, 8
        mov     eax, 14                 # rt_sigprocmask
        syscall
        mov     rax, r14
        add     rsp, 24
        pop     r14
        pop     r13
        pop     r12
        pop     rbx
        ret
1:      mov     rdi, r9
        mov     rsi, r8
        call    r13
        xor     edi, edi
        mov     eax, 60                 # exit
        syscall
        ud2

# long door_call_aside(clone_args, size, calls, count): system calls, one after the other, in a new process that shares our memory; its PID or
# -errno. It ends when all are made, unless one of them was an exec. calls is data in ./record.ts: asideCall. The process uses no stack, so it
# may have ours; the caller has blocked every signal.
        .set    ASIDE_SIZE, 56
        .globl door_call_aside
door_call_aside:
        mov     r9, rdx                 # system calls keep every register but rax, rcx and r11
        mov     r8, rcx
        mov     eax, 435                # clone3
        syscall
        test    rax, rax
        jz      1f
        ret
1:      mov     rbx, r9
        mov     r12, r8
2:      mov     rax, [rbx]
        mov     rdi, [rbx + 8]
        mov     rsi, [rbx + 16]
        mov     rdx, [rbx + 24]
        mov     r10, [rbx + 32]
        mov     r8, [rbx + 40]
        syscall
        mov     [rbx + 48], rax
        add     rbx, ASIDE_SIZE
        dec     r12
        jnz     2b
        xor     edi, edi
        mov     eax, 231                # exit_group
        syscall
        ud2

# void door_options(fd, list, count, slots): getsockopt(2) of a socket for each pair of u32 in list, a level and a name. Each has a slot of 64
# bytes: i32 0 or -errno, u32 length of the value, the value, cut to 56 bytes.
        .set    SLOT_SIZE, 64
        .set    SLOT_LENGTH, 4
        .set    SLOT_VALUE, 8
        .set    SLOT_MOST, 56
        .globl door_options
door_options:
        push    rbx
        push    r12
        push    r13
        push    r14
        mov     ebx, edi
        mov     r12, rsi
        mov     r13, rdx
        mov     r14, rcx
1:      test    r13, r13
        jz      2f
        mov     edi, ebx
        mov     esi, [r12]
        mov     edx, [r12 + 4]
        lea     r10, [r14 + SLOT_VALUE]
        lea     r8, [r14 + SLOT_LENGTH]
        mov     dword ptr [r14 + SLOT_LENGTH], SLOT_MOST
        mov     eax, 55                 # getsockopt
        syscall
        mov     [r14], eax
        add     r12, 8
        add     r14, SLOT_SIZE
        dec     r13
        jmp     1b
2:      pop     r14
        pop     r13
        pop     r12
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

no_path:
        .byte   0

        .balign 8
        .globl door_flag
door_flag:                              # filled in before the page becomes executable
        .quad   0
