/*
 * What Debian's libstdc++ and libgcc want of glibc and musl does not have, so that they serve a musl program: Debian builds neither for musl.
 * Linked as the file that both name as their loader, ld-linux-x86-64.so.2. Knows no header: it stands between two C libraries.
 */
typedef unsigned long word;
struct headers {
	word base;
	const char *name;
	const struct {
		unsigned type, flags;
		word offset, address, physical, file_size, size, align;
	} *table;
	unsigned short count;
};
struct found {
	word flags;
	void *start, *end, *map, *eh_frame;
	word rest[7];
};
struct wanted {
	word address;
	struct found *found;
};
enum { PT_LOAD = 1, PT_GNU_EH_FRAME = 0x6474e550 };

int dl_iterate_phdr(int (*look)(struct headers *, word, void *), void *data);
long getrandom(void *into, word size, unsigned flags);
word strftime_l(char *into, word size, const char *format, const void *time, void *locale);
unsigned long strtoul(const char *text, char **end, int base);

/* Always "no": reference counts are then atomic, as they are with threads. */
char __libc_single_threaded = 0;

/* Of libgcc itself, under a version that musl does not look at. Nobody asks: no feature of the processor is told. */
unsigned __cpu_model[4];

int __cpu_indicator_init(void)
{
	return 0;
}

unsigned arc4random(void)
{
	unsigned number = 0;
	getrandom(&number, sizeof number, 0);
	return number;
}

word __strftime_l(char *into, word size, const char *format, const void *time, void *locale)
{
	return strftime_l(into, size, format, time, locale);
}

unsigned long __isoc23_strtoul(const char *text, char **end, int base)
{
	return strtoul(text, end, base);
}

/* Destructors of thread-local objects do not run: the program ends by exit_group. */
int __cxa_thread_atexit_impl(void (*destroy)(void *), void *object, void *library)
{
	(void)destroy, (void)object, (void)library;
	return 0;
}

/* Numbers of 128 bits, which nothing here reads or prints. */
int strfromf128(void)
{
	__builtin_trap();
}

int strtof128(void)
{
	__builtin_trap();
}

static int look(struct headers *object, word size, void *data)
{
	(void)size;
	struct wanted *wanted = data;
	void *eh_frame = 0, *start = 0, *end = 0;
	for (int i = 0; i < object->count; i++) {
		word at = object->base + object->table[i].address;
		if (object->table[i].type == PT_GNU_EH_FRAME)
			eh_frame = (void *)at;
		if (object->table[i].type == PT_LOAD && at <= wanted->address && wanted->address < at + object->table[i].size)
			start = (void *)at, end = (void *)(at + object->table[i].size);
	}
	if (!start || !eh_frame)
		return 0;
	*wanted->found = (struct found){ .start = start, .end = end, .eh_frame = eh_frame };
	return 1;
}

/* Where the unwinder looks a call up. Man page of glibc's manual: Dynamic Linker Introspection, _dl_find_object */
int _dl_find_object(void *address, struct found *found)
{
	struct wanted wanted = { (word)address, found };
	return dl_iterate_phdr(look, &wanted) ? 0 : -1;
}
