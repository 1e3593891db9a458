/* Holds one of everything that /proc tells about, prints what it is, and waits until its standard input ends. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static pid_t thread_id;
static pthread_barrier_t ready;

static void *named_thread(void *unused) {
  prctl(PR_SET_NAME, ") R (\n\\");
  thread_id = syscall(SYS_gettid);
  pthread_barrier_wait(&ready);
  pause();
  return unused;
}

int main(int argc, char **argv) {
  (void)argc;
  char name[4200];
  snprintf(name, sizeof name, "%s new\nline", argv[0]);
  int file = open(name, O_RDWR | O_CREAT | O_APPEND, 0600);
  ftruncate(file, 8192);
  flock(file, LOCK_SH);
  struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10};
  fcntl(file, F_SETLK, &range);
  lseek(file, 77, SEEK_SET);
  void *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 4096);
  int watcher = inotify_init1(IN_CLOEXEC);
  inotify_add_watch(watcher, "/", IN_CREATE);
  unlink(name);

  int event = eventfd(0x1234, EFD_SEMAPHORE);
  int poll = epoll_create1(0);
  for (unsigned i = 0; i < 32; i++) {
    struct epoll_event want = {.events = EPOLLIN | EPOLLET, .data.u64 = 0xfffffffffffff000u + i};
    epoll_ctl(poll, EPOLL_CTL_ADD, eventfd(i, 0), &want);
  }
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGRTMAX);
  int signals = signalfd(-1, &set, 0);
  sigprocmask(SIG_BLOCK, &set, NULL);
  raise(SIGUSR1);
  int timer = timerfd_create(CLOCK_MONOTONIC, 0);
  struct itimerspec span = {.it_value = {1000, 0}, .it_interval = {2, 3}};
  timerfd_settime(timer, 0, &span, NULL);

  timer_t posix;
  struct sigevent notice = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2, .sigev_value.sival_ptr = (void *)0x1234567890};
  timer_create(CLOCK_REALTIME, &notice, &posix);

  struct rlimit limit = {100, 200};
  setrlimit(RLIMIT_NOFILE, &limit);
  umask(0035);
  prctl(PR_SET_TIMERSLACK, 123456);
  pthread_barrier_init(&ready, NULL, 2);
  pthread_t thread;
  pthread_create(&thread, NULL, named_thread, NULL);
  pthread_barrier_wait(&ready);
  pid_t child = fork();
  if (child == 0) pause();

  printf("{\"file\":%d,\"shared\":\"%p\",\"watcher\":%d,\"event\":%d,\"poll\":%d,\"signals\":%d,\"timer\":%d,\"thread\":%d,\"child\":%d}\n", file,
         shared, watcher, event, poll, signals, timer, thread_id, child);
  fflush(stdout);
  char byte;
  while (read(0, &byte, 1) > 0) continue;
  kill(child, SIGKILL);
  return 0;
}
