import { layout } from "../layout.ts"

/** Requests on terminals; the same on x86-64 and aarch64. Header: include/uapi/asm-generic/ioctls.h */
export const TTY_IOCTL = { TCGETS: 0x5401, TCSETS: 0x5402, TIOCGWINSZ: 0x5413, TIOCGLCKTRMIOS: 0x5456, TIOCGEXCL: 0x80045440 } as const

/** Bytes of c_cc that the kernel knows. */
export const NCCS = 19
/** What TCGETS and TIOCGLCKTRMIOS fill; NCCS bytes of c_cc follow c_line. glibc's struct termios is another one. */
export const termios = layout("struct termios", "include/uapi/asm-generic/termbits.h", 36, {
  c_iflag: [0, "u32"],
  c_oflag: [4, "u32"],
  c_cflag: [8, "u32"],
  c_lflag: [12, "u32"],
  c_line: [16, "u8"],
})
/** Offset of c_cc in it, bytes. */
export const TERMIOS_CC = 17

export const winsize = layout("struct winsize", "include/uapi/asm-generic/termios.h", 8, {
  ws_row: [0, "u16"],
  ws_col: [2, "u16"],
  ws_xpixel: [4, "u16"],
  ws_ypixel: [6, "u16"],
})

/** Major numbers of terminals; AUX holds /dev/tty, /dev/console and /dev/ptmx. Header: include/uapi/linux/major.h */
export const TTY_MAJOR = { TTY: 4, AUX: 5, PTY_SLAVE: 136 } as const
/** Minors of TTY_MAJOR.AUX. */
export const TTY_AUX = { CURRENT: 0, CONSOLE: 1, PTMX: 2 } as const
/** First serial line among the minors of TTY_MAJOR.TTY; below are virtual consoles. */
export const FIRST_SERIAL = 64
