/** The channel that every user reads; documents put into it are public to all users. */
export const PUBLIC_CHANNEL = '!';

/** Who holds it reads every document, those in no channel too. */
export const ALL_CHANNELS = '*';

/** Names are part of feeds, grants and indexes; the reference warns from 250 bytes on. */
const CHANNEL_NAME_BYTES_MAX = 1000;

/**
 * Whether a text may name a channel: not empty, no comma (lists of channels in URLs are separated
 * by them), well-formed Unicode without NUL (it must come back from any store as it went in), at
 * most CHANNEL_NAME_BYTES_MAX bytes of UTF-8. `*` and `!` are valid.
 */
export function isValidChannelName(name: string): boolean {
  if (name.length === 0 || name.length > CHANNEL_NAME_BYTES_MAX) return false;
  if (name.includes(',') || name.includes('\0') || !name.isWellFormed()) return false;
  return name.length * 3 <= CHANNEL_NAME_BYTES_MAX || utf8Length(name) <= CHANNEL_NAME_BYTES_MAX;
}

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}
