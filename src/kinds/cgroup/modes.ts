/**
 * How a restore treats the directories of the images. Authority: criu(8), --manage-cgroups.
 *
 * soft: make those that are missing, with their properties · full: and set the properties of those that exist · strict: none may exist ·
 * none: all must exist and stay as they are · props: all must exist, their properties are set · ignore: nothing is done at all.
 */
export const CGROUP_MODES = ["soft", "full", "strict", "none", "props", "ignore"] as const
export type CgroupMode = (typeof CGROUP_MODES)[number]
