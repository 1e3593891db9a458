import { layout } from "../layout.ts"

/** Requests on terminals; the same on x86-64 and aarch64. Header: include/uapi/asm-generic/ioctls.h */
export const TTY_IOCTL = {
  TCGETS: 0x5401,
  TCSETS: 0x5402,
  TIOCEXCL: 0x540c,
  TIOCSCTTY: 0x540e,
  TIOCGPGRP: 0x540f,
  TIOCSPGRP: 0x5410,
  TIOCSTI: 0x5412, // a byte as if it had just come in
  TIOCGWINSZ: 0x5413,
  TIOCSWINSZ: 0x5414,
  TIOCPKT: 0x5420,
  TIOCNOTTY: 0x5422,
  TIOCGSID: 0x5429,
  TIOCGLCKTRMIOS: 0x5456,
  TIOCSLCKTRMIOS: 0x5457,
  TIOCGPTN: 0x80045430, // number of a pseudo-terminal, of its master
  TIOCSPTLCK: 0x40045431,
  TIOCGPKT: 0x80045438,
  TIOCGPTLCK: 0x80045439,
  TIOCGEXCL: 0x80045440,
  TIOCGPTPEER: 0x5441, // opens the slave, since Linux 4.13; the argument is the flags of open(2)
} as const

/** Bits of a mode. Header: include/uapi/asm-generic/termbits.h; OPOST, ECHO and ICANON differ on alpha, mips, powerpc and sparc only. */
export const TTY_FLAG = { OPOST: 0o1, ICANON: 0o2, ECHO: 0o10, PARMRK: 0o10, IXON: 0o2000, IEXTEN: 0o100000, EXTPROC: 0o200000 } as const
/** Places in c_cc. */
export const TTY_CC = { VEOF: 4, VTIME: 5, VMIN: 6, VEOL: 11, VEOL2: 16 } as const

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
