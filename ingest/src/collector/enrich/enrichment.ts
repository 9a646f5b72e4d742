import { jsonText } from '../json-text.ts';
import { type AgentFacts, parseAgent } from './agent-facts.ts';
import { createDeviceIdHash, type DeviceIdHash } from './device-id-hash.ts';
import type { GeoLookup, Place } from './geo-lookup.ts';
import { createRecentAnswers } from './recent-answers.ts';

/** A place as JSON members, each with a comma in front; texts empty where nothing is known. */
export interface KnownPlace {
  readonly place: Place | null;
  readonly whole: string;
  readonly country: string;
  /** `whole` is ASCII. */
  readonly ascii: boolean;
}

export interface KnownAgent {
  readonly facts: AgentFacts;
  /** All that is known, as JSON members. */
  readonly whole: string;
  readonly ascii: boolean;
}

/** What the collector adds to events from what it knows itself, with no store behind it. Remembers what it looked up last. */
export interface Enrichment {
  readonly placeOf: (address: string | null) => KnownPlace;
  readonly agentOf: (userAgent: string | null) => KnownAgent;
  readonly hashDeviceId: DeviceIdHash;
}

export interface EnrichmentDeps {
  /** Absent = places are what clients say. */
  readonly geo?: GeoLookup | undefined;
  /** What the hashes of device ids are salted with: the same in every process of the installation, and for good. */
  readonly idSecret?: string | undefined;
}

export const unknownPlace: KnownPlace = { place: null, whole: '', country: '', ascii: true };
export const unknownAgent: KnownAgent = {
  facts: { platform: null, osVersion: null, deviceModel: null },
  whole: '',
  ascii: true,
};

const rememberedAddresses = 10_000;
const rememberedAgents = 5_000;
/** Without a secret, hashes still can't be compared between apps, but whoever knows the ids and the app can make them. */
const noSecret = 'tributary';

/**
 * @example
 * const enrichment = createEnrichment({ geo: await openGeoLookup({ file: null }), idSecret });
 * enrichment.placeOf('81.2.69.142').country // ',"country":"GB"'
 */
export function createEnrichment({ geo, idSecret = noSecret }: EnrichmentDeps = {}): Enrichment {
  const places = createRecentAnswers(rememberedAddresses, (address) => knownPlace(geo?.find(address) ?? null));
  const agents = createRecentAnswers(rememberedAgents, (userAgent) => knownAgent(parseAgent(userAgent)));
  return {
    placeOf: (address) => (address === null || geo === undefined ? unknownPlace : places(address)),
    agentOf: (userAgent) => (userAgent === null || userAgent === '' ? unknownAgent : agents(userAgent)),
    hashDeviceId: createDeviceIdHash(idSecret),
  };
}

function knownPlace(place: Place | null): KnownPlace {
  if (place === null) return unknownPlace;
  const country = `,"country":"${place.country}"`;
  const whole = country + memberOf('region', place.region) + memberOf('city', place.city);
  return { place, whole, country, ascii: isAscii(whole) };
}

function knownAgent(facts: AgentFacts): KnownAgent {
  const { platform, osVersion, deviceModel } = facts;
  const whole =
    memberOf('platform', platform) + memberOf('os_version', osVersion) + memberOf('device_model', deviceModel);
  return whole === '' ? unknownAgent : { facts, whole, ascii: isAscii(whole) };
}

export const memberOf = (name: string, value: string | null): string =>
  value === null ? '' : `,"${name}":${jsonText(value)}`;
// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII
const isAscii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text);
