/**
 * Content negotiation, as much of it as this API has: a reader that wants multipart, JSON or gzip
 * says so. What it does not accept is never a reason to refuse: the answer then is JSON.
 */

/** Whether the Accept header names this media type itself (no wildcard), with a weight above 0. */
export function namesType(accept: string | undefined, type: string): boolean {
  return entriesOf(accept).some(([name, weight]) => name === type && weight > 0);
}

/**
 * Whether JSON is wanted rather than multipart: named itself, and not below `multipart`; what says
 * nothing, or anything, gets the multipart form (recorded in attachments/multipart-read).
 */
export function prefersJson(accept: string | undefined, multipart: string): boolean {
  const weights = new Map(entriesOf(accept));
  const forJson = weights.get('application/json') ?? 0;
  return forJson > 0 && forJson >= (weights.get(multipart) ?? 0);
}

/** Whether a gzip-encoded answer is accepted. */
export function acceptsGzip(acceptEncoding: string | undefined): boolean {
  if (acceptEncoding === undefined) return false;
  return entriesOf(acceptEncoding).some(([name, weight]) => name === 'gzip' && weight > 0);
}

/** `name;q=0.5, …` as pairs, names in lower case; a weight that is none counts as 1. */
function entriesOf(header: string | undefined): readonly (readonly [string, number])[] {
  if (header === undefined || header === '') return [];
  return header.split(',').map((entry) => {
    const [name = '', ...parameters] = entry.split(';');
    const q = parameters.map((p) => /^\s*q\s*=\s*([\d.]+)\s*$/i.exec(p)?.[1]).find(Boolean);
    const weight = q === undefined ? 1 : Number(q);
    return [name.trim().toLowerCase(), Number.isNaN(weight) ? 1 : weight] as const;
  });
}
