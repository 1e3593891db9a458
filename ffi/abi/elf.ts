import { layout } from "../layout.ts"

/** Head of an ELF64 file and of one of its segments. Header: include/uapi/linux/elf.h */
export const elfHeader = layout("Elf64_Ehdr", "elf.h", 64, {
  magic: [0, "u32"],
  class: [4, "u8"],
  data: [5, "u8"],
  version: [6, "u8"],
  e_type: [16, "u16"],
  e_machine: [18, "u16"],
  e_version: [20, "u32"],
  e_entry: [24, "u64"],
  e_phoff: [32, "u64"],
  e_ehsize: [52, "u16"],
  e_phentsize: [54, "u16"],
  e_phnum: [56, "u16"],
})
export const elfSegment = layout("Elf64_Phdr", "elf.h", 56, {
  p_type: [0, "u32"],
  p_flags: [4, "u32"],
  p_offset: [8, "u64"],
  p_vaddr: [16, "u64"],
  p_paddr: [24, "u64"],
  p_filesz: [32, "u64"],
  p_memsz: [40, "u64"],
  p_align: [48, "u64"],
})
