/**
 * Numbers of the ELF-64 format that are used here. Header: include/uapi/linux/elf.h, elf.h of libc; compared in test/elf/constants.test.ts
 */
export const ELFCLASS64 = 2
export const ELFDATA2LSB = 1
export const EI_CLASS = 4
export const EI_DATA = 5
/** e_phnum when the real count stands in sh_info of section 0. */
export const PN_XNUM = 0xffff
/** Largest section index that is one. */
export const SHN_LORESERVE = 0xff00

export const ET_EXEC = 2
export const ET_DYN = 3
export const EM_X86_64 = 62
export const EM_AARCH64 = 183

export const PT_LOAD = 1
export const PT_DYNAMIC = 2
export const PT_INTERP = 3
export const PT_NOTE = 4
export const PT_PHDR = 6
export const PT_TLS = 7
export const PT_GNU_STACK = 0x6474e551

export const SHT_SYMTAB = 2
export const SHT_NOTE = 7
export const SHT_DYNSYM = 11
export const SHF_EXECINSTR = 4n

export const DT_NULL = 0n
export const DT_NEEDED = 1n
export const DT_HASH = 4n
export const DT_STRTAB = 5n
export const DT_SYMTAB = 6n
export const DT_STRSZ = 10n
export const DT_SONAME = 14n
export const DT_GNU_HASH = 0x6ffffef5n

export const STB_LOCAL = 0
export const STT_NOTYPE = 0
export const STT_FUNC = 2
export const STT_TLS = 6
export const STT_GNU_IFUNC = 10

export const NT_GNU_BUILD_ID = 3

/** Sizes of one record, bytes. */
export const EHDR_SIZE = 64
export const PHDR_SIZE = 56
export const SHDR_SIZE = 64
export const SYM_SIZE = 24
export const DYN_SIZE = 16
