/* arch/x86/include/asm/sigframe.h: what the kernel lays on the stack of a handler. Apart from kernel.h, for it needs asm/ucontext.h. */
struct rt_sigframe {
	void *pretcode;
	struct ucontext uc;
	siginfo_t info;
};
