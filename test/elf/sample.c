/* A program whose symbols are looked up; it prints where it found them itself, and waits until its standard input ends. */
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

__thread int padding = 5;
__thread int64_t tls_zeroed[9] __attribute__((aligned(64)));
__thread int64_t tls_variable = 7;

__attribute__((noinline)) int exported_function(int value) { return value * 3 + 1; }
__attribute__((noinline, visibility("hidden"))) int hidden_function(int value) { return exported_function(value) + 2; }
int exported_twin(int value) __attribute__((alias("exported_function")));

__asm__(".text\n"
        ".globl sizeless_code\n"
        "sizeless_code:\n"
        "  .skip 16, 0x90\n"
        "  ret\n"
        ".globl after_sizeless\n"
        ".type after_sizeless, @function\n"
        "after_sizeless:\n"
        "  ret\n"
        ".size after_sizeless, .-after_sizeless\n"
        ".skip 32, 0x90\n");
extern char sizeless_code[], after_sizeless[];

static uintptr_t thread_pointer(void) {
  return (uintptr_t)__builtin_thread_pointer();
}

int main(int argc, char **argv) {
  (void)argv;
  printf("{\"exported\":\"%p\",\"hidden\":\"%p\",\"sizeless\":\"%p\",\"after\":\"%p\",\"tls\":%ld,\"zeroed\":%ld}\n", (void *)exported_function,
         (void *)hidden_function, (void *)sizeless_code, (void *)after_sizeless, (long)((uintptr_t)&tls_variable - thread_pointer()),
         (long)((uintptr_t)&tls_zeroed - thread_pointer()));
  fflush(stdout);
  char byte;
  while (read(0, &byte, 1) > 0) continue;
  return hidden_function(argc) == 0 && padding == 0;
}
