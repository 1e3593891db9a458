/*
 * Two threads that enter one restartable section each time they are told to, and spin in it until they are released.
 *
 * argv[1]: flags of the section; argv[2]: "outside" = set rseq_cs to it and spin outside, "bad" = the same with a wrong signature,
 * "again" = enter without being told, again and again.
 * Prints the address of `threads`, which the test reads and writes from outside.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

struct slot {
  volatile uint32_t tid, wanted, entered, aborts, finished, release;
};
struct slot threads[2];
static int again;
struct rseq_cs descriptor __attribute__((aligned(32)));
extern char section_start[], section_end[], section_abort[], unsigned_abort[];
int section(struct rseq *area, struct rseq_cs *descriptor, volatile uint32_t *release);

__asm__(
    ".text\n.globl section, section_start, section_end, section_abort, unsigned_abort\n"
    ".type section, @function\n"
    "section: mov %rsi, 8(%rdi)\n"
    "section_start: pause\n"
    "  mov (%rdx), %eax\n"
    "  test %eax, %eax\n"
    "  jz section_start\n"
    "  mov $1, %eax\n"
    "section_end: movq $0, 8(%rdi)\n"
    "  ret\n"
    "  .long 0x53053053\n"
    "section_abort: xor %eax, %eax\n"
    "  ret\n"
    "  .long 0x11111111\n"
    "unsigned_abort: ud2\n"
    ".size section, . - section\n");

static struct rseq *area(void) { return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset); }

static void *work(void *argument) {
  struct slot *slot = argument;
  slot->tid = syscall(SYS_gettid);
  for (;;) {
    while (!again && slot->wanted == slot->entered) usleep(50);
    slot->entered = slot->wanted;
    if (section(area(), &descriptor, &slot->release)) slot->finished++;
    else slot->aborts++;
    slot->release = 0;
  }
}

int main(int argc, char **argv) {
  syscall(SYS_close_range, 3, ~0u, 0); /* what the test runner left open is not ours to be dumped */
  prctl(PR_SET_DUMPABLE, 1);
  descriptor.flags = argc > 1 ? atoi(argv[1]) : 0;
  descriptor.start_ip = (uintptr_t)section_start;
  descriptor.post_commit_offset = section_end - section_start;
  descriptor.abort_ip = (uintptr_t)section_abort;
  const char *mode = argc > 2 ? argv[2] : "";
  if (!strcmp(mode, "bad")) descriptor.abort_ip = (uintptr_t)unsigned_abort;
  printf("%p %p %p %p\n", (void *)threads, (void *)section_start, (void *)section_end, (void *)section_abort);
  fflush(stdout);
  again = !strcmp(mode, "again");
  if (*mode && !again) {
    *(volatile uint64_t *)&area()->rseq_cs = (uintptr_t)&descriptor;
    for (;;) __builtin_ia32_pause();
  }
  pthread_t thread;
  pthread_create(&thread, NULL, work, &threads[1]);
  work(&threads[0]);
}
