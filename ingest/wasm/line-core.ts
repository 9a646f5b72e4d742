/**
 * The short way of the native API in WebAssembly (AssemblyScript): from a body's bytes to canonical lines, their hashes, and
 * their places in blocks. It takes a part of JSON only; whatever is unusual is left to JSON.parse and the builder behind it,
 * which decide alone what is wrong with an event and how odd values are written. So everything that is taken here must be
 * written as they would write it: a property test holds both together.
 *
 * Nothing is allocated. The host fills the tables once, the context for each body, and says where in memory a body and its
 * lines stand; 16 bytes behind every text may be read, 32 behind every target written over.
 */

export {
  fieldNames,
  kindsOfNames,
  kinds,
  environments,
  pieces,
  longest,
  knownSlots,
  flagPieces,
  bounds,
  prefix,
  wholePlace,
  countryPlace,
  agentWhole,
  agentPlatform,
  agentVersion,
  agentModel,
  agentName,
  currency,
  dedupeKey,
  lines,
  ids,
  heads,
  free,
} from './memory';
export { addWord } from './words';
export { survey, takeBody, idsLength, wasSingle } from './body';
export { placeLines } from './blocks';
