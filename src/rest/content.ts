import type { z } from 'zod';
import type { JsonSchema } from '../config/option-schema.ts';

/**
 * What a body may be, for the description of the API: by media type the schema of the JSON in it,
 * null where it is no JSON. `{}`: no body.
 */
export type Content = Readonly<Record<string, ContentSchema>>;

export type ContentSchema = z.ZodType | (() => JsonSchema) | null;

export const NO_CONTENT: Content = {};

export function jsonContent(schema: Exclude<ContentSchema, null>): Content {
  return { 'application/json': schema };
}
