import path from 'node:path';

/**
 * What a file is called when a new one was begun: `audit-2026-03-01T12-30-00.000.log`. `nowMs`
 * since 1970; the time of the place, or UTC.
 */
export function rotatedName(
  name: string,
  nowMs: number,
  { localTime }: { readonly localTime: boolean },
): string {
  const offsetMs = localTime ? new Date(nowMs).getTimezoneOffset() * 60_000 : 0;
  const stamp = new Date(nowMs - offsetMs).toISOString().slice(0, -1).replaceAll(':', '-');
  const { dir, name: base, ext } = path.parse(name);
  return path.join(dir, `${base}-${stamp}${ext}`);
}

/** Whether an entry of its folder is such a name of a file. */
export function isRotatedName(entry: string, name: string): boolean {
  const { name: base, ext } = path.parse(name);
  if (!entry.startsWith(`${base}-`) || !entry.endsWith(ext)) return false;
  const stamp = entry.slice(base.length + 1, entry.length - ext.length);
  return /^\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}\.\d{3}$/.test(stamp);
}
