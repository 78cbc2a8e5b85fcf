import { z } from 'zod';

/** For routes that take no query parameters; unknown ones are ignored everywhere. */
export const noQuery: z.ZodType<Readonly<Record<string, never>>> = z.object({});
