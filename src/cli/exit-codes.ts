/** How the process ends: other programs rely on it. */
export const EXIT = {
  ok: 0,
  /** The gateway could not start, or failed. */
  failed: 1,
  /** The command line or the configuration is wrong: starting again as it is would not help. */
  usage: 2,
} as const;
