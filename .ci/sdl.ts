import { readFile, writeFile } from 'node:fs/promises';
import { composePartnerSupergraph, composeSupergraph } from '@tributary/gateway';
import { createLogger } from '@tributary/platform/logger';
import { loadConfig } from '@tributary/schema';
import { createAttributionSubgraph } from '@tributary/subgraphs/attribution';
import { createCampaignsSubgraph } from '@tributary/subgraphs/campaigns';
import { createEventsSubgraph } from '@tributary/subgraphs/events';
import { createPredictionsSubgraph } from '@tributary/subgraphs/predictions';
import { apiFiles, apiSchemaOf, breakingChanges } from './api-files.ts';

/**
 * Prints the SDL of each subgraph, the composed supergraph and what is generated from it for users, and holds them against the
 * files in the tree: `node .ci/sdl.ts` fails where they differ, `--write` writes them. The graph is built without any store.
 * A change that breaks clients of the last release fails either way; `--release` makes the present API the released one.
 */
const folder = new URL('../', import.meta.url);

/** A port that must not be asked while a schema is built. */
const inert = (name: string) =>
  new Proxy(
    {},
    {
      get: (_, property) => {
        // A wired subgraph may listen for changes; nothing will change here.
        if (property === 'onChange' || property === 'subscribe') return () => () => undefined;
        if (property === 'then') return undefined;
        return () => {
          throw new Error(`${name}.${String(property)} was asked while building the schema`);
        };
      },
    },
  ) as never;

const deps = {
  warehouse: inert('warehouse'),
  directory: inert('directory'),
  liveBus: inert('liveBus'),
  cache: inert('cache'),
  relational: inert('relational'),
  clock: { now: () => 0 },
  logger: createLogger('sdl', 'silent'),
  config: loadConfig({}),
  signingSecret: 'only for building the schema, never signs',
};

const subgraphs = [
  createEventsSubgraph(deps),
  createCampaignsSubgraph(deps),
  createAttributionSubgraph(deps),
  createPredictionsSubgraph(deps),
];
const sources = subgraphs.map(({ name, sdl }) => ({ name, sdl }));
const supergraph = composeSupergraph(sources);
// Throws where what partners may see refers to what they may not.
composePartnerSupergraph(sources);
const api = apiSchemaOf(supergraph);
const files = new Map([
  ...subgraphs.map((subgraph) => [`schema/graphql/${subgraph.name}.graphql`, subgraph.sdl] as const),
  ['schema/graphql/supergraph.graphql', supergraph],
  ...(await apiFiles(api)),
]);
const release = process.argv.includes('--release');
if (release) files.set('schema/graphql/released.graphql', files.get('schema/graphql/api.graphql')!);

const write = release || process.argv.includes('--write');
const different: string[] = [];
for (const [name, sdl] of files) {
  const text = `${sdl.trimEnd()}\n`;
  const kept = await readFile(new URL(name, folder), 'utf8').catch(() => '');
  if (kept === text) continue;
  different.push(name);
  if (write) await writeFile(new URL(name, folder), text);
}
for (const subgraph of subgraphs) await subgraph.dispose();
if (different.length === 0) console.log('The SDL files are those of the code.');
else if (write) console.log(`Written: ${different.join(', ')}`);
else {
  console.error(`Not those of the code: ${different.join(', ')}. Look at the change, then \`npm run schema:update\`.`);
  process.exitCode = 1;
}
const breaking = await breakingChanges(api);
if (breaking.length > 0) {
  console.error(`Clients of the last release would break:\n  ${breaking.join('\n  ')}`);
  process.exitCode = 1;
}
