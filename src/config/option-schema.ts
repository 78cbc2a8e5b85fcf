import { z } from 'zod';
import type { OptionEntry, OptionTable } from './option.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

/** What an object that a table describes may hold, as a JSON schema, defaults and texts with it. */
export function optionSchema(table: OptionTable): JsonSchema {
  const properties: Record<string, JsonSchema> = {};
  for (const [name, entry] of Object.entries(table)) properties[name] = entrySchema(entry);
  return { type: 'object', additionalProperties: false, properties };
}

function entrySchema(entry: OptionEntry): JsonSchema {
  const description = entry.about;
  switch (entry.kind) {
    case 'group':
      return { ...optionSchema(entry.options), description };
    case 'map':
      return { type: 'object', description, additionalProperties: entrySchema(entry.each) };
    case 'list':
      return { type: 'array', description, items: entrySchema(entry.each) };
    case 'option': {
      const { $schema: _, ...schema } = z.toJSONSchema(entry.type.schema, {
        io: 'input',
        unrepresentable: 'any',
      });
      const preset = entry.default === undefined ? {} : { default: entry.default };
      return { ...schema, description, ...preset };
    }
  }
}
