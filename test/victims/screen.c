/*
 * A program that draws: byte by byte, without echo, on the terminal that it was started on. Prints the keys that it is given, "size R C" at
 * the start and when the window changes, "interrupt" for ^C, and ends at q, with the terminal's mode as it was.
 */
#include "victim.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

static volatile sig_atomic_t resized = 1, interrupted;

static void on_signal(int number)
{
	if (number == SIGINT)
		interrupted = 1;
	else
		resized = 1;
}

int main(void)
{
	struct termios before, mode;
	struct sigaction action = { .sa_handler = on_signal };
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGWINCH, &action, NULL);
	victim_end = victim_clock() + 1200;
	MUST(tcgetattr(0, &before));
	mode = before;
	mode.c_lflag &= ~(ICANON | ECHO);
	mode.c_iflag &= ~ICRNL;
	mode.c_cc[VMIN] = 0;
	mode.c_cc[VTIME] = 1;
	MUST(tcsetattr(0, TCSADRAIN, &mode));
	for (char key = 0; key != 'q' && victim_clock() < victim_end;) {
		struct winsize size;
		if (resized && ioctl(0, TIOCGWINSZ, &size) == 0)
			say("size %d %d", size.ws_row, size.ws_col);
		resized = 0;
		if (interrupted)
			say("interrupt");
		interrupted = 0;
		if (read(0, &key, 1) == 1)
			say("key %d", key);
	}
	MUST(tcsetattr(0, TCSADRAIN, &before));
	say("bye");
	return 0;
}
