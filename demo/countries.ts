import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { TContinentCode, TCountryCode } from 'countries-list';
import { continents, countries } from 'countries-list';
import type { Fields } from '../test/helpers/pouch.ts';

// The countries of the world (npm package `countries-list`) with their flags (`flag-icons`).

/** The attachment of each country. */
export const FLAG = 'flag.svg';

const FLAGS = path.join(
  path.dirname(createRequire(import.meta.url).resolve('flag-icons/package.json')),
  'flags/4x3',
);

/** A continent's name as a channel: `north-america`. */
function regionOf(continent: TContinentCode): string {
  return continents[continent].toLowerCase().replaceAll(' ', '-');
}

/** A document for each country that has a flag; some lie in two regions. */
export async function loadCountries(): Promise<readonly Fields[]> {
  const codes = Object.keys(countries) as TCountryCode[];
  const documents = await Promise.all(codes.map(countryDocument));
  return documents.filter((document) => document !== undefined);
}

export function countryId(code: TCountryCode): string {
  return `country:${code}`;
}

async function countryDocument(code: TCountryCode): Promise<Fields | undefined> {
  const data = await flagOf(code);
  if (data === undefined) return undefined;
  const { name, native, capital, continent, continents: several = [continent] } = countries[code];
  return {
    _id: countryId(code),
    type: 'country',
    name,
    native,
    capital,
    regions: several.map(regionOf),
    _attachments: { [FLAG]: { content_type: 'image/svg+xml', data: data.toString('base64') } },
  };
}

async function flagOf(code: TCountryCode): Promise<Buffer | undefined> {
  try {
    return await readFile(path.join(FLAGS, `${code.toLowerCase()}.svg`));
  } catch (cause) {
    // Two territories of the list have no flag in that package.
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
}
